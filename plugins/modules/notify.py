#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: notify
short_description: Send a message about runs by mail, chat, or any other service of Apprise
version_added: 1.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Decides from the summaries of M(evenkeel.cluster.balance_plan) and M(evenkeel.cluster.vm_migrate) whether a run is worth a message,
    and sends it to all receivers at the same time.
  - A message about several runs is a digest, with the clusters that failed first.
  - A receiver that cannot be notified never fails the task. It is a warning, and an entry of RV(failed_receivers).
  - The URL of a receiver is a secret. Results and messages name a receiver by its position in O(urls), the schema, and the server
    where the URL has one.
options:
  urls:
    description:
      - URLs of the receivers, as Apprise has them, such as V(mailtos://USER:PASSWORD@mail.example.com?to=ops@example.com),
        V(tgram://BOT_TOKEN/CHAT_ID) or V(ntfy://ntfy.example.com/TOPIC). L(All services, https://appriseit.com/services/).
    type: list
    elements: str
    required: true
  events:
    description:
      - Events that are worth a message.
      - V(failed) - the run failed, or some of its migrations or moves of disks did.
      - V(unresolved) - the plan leaves something that it cannot resolve, or the run has left copies of disks behind.
      - V(out_of_band) - the cluster does not satisfy its policy after the run.
      - V(lock_taken_over) - the lock of a run that was killed was taken over.
      - V(changed) - guests were migrated or disks were moved.
      - V(would_change) - guests would be migrated or disks would be moved, in check mode or by a run that only plans.
      - In check mode a message is only sent when V(would_change) is one of the events.
    type: list
    elements: str
    choices: [failed, unresolved, out_of_band, lock_taken_over, changed, would_change]
    default: [failed, unresolved, lock_taken_over, changed]
  runs:
    description: The runs, one for each cluster. All of them are one message.
    type: list
    elements: dict
    default: []
    suboptions:
      cluster:
        description: Name of the cluster in the message.
        type: str
        required: true
      plan:
        description: The summary that M(evenkeel.cluster.balance_plan) returns.
        type: dict
      outcome:
        description: The summary that M(evenkeel.cluster.vm_migrate) returns.
        type: dict
      unresolved:
        description: What is not resolved, one line each, as both modules return it.
        type: list
        elements: str
      report:
        description: Lines of the report, as both modules return it. They are part of the message.
        type: list
        elements: str
      error:
        description: Reason of the failure of the run. An empty text is no failure.
        type: str
      lock_taken_over:
        description: Process whose lock the run took over, as M(evenkeel.cluster.vm_migrate) returns it. An empty text is none.
        type: str
      page:
        description:
          - Absolute path of the page of the run, as M(evenkeel.cluster.report) returns it. It is attached when the run is worth a message.
          - The pages of all runs are attached up to 6 MiB together, those of the clusters that failed first. A page that is left out is a
            warning.
        type: path
        version_added: 1.2.0
      page_url:
        description: URL of the page, which becomes a line of the message. An empty text is none.
        type: str
        version_added: 1.2.0
  not_run:
    description: Names of clusters on which no run began, because an earlier task failed. They count as failed.
    type: list
    elements: str
    default: []
  title:
    description: Title of a message of your own, instead of one about runs. In check mode it is not sent.
    type: str
  body:
    description: Text of a message of your own, instead of one about runs.
    type: str
  attachments:
    description: Files to attach, such as an HTML page. Services that take no attachments get the message without them.
    type: list
    elements: path
    default: []
  timeout:
    description: Time to wait for all receivers, in seconds or as V(1m).
    type: str
    default: "30"
  only_check:
    description: Only check O(urls), send nothing, and fail when Apprise does not accept one of them.
    type: bool
    default: false
requirements:
  - Apprise
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Sends nothing, unless O(events) has V(would_change). A nightly run with C(--check) may report what would be done.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
seealso:
  - module: evenkeel.cluster.metrics_export
"""

EXAMPLES = r"""
- name: Plan the migrations
  evenkeel.cluster.balance_plan:
    snapshot: "{{ ansible_facts.evenkeel_snapshot }}"
  register: planned

- name: Report what would be done
  evenkeel.cluster.notify:
    urls:
      - mailtos://balancer:{{ vault_mail_password }}@mail.example.com?to=ops@example.com
      - tgram://{{ vault_bot_token }}/{{ chat_id }}
    events: [failed, unresolved, would_change]
    runs:
      - cluster: production
        plan: "{{ planned.summary }}"
        unresolved: "{{ planned.unresolved }}"
        report: "{{ planned.report }}"

- name: Send a message of your own
  evenkeel.cluster.notify:
    urls: "{{ vault_receivers }}"
    title: Maintenance of pve3 begins
    body: All guests have left the host.
"""

RETURN = r"""
events:
  description: What happened in each run, the worst first, whether it is worth a message or not.
  returned: success
  type: list
  elements: dict
  contains:
    cluster:
      description: Name of the cluster.
      returned: always
      type: str
      sample: production
    events:
      description: The events of the run.
      returned: always
      type: list
      elements: str
      sample: [changed]
title:
  description: Title of the message. Empty when nothing is worth one.
  returned: success
  type: str
  sample: "production: 9 guests migrated"
message:
  description: Lines of the message. Empty when nothing is worth one.
  returned: success
  type: list
  elements: str
  sample: ["9 guests migrated."]
sent:
  description: Receivers that were notified.
  returned: success
  type: list
  elements: str
  sample: ["urls[0] (mailtos, mail.example.com)"]
failed_receivers:
  description: Receivers that could not be notified.
  returned: success
  type: list
  elements: dict
  contains:
    receiver:
      description: Position in O(urls), schema, and server where the URL has one.
      returned: always
      type: str
      sample: "urls[1] (tgram)"
    why:
      description: Reason, without any part of the URL.
      returned: always
      type: str
      sample: "Failed to send Telegram notification: Unauthorized, error=401."
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.notify import (
    NotifyOptions,
    run_notify,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import run_module


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(NotifyOptions), supports_check_mode=True)
    run_module(module, run_notify)


if __name__ == "__main__":
    main()
