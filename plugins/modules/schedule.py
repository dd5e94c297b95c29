#!/usr/bin/python

# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: schedule
short_description: Run playbooks by systemd timers or cron
version_added: 1.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Installs schedules that run C(ansible-playbook) on this machine, and removes them without a trace. Each schedule has a name.
  - With systemd a schedule is the units C(evenkeel-NAME.service) and C(evenkeel-NAME.timer). The service runs in a sandbox. It can write to
    C(~/.ansible), the folder of the state database, the folders of files that O(entries[].variables) name, and O(entries[].writable).
  - With cron a schedule is the file C(/etc/cron.d/evenkeel-NAME) and a program that it starts.
  - Secrets are in files of mode 0600 below C(/etc/evenkeel/schedule/NAME), never on a command line, in a unit or in a diff.
  - A run takes a lock. While a run of a schedule is running, it is not started again, and the log says so.
  - Calendars and units are checked by C(systemd-analyze), and playbooks by C(ansible-playbook --syntax-check) as the user of the schedule, before
    anything is installed. If one schedule is refused, or can't be written or started, nothing is changed.
  - A run that is running goes on when its schedule is changed or removed.
extends_documentation_fragment:
  - evenkeel.cluster.cluster
options:
  state:
    description:
      - V(present) installs O(entries).
      - V(absent) removes the schedules that O(entries) name, or all schedules that this module installed if no entry is given.
    type: str
    choices: [present, absent]
    default: present
  entries:
    description: The schedules. Required when O(state=present).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the schedule, of letters, digits, hyphens and underscores.
        type: str
        required: true
      state:
        description: Whether to install or to remove this schedule.
        type: str
        choices: [present, absent]
        default: present
      playbook:
        description: Playbook of a collection, or the path of a playbook.
        type: str
        default: evenkeel.cluster.balance
      inventory:
        description: Path of an inventory, or a list of paths. An entry with a comma is a list of hosts.
        type: raw
      limit:
        description: Hosts, groups or patterns to which the run is limited, such as some of the clusters of the inventory.
        type: list
        elements: str
      tags:
        description: Tags of the tasks to run, such as V(plan).
        type: list
        elements: str
      check:
        description: Whether to run in check mode. Nothing is migrated then.
        type: bool
        default: false
      variables:
        description: Variables for the run, such as C(balance_goal), written to a file of mode 0600. Secrets belong in the options below or in a vault.
        type: dict
      variables_files:
        description: Paths of files with variables for the run.
        type: list
        elements: path
      arguments:
        description: More arguments of C(ansible-playbook), each word an entry, such as V(--forks) and V(20).
        type: list
        elements: str
      directory:
        description: Folder in which the run starts, and where it finds C(ansible.cfg). Defaults to the home of the user.
        type: path
      user:
        description: User that the schedule runs as. Defaults to O(user).
        type: str
      calendar:
        description:
          - When to run, as C(OnCalendar=) of systemd has it, such as V(02:00) or V(Mon..Fri 02:00), or a list of these.
          - With cron, words such as V(daily) and times of days and weekdays are translated. Others require O(entries[].cron).
        type: raw
      cron:
        description: When to run, as cron has it, such as V(0 2 * * *). It is used instead of O(entries[].calendar) when cron runs the schedule.
        type: str
      interval:
        description:
          - Time between the starts of runs, such as V(10m). Mutually exclusive with O(entries[].calendar) and O(entries[].cron).
          - With cron it must be minutes that divide an hour, hours that divide a day, V(1d) or V(1w).
        type: str
      randomized_delay:
        description: Each run starts up to this time later, such as V(5m), so that several controllers do not all start at once.
        type: str
        default: "0"
      persistent:
        description:
          - Whether a run that was missed while the machine was off is made up for at its start.
          - By default true for a calendar of systemd. It is not supported by cron.
        type: bool
      timeout:
        description: Time after which a run is stopped, such as V(4h). Migrations that are running finish or are cancelled as C(balance_on_stop) says.
        type: str
      environment:
        description: Environment variables that are not secret. Everybody on the machine can read them.
        type: dict
      secrets:
        description: Environment variables that are secret, such as C(PROXMOX_TOKEN_SECRET), written to a file of mode 0600.
        type: dict
      credentials:
        description:
          - Secret files. The run finds each in the folder that the environment variable C(CREDENTIALS_DIRECTORY) names.
          - With systemd they are credentials by C(LoadCredential=), which only the run can read. Requires systemd 247 or newer.
        type: dict
      vault_password:
        description: Password of the vault of the inventory. It is kept as the credential C(vault_password).
        type: str
      vault_password_file:
        description: Path of a file with the password of the vault that exists already. Mutually exclusive with O(entries[].vault_password).
        type: path
      writable:
        description: Paths of existing folders that the run writes files to, beside those above.
        type: list
        elements: path
      output:
        description: File to which the output of the runs is appended. By default systemd keeps it in the journal, and cron mails it to the user.
        type: path
  exclusive:
    description: Whether to remove schedules that this module installed and that O(entries) does not have.
    type: bool
    default: false
  kind:
    description:
      - What runs the schedules. When it is changed, a schedule moves.
      - V(auto) is systemd where it runs, and otherwise cron.
    type: str
    choices: [auto, systemd, cron]
    default: auto
  scope:
    description:
      - V(system) installs for the machine, and requires C(root).
      - V(user) installs units of systemd for the user who runs the module, below C(~/.config/systemd/user). They run while the user is logged
        in, or always after C(loginctl enable-linger). Their sandbox is smaller.
    type: str
    choices: [system, user]
    default: system
  user:
    description: User that schedules run as. Defaults to the user who called C(sudo), and otherwise to the user who runs the module.
    type: str
  ansible_playbook:
    description: Path of C(ansible-playbook). Defaults to that of the Python that runs the module, and otherwise to that on the C(PATH).
    type: path
  root:
    description: Install below this folder, such as the image of a machine. Nothing is started then, and paths of that machine are not checked.
    type: path
    default: /
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details:
      - The content of files with secrets or variables is not shown.
notes:
  - The lock keeps a schedule from running twice. Different schedules of one cluster wait for each other by the lock of the cluster, as C(balance_lock_wait)
    of the role P(evenkeel.cluster.balance#role) says.
seealso:
  - module: evenkeel.cluster.vm_migrate
"""

EXAMPLES = r"""
- name: Balance at night, relieve every ten minutes, and fix rules every hour
  become: true
  evenkeel.cluster.schedule:
    user: evenkeel
    entries:
      - name: night
        inventory: /etc/evenkeel/clusters.yml
        calendar: "02:00"
        randomized_delay: 10m
        timeout: 4h
        vault_password: "{{ vault_password }}"
      - name: relieve
        inventory: /etc/evenkeel/clusters.yml
        interval: 10m
        variables:
          balance_goal: relieve
          balance_relieve: {overload: {memory: 90}}
        vault_password: "{{ vault_password }}"
      - name: rules
        inventory: /etc/evenkeel/clusters.yml
        calendar: hourly
        variables:
          balance_goal: rules
        vault_password: "{{ vault_password }}"

- name: Pass the secret of the token as an environment variable, by cron
  become: true
  evenkeel.cluster.schedule:
    kind: cron
    entries:
      - name: night
        inventory: /etc/evenkeel/clusters.yml
        cron: "0 2 * * *"
        secrets:
          PROXMOX_TOKEN_SECRET: "{{ vault_pve_token }}"

- name: Remove all schedules
  become: true
  evenkeel.cluster.schedule:
    state: absent
"""

RETURN = r"""
kind:
  description: What runs the schedules, V(systemd) or V(cron).
  returned: success
  type: str
  sample: systemd
schedules:
  description: The schedules that are installed, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the schedule.
      type: str
      sample: night
    changed:
      description: Whether its files were changed.
      type: bool
      sample: true
    unit:
      description: Its timer. Null with cron.
      type: str
      sample: evenkeel-night.timer
    user:
      description: User that it runs as.
      type: str
      sample: evenkeel
    when:
      description: When it runs.
      type: str
      sample: "02:00"
    next:
      description: The next time of its calendar. Null with cron, and for an interval.
      type: str
      sample: Tue 2026-12-01 02:00:00 UTC
    command:
      description: What is started.
      type: list
      elements: str
      sample: [/usr/bin/ansible-playbook, evenkeel.cluster.balance, -i, /etc/evenkeel/clusters.yml]
    files:
      description: Its files.
      type: list
      elements: str
      sample: [/etc/systemd/system/evenkeel-night.service, /etc/systemd/system/evenkeel-night.timer]
removed:
  description: Names of the schedules that were removed.
  returned: success
  type: list
  elements: str
  sample: [relieve]
report:
  description: The schedules as lines for people.
  returned: success
  type: list
  elements: str
  sample:
    - "schedule night: evenkeel.cluster.balance as evenkeel by systemd, 02:00, next Tue 2026-12-01 02:00:00 UTC"
diff:
  description: The files before and after. The content of files with secrets or variables is not shown.
  returned: success
  type: list
  elements: dict
  contains:
    before_header:
      description: Path of the file.
      type: str
      sample: /etc/systemd/system/evenkeel-night.timer
    before:
      description: Its former content.
      type: str
      sample: ""
    after_header:
      description: Path of the file.
      type: str
      sample: /etc/systemd/system/evenkeel-night.timer
    after:
      description: Its new content.
      type: str
      sample: "[Timer]"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.schedule import run_schedule
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import run_module
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.schedule.entry import ScheduleOptions


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(ScheduleOptions), supports_check_mode=True)
    run_module(module, run_schedule)


if __name__ == "__main__":
    main()
