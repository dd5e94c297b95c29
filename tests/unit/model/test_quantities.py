# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes, times and percentages as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.vm_placement import request_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.placement import (
    RequestOptions,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.policy import (
    policy_in_plain_numbers,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.reservation import (
    reservation_in_plain_numbers,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.request import (
    Request as LeaseRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.quantities import (
    in_plain_numbers,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.sizes import (
    kibibytes_of,
    seconds_of,
    size_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.request import (
    Lease,
    Place,
    parse_request,
    work_with_units,
)

MIB, GIB = 1024**2, 1024**3
LEAST = 16 * MIB


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("4G", 4 * GIB), ("4 GiB", 4 * GIB), ("4gb", 4 * GIB), ("1.5G", 3 * GIB // 2), ("4096M", 4 * GIB),
        ("4096B", 4096), ("8K", 8192), ("0", 0), (0, 0), (4 * GIB, 4 * GIB), (str(4 * GIB), 4 * GIB),
        (LEAST, LEAST), (None, None),
    ],
)  # fmt: skip
def test_sizes(written: object, size: int | None) -> None:
    assert size_of(written, "memory", LEAST) == size


@pytest.mark.parametrize(
    ("written", "meant"),
    [(4096, "4096M"), ("4096", "4096M"), ("96", "96G or 96M"), (LEAST - 1, f"{LEAST - 1}M")],
)
def test_a_bare_number_that_counts_mib_or_gib_is_refused(written: object, meant: str) -> None:
    with pytest.raises(InputError) as refusal:
        size_of(written, "memory", LEAST)
    assert str(refusal.value) == (
        f"memory: {written} has no unit and counts bytes. Did you mean {meant}? For bytes, write {written}B"
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400), ("1w", 604_800), ("1.5h", 5400),
        ("1h 30m", 5400), ("1 hour 30 minutes", 5400), ("5 Min", 300), ("5s", 5), ("0.5s", 0.5),
        (60, 60), ("60", 60), ("3600.0", 3600), (0, 0), ("-1", -1), (None, None),
    ],
)  # fmt: skip
def test_times(written: object, seconds: float | None) -> None:
    found = seconds_of(written, "cool_down", 60)
    assert (found, type(found)) == (seconds, type(seconds))


@pytest.mark.parametrize(
    "written",
    ["", "m", "1x", "an hour", "1h30", "-5m", "5 months", True, [], {}, "nan", "inf", "9" * 400, "1e12w"],
)
def test_what_is_no_time(written: object) -> None:
    with pytest.raises(InputError, match=r"^cool_down: "):
        seconds_of(written, "cool_down", 60)


@pytest.mark.parametrize("written", [1, "30", 59.5])
def test_a_bare_number_that_counts_minutes_is_refused(written: object) -> None:
    with pytest.raises(InputError, match=rf"counts seconds\. Did you mean {written}m\? .* write {written}s$"):
        seconds_of(written, "cool_down", 60)


def test_kibibytes() -> None:
    assert [kibibytes_of(value, "b", 1024) for value in (0, 102_400, "102400", "100M", "64K", None)] == [
        0, 102_400, 102_400, 102_400, 64, None,
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"^b: 100 has no unit and counts KiB. Did you mean 100M\?"):
        kibibytes_of(100, "b", 1024)
    with pytest.raises(InputError, match=r"^b: 'fast' is not a size"):
        kibibytes_of("fast", "b", 1024)


@given(st.text(max_size=12) | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(st.text()))
def test_any_value_is_read_or_refused(value: object) -> None:
    for read in (size_of, seconds_of, kibibytes_of):
        with suppress(InputError):
            found = read(value, "option", 60)
            assert found is None or isinstance(found, (int, float))


def test_a_policy_in_every_depth() -> None:
    written = {
        "limits": {"memory_reserve": "16G", "cpu": 80},
        "reserves": [{"hosts": {"names": ["a"]}, "memory": "8G", "cpu": 2}],
        "assumed_capacity": {"disk_io": "500M", "cpu": 3},
        "migration_bandwidth": "1G",
        "cool_down": "2h",
        "max_spread": {"cpu": 5},
        "preset": None,
    }
    policy = Policy.from_json(policy_in_plain_numbers(written))
    assert policy.limits.memory_reserve == 16 * GIB
    assert policy.reserves[0].memory == 8 * GIB
    assert policy.assumed_capacity == {"disk_io": 500 * MIB, "cpu": 3}
    assert (policy.migration_bandwidth, policy.cool_down) == (GIB, 7200)
    # What the collection writes itself is read as it is, however small.
    assert Policy.from_json({"limits": {"memory_reserve": 5, "cpu": 0.5}}).limits.memory_reserve == 5


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"limits": {"memory": "0.8"}}, "limits.memory: 0.8 is less than one percent"),
        ({"level_above": 0.75}, "level_above: 0.75 is less than one percent"),
        ({"relieve": {"overload": {"cpu": 0.9}}}, "relieve.overload.cpu: 0.9 is less"),
        (
            {"relieve": {"overload": {"vcpus_per_core": 700}}},
            "relieve.overload.vcpus_per_core: 700 is a ratio",
        ),
        (
            {"limits": {"memory_overcommit": 150}},
            "limits.memory_overcommit: 150 is a ratio, not a percentage",
        ),
        ({"reserves": [{"cpu": 2400}]}, "reserves[0].cpu: 2400 cores are more than any guest has"),
        ({"consolidate": {"fill": 0.7}}, "consolidate.fill: 0.7 is less"),
    ],
)
def test_fractions_percentages_and_mhz(written: Mapping[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refusal:
        policy_in_plain_numbers(written)
    assert str(refusal.value).startswith(says)


def test_less_than_a_percent_of_pressure_may_be_much() -> None:
    written = {"demand": "pressure", "max_spread": 0.5, "relieve": {"overload": {"pressure_memory": 0.5}}}
    assert policy_in_plain_numbers(written) == written


def test_reservations_repeat_what_a_placement_answered() -> None:
    reserved = {"guest": "a", "memory": str(GIB), "disks": [{"datastore": "s", "size": str(528 * 1024)}]}
    assert reservation_in_plain_numbers(reserved, "held[0]")["disks"] == [
        {"datastore": "s", "size": 528 * 1024}
    ]
    for part, where in (
        ({"memory": 4096}, "held[0].memory"),
        ({"disks": [{"size": 100}]}, "held[0].disks[0]"),
    ):
        with pytest.raises(InputError) as refusal:
            reservation_in_plain_numbers({**reserved, **part}, "held[0]")
        assert str(refusal.value).startswith(where)


def test_a_placement_and_a_request_to_the_service() -> None:
    vm = {"name": "a", "cpu": 1, "memory": "4G", "used": {"memory": "1G"}, "disks": [{"size": "10G"}]}
    options = RequestOptions(vms=[vm], policy={"limits": {"memory_reserve": "1G"}})
    placed = request_of(options)
    assert placed["policy"] == {"limits": {"memory_reserve": GIB}}
    asked = parse_request({"kind": "place", "vms": [vm], "wait": "30m", "lifetime": "2h"}).work
    for found in (placed["vms"][0], asked["vms"][0]):
        assert (found["memory"], found["used"]["memory"], found["disks"][0]["size"]) == (
            4 * GIB, GIB, 10 * GIB,
        )  # fmt: skip
    assert (asked["wait"], asked["lifetime"]) == (1800, 7200)
    leased = parse_request({"kind": "lease", "vcpus": 1, "storage": "1T", "wait": 5}).work
    assert (leased["storage"], leased["wait"]) == (1024 * GIB, 5)
    for body, where in (
        ({"kind": "lease", "memory": 96}, "memory: 96"),
        ({"kind": "renew", "name": "x", "lifetime": 4}, "lifetime: 4"),
        ({"kind": "place", "vms": [{**vm, "used": {"memory": 900}}]}, "vms[0].used.memory: 900"),
        ({"kind": "place", "vms": [{**vm, "disks": [{"size": 100}]}]}, "vms[0].disks[0].size: 100"),
    ):
        with pytest.raises(InputError) as refusal:
            parse_request(body)
        assert str(refusal.value).startswith(f"{where} has no unit")


def test_a_request_is_handed_on_in_units_that_are_read_again() -> None:
    vm = {"name": "a", "cpu": 1, "memory": "4G", "used": {"memory": "5B"}, "disks": [{"size": "528K"}]}
    asked = parse_request({"kind": "place", "vms": [vm], "wait": 5, "lifetime": "90s"}).work
    written = work_with_units("place", asked)
    assert (written["vms"][0]["disks"], written["lifetime"]) == ([{"size": "540672B"}], "90s")
    assert in_plain_numbers(Place, written) == asked
    leased = parse_request({"kind": "lease", "vcpus": 1, "memory": "1M", "lifetime": "90s"}).work
    written = work_with_units("lease", leased)
    assert (written["memory"], written["storage"], written["lifetime"]) == ("1048576B", "0B", "90s")
    assert in_plain_numbers(LeaseRequest, in_plain_numbers(Lease, written)) == leased
    renewed = parse_request({"kind": "renew", "name": "x", "lifetime": "90s"}).work
    assert work_with_units("renew", renewed) == {"name": "x", "lifetime": "90s"}
