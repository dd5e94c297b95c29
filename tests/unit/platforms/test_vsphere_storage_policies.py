# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service of storage policies says of a disk, and what it leaves out."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read import storage_policies

GOLD, PLAIN, HOME = ("vm-1", "2000"), ("vm-1", "2001"), ("vm-1", "home")
OF_GOLD = {("virtualDiskId", "vm-1:2000"): ["gold"]}


def test_a_fault_is_no_answer() -> None:
    answers = {**OF_GOLD, ("virtualMachine", "vm-1"): None}
    assert storage_policies.judged([GOLD, PLAIN, HOME], answers) == ({GOLD: ["gold"]}, frozenset({HOME}))


def test_what_is_left_out_by_a_service_that_names_disks_without_a_policy_is_not_known() -> None:
    answers = {**OF_GOLD, ("virtualDiskId", "vm-1:2001"): []}
    assert storage_policies.judged([GOLD, PLAIN, HOME], answers) == ({GOLD: ["gold"]}, frozenset({HOME}))


def test_what_is_left_out_by_one_that_names_only_disks_with_a_policy_has_none() -> None:
    assert storage_policies.judged([GOLD, PLAIN, HOME], OF_GOLD) == ({GOLD: ["gold"]}, frozenset())
    assert storage_policies.judged([PLAIN], {}) == ({}, frozenset())
