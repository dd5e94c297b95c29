# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of leases that version 0.1.0 wrote, which has no codes for the ends of leases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.rows import lease_of, row_of

ROW: dict[str, Any] = {
    "id": "c1",
    "name": "one",
    "number": 1,
    "phase": "Released",
    "reason": "",
    "end_cause": None,
    "request": '{"vcpus": 1}',
    "result": None,
    "requested_at": 1.0,
    "granted_at": None,
    "until": None,
    "ended_at": 2.0,
    "place_until": None,
    "waiter": None,
    "holder": None,
}


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("its lifetime of 60 s ended at 12:00", "expired"),
        ("its owner ci is gone", "owner gone"),
        ("given back by a task", "released"),
        ("withdrawn from the queue by a task", "withdrawn"),
        ("its place in the queue lapsed at 12:00", "lapsed"),
        ("nobody came for it when it was its turn", "unclaimed"),
        ("not fulfilled within 0 s, at position 1 of the queue", "unfulfilled"),
        ("no pool is large enough for 99 vCPUs", "impossible"),
    ],
)
def test_the_cause_of_an_end_in_0_1_0_follows_from_its_reason(reason: str, cause: str) -> None:
    lease = lease_of(SimpleNamespace(**ROW | {"reason": reason}), [])
    assert (lease.end_cause, lease.reason) == (cause, reason)


def test_a_lease_that_has_not_ended_has_no_cause() -> None:
    reason = "not fulfilled yet"
    assert lease_of(SimpleNamespace(**ROW | {"ended_at": None, "reason": reason}), []).end_cause is None


@pytest.mark.parametrize(
    ("cause", "begin"),
    [
        ("lapsed", "its place in the queue lapsed"),
        ("unclaimed", "nobody came for it"),
        ("unfulfilled", "not fulfilled"),
        ("expired", "Any text"),
    ],
)
def test_reasons_are_stored_so_that_0_1_0_recognises_them_and_are_read_back(cause: str, begin: str) -> None:
    text = "Any text"
    lease = lease_of(SimpleNamespace(**ROW | {"end_cause": cause, "reason": text}), [])
    row = row_of(lease)
    assert row["reason"].startswith(begin)
    assert lease_of(SimpleNamespace(**row), []) == lease
    assert lease.reason == text
