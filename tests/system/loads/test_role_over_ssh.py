# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role host_load asks hypervisors over real SSH: by key, by password, through a jump host, or in vain."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.tests.support import sshd
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.proc_tree import GIB, Kernel, write

MEMORY = 64 * GIB
KERNELS = {
    "pve1": Kernel(loads=(9.0, 8.0, 7.0), total=MEMORY),
    "pve2": Kernel(loads=(2.0, 1.5, 1.0), total=MEMORY, pressure=None),
    "pve3": Kernel(total=MEMORY, available=30 * GIB, arc=(20 * GIB, 2 * GIB, 32 * GIB)),
}
# A name that only the jump host can look up.
INNER = "pve2.inner.test"


@dataclass(frozen=True)
class Site:
    """A folder that everyone may enter, two sshds, and how to get into each."""

    folder: Path
    outer: sshd.Login
    inner: sshd.Login


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="evenkeel-ssh-", dir="/tmp") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        for name, kernel in KERNELS.items():
            write(folder / "proc" / name, kernel)
        (folder / "proc").chmod(0o755)
        logins = []
        for name in ("outer", "inner"):
            (folder / name).mkdir()
            address = {"outer": "127.0.0.1", "inner": "127.0.0.2"}[name]
            node = sshd.Node(
                folder / name, address=address, names={INNER: "127.0.0.2"} if name == "outer" else {}
            )
            logins.append(stack.enter_context(sshd.running(node))[0])
        yield Site(folder, *logins)


def variables(site: Site, login: sshd.Login, name: str) -> dict[str, Any]:
    return {
        **login.variables(),
        "host_load_proc": str(site.folder / "proc" / name),
        "ansible_remote_tmp": "/tmp/evenkeel-remote",
        # What an unprivileged sshd runs need not be on anyone's PATH.
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def snapshot(**addresses: str | None) -> dict[str, Any]:
    """Hosts that the platform has measured badly: it counts the ARC, and knows no CPU load."""
    hosts = [
        {
            "id": f"node/{name}", "name": name, "status": "online", "maintenance": False, "schedulable": True,
            "capacity": {"cpu": 16.0, "memory": MEMORY}, "used": {"cpu": None, "memory": 60 * GIB},
            "address": address,
        }
        for name, address in addresses.items()
    ]  # fmt: skip
    guests = [
        {
            "id": f"{100 + number}", "name": f"g{number}", "kind": "vm", "host": f"node/{name}",
            "power": "running", "assigned": {"cpu": cores, "memory": GIB},
            "used": {"cpu": None, "memory": GIB}, "migratable": True,
        }
        for number, (name, cores) in enumerate((name, cores) for name in addresses for cores in (3, 9))
    ]  # fmt: skip
    return {
        "schema": "evenkeel.cluster/snapshot/1", "platform": "rehearsal",
        "cluster": {"id": "prod", "name": "prod"}, "taken_at": "2026-11-21T07:00:00Z", "window_seconds": 0,
        "hosts": hosts, "guests": guests, "rules": [],
    }  # fmt: skip


@dataclass(frozen=True)
class Run:
    code: int
    printed: str
    snapshot: Snapshot

    def used(self, name: str, resource: str) -> float | None:
        return next(host.used[resource] for host in self.snapshot.hosts if host.name == name)


def ask(
    site: Site,
    folder: Path,
    given: Mapping[str, Any],
    nodes: Mapping[str, Mapping[str, Any]],
    *arguments: str,
    **options: object,
) -> Run:
    """Run the role in a play of which the cluster is the host, as users do."""
    path = folder / "snapshot.json"
    path.write_text(json.dumps(given))
    (folder / "inventory.json").write_text(
        json.dumps(
            {
                "clusters": {"hosts": {"prod": {"host_load_snapshot_path": str(path), **options}}},
                "nodes": {"hosts": dict(nodes)},
            }
        )
    )
    (folder / "play.json").write_text(
        json.dumps(
            [
                {
                    "hosts": "clusters",
                    "connection": "local",
                    "gather_facts": False,
                    "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
                    "roles": ["evenkeel.cluster.host_load"],
                }
            ]
        )
    )
    done = subprocess.run(
        [
            str(Path(sys.prefix, "bin", "ansible-playbook")),
            "-i", str(folder / "inventory.json"), str(folder / "play.json"), *arguments,
        ],
        env={
            **os.environ,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_TIMEOUT": "60",
            "ANSIBLE_PIPELINING": "1",
            # No connection may serve two runs: the second would get in whatever its key or password.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": tempfile.mkdtemp(prefix="cp", dir=site.folder),
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=3s",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )  # fmt: skip
    printed = " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in printed
    return Run(done.returncode, printed, Snapshot.from_json(json.loads(path.read_text())))


def test_by_key_with_pressure_without_it_and_with_zfs(site: Site, tmp_path: Path) -> None:
    nodes = {name: variables(site, site.outer, name) for name in KERNELS}
    run = ask(site, tmp_path, snapshot(pve1=None, pve2=None, pve3=None), nodes)
    assert run.code == 0, run.printed
    one, two, three = run.snapshot.hosts
    assert (one.used["cpu"], two.used["cpu"]) == (8.0, 1.5), run.printed
    assert one.pressure == {"cpu": 3.0, "memory": 0.25, "io": 6.0}
    assert two.pressure == {}
    assert (one.used["memory"], three.used["memory"]) == (16 * GIB, (64 - 30 - 18) * GIB)
    assert one.labels["cpu_level"] == "x86-64-v3"
    # Guests whose use nobody measured share the load by what they were given.
    assert [guest.used["cpu"] for guest in run.snapshot.guests] == [2.0, 6.0, 0.375, 1.125, 0.5, 1.5]
    assert "changed=0" in run.printed


def test_an_inventory_host_of_another_name(site: Site, tmp_path: Path) -> None:
    """It has the address that the platform tells, or is named for the host in host_load_addresses."""
    run = ask(
        site,
        tmp_path,
        snapshot(pve1=None, pve9="127.0.0.2"),
        {"somewhere": variables(site, site.outer, "pve1"), "other": variables(site, site.inner, "pve2")},
        host_load_addresses={"pve1": "somewhere"},
    )
    assert run.code == 0, run.printed
    assert (run.used("pve1", "cpu"), run.used("pve9", "cpu")) == (8.0, 1.5)


def test_a_host_that_the_inventory_does_not_have(site: Site, tmp_path: Path) -> None:
    """It is reached by the address that the platform tells, with what all hosts have in common."""
    login = variables(site, site.inner, "pve2")
    del login["ansible_host"]
    common = [word for name, value in login.items() for word in ("-e", json.dumps({name: value}))]
    run = ask(site, tmp_path, snapshot(pve9="127.0.0.2", pve8=None), {}, *common)
    assert run.code == 0, run.printed
    assert run.used("pve9", "cpu") == 1.5
    assert "host pve8: not asked, because its address is not known" in run.printed


def test_by_password(site: Site, tmp_path: Path) -> None:
    if not site.outer.by_password:
        pytest.skip("this sshd looks its users up in the system, where there is none for tests")
    by_password = {**variables(site, site.outer, "pve1"), "ansible_password": sshd.PASSWORD}
    del by_password["ansible_ssh_private_key_file"]
    run = ask(site, tmp_path, snapshot(pve1=None), {"pve1": by_password})
    assert run.code == 0, run.printed
    assert run.used("pve1", "cpu") == 8.0
    wrong = ask(site, tmp_path, snapshot(pve1=None), {"pve1": {**by_password, "ansible_password": "wrong"}})
    assert wrong.used("pve1", "cpu") is None
    assert re.search("host pve1: [^;]*(Permission denied|Broken pipe)", wrong.printed)
    assert sshd.PASSWORD not in run.printed


def test_through_a_jump_host(site: Site, tmp_path: Path) -> None:
    if not site.outer.by_password:
        pytest.skip("this sshd looks names up in the system, which has none for tests")
    outer, inner = site.outer, site.inner
    known = tmp_path / "known_hosts"
    key = inner.known_hosts.read_text().splitlines()[0].split(" ", 1)[1]
    known.write_text(f"[{INNER}]:{inner.port} {key}\n{outer.known_hosts.read_text()}")
    through = (
        f"ssh -W %h:%p -i {outer.key} -o UserKnownHostsFile={known} -p {outer.port} {outer.user}@127.0.0.1"
    )
    jumping = {
        **variables(site, inner, "pve2"),
        "ansible_host": INNER,
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known} -o ProxyCommand='{through}'",
    }
    run = ask(site, tmp_path, snapshot(pve2=None), {"pve2": jumping})
    assert run.code == 0, run.printed
    assert run.used("pve2", "cpu") == 1.5
    # Nobody but the jump host knows the name.
    straight = {**jumping, "ansible_ssh_common_args": f"-o UserKnownHostsFile={known}"}
    refused = ask(site, tmp_path, snapshot(pve2=None), {"pve2": straight})
    assert refused.used("pve2", "cpu") is None
    assert "Could not resolve hostname" in refused.printed


@pytest.mark.parametrize(
    ("fallback", "code", "schedulable", "says"),
    [
        ("platform", 0, True, "the platform's own figures are used"),
        ("exclude", 0, False, "excluded from planning"),
        ("fail", 2, True, "on_silent_host: fail: the loads of some hosts are not available"),
    ],
)
def test_a_host_that_does_not_answer(
    site: Site, tmp_path: Path, fallback: str, code: int, schedulable: bool, says: str
) -> None:
    with sshd.dead_port() as port:
        dead = {**variables(site, site.outer, "pve2"), "ansible_port": port}
        nodes = {"pve1": variables(site, site.outer, "pve1"), "pve2": dead}
        run = ask(site, tmp_path, snapshot(pve1=None, pve2=None), nodes, host_load_on_silent_host=fallback)
    assert run.code == code, run.printed
    assert re.search("host pve2: [^;]*Connection refused", run.printed)
    assert says in run.printed
    one, two = run.snapshot.hosts
    assert (two.used["memory"], two.schedulable) == (60 * GIB, schedulable)
    # Nothing is half done.
    assert one.used["memory"] == (60 * GIB if fallback == "fail" else 16 * GIB)


def test_a_host_that_is_no_hypervisor_or_another_one(site: Site, tmp_path: Path) -> None:
    elsewhere = {**variables(site, site.outer, "pve1"), "host_load_proc": "/nonexistent"}
    given = snapshot(pve1=None, pve2=None)
    given["hosts"][1]["capacity"]["memory"] = 512 * GIB
    run = ask(site, tmp_path, given, {"pve1": elsewhere, "pve2": variables(site, site.outer, "pve2")})
    assert run.code == 0, run.printed
    assert "host pve1: /nonexistent/loadavg: can't be read" in run.printed
    assert "host pve2: the machine that answered has 68719476736 bytes of memory" in run.printed
    assert {host.used["memory"] for host in run.snapshot.hosts} == {60 * GIB}


def test_answers_of_a_play_over_the_hypervisors(site: Site, tmp_path: Path) -> None:
    """Nobody is asked then: the nodes here could not be."""
    load = json.loads(
        subprocess.run(
            [
                str(Path(sys.prefix, "bin", "ansible")), "localhost", "-c", "local",
                "-m", "evenkeel.cluster.host_load_info", "-a", f"proc={site.folder}/proc/pve1",
                "-e", f"ansible_python_interpreter={sys.executable}",
            ],
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "json"},
            capture_output=True, text=True, check=True,
        ).stdout.partition(" => ")[2]
    )  # fmt: skip
    answers = {"pve1": load, "node/pve2": {"unreachable": True, "msg": "no route\n to host"}}
    options = {"host_load_answers": answers, "host_load_cpu": "load", "host_load_period": 60}
    run = ask(site, tmp_path, snapshot(pve1=None, pve2=None), {}, **options)
    assert run.code == 0, run.printed
    assert run.used("pve1", "cpu") == 9.0
    assert "host pve2: no route to host" in run.printed
