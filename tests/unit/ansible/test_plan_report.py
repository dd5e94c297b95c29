# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a plan: what is proven is said where something is, and no name spoils the screen."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.plan import plan_report, table
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import readable
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

CLUSTER = generate(Shape(hosts=4, guests=40))


def test_no_name_spoils_the_screen() -> None:
    evil = "a\x1b[31m\r\nwave 9\x00\u202e"
    named = replace(CLUSTER, guests=tuple(replace(guest, name=evil) for guest in CLUSTER.guests))
    lines = plan_report(plan(named, Policy()))
    assert all(line.isprintable() for line in lines)
    assert any(r"a\x1b[31m\r\nwave 9\x00\u202e (" in line for line in lines)


def test_what_can_be_read_stays() -> None:
    assert readable("Größe 机 🚀 {{ x }}") == "Größe 机 🚀 {{ x }}"
    assert readable("\ud800") == r"\ud800"


def test_one_long_name_leaves_the_other_columns_in_sight() -> None:
    assert max(len(line) for line in table([["a", "x" * 500, "b"], ["a", "y", "b"]])) < 80
    assert table([["a", "x" * 500]])[0].endswith("xxx")


def test_a_bound_is_told_where_there_is_one() -> None:
    whole, part = plan(CLUSTER, Policy()), plan(CLUSTER, Policy(max_migrations=1))
    assert whole.proof.migrations_lower_bound > 0
    assert "needed)" in plan_report(whole)[0] or "proven to be the fewest" in plan_report(whole)[0]
    assert "1 migration in 1 wave" in plan_report(part)[0]
