# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room is paid for with what is free, then with what named departures gave back, each bit once."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule.capacity_ledger import (
    CapacityLedger,
)


def test_what_is_free_is_spent_once_and_then_nothing_suffices() -> None:
    ledger = CapacityLedger([[5.0, 8.0], [1.0, 1.0]])
    assert ledger.suffices(0, [5.0, 8.0])
    assert not ledger.suffices(0, [5.5, 8.0])
    assert not ledger.suffices(0, [5.0, 8.5])
    assert not ledger.suffices(1, [5.0, 8.0])
    assert ledger.reserve(0, [3.0, 8.0]) == set()
    assert ledger.free == [[2.0, 0.0], [1.0, 1.0]]
    assert ledger.suffices(0, [2.0, 0.0])
    assert not ledger.suffices(0, [2.0, 0.5])


def test_departures_pay_for_the_rest_the_earliest_first_and_each_bit_once() -> None:
    ledger = CapacityLedger([[2.0], [0.0]])
    for departure, amount in ((7, 3.0), (8, 4.0), (9, 1.0)):
        ledger.release(0, departure, [amount])
    assert ledger.suffices(0, [10.0])
    assert not ledger.suffices(0, [10.5])
    assert not ledger.suffices(1, [1.0])
    assert ledger.reserve(0, [1.0]) == set()
    assert ledger.reserve(0, [2.0]) == {7}
    assert ledger.reserve(0, [3.0]) == {7, 8}
    assert not ledger.suffices(0, [4.5])
    assert ledger.reserve(0, [3.0]) == {8}
    assert ledger.reserve(0, [1.0]) == {9}
    assert not ledger.suffices(0, [0.5])


def test_whoever_comes_to_a_host_above_its_ceiling_comes_after_all_that_brought_it_down() -> None:
    """10 above: 4 and 7 leave, which is 1 more than needed; 5 more make room for 6 in all."""
    ledger = CapacityLedger([[-10.0]])
    ledger.release(0, 1, [4.0])
    assert not ledger.suffices(0, [1.0])
    ledger.release(0, 2, [7.0])
    assert ledger.suffices(0, [1.0])
    assert not ledger.suffices(0, [1.5])
    assert ledger.reserve(0, [1.0]) == {1, 2}
    assert ledger.free == [[0.0]]
    ledger.release(0, 3, [5.0])
    assert ledger.reserve(0, [5.0]) == {1, 2, 3}
    assert not ledger.suffices(0, [0.5])


def test_what_needs_nothing_comes_to_a_host_above_its_ceiling_after_nobody() -> None:
    ledger = CapacityLedger([[-10.0, 3.0]])
    assert ledger.suffices(0, [0.0, 3.0])
    assert ledger.reserve(0, [0.0, 3.0]) == set()
    assert ledger.free == [[-10.0, 0.0]]


@pytest.mark.parametrize("need", [0, 1])
def test_needs_are_paid_for_apart_from_each_other(need: int) -> None:
    ledger = CapacityLedger([[0.0, 0.0]])
    ledger.release(0, 4, [2.0, 0.0] if need == 0 else [0.0, 2.0])
    assert ledger.suffices(0, [2.0, 0.0]) is (need == 0)
    assert ledger.suffices(0, [0.0, 2.0]) is (need == 1)
