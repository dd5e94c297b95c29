# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A made series of readings through the role balance: a spike moves nobody, and the history says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.moments import later

GIB = 1024**3
START = "2026-11-20T22:00:00Z"
# By reading, minutes after the first, whether it is a spike, and what is expected: how many consecutive
# readings were out of the band, and whether anything moves.
SERIES = (
    (0, True, 1, False),
    (10, False, 0, False),
    (20, True, 1, False),
    (30, True, 2, False),
    (40, True, 3, True),
)
GUESTS = {f"web{number}": "a" if number < 7 else "b" for number in range(10)}


def snapshot(minutes: int, spike: bool) -> dict[str, Any]:
    """Seven guests on one host and three on another, which are out of the band when they are busy."""
    used = {"a": 0, "b": 0}
    guests = []
    for name, host in GUESTS.items():
        memory = (10 if spike else 1) * GIB
        used[host] += memory
        guests.append({
            "id": f"id-{name}", "name": name, "kind": "vm", "host": host, "power": "running",
            "assigned": {"cpu": 1, "memory": 10 * GIB}, "used": {"cpu": 0, "memory": memory},
            "disks": [{"datastore": "san", "size": GIB}], "networks": ["lan"], "migratable": True,
        })  # fmt: skip
    hosts = [
        {
            "id": name, "name": f"host {name}", "status": "online", "maintenance": False, "schedulable": True,
            "capacity": {"cpu": 32, "memory": 100 * GIB}, "used": {"cpu": 0, "memory": memory},
            "datastores": {"san": {"shared": True}}, "networks": ["lan"],
        }
        for name, memory in used.items()
    ]  # fmt: skip
    return {
        "schema": "evenkeel.cluster/snapshot/1", "platform": "rehearsal",
        "cluster": {"id": "c", "name": "prod"}, "taken_at": later(START, 60 * minutes), "window_seconds": 0,
        "hosts": hosts, "guests": guests, "rules": [],
    }  # fmt: skip


STEP = """
- ansible.builtin.copy:
    src: "{{ reading }}.json"
    dest: "{{ balance_rehearsal_path }}"
    mode: "0600"
- ansible.builtin.include_role:
    name: evenkeel.cluster.balance
- ansible.builtin.set_fact:
    seen: "{{ seen | default([]) + [[balance_planned.sustained.seen, balance_planned.summary.waiting,
      balance_migrated.summary.migrated, balance_migrated.summary.in_band, balance_migrated.lock_waited]] }}"
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_tasks: step.yml
      loop: "{{ range(count) | list }}"
      loop_control:
        loop_var: reading
    - evenkeel.cluster.history_info:
      register: all
    - evenkeel.cluster.history_info:
        guest: "{{ balance_planned.plan.migrations[0].guest.name }}"
        plan: "{{ all.runs[0].id }}"
        plan_path: "{{ playbook_dir }}/replayed.json"
      register: why
    - name: A plan is replayed, and does nothing twice
      evenkeel.cluster.vm_migrate:
        platform: rehearsal
        rehearsal_path: "{{ balance_rehearsal_path }}"
        plan_path: "{{ playbook_dir }}/replayed.json"
      register: replayed
    - ansible.builtin.copy:
        content: "{{ {'seen': seen, 'why': why, 'all': all, 'replayed': replayed.summary} | to_json }}"
        dest: "{{ playbook_dir }}/found.json"
        mode: "0600"
"""


def test_a_spike_moves_nobody_and_the_history_says_who_moved_and_why(tmp_path: Path) -> None:
    for number, (minutes, spike, _seen, _moves) in enumerate(SERIES):
        (tmp_path / f"{number}.json").write_text(json.dumps(snapshot(minutes, spike)))
    (tmp_path / "step.yml").write_text(STEP)
    (tmp_path / "play.yml").write_text(PLAY)
    variables = {
        "balance_platform": "rehearsal",
        "balance_rehearsal_path": str(tmp_path / "cluster.json"),
        "balance_max_spread": 15,
        "balance_metrics": ["memory"],
        "balance_sustained": 3,
        "balance_sustained_for": "20m",
        # That something waits is not what they are to stop or to fail for.
        "balance_partial": False,
        "balance_fail_when_unbalanced": True,
        "balance_history_days": 30,
        "count": len(SERIES),
        "awx_job_id": 812,
        "awx_job_template_name": "balance prod",
        "awx_user_name": "anna",
    }
    (tmp_path / "variables.json").write_text(json.dumps(variables))
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook", tmp_path / "play.yml", "-i", "localhost,", "-c",
            "local", "-e", f"@{tmp_path / 'variables.json'}",
            "-e", f"ansible_python_interpreter={sys.executable}",
        ],
        check=False,
        capture_output=True,
        text=True,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "ANSIBLE_NOCOLOR": "1",
        },
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert "spread of memory: out of band in 2 of 3 consecutive readings, for 10 min of 20 min" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    seen, why, everything = found["seen"], found["why"], found["all"]
    assert [(count, moved > 0) for count, _waiting, moved, _in_band, _waited in seen] == [
        (count, moves) for _minutes, _spike, count, moves in SERIES
    ]
    # In its band or not: what waits is not in order.
    assert [in_band for _seen, _waiting, _moved, in_band, _waited in seen] == [
        not spike or moves for _minutes, spike, _seen, moves in SERIES
    ]
    assert [waiting for _seen, waiting, *_rest in seen] == [
        int(spike and not moves) for _minutes, spike, _seen, moves in SERIES
    ]
    (moved,) = why["migrations"]
    assert (moved["result"], moved["kind"], moved["from"]["name"]) == ("migrated", "balance", "host a")
    assert moved["who"]["awx_user"] == "anna"
    assert why["report"][-1].endswith("AWX job 812 of balance prod by anna")
    (run,) = why["runs"]
    assert (run["read_at"], run["spread"], run["status"]) == (later(START, 2400), {"memory": 40.0}, "done")
    assert everything["summary"]["runs"] == len(SERIES)
    assert sum(day["migrations"] for day in everything["days"]) == everything["summary"]["migrations"]
    assert [one["read_at"] for one in reversed(everything["runs"])] == [
        later(START, 60 * minutes) for minutes, *_rest in SERIES
    ]
    assert (found["replayed"]["status"], found["replayed"]["migrated"]) == ("done", 0)
