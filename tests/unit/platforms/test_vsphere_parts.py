# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the vSphere adapter makes of single answers, such as no simulator gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    PermissionMissing,
    Refused,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.collector import (
    Found,
    _found,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.errors import (
    Gone,
    error_of,
    localized,
    passes,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.values import plain
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.disks import disks
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.evc import (
    fitting_models,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.hardware import (
    device_blockers,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.hosts import sources_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.loads import (
    CPU,
    MEMORY,
    NETWORK_IO,
    average,
    window,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.mounts import unusable
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.rules import (
    balancing_disabled,
    drs_rules,
    fault_tolerance_rules,
    other_balancers,
)

NOW = datetime(2026, 11, 20, 22, 0, 0, tzinfo=UTC)


def answer(inside: str) -> Element:
    """An element as vCenter would send it."""
    return ElementTree.fromstring(
        '<a xmlns="urn:vim25" xmlns:vim25="urn:vim25"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{inside}</a>'
    )


def device(kind: str, inside: str) -> Element:
    return answer(f'<VirtualDevice xsi:type="{kind}"><key>1</key>{inside}</VirtualDevice>')


@pytest.mark.parametrize(
    ("series", "mean"),
    [
        ("1,2,3", 2.0),
        ("5", 5.0),
        ("-1,4,-1,6", 5.0),
        ("-1,-1", None),
        ("", None),
        ("0,0", 0.0),
    ],
)
def test_an_average_leaves_out_what_is_no_sample(series: str, mean: float | None) -> None:
    assert average(series) == mean


@pytest.mark.parametrize(
    ("seconds", "interval", "samples"),
    [
        (0, 20, 1),
        (30, 20, 2),
        (3600, 20, 180),
        (3601, 300, None),
        (86400, 300, None),
        (7 * 86400, 1800, None),
        (30 * 86400, 7200, None),
        (365 * 86400, 86400, None),
        (999 * 86400, 86400, None),
    ],
)
def test_a_window_takes_the_finest_samples_that_are_kept_so_long(
    seconds: int, interval: int, samples: int | None
) -> None:
    asked = window(seconds, NOW)
    assert (asked.interval, asked.samples) == (interval, samples)
    covered = min(seconds, 365 * 86400)
    assert asked.seconds == covered
    assert asked.since == (None if samples else NOW - timedelta(seconds=covered))


def test_a_property_without_a_value_is_not_there() -> None:
    sets = "<propSet><name>parent</name></propSet><propSet><name>name</name><val>a</val></propSet>"
    found = _found(answer(f'<obj type="HostSystem">host-1</obj>{sets}'), "vcenter")
    assert (found.kind, found.id, found.text("name"), found.text("parent")) == (
        "HostSystem",
        "host-1",
        "a",
        None,
    )
    assert list(found.values) == ["name"]


def test_a_datastore_is_unusable_where_its_mount_says_so() -> None:
    """Mounts of hosts outside the cluster, and one without a host, come first."""

    def mount(host: str, inside: str) -> str:
        return f"<DatastoreHostMount>{host}<mountInfo>{inside}</mountInfo></DatastoreHostMount>"

    mounts = [
        mount("", "<mounted>false</mounted>"),
        mount("<key>host-z</key>", "<mounted>false</mounted>"),
        mount("<key>host-a</key>", "<mounted>false</mounted>"),
        mount(
            "<key>host-b</key>",
            "<accessMode>readOnly</accessMode><mounted>true</mounted><accessible>false</accessible>"
            "<inaccessibleReason>AllPathsDown_Start</inaccessibleReason>",
        ),
        mount("<key>host-c</key>", "<accessMode>readOnly</accessMode><accessible>true</accessible>"),
        mount("<key>host-d</key>", "<accessMode>readWrite</accessMode><accessible>true</accessible>"),
    ]
    found = Found("Datastore", "datastore-1", {"host": answer("".join(mounts))})
    assert unusable(found, {f"host-{name}" for name in "abcd"}) == {
        "host-a": "not mounted on this host",
        "host-b": "not accessible from this host (AllPathsDown_Start)",
        "host-c": "mounted read-only on this host",
    }


@pytest.mark.parametrize(
    ("averages", "seconds", "measured", "sources"),
    [
        ({}, 0, True, {}),
        ({CPU: 1.0, MEMORY: 1.0, NETWORK_IO: 1.0}, 3600, True, {}),
        ({CPU: 1.0}, 3600, True, {"memory": "present"}),
        ({MEMORY: 1.0}, 3600, True, {"cpu": "present"}),
        ({CPU: 1.0}, 3600, False, dict.fromkeys(("memory", "network_io", "disk_io"), "not_yet_measured")),
        ({}, 0, False, dict.fromkeys(("cpu", "memory", "network_io", "disk_io"), "not_yet_measured")),
    ],
)
def test_a_load_that_is_no_average_says_what_it_is(
    averages: dict[str, float], seconds: int, measured: bool, sources: dict[str, str]
) -> None:
    """Nobody measures the traffic here."""
    used = {"cpu": 1.0, "memory": 2.0, "network_io": None, "disk_io": None}
    assert sources_of(used, averages, seconds, measured) == sources


def test_a_vcenter_that_keeps_less_is_asked_for_less() -> None:
    only_a_day = [(86400, 300)]
    week = window(7 * 86400, NOW, only_a_day)
    assert (week.interval, week.seconds, week.since) == (300, 86400, NOW - timedelta(days=1))
    nothing = window(7 * 86400, NOW, [])
    assert (nothing.interval, nothing.samples, nothing.seconds, nothing.since) == (20, 180, 3600, None)


def test_the_database_is_asked_for_no_more_series_than_it_gives() -> None:
    asked = window(86400, NOW)
    assert asked.batch * len(asked.counters) <= 64


ALL = ("intel-broadwell", "intel-skylake", "intel-icelake", "amd-zen3")


@pytest.mark.parametrize(
    ("required", "present", "models", "fitting"),
    [
        (None, "intel-skylake", ALL, None),
        ("intel-broadwell", "intel-skylake", ALL[:3], None),
        ("intel-skylake", "intel-skylake", ALL, ("intel-icelake", "intel-skylake")),
        ("amd-zen2", "amd-zen3", ALL, ("amd-zen3",)),
        ("intel-tomorrow", "intel-tomorrow", (*ALL, "intel-tomorrow"), ("intel-tomorrow",)),
        ("intel-tomorrow", "intel-skylake", ALL, ("intel-skylake",)),
        ("intel-skylake", None, (), None),
    ],
)
def test_a_guest_runs_on_its_evc_mode_and_on_newer_ones_of_the_same_make(
    required: str | None, present: str | None, models: tuple[str, ...], fitting: tuple[str, ...] | None
) -> None:
    assert fitting_models(required, present, models) == fitting


@pytest.mark.parametrize(
    ("kept", "name"),
    [("web01", "web01"), ("on%2foff", "on/off"), ("100%25", "100%"), ("a%5Cb%252f", "a\\b%2f"), (None, "")],
)
def test_a_name_is_as_people_know_it(kept: str | None, name: str) -> None:
    assert plain(kept) == name


@pytest.mark.parametrize(
    ("kind", "inside", "blockers"),
    [
        ("VirtualVmxnet3", "<connectable><connected>true</connected></connectable>", set()),
        ("VirtualSriovEthernetCard", "", {"passthrough_device"}),
        (
            "VirtualPCIPassthrough",
            '<backing xsi:type="VirtualPCIPassthroughVmiopBackingInfo"><vgpu>grid</vgpu></backing>',
            {"passthrough_device"},
        ),
        (
            "VirtualPCIPassthrough",
            '<backing xsi:type="VirtualPCIPassthroughVmiopBackingInfo">'
            "<migrateSupported>true</migrateSupported></backing>",
            set(),
        ),
        (
            "VirtualCdrom",
            '<backing xsi:type="VirtualCdromIsoBackingInfo"/>'
            "<connectable><connected>true</connected></connectable>",
            {"iso_mounted"},
        ),
        (
            "VirtualCdrom",
            '<backing xsi:type="VirtualCdromIsoBackingInfo"/>'
            "<connectable><startConnected>true</startConnected><connected>false</connected></connectable>",
            set(),
        ),
        (
            "VirtualCdrom",
            '<backing xsi:type="VirtualCdromAtapiBackingInfo"/>'
            "<connectable><connected>true</connected></connectable>",
            {"host_device"},
        ),
        (
            "VirtualSerialPort",
            '<backing xsi:type="VirtualSerialPortURIBackingInfo"/>'
            "<connectable><connected>true</connected></connectable>",
            set(),
        ),
        ("VirtualDisk", "<backing><datastore>ds-1</datastore></backing>", set()),
        ("VirtualDisk", "<backing><datastore>ds-2</datastore></backing>", {"local_disk"}),
    ],
)
def test_a_device_keeps_its_guest_only_when_it_is_bound_to_the_host(
    kind: str, inside: str, blockers: set[str]
) -> None:
    assert device_blockers(device(kind, inside), {"ds-1"}) == blockers


def test_the_size_of_a_disk_is_told_in_either_unit_or_not_at_all() -> None:
    def place(size: str) -> Element:
        inside = f"{size}<backing><datastore>ds-1</datastore></backing>"
        return device("VirtualDisk", inside)

    def guest(devices: Element) -> Found:
        return Found("VirtualMachine", "vm-1", {"config.hardware.device": devices})

    for size, wanted in (
        ("<capacityInKB>8</capacityInKB><capacityInBytes>8193</capacityInBytes>", 8193),
        ("<capacityInKB>8</capacityInKB>", 8192),
        ("", None),
    ):
        assert disks(guest(place(size)), {"ds-1": "san"}, {"ds-1": "san"}, (), {}, with_files=False) == (
            Disk(id="1", datastore="san", size=wanted),
        )
    assert disks(Found("VirtualMachine", "vm-1", {}), {}, {}, (), {}, with_files=False) == ()


@pytest.mark.parametrize(
    ("taken", "names"),
    [
        (set(), ["fault tolerance of db", "fault tolerance of db (vm-3)"]),
        ({"fault tolerance of db"}, ["fault tolerance of db (vm-1)", "fault tolerance of db (vm-3)"]),
    ],
)
def test_fault_tolerant_guests_of_one_name_have_rules_of_their_own(taken: set[str], names: list[str]) -> None:
    def primary(identity: str, secondary: str) -> Found:
        fault_tolerance = answer(f"<secondaries>{secondary}</secondaries>")
        name = ElementTree.fromstring("<name>db</name>")
        return Found("VirtualMachine", identity, {"name": name, "config.ftInfo": fault_tolerance})

    guests = {"vm-1": primary("vm-1", "vm-2"), "vm-3": primary("vm-3", "vm-4")}
    guests |= {name: Found("VirtualMachine", name, {}) for name in ("vm-2", "vm-4")}
    rules = fault_tolerance_rules(guests, taken)
    assert [(rule.name, rule.guests) for rule in rules] == [
        (names[0], ("vm-1", "vm-2")),
        (names[1], ("vm-3", "vm-4")),
    ]


def vm_rule(name: str, enabled: str = "true", *guests: str) -> str:
    members = "".join(f"<vm>{guest}</vm>" for guest in guests)
    return (
        f'<rule xsi:type="ClusterAntiAffinityRuleSpec"><key>7</key><name>{name}</name>'
        f"<enabled>{enabled}</enabled><mandatory>false</mandatory>{members}</rule>"
    )


def test_rules_among_guests_are_strict_and_disabled_ones_are_left_out() -> None:
    config = answer(
        vm_rule("web", "true", "vm-1", "vm-2", "vm-gone")
        + vm_rule("web", "true", "vm-2", "vm-3")
        + vm_rule("off", "false", "vm-1", "vm-2")
        + vm_rule("empty", "true", "vm-gone")
        + '<rule xsi:type="ClusterDependencyRuleInfo"><name>order</name><enabled>true</enabled></rule>'
    )
    rules = drs_rules(config, {"vm-1", "vm-2", "vm-3"})
    assert [(rule.name, rule.guests, rule.strict, rule.source) for rule in rules] == [
        ("web", ("vm-1", "vm-2"), True, "drs-rule:web"),
        ("web (7)", ("vm-2", "vm-3"), True, "drs-rule:web"),
    ]


def test_a_rule_about_hosts_without_hosts_says_nothing() -> None:
    config = answer(
        '<group xsi:type="ClusterVmGroup"><name>guests</name><vm>vm-1</vm></group>'
        '<rule xsi:type="ClusterVmHostRuleInfo"><name>pin</name><enabled>true</enabled>'
        "<vmGroupName>guests</vmGroupName><affineHostGroupName>none</affineHostGroupName></rule>"
    )
    assert drs_rules(config, {"vm-1"}) == ()
    assert drs_rules(None, {"vm-1"}) == ()


def override(guest: str, inside: str) -> str:
    return f"<drsVmConfig><key>{guest}</key>{inside}</drsVmConfig>"


@pytest.mark.parametrize(
    ("default", "overrides_count", "told"),
    [
        ("manual", "true", ("DRS (fullyAutomated for 1 guests)",)),
        ("manual", "false", ()),
        ("fullyAutomated", "true", ("DRS (fullyAutomated)",)),
    ],
)
def test_overrides_hand_single_guests_to_drs_or_take_them_from_it(
    default: str, overrides_count: str, told: tuple[str, ...]
) -> None:
    config = answer(
        "<drsConfig><enabled>true</enabled>"
        f"<enableVmBehaviorOverrides>{overrides_count}</enableVmBehaviorOverrides>"
        f"<defaultVmBehavior>{default}</defaultVmBehavior></drsConfig>"
        + override("vm-1", "<enabled>false</enabled>")
        + override("vm-2", "<behavior>fullyAutomated</behavior>")
        + override("vm-3", "<enabled>true</enabled><behavior>manual</behavior>")
    )
    assert other_balancers(config) == told
    assert balancing_disabled(config) == ({"vm-1"} if overrides_count == "true" else set())


def fault(kind: str, inside: str = "") -> Element:
    return answer(f'<f xsi:type="vim25:{kind}">{inside}</f>')[0]


def test_a_missing_privilege_names_itself_and_the_object() -> None:
    error = error_of(
        fault(
            "NoPermission", '<object type="HostSystem">host-7</object><privilegeId>System.Read</privilegeId>'
        ),
        "Permission to perform this operation was denied.",
        "vc:443, QueryPerf",
    )
    assert isinstance(error, PermissionMissing)
    assert "vc:443, QueryPerf: the account lacks System.Read on HostSystem host-7" in str(error)


def test_a_fault_that_names_an_empty_task_is_told_all_the_same() -> None:
    error = error_of(fault("TaskInProgress", '<task type="Task"></task>'), "In progress.", "vc:443")
    assert isinstance(error, Refused)
    assert str(error) == "vc:443: In progress (TaskInProgress)"


def test_a_fault_without_detail_is_told_in_the_servers_words() -> None:
    assert str(error_of(None, "Something broke", "vc:443")) == "vc:443: Something broke (Fault)"


def test_what_is_gone_is_known_by_its_reference() -> None:
    error = error_of(fault("ManagedObjectNotFound", '<obj type="VirtualMachine">vm-9</obj>'), "", "vc:443")
    assert isinstance(error, Gone)
    assert error.id == "vm-9"


def test_an_error_of_a_task_is_one_line() -> None:
    error = answer('<fault xsi:type="MigrationFault"/><localizedMessage>It \n failed.</localizedMessage>')
    assert localized(error) == "It failed (MigrationFault)"
    assert localized(answer('<fault xsi:type="Timedout"/>')) == "Timedout"


@pytest.mark.parametrize(
    ("fault", "passing"),
    [
        ("InvalidHostState", True),
        ("HostNotConnected", True),
        ("TaskInProgress", True),
        ("InvalidState", True),
        ("InsufficientHostMemoryCapacityFault", True),
        ("InsufficientFailoverResourcesFault", True),
        ("FileLocked", True),
        ("CannotAccessVmDisk", False),
        ("CpuIncompatible", False),
        ("FeatureRequirementsNotMet", False),
        ("VMotionNotConfigured", False),
        ("VMotionNotLicensed", False),
        ("SomethingNew", False),
    ],
)
def test_a_refusal_that_may_be_over_in_a_moment_is_no_lasting_one(fault: str, passing: bool) -> None:
    assert passes(answer(f"<fault xsi:type='{fault}'/><localizedMessage>no</localizedMessage>")) is passing
