# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook is killed in the middle, and the same playbook run again finishes its work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tests.simulators.launch import Platform, start
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.playbook import Play, doubled, gone, kill, wait_until


@pytest.mark.parametrize(("platform", "victim"), [("vcenter", "everything"), ("proxmox", "playbook")])
def test_a_killed_playbook_is_run_again(platform: Platform, victim: str, tmp_path: Path) -> None:
    cluster = tmp_path / "cluster.json"
    cluster.write_text(json.dumps(generate(Shape(hosts=4, guests=30, seed=7)).to_json()))
    simulated = start(platform, [cluster], tmp_path / "simulator", options=["--migration-seconds", "1.5"])
    with simulated as simulator:
        play = Play(tmp_path, simulator, balance_lock_wait=60, balance_effort=5)
        process = play.begin()
        assert wait_until(lambda: len(simulator.state()["migrations"]) > 1, process), play.said()
        left = kill(process, victim)
        begun = {move["guest"] for move in simulator.state()["migrations"]}
        if victim == "playbook":
            # A plan made while its module still migrates would be of a cluster that is no more.
            gone(left)
        said = play.finish()
        gone(left)
        if victim == "everything":
            assert "changed=0 " in play.finish(), "it finds something to do again and again"
        state = simulator.state()
    assert doubled(state, {}) == []
    assert {move["state"] for move in state["migrations"]} == {"done"}
    moved = {move["guest"] for move in state["migrations"]}
    assert begun <= moved
    if victim == "playbook":
        # Its module went on without it, and whoever comes later finds nothing left to do.
        assert "changed=0 " in said
        assert {guest for guest, result in play.remembered() if result == "migrated"} == moved
