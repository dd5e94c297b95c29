# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage policies of a simulated vCenter: which disk has one, and where it may be."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Datastore,
    Disk,
    HostDatastore,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place_in
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    PermissionMissing,
    Refused,
    UnexpectedAnswer,
    Unreachable,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.storage_protocol import (
    DiskMoveRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
    VSpherePlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vsphere_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulators import launch

GIB = clusters.GIB
UNKNOWN = "storage_policy_unknown"
DOWN = "Check that vCenter's service of storage policies (vmware-sps) runs"
MOVE = DiskMoveRequest(guest="vm-one", host="host-a", disks=("2000",), source="gold1", target="nfs")


def disk(key: str, datastore: str = "gold1", **more: object) -> Disk:
    plain = Disk(id=key, datastore=datastore, size=10 * GIB, used=5 * GIB, thin=True)
    return replace(plain, **more)  # type: ignore[arg-type]


def with_policies() -> Snapshot:
    """vm-one has a disk that must be on gold, one that may be anywhere and one without a policy, and files of
    its own that must be on gold; vm-two has nothing of the kind.
    """
    names = ("gold1", "gold2", "nfs")
    seen = {name: HostDatastore(shared=True, capacity=100 * GIB, free=50 * GIB) for name in names}
    gold = {"storage_policy": "gold", "targets": ("gold1", "gold2")}
    return replace(
        clusters.cluster(
            (clusters.host("a", datastores=seen), clusters.host("b", datastores=seen)),
            (
                clusters.guest(
                    "one",
                    "a",
                    disks=(
                        disk("2000", **gold),
                        disk("2001", storage_policy="anywhere"),
                        disk("2002"),
                        disk("home", **gold),
                    ),
                ),
                clusters.guest("two", "b", disks=(disk("2000", "nfs"),)),
            ),
        ),
        datastores=tuple(
            Datastore(
                id=name,
                name=name,
                shared=True,
                hosts=("host-a", "host-b"),
                type="VMFS",
                thin=True,
                capacity=100 * GIB,
                free=50 * GIB,
            )
            for name in names
        ),
    )


def serve(
    simulator: Simulate, snapshot: Snapshot, **options: object
) -> tuple[launch.Simulator, VSpherePlatform]:
    served = simulator("vcenter", snapshot)
    return served, clusters.connect(served, **options)


def policies_of(snapshot: Snapshot) -> dict[tuple[str, str | None], tuple[object, object]]:
    return {
        (guest.id, disk.id): (disk.storage_policy, disk.targets)
        for guest in snapshot.guests
        for disk in guest.disks
    }


def blocked(snapshot: Snapshot) -> list[bool]:
    return [UNKNOWN in disk.blockers for guest in snapshot.guests for disk in guest.disks]


def test_disks_are_read_with_their_policy_and_the_datastores_that_comply(simulator: Simulate) -> None:
    served, platform = serve(simulator, with_policies())
    read = platform.read()
    gold = ("gold", ("gold1", "gold2"))
    assert policies_of(read) == {
        ("vm-one", "2000"): gold,
        # One that every datastore complies with is no limit.
        ("vm-one", "2001"): ("anywhere", None),
        ("vm-one", "2002"): (None, None),
        ("vm-one", "home"): gold,
        ("vm-two", "2000"): (None, None),
        ("vm-two", "home"): (None, None),
    }
    assert not any(blocked(read))
    made = clusters.calls(served)
    asked = {name: made[name] for name in made if name.startswith("Pbm")}
    assert asked == {
        "PbmRetrieveServiceContent": 1,
        "PbmQueryAssociatedProfiles": 1,
        "PbmRetrieveContent": 1,
        "PbmCheckRequirements": 2,
    }


def test_a_new_vm_gets_a_datastore_that_complies_with_the_policy_of_its_request(simulator: Simulate) -> None:
    _served, platform = serve(simulator, with_policies())
    disks = [{"size": GIB, "storage_policy": "gold"}]
    wanted = {"name": "new", "cpu": 1, "memory": GIB, "disks": disks}
    found = place_in(platform.read(), PlacementRequest.from_json({"vms": [wanted]}))
    (placed,) = found.placements
    assert [(one.datastore in {"gold1", "gold2"}, one.storage_policy) for one in placed.disks] == [
        (True, "gold")
    ]


def test_many_disks_are_asked_about_together(simulator: Simulate) -> None:
    base = with_policies()
    guests = [
        clusters.guest(f"n{number}", "a", disks=tuple(disk(str(2000 + key)) for key in range(10)))
        for number in range(60)
    ]
    served, platform = serve(simulator, replace(base, guests=(*base.guests, *guests)))
    read = platform.read()
    assert policies_of(read)["vm-one", "2000"] == ("gold", ("gold1", "gold2"))
    # 604 disks, and the other files of 62 guests, 500 a call.
    assert clusters.calls(served)["PbmQueryAssociatedProfiles"] == 2


def test_policies_are_not_asked_for_where_no_disk_is_to_be_moved(simulator: Simulate) -> None:
    served, platform = serve(simulator, with_policies(), storage=False)
    assert not any(blocked(platform.read()))
    assert not [name for name in clusters.calls(served) if name.startswith("Pbm")]


@pytest.mark.parametrize(
    ("switches", "said"),
    [
        (
            {"no_permission_on": ["storage-policies"]},
            (
                "the account lacks StorageProfile.View on the vCenter itself",
                "Give it a role with this privilege",
            ),
        ),
        (
            {"fail_calls": [{"call": "PbmQueryAssociatedProfiles", "error": "RuntimeFault"}]},
            ("PbmQueryAssociatedProfiles: RuntimeFault", DOWN),
        ),
        (
            {"fail_calls": [{"call": "PbmCheckRequirements", "error": 503}]},
            ("vCenter's service of storage policies is not ready (HTTP 503", DOWN),
        ),
        # As where vCenter's proxy knows no such service.
        (
            {"fail_calls": [{"call": "Pbm*", "error": 404}]},
            ("the answer to /pbm is not one of the vSphere API (HTTP 404 Not Found)", DOWN),
        ),
        (
            {"slow_calls": [{"call": "PbmCheckRequirements", "seconds": 600}]},
            ("PbmCheckRequirements: the answer did not come: silence for 3 seconds", DOWN),
        ),
    ],
)
def test_where_policies_can_t_be_read_all_disks_stay_and_a_notice_says_why(
    simulator: Simulate, switches: dict[str, object], said: tuple[str, ...]
) -> None:
    served, platform = serve(simulator, with_policies(), timeout=3)
    served.switches(**switches)
    read = platform.read()
    assert all(blocked(read))
    (notice,) = [notice.text for notice in read.notices if "Storage policies were not read" in notice.text]
    assert all(part in notice for part in said), notice
    assert "storage_policy_unknown" in notice


def test_a_disk_whose_policy_vcenter_can_t_tell_stays_alone_and_is_named(simulator: Simulate) -> None:
    served, platform = serve(simulator, with_policies())
    served.switches(storage_policies=[{"guest": "vm-one", "disk": "2001", "fault": "SystemError"}])
    read = platform.read()
    assert [disk.id for guest in read.guests for disk in guest.disks if UNKNOWN in disk.blockers] == ["2001"]
    (notice,) = [one for one in read.notices if "storage policies" in one.text]
    assert notice.guests == ("one",)
    assert "of 1 disk (disk 2001 of guest one: SystemError). Check them in vCenter" in notice.text
    assert "storage_policy_unknown" in notice.text
    with pytest.raises(Refused, match=r"policy of disk 2001 \(SystemError\)\. Check .* in vCenter"):
        platform.policy_breach(replace(MOVE, disks=("2001", "2002")))
    # One that is known and broken stops the move even where unknown ones are to be ignored.
    said = platform.policy_breach(replace(MOVE, disks=("2000", "2001")))
    assert said == "datastore nfs does not comply with storage policy gold of disk 2000"


def test_a_policy_that_vcenter_can_t_check_keeps_its_own_disks_only(simulator: Simulate) -> None:
    served, platform = serve(simulator, with_policies())
    served.switches(fail_calls=[{"call": "PbmCheckRequirements", "error": "RuntimeFault", "count": 1}])
    read = platform.read()
    # Which of the two policies is asked about first depends on their ids.
    stay = [disk for guest in read.guests for disk in guest.disks if UNKNOWN in disk.blockers]
    assert [disk.id for disk in stay] in (["2001"], ["2000", "home"])
    assert all(disk.targets is None for disk in stay)
    (notice,) = [one.text for one in read.notices if "storage policies" in one.text]
    assert re.search(r"of guest one: storage policy (gold|anywhere): RuntimeFault", notice), notice


def test_a_policy_that_was_assigned_meanwhile_is_found_before_a_move(simulator: Simulate) -> None:
    served, platform = serve(simulator, with_policies())
    assert platform.policy_breach(replace(MOVE, disks=("2002",))) is None
    assert platform.policy_breach(replace(MOVE, target="gold2")) is None
    assert (
        platform.policy_breach(MOVE) == "datastore nfs does not comply with storage policy gold of disk 2000"
    )
    new = {"guest": "vm-one", "disk": "2002", "policy": "silver", "datastores": ["gold1"]}
    served.switches(storage_policies=[new])
    said = platform.policy_breach(replace(MOVE, disks=("2000", "2002"), target="gold2"))
    assert said == "datastore gold2 does not comply with storage policy silver of disk 2002"


def test_where_policies_can_t_be_read_before_a_move_it_is_an_error(simulator: Simulate) -> None:
    served, platform = serve(simulator, with_policies(), timeout=3)
    platform.look_at_storage(["vm-one"])
    with pytest.raises(Refused, match=r"storage policy of disk 2009 \(The object was not found"):
        platform.policy_breach(replace(MOVE, disks=("2009",)))
    served.switches(no_permission_on=["storage-policies"])
    with pytest.raises(PermissionMissing, match=r"StorageProfile\.View"):
        platform.policy_breach(MOVE)
    served.switches(no_permission_on=[], fail_calls=[{"call": "PbmCheckRequirements", "error": 503}])
    with pytest.raises(Unreachable, match=r"not ready .* \(vmware-sps\) runs"):
        platform.policy_breach(MOVE)
    served.switches(fail_calls=[{"call": "Pbm*", "error": 404}])
    with pytest.raises(UnexpectedAnswer, match=r"HTTP 404 Not Found.* \(vmware-sps\) runs"):
        platform.policy_breach(MOVE)
    served.switches(fail_calls=[], slow_calls=[{"call": "PbmQueryAssociatedProfiles", "seconds": 600}])
    with pytest.raises(Unreachable, match=r"PbmQueryAssociatedProfiles: .* silence .* \(vmware-sps\) runs"):
        platform.policy_breach(MOVE)
    served.switches(slow_calls=[])
    assert platform.policy_breach(replace(MOVE, target="gold2")) is None


def test_a_broken_policy_whose_name_can_t_be_read_is_broken_all_the_same(simulator: Simulate) -> None:
    served, platform = serve(simulator, with_policies())
    served.switches(fail_calls=[{"call": "PbmRetrieveContent", "error": "RuntimeFault"}])
    said = platform.policy_breach(MOVE) or ""
    assert re.fullmatch(
        r"datastore nfs does not comply with storage policy [0-9a-f-]{36} of disk 2000", said
    ), said


def test_two_calls_before_a_move_also_once_the_session_was_renewed(simulator: Simulate) -> None:
    served, platform = serve(simulator, with_policies())
    platform.look_at_storage(["vm-one"])

    def calls_of_a_move() -> dict[str, int]:
        before = clusters.calls(served)
        assert platform.policy_breach(replace(MOVE, target="gold2")) is None
        after = clusters.calls(served)
        return {
            name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)
        }

    move = {"PbmQueryAssociatedProfiles": 1, "PbmCheckRequirements": 1}
    assert calls_of_a_move() == {"PbmRetrieveServiceContent": 1, **move}
    assert calls_of_a_move() == move
    served.expire_sessions()
    renewed = {"Login": 1, "PbmRetrieveServiceContent": 1, **move, "PbmQueryAssociatedProfiles": 2}
    assert calls_of_a_move() == renewed
    assert calls_of_a_move() == move
