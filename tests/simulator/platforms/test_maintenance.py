# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance mode: switched on vSphere, waited for on Proxmox VE, refused on VMmanager, and a word in a file
in a rehearsal.
"""

from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    NotFound,
    PermissionMissing,
    Refused,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.rehearsal import RehearsalPlatform
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import (
    proxmox_clusters,
    vmmanager_clusters,
    vsphere_clusters,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support import sshd
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.system.roles.test_roles_on_a_rehearsal import play


def hosts_in_maintenance(served: launch.Simulator) -> list[str]:
    return sorted(name for name, host in served.state()["hosts"].items() if host["maintenance"])


def test_an_esx_host_enters_and_leaves(simulator: Simulate) -> None:
    served = simulator("vcenter", vsphere_clusters.small())
    platform = vsphere_clusters.connect(served)
    assert not platform.in_maintenance("host-b")
    platform.set_maintenance("host-b", on=True, timeout=PATIENCE_SECONDS)
    assert platform.in_maintenance("host-b")
    assert hosts_in_maintenance(served) == ["host-b"]
    platform.set_maintenance("host-b", on=False, timeout=PATIENCE_SECONDS)
    assert hosts_in_maintenance(served) == []
    platform.close()


def test_guests_that_are_off_stay_on_a_host_in_maintenance(simulator: Simulate) -> None:
    cluster = vsphere_clusters.cluster(
        (vsphere_clusters.host("a"), vsphere_clusters.host("b")),
        (vsphere_clusters.guest("one", "a", power="stopped"),),
    )
    served = simulator("vcenter", cluster)
    platform = vsphere_clusters.connect(served)
    platform.set_maintenance("host-a", on=True, timeout=PATIENCE_SECONDS)
    assert served.state()["guests"]["vm-one"]["host"] == "host-a"
    platform.close()


def test_an_esx_host_with_running_guests_is_given_up_on_and_stays_in_service(simulator: Simulate) -> None:
    served = simulator("vcenter", vsphere_clusters.small())
    platform = vsphere_clusters.connect(served)
    with pytest.raises(Refused, match=r"host a\.example: .*Timedout.*still run on the host"):
        platform.set_maintenance("host-a", on=True, timeout=1)
    assert hosts_in_maintenance(served) == []
    platform.close()


def test_what_vcenter_refuses_is_told(simulator: Simulate) -> None:
    served = simulator("vcenter", vsphere_clusters.small())
    platform = vsphere_clusters.connect(served)
    platform.set_maintenance("host-b", on=False, timeout=PATIENCE_SECONDS)
    served.change_host("host-b", status="offline")
    with pytest.raises(Refused, match=r"does not respond.*InvalidHostConnectionState"):
        platform.set_maintenance("host-b", on=True, timeout=PATIENCE_SECONDS)
    with pytest.raises(NotFound, match="host-zz"):
        platform.in_maintenance("host-zz")
    platform.close()


def test_a_lost_answer_or_session_is_no_obstacle(simulator: Simulate) -> None:
    served = simulator(
        "vcenter",
        vsphere_clusters.small(),
        drop_connection=[{"call": "EnterMaintenanceMode_Task", "when": "after"}],
    )
    platform = vsphere_clusters.connect(served)
    platform.set_maintenance("host-b", on=True, timeout=PATIENCE_SECONDS)
    served.expire_sessions()
    assert platform.in_maintenance("host-b")
    served.expire_sessions()
    platform.set_maintenance("host-b", on=False, timeout=PATIENCE_SECONDS)
    assert hosts_in_maintenance(served) == []
    platform.close()


def test_a_call_that_never_arrived_ends_in_a_refusal(simulator: Simulate) -> None:
    served = simulator(
        "vcenter",
        vsphere_clusters.small(),
        drop_connection=[{"call": "EnterMaintenanceMode_Task", "when": "before", "count": 9}],
    )
    seconds = iter(range(0, 10_000, 20))
    platform = vsphere_clusters.VSpherePlatform(
        vsphere_clusters.connection(served),
        sleep=lambda _seconds: None,
        monotonic=lambda: float(next(seconds)),
    )
    with pytest.raises(Refused, match="did not enter maintenance mode within 10 seconds"):
        platform.set_maintenance("host-b", on=True, timeout=10)
    platform.close()


def test_a_missing_privilege_is_named(simulator: Simulate) -> None:
    served = simulator("vcenter", vsphere_clusters.small(), read_only_user="viewer")
    platform = vsphere_clusters.connect(served, username="viewer")
    with pytest.raises(PermissionMissing, match=r"Host\.Config\.Maintenance"):
        platform.set_maintenance("host-b", on=True, timeout=PATIENCE_SECONDS)
    assert hosts_in_maintenance(served) == []
    platform.close()


@pytest.mark.parametrize("release", proxmox_clusters.RELEASES)
def test_a_node_is_waited_for(release: str, simulator: Simulate) -> None:
    served = simulator("proxmox", proxmox_clusters.small(), options=("--version", release))
    pauses: list[float] = []

    def someone_asks(seconds: float) -> None:
        pauses.append(seconds)
        served.change_host("pve2", maintenance=not platform.in_maintenance("pve2"))

    platform = ProxmoxPlatform(proxmox_clusters.connection(served), sleep=someone_asks)
    platform.set_maintenance("pve2", on=True, timeout=PATIENCE_SECONDS)
    assert platform.in_maintenance("pve2")
    platform.set_maintenance("pve2", on=True, timeout=PATIENCE_SECONDS)
    platform.set_maintenance("pve2", on=False, timeout=PATIENCE_SECONDS)
    assert hosts_in_maintenance(served) == []
    assert len(pauses) == 2
    platform.close()


def test_a_node_that_nobody_has_asked_for_is_given_up_on(simulator: Simulate) -> None:
    served = simulator("proxmox", proxmox_clusters.small())
    seconds = iter(range(0, 1000, 7))
    platform = ProxmoxPlatform(
        proxmox_clusters.connection(served),
        sleep=lambda _seconds: None,
        monotonic=lambda: float(next(seconds)),
    )
    with pytest.raises(Refused, match=r"pve2.*ha-manager crm-command node-maintenance enable pve2"):
        platform.set_maintenance("pve2", on=True, timeout=PATIENCE_SECONDS)
    platform.close()


def test_a_disarmed_manager_is_not_waited_for(simulator: Simulate) -> None:
    served = simulator(
        "proxmox", proxmox_clusters.small(), options=("--ha-guest", "100"), ha_disarmed="freeze"
    )
    platform = proxmox_clusters.connect(served)
    with pytest.raises(Refused, match=r"node pve2: HA is disarmed \(freeze\).*Arm it again"):
        platform.set_maintenance("pve2", on=True, timeout=3600)
    # It is known before the node is emptied.
    with pytest.raises(Refused, match="HA is disarmed"):
        platform.require_maintenance("pve2", on=True)
    served.switches(ha_disarmed=None)
    platform.require_maintenance("pve2", on=True)
    with pytest.raises(NotFound, match=r"no node pve9.*The nodes are: pve1, pve2, pve3"):
        platform.require_maintenance("pve9", on=True)
    platform.close()


@pytest.mark.parametrize("number", ["100", "103"])
def test_a_guest_of_proxmox_is_shut_down_by_its_own_system(number: str, simulator: Simulate) -> None:
    served = simulator("proxmox", proxmox_clusters.small())
    platform = ProxmoxPlatform(proxmox_clusters.connection(served), sleep=lambda _seconds: None)
    platform.shut_down(number, timeout=PATIENCE_SECONDS)
    assert served.state()["guests"][number]["power"] == "stopped"
    # One that is off already is left alone.
    platform.shut_down(number, timeout=PATIENCE_SECONDS)
    posts = [call for call in proxmox_clusters.calls(served) if call.endswith("/status/shutdown")]
    assert [proxmox_clusters.calls(served)[call] for call in posts] == [1]
    platform.close()


@pytest.mark.parametrize(("number", "why"), [("100", "VM quit/powerdown failed"), ("103", "did not stop")])
def test_a_guest_of_proxmox_that_does_not_react_stays_on(number: str, why: str, simulator: Simulate) -> None:
    served = simulator("proxmox", proxmox_clusters.small(), ignore_shutdown=[number])
    platform = ProxmoxPlatform(proxmox_clusters.connection(served), sleep=lambda _seconds: None)
    with pytest.raises(Refused, match=rf"guest{number} \({number}\).*{why}.*Its power was not cut"):
        platform.shut_down(number, timeout=1)
    assert served.state()["guests"][number]["power"] == "running"
    platform.close()


def test_a_guest_that_ha_would_start_again_is_not_shut_down(simulator: Simulate) -> None:
    served = simulator("proxmox", proxmox_clusters.small(), options=("--ha-guest", "100"))
    platform = proxmox_clusters.connect(served)
    with pytest.raises(Refused, match=r"HA manages it.*ha-manager set vm:100 --state stopped"):
        platform.shut_down("100", timeout=PATIENCE_SECONDS)
    assert not any("shutdown" in call for call in proxmox_clusters.calls(served))
    platform.close()


def test_the_right_to_shut_guests_down_is_named(simulator: Simulate) -> None:
    rights = ["Sys.Audit", "VM.Audit", "Datastore.Audit", "SDN.Audit"]
    served = simulator("proxmox", proxmox_clusters.small(), grants={"root@pam": {"/": rights}})
    platform = proxmox_clusters.connect(served)
    with pytest.raises(PermissionMissing, match=r"VM\.PowerMgmt on /vms/100"):
        platform.shut_down("100", timeout=PATIENCE_SECONDS)
    platform.close()


@pytest.mark.parametrize(("on", "hint"), [(True, "Empty the node first"), (False, "Switch it off")])
def test_a_node_of_vmmanager_is_never_switched_from_here(on: bool, hint: str, simulator: Simulate) -> None:
    served = simulator("vmmanager", vmmanager_clusters.small())
    platform = vmmanager_clusters.connect(served)
    served.change_host("2", maintenance=not on)
    assert platform.in_maintenance("2") is not on
    with pytest.raises(Refused, match=rf"node 2: .*not public.*stops every virtual machine.*{hint}"):
        platform.require_maintenance("2", on=on)
    with pytest.raises(Refused):
        platform.set_maintenance("2", on=on, timeout=1)
    with pytest.raises(NotFound, match="no node 9"):
        platform.in_maintenance("9")
    assert hosts_in_maintenance(served) == ([] if on else ["2"])
    assert not any(call.startswith("POST /vm") for call in vmmanager_clusters.calls(served))
    platform.close()


def test_a_rehearsal_changes_the_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    before = proxmox_clusters.small()
    path.write_text(json.dumps(before.to_json()))
    platform = RehearsalPlatform(str(path))
    platform.set_maintenance("pve2", on=True, timeout=1)
    assert platform.in_maintenance("pve2")
    after = Snapshot.from_json(json.loads(path.read_text()))
    assert [host.id for host in after.hosts if host.maintenance] == ["pve2"]
    assert after.guests == before.guests
    platform.set_maintenance("pve2", on=False, timeout=1)
    assert platform.read() == before


def test_two_rehearsals_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(proxmox_clusters.small().to_json()))
    names = ["pve1", "pve2", "pve3"]
    threads = [
        threading.Thread(
            target=RehearsalPlatform(str(path)).set_maintenance,
            args=(name,),
            kwargs={"on": True, "timeout": 1},
        )
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(host.maintenance for host in RehearsalPlatform(str(path)).read().hosts)


# What ha-manager is on a node where it answers, and switches nothing.
HA_MANAGER = """\
#!/bin/sh
[ "$1" = status ] && exit 0
echo 'no quorum' >&2
exit 255
"""


def test_the_role_tries_ssh_first_and_shuts_guests_down_before_it_asks_ha_for_maintenance_mode(
    simulator: Simulate, tmp_path: Path
) -> None:
    served = simulator("proxmox", proxmox_clusters.small())
    wanted = {
        "balance_platform": "proxmox",
        "balance_api_host": [served.host],
        "balance_api_port": served.port,
        "balance_api_user": served.user,
        "balance_api_password": served.password,
        "balance_ca_path": served.ca_path,
        "evacuate_hosts": ["pve1"],
        "evacuate_shut_down": {"names": ["*"]},
        "evacuate_ssh_host": "127.0.0.1",
    }

    def powers() -> set[str]:
        guests = served.state()["guests"].values()
        return {guest["power"] for guest in guests if guest["host"] == "pve1"}

    before = powers()
    for options in ([], ["--check"]):
        code, words = play("evacuate", tmp_path / "none", *options, **wanted, ansible_port=1)
        assert code == 2, words
        assert "Nothing was started: maintenance mode needs SSH to 127.0.0.1, which failed: " in words
        assert powers() == before
    # What an sshd without privileges may enter.
    with tempfile.TemporaryDirectory(prefix="evenkeel-ssh-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with sshd.running(sshd.Node(Path(folder, "ssh"), programs={"ha-manager": HA_MANAGER})) as (login, _):
            # The play itself runs here.
            reached = {key: value for key, value in login.variables().items() if key != "ansible_host"}
            reached["ansible_ssh_timeout"] = PATIENCE_SECONDS
            # A socket below the folder of a test has too long a name.
            reached["ansible_control_path_dir"] = f"{folder}/cp"
            code, words = play("evacuate", tmp_path / "none", **wanted, **reached)
    assert code == 2, words
    assert "Switch maintenance mode with ha-manager" in words
    assert "no quorum" in words
    assert powers() == {"stopped"}, words
