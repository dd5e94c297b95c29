#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_info
short_description: Report requests to the service and their results
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Returns the requests that the service has received, with their results and callbacks. Changes nothing.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.capacity.service_group
  - evenkeel.cluster.cluster.read_only
  - evenkeel.cluster.capacity
options:
  ids:
    description: Ids or shell patterns of ids.
    type: list
    elements: str
  statuses:
    description: Statuses of the requests.
    type: list
    elements: str
    choices: [processing, completed, failed]
  ended_within:
    description: Requests that ended within this time are returned in addition to the active ones, in seconds or as V(7d).
    type: str
    default: "86400"
seealso:
  - module: evenkeel.cluster.service_request
"""

EXAMPLES = r"""
- name: Read the requests that failed within the last hour
  evenkeel.cluster.service_info:
    statuses: [failed]
    ended_within: 3600
  register: service

- name: Show their errors
  ansible.builtin.debug:
    msg: "{{ item.id }}: {{ item.error.message }}"
  loop: "{{ service.requests }}"
"""

RETURN = r"""
requests:
  description: The requests, in the order in which they were received.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its id.
      type: str
      sample: build-4711
    kind:
      description: C(place), C(spare), C(lease), C(renew) or C(release), or C(remove) for the removal of a spare VM.
      type: str
      sample: lease
    status:
      description: C(processing), C(completed) or C(failed).
      type: str
      sample: completed
    received_at:
      description: When it was received.
      type: str
      sample: "2026-01-31T22:00:00Z"
    ended_at:
      description: When it ended, or null.
      type: str
      sample: "2026-01-31T22:00:04Z"
    tries:
      description: Number of tries.
      type: int
      sample: 1
    result:
      description: Result, or null.
      type: dict
      sample: {"lease": {"name": "build-4711", "phase": "Fulfilled"}}
    error:
      description: Error of the last try, or null.
      type: dict
      sample: null
    callbacks:
      description: Receivers that are notified of its end.
      type: list
      elements: dict
      contains:
        id:
          description: Id of the callback, the same at each try.
          type: str
          sample: msg_5f0a1c3ed2b94f675f0a1c3ed2b94f67
        channel:
          description: C(callback), or C(dead_letter) for a message that goes to the dead letters.
          type: str
          sample: callback
        receiver:
          description: Name of the receiver.
          type: str
          sample: ci
        status:
          description: C(pending), C(delivered) or C(failed).
          type: str
          sample: delivered
        tries:
          description: Number of tries.
          type: int
          sample: 1
        error:
          description: Error of the last try, or null.
          type: str
          sample: null
        ended_at:
          description: When it was delivered or abandoned, or null.
          type: str
          sample: "2026-01-31T22:00:05Z"
    removal:
      description: The removal of the spare VM. Null if the request is older than version 1.1.0.
      returned: when RV(requests[].kind) is C(spare)
      type: dict
      version_added: 1.1.0
      contains:
        id:
          description: Id of the request that removes it, or null while there is none.
          type: str
          sample: 5f0a1c3ed2b94f675f0a1c3ed2b94f67
        status:
          description: C(waiting) for the end of its lease, or C(processing), C(completed) or C(failed).
          type: str
          sample: waiting
        ended_at:
          description: When the removal ended, or null.
          type: str
          sample: null
        tries:
          description: Number of tries.
          type: int
          sample: 0
        error:
          description: Error of the last try, or null.
          type: dict
          sample: null
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.service import (
    InfoOptions,
    run_service_info,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import hide_secrets, run_module


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(InfoOptions), supports_check_mode=True)
    hide_secrets(module, os.environ)
    run_module(module, run_service_info)


if __name__ == "__main__":
    main()
