#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_request
short_description: Tell how far the work on a request to the service has come
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - The service receives requests and passes each of them, with a claim, to a playbook. The playbook accepts the
    request and reports its result with this module.
  - Only the present claim is accepted. When the process that works on the request is gone, or takes too long, the request is passed on again
    with a new claim, and this module fails with C(ClaimLost) for the old one.
  - The callbacks of a request are recorded in the same transaction as its end.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
  - evenkeel.cluster.capacity.service_group
  - evenkeel.cluster.capacity
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - In check mode the request is returned as it is, and nothing is recorded.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
options:
  id:
    description: Id of the request.
    type: str
    required: true
  claim:
    description: The claim, as the event has it.
    type: str
    required: true
  state:
    description:
      - V(begun) accepts the request. This counts as a try.
      - V(completed) ends it with O(result).
      - V(waiting) passes it on again after O(seconds). This does not count as a try.
      - >-
        V(failed) passes it on again after an increasing pause, while tries are left. An O(error_type) that a new try cannot avoid ends it
        at once.
    type: str
    choices: [begun, completed, waiting, failed]
    required: true
  worker_pid:
    description:
      - Id of the process on this machine that does the work. When it ends without reporting a result, the request is passed on again.
      - Without a value it is the process of C(ansible-playbook) if the connection is local.
    type: int
  result:
    description: Result of the request, for O(state=completed).
    type: dict
  spare_place:
    description:
      - Where a spare VM is about to be created, for O(state=begun), with its name in C(vm), and the ids of its C(cluster) and of its C(lease).
      - The service removes it there when its lease has ended, or when the request fails.
    type: dict
    version_added: 1.1.0
  error:
    description: Error message for O(state=failed), or reason for O(state=waiting).
    type: str
  error_type:
    description:
      - The C(error) of the module that failed, such as C(NoRoom), or V(Failed).
      - With C(NoRoom) and C(NotFulfilled) the request is tried again until its time to wait is over.
      - With C(InputError), C(Impossible), C(UnknownPool), C(LeaseDiffers), C(LeaseNotHeld) and C(NotReady) it is not.
    type: str
    default: Failed
  seconds:
    description: Time until the request is passed on again, in seconds or as V(5m), for O(state=waiting).
    type: str
    default: "1"
seealso:
  - module: evenkeel.cluster.service_info
"""

EXAMPLES = r"""
- name: Accept the request
  evenkeel.cluster.service_request:
    id: "{{ ansible_eda.event.evenkeel_request.id }}"
    claim: "{{ ansible_eda.event.evenkeel_request.claim }}"
    state: begun
  register: begun

- name: Report the result
  evenkeel.cluster.service_request:
    id: "{{ ansible_eda.event.evenkeel_request.id }}"
    claim: "{{ ansible_eda.event.evenkeel_request.claim }}"
    state: completed
    result: {host: pve3}
"""

RETURN = r"""
request:
  description: The request. Null in check mode if it does not exist.
  returned: success
  type: dict
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
      sample: processing
    received_at:
      description: When it was received.
      type: str
      sample: "2026-01-31T22:00:00Z"
    ended_at:
      description: When it ended, or null.
      type: str
      sample: null
    tries:
      description: Number of tries.
      type: int
      sample: 1
    result:
      description: Result, or null.
      type: dict
      sample: null
    error:
      description: Error of the last try, or null.
      type: dict
      contains:
        type:
          description: What kind of error it is.
          type: str
          sample: NoRoom
        message:
          description: Error message.
          type: str
          sample: "cluster prod: 0 of 12 hosts fit: 12 memory"
    work:
      description: The requested work, with every default and with sizes in bytes.
      type: dict
      sample: {"vcpus": 24, "memory": 103079215104, "wait": 600.0}
    wait_left:
      description: Number of seconds that it may still wait for free capacity.
      type: float
      sample: 583.2
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.service import (
    REQUIRED_IF,
    RequestOptions,
    run_service_request,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import hide_secrets, run_module


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(RequestOptions),
        required_if=REQUIRED_IF,
        supports_check_mode=True,
    )
    hide_secrets(module, os.environ)
    run_module(module, run_service_request)


if __name__ == "__main__":
    main()
