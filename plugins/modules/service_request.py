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
  - The rulebook C(evenkeel.cluster.requests) takes requests in and hands each on, with a claim, to a playbook. By this module that playbook
    begins, and reports its result.
  - Only whoever has the claim is heard. When the process that has begun is gone, or takes too long, the request is handed on again with
    another claim, and this module fails with C(ClaimLost).
  - With the end of a request, everybody who is to be called is remembered in the same transaction.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
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
      - V(begun) takes the request on. This counts as a try.
      - V(completed) ends it with O(result).
      - V(waiting) has it handed on again after O(seconds). This counts as no try.
      - >-
        V(failed) has it handed on again after a pause that grows, while tries are left. An O(error_type) that would be the same at the next
        try ends it at once.
    type: str
    choices: [begun, completed, waiting, failed]
    required: true
  worker_pid:
    description:
      - Id of the process on this machine that does the work. When it has ended without telling how it went, the request is handed on again.
      - Defaults to the process of C(ansible-playbook) when the connection is local.
    type: int
  result:
    description: What came of it, for O(state=completed).
    type: dict
  error:
    description: What went wrong, or what is waited for, for O(state=failed) and O(state=waiting).
    type: str
  error_type:
    description:
      - The C(error) of the module that failed, such as C(NoRoom), or V(Failed).
      - With C(NoRoom) and C(NotFulfilled) the request is tried again as long as it wants to wait.
      - With C(InputError), C(Impossible), C(UnknownPool), C(LeaseDiffers) and C(LeaseNotHeld) it is not.
    type: str
    default: Failed
  seconds:
    description: Seconds until it is handed on again, for O(state=waiting).
    type: float
    default: 1
seealso:
  - module: evenkeel.cluster.service_info
"""

EXAMPLES = r"""
- name: Begin
  evenkeel.cluster.service_request:
    id: "{{ ansible_eda.event.evenkeel_request.id }}"
    claim: "{{ ansible_eda.event.evenkeel_request.claim }}"
    state: begun
  register: begun

- name: Tell what came of it
  evenkeel.cluster.service_request:
    id: "{{ ansible_eda.event.evenkeel_request.id }}"
    claim: "{{ ansible_eda.event.evenkeel_request.claim }}"
    state: completed
    result: {host: pve3}
"""

RETURN = r"""
request:
  description: The request. Null in check mode for one that there is not.
  returned: success
  type: dict
  contains:
    id:
      description: Its id.
      returned: success
      type: str
      sample: build-4711
    kind:
      description: C(place), C(lease), C(renew) or C(release).
      returned: success
      type: str
      sample: lease
    status:
      description: C(processing), C(completed) or C(failed).
      returned: success
      type: str
      sample: processing
    received_at:
      description: When it was taken.
      returned: success
      type: str
      sample: "2026-01-31T22:00:00Z"
    ended_at:
      description: When it ended, or null.
      returned: success
      type: str
      sample: null
    tries:
      description: How often the work was begun.
      returned: success
      type: int
      sample: 1
    result:
      description: What came of it, or null.
      returned: success
      type: dict
      sample: null
    error:
      description: What went wrong the last time, or null.
      returned: success
      type: dict
      contains:
        type:
          description: What kind of error it is.
          returned: success
          type: str
          sample: NoRoom
        message:
          description: What went wrong.
          returned: success
          type: str
          sample: "cluster prod: 0 of 12 hosts fit: 12 memory"
    work:
      description: What is asked for, with every default, sizes in bytes.
      returned: success
      type: dict
      sample: {"vcpus": 24, "memory": 103079215104, "wait": 600.0}
    wait_left:
      description: For how many seconds more it may wait for room.
      returned: success
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
