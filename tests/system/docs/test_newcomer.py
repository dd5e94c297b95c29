# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes of the first hour, each with the whole text that the user gets.

A text says what is wrong, with which value, in which option or at which address, and what to do. In the
texts, FOLDER is the folder of the test, ADDRESS name and port of the simulator, PYTHON the interpreter.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import failure
from ansible_collections.evenkeel.cluster.tests.support.modules import MODULES, connection_options
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

GUIDES: Final = Path(__file__).parents[3] / "docs"
CLUSTER: Final = generate(Shape(hosts=3, guests=9, seed=1)).to_json()
Texts = Mapping[str, str]


@dataclass(frozen=True)
class Platform:
    """The options of a platform that hold its address, and the texts by mistake."""

    host: str
    port: str
    password: str
    no_privileges: Mapping[str, Any]
    says: Texts

    def mistakes(self, simulator: launch.Simulator) -> dict[str, dict[str, Any]]:
        """The options of each mistake."""
        right = connection_options(simulator.connection)
        portless = {name: value for name, value in right.items() if name != self.port}
        host = simulator.host
        return {
            "no address": {**right, self.host: None},
            "http": {**right, **self._at(f"http://{host}")},
            "a path": {**right, **self._at(f"{host}/ui/")},
            "two ports": {**right, **self._at(f"{host}:8443"), self.port: 443},
            "an impossible port": {**portless, **self._at(f"{host}:80006")},
            "an unknown name": {**right, **self._at("cluster.invalid"), self.port: 443},
            "a closed port": {**right, self.port: 1},
            "a wrong password": {**right, self.password: "guess"},
            "an unknown authority": {**right, "ca_path": None},
            "a missing file of certificates": {**right, "ca_path": "/nowhere/ca.pem"},
            "another file": {**right, "ca_path": __file__},
            "a misspelt cluster": {**right, "cluster": "3x9-2"},
        }

    def _at(self, host: str) -> dict[str, Any]:
        return {self.host: [host] if self.host == "api_host" else host}


def common(host: str, port: str) -> Texts:
    """Texts that differ only in names of options."""
    write = f"Write it without http:// and without a path; the port goes into {port}"
    return {
        "http": f"{host}: 'http://127.0.0.1' is not a name or address such as cluster.example.com. {write}",
        "a path": f"{host}: '127.0.0.1/ui/' is not a name or address such as cluster.example.com. {write}",
        "two ports": (
            f"{host}: '127.0.0.1:8443' has another port than {port} (443). Set the port in one of them"
        ),
        "an impossible port": f"{host}: 80006 is not a port number, 1 to 65535",
        "a missing file of certificates": (
            "ca_path: '/nowhere/ca.pem' is not a readable file of PEM certificates: no such file or directory"
        ),
        "another file": (
            "ca_path: 'test_newcomer.py' is not a readable file of PEM certificates:"
            " it contains no certificate"
        ),
    }


PLATFORMS: Final[Mapping[launch.Platform, Platform]] = {
    "proxmox": Platform(
        host="api_host",
        port="api_port",
        password="api_password",
        no_privileges={"grants": {"root@pam": {"/vms": ["VM.Audit"]}}},
        says={
            **common("api_host", "api_port"),
            "no address": (
                "api_host is required when platform is proxmox."
                " Set it, or the environment variable PROXMOX_HOST"
            ),
            "an unknown name": (
                "cluster.invalid:443: no answer: the name can't be resolved. Check api_host and api_port"
            ),
            "a closed port": "127.0.0.1:1: no answer: connection refused. Check api_host and api_port",
            "a wrong password": (
                "ADDRESS: the user root@pam or the password is not accepted."
                " Check api_user (such as root@pam, with its realm) and api_password"
            ),
            "an unknown authority": (
                "https://ADDRESS: the certificate does not verify: unable to get local issuer certificate."
                " Name the CA that signed it with ca_path (on a node: /etc/pve/pve-root-ca.pem)"
            ),
            "a misspelt cluster": (
                "platform proxmox: the API hosts belong to the cluster '3x9-1', not to '3x9-2'."
                " Check cluster and api_host"
            ),
            "no privileges": (
                "GET access/permissions: the account lacks the privilege Sys.Audit on /. Give it a role with"
                " Sys.Audit on /, propagated (an API token with privilege separation needs the role itself)"
            ),
        },
    ),
    "vmmanager": Platform(
        host="vmmanager_host",
        port="vmmanager_port",
        password="vmmanager_password",
        no_privileges={"roles": ["@user"]},
        says={
            **common("vmmanager_host", "vmmanager_port"),
            "no address": (
                "vmmanager_host is required when platform is vmmanager."
                " Set it, or the environment variable VMMANAGER_HOST"
            ),
            "an unknown name": (
                "https://cluster.invalid:443: no answer: the name can't be resolved."
                " Check vmmanager_host and vmmanager_port"
            ),
            "a closed port": (
                "https://127.0.0.1:1: no answer: connection refused. Check vmmanager_host and vmmanager_port"
            ),
            "a wrong password": (
                "https://ADDRESS: the user admin@example.com or the password is not accepted: invalid email"
                " or password (code 1010)."
                " Check vmmanager_username (an e-mail address) and vmmanager_password"
            ),
            "an unknown authority": (
                "https://ADDRESS: the certificate does not verify: unable to get local issuer certificate."
                " Name the CA that signed it with ca_path"
            ),
            "a misspelt cluster": (
                "https://ADDRESS: there is no cluster '3x9-2'. Set cluster to one of 3x9-1 (id 1)"
            ),
            "no privileges": (
                "GET auth/v4/whoami: the account sees only a part of the platform: it has @user."
                " The account needs the role @admin"
            ),
        },
    ),
    "vcenter": Platform(
        host="hostname",
        port="port",
        password="password",
        no_privileges={},
        says={
            **common("hostname", "port"),
            "no address": (
                "hostname is required when platform is vsphere."
                " Set it, or the environment variable VMWARE_HOST"
            ),
            "an unknown name": (
                "cluster.invalid:443: no connection: the name can't be resolved."
                " Check hostname and port, and that this machine may reach them"
            ),
            "a closed port": (
                "127.0.0.1:1: no connection: connection refused."
                " Check hostname and port, and that this machine may reach them"
            ),
            "a wrong password": (
                "ADDRESS, Login: the user name or the password is not accepted."
                " Check username and password; the user name usually reads user@domain"
            ),
            "an unknown authority": (
                "ADDRESS: the certificate does not verify: unable to get local issuer certificate."
                " Set ca_path to the file of its CA, or validate_certs: false to trust anyone"
            ),
            "a misspelt cluster": (
                "ADDRESS: there is no cluster '3x9-2'. Set cluster, and datacenter where needed, to one"
                " of those that the account sees: dc0/3x9-1"
            ),
        },
    ),
}


@pytest.mark.parametrize("name", list(PLATFORMS))
def test_connecting(name: launch.Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = PLATFORMS[name]
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER))
    home = {"HOME": str(tmp_path)}
    with launch.start(name, [tmp_path / "cluster.json"], tmp_path / "simulator") as simulator:
        said = {
            mistake: failure("cluster_facts", options, monkeypatch, home)
            for mistake, options in platform.mistakes(simulator).items()
        }
        if platform.no_privileges:
            simulator.switches(**platform.no_privileges)
            options = connection_options(simulator.connection)
            said["no privileges"] = failure("cluster_facts", options, monkeypatch, home)
    address = f"{simulator.host}:{simulator.port}"
    folder = f"{Path(__file__).parent}/"
    assert {what: text.replace(address, "ADDRESS").replace(folder, "") for what, text in said.items()} == (
        platform.says
    )


@dataclass(frozen=True)
class Call:
    """A call of a module with its error. FOLDER/cluster.json is a snapshot."""

    what: str
    module: str
    options: Mapping[str, Any]
    says: str


REHEARSAL: Final = {"platform": "rehearsal", "rehearsal_path": "FOLDER/cluster.json"}
READ: Final = {"snapshot_path": "FOLDER/cluster.json"}
CALLS: Final = (
    Call(
        "a wrong platform",
        "cluster_facts",
        {"platform": "promox"},
        "value of platform must be one of: vsphere, proxmox, vmmanager, rehearsal, got: promox",
    ),
    Call(
        "a file that does not exist",
        "cluster_facts",
        {**REHEARSAL, "rehearsal_path": "FOLDER/gone.json"},
        "FOLDER/gone.json: there is no such file. rehearsal_path names a snapshot file",
    ),
    Call(
        "a cluster of another name",
        "cluster_facts",
        {**REHEARSAL, "cluster": "prod"},
        "FOLDER/cluster.json: there is no cluster 'prod'. The file holds '3x9-1'",
    ),
    Call(
        "a folder that can't exist",
        "cluster_facts",
        {**REHEARSAL, "snapshot_path": "FOLDER/cluster.json/out.json"},
        "snapshot_path: FOLDER/cluster.json/out.json can't be written: a folder of its path is a file",
    ),
    Call(
        "a file that is not JSON",
        "balance_plan",
        {"snapshot_path": "FOLDER/half.json"},
        "snapshot_path: FOLDER/half.json is not JSON: Expecting value: line 1 column 12 (char 11)",
    ),
    Call(
        "a plan instead of a snapshot",
        "balance_plan",
        {"snapshot": {"schema": "evenkeel.cluster/plan/1"}},
        "snapshot.schema: 'evenkeel.cluster/plan/1' is not 'evenkeel.cluster/snapshot/2'. Pass a snapshot",
    ),
    Call(
        "a wrong goal",
        "balance_plan",
        {**READ, "goal": "balance"},
        "value of goal must be one of: spread, relieve, rules, evacuate, consolidate, storage, got: balance",
    ),
    Call(
        "a wrong preset",
        "balance_plan",
        {**READ, "preset": "vmware"},
        "value of preset must be one of: fdrs, vmmanager, proxmox_rebalancing, proxlb, drs, proxmox,"
        " sdrs, got: vmware",
    ),
    Call(
        "a misspelt host",
        "balance_plan",
        {**READ, "goal": "evacuate", "evacuate": {"names": ["host1"]}},
        "evacuate.names: no host has the name or id 'host1'. Did you mean host01?"
        " Hosts of this cluster: host01, host02, host03",
    ),
    Call(
        "a fraction instead of a percentage",
        "balance_plan",
        {**READ, "limits": {"memory": 0.8}},
        "limits.memory: 0.8 is less than one percent. Percentages are numbers from 0 to 100."
        " Did you mean 80?",
    ),
    Call(
        "a size without a unit",
        "vm_placement",
        {**READ, "vms": [{"name": "a", "cpu": 1, "memory": 4096}]},
        "vms[0].memory: 4096 has no unit and counts bytes. Did you mean 4096M? For bytes, write 4096B",
    ),
    Call(
        "a size with an unknown unit",
        "vm_placement",
        {**READ, "vms": [{"name": "a", "cpu": 1, "memory": "4 gigs"}]},
        "vms[0].memory: '4 gigs' is not a size of at least 0, such as 96G",
    ),
    Call(
        "a lease of a size without a unit",
        "capacity_lease",
        {"name": "a", "vcpus": 1, "memory": "96"},
        "memory: 96 has no unit and counts bytes. Did you mean 96G or 96M? For bytes, write 96B",
    ),
    Call(
        "a lease before there is a pool",
        "capacity_lease",
        {"name": "a", "vcpus": 1},
        "lease: no pool is defined. Create one with capacity_pool",
    ),
    Call(
        "a file as a database",
        "capacity_info",
        {"state_url": "state.db"},
        "state_url: the URL can't be used: it does not begin with a scheme and ://."
        " Write it as sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, with the characters"
        " @ : / ? # % of a user or password percent-encoded",
    ),
    Call(
        "a plan for another cluster",
        "vm_migrate",
        {**REHEARSAL, "plan_path": "FOLDER/plan.json"},
        "vm_migrate: the plan is for cluster 'prod' (id prod), and the platform has the cluster with the id"
        " generated-1. Nothing was started. Make a plan for the cluster of the platform",
    ),
)


def test_calling_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER))
    (tmp_path / "half.json").write_text('{"schema": ')
    other = {**CLUSTER, "cluster": {"id": "prod", "name": "prod"}}
    home = {"HOME": str(tmp_path)}
    planned = {"snapshot": other, "plan_path": str(tmp_path / "plan.json")}
    assert failure("balance_plan", planned, monkeypatch, home) == ""
    said = {}
    for call in CALLS:
        options = json.loads(json.dumps(call.options).replace("FOLDER", str(tmp_path)))
        text = failure(call.module, options, monkeypatch, home)
        said[call.what] = text.replace(str(tmp_path), "FOLDER")
    assert said == {call.what: call.says for call in CALLS}


# A library that is not installed, by its name as it is imported.
PROCESSES: Final = (
    (
        "proxmoxer",
        Call(
            "proxmoxer is not installed",
            "cluster_facts",
            {
                "platform": "proxmox",
                "api_host": ["192.0.2.1"],
                "api_user": "u@pam",
                "api_password": "secret",
            },
            "platform proxmox: the Python library proxmoxer is not installed."
            " Run PYTHON -m pip install proxmoxer requests",
        ),
    ),
    (
        "pyVmomi",
        Call(
            "pyvmomi is not installed",
            "cluster_facts",
            {"platform": "vsphere", "hostname": "192.0.2.1", "username": "u@sso", "password": "secret"},
            "platform vsphere: the Python library pyvmomi is not installed."
            " Run PYTHON -m pip install pyvmomi",
        ),
    ),
    (
        "",
        Call(
            "a misspelt option",
            "capacity_reap",
            {"grase": 5},
            "Unsupported parameters for (evenkeel.cluster.capacity_reap) module: grase."
            " Supported parameters include: gone_owners, grace, living_owners, state_url.",
        ),
    ),
)


def test_calling_modules_as_ansible_does(tmp_path: Path) -> None:
    """What Ansible itself says of options, and what is missing in the Python that it runs modules with."""
    running = {}
    for number, (library, call) in enumerate(PROCESSES):
        folder = tmp_path / str(number)
        folder.mkdir()
        if library:
            error = f"raise ModuleNotFoundError('No module named {library}', name={library!r})\n"
            (folder / f"{library}.py").write_text(error)
        name = {"_ansible_module_name": f"evenkeel.cluster.{call.module}"}
        (folder / "options").write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**call.options, **name}}))
        running[call.what] = subprocess.Popen(
            [sys.executable, "-m", f"{MODULES}.{call.module}", str(folder / "options")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(folder)},
            text=True,
        )
    said = {}
    for what, process in running.items():
        printed, _none = process.communicate(timeout=PATIENCE_SECONDS)
        said[what] = json.loads(printed.strip().splitlines()[-1])["msg"].replace(sys.executable, "PYTHON")
    assert said == {call.what: call.says for _library, call in PROCESSES}


FILE: Final = "{{ inventory_dir }}/cluster.json"
EXAMPLE: Final = {"balance_platform": "rehearsal", "balance_rehearsal_path": FILE}
# By inventory host: its variables, and the text of the failure.
CLUSTERS: Final[Mapping[str, tuple[Mapping[str, Any], str]]] = {
    "no_platform": (
        {},
        "balance_platform is required by the role balance."
        " Set it for the cluster in the inventory, or with -e",
    ),
    "wrong_platform": (
        {"balance_platform": "promox"},
        "balance_platform: 'promox' is not one of: vsphere, proxmox, vmmanager, rehearsal."
        " Did you mean proxmox?",
    ),
    "misspelt_variable": (
        {**EXAMPLE, "balance_agressiveness": 5},
        "balance_agressiveness is not a variable of the role balance. Did you mean balance_aggressiveness?",
    ),
    "misspelt_key": (
        {**EXAMPLE, "balance_limits": {"cpus": 80}},
        "balance_limits.cpus is not a key of balance_limits. Did you mean cpu? Its keys: cpu, cpu_for_rules,"
        " cpu_overcommit, max_guests, memory, memory_for_rules, memory_overcommit, memory_reserve",
    ),
    "wrong_goal": (
        {**EXAMPLE, "balance_goal": "balance"},
        "balance_goal: 'balance' is not one of: spread, relieve, rules, evacuate, consolidate, storage",
    ),
    "a_word_for_a_number": (
        {**EXAMPLE, "balance_aggressiveness": "high"},
        "balance_aggressiveness: 'high' is not a whole number",
    ),
    "no_vault": (
        {**EXAMPLE, "balance_api_password": "{{ vault_pve_password }}"},
        "Task failed: 'vault_pve_password' is undefined",
    ),
    "no_file": (
        {**EXAMPLE, "balance_rehearsal_path": "{{ inventory_dir }}/cluster.jsn"},
        "FOLDER/cluster.jsn: there is no such file. rehearsal_path names a snapshot file",
    ),
    "no_folder": (
        {**EXAMPLE, "balance_plan_path": f"{FILE}/plan.json"},
        "balance_plan_path: FOLDER/cluster.json/plan.json can't be written: a folder of its path is a file",
    ),
}


def play(folder: Path, *options: str, **variables: str) -> tuple[int, str]:
    """The exit code and the output of the playbook balance, without warnings."""
    programs = Path(sys.executable).parent
    done = subprocess.run(
        [programs / "ansible-playbook", "evenkeel.cluster.balance", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_NOCOLOR": "1",
            **variables,
        },
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    return done.returncode, done.stdout.replace(str(folder), "FOLDER")


def fatal(printed: str) -> dict[str, str]:
    """The message of the last failure of each cluster."""
    return {
        host: json.loads(result)["msg"]
        for host, result in re.findall(r"fatal: \[(\w+)\]: FAILED! => (.*)", printed)
    }


def test_running_the_role(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER))
    hosts = {name: variables for name, (variables, _says) in CLUSTERS.items()}
    (tmp_path / "clusters.json").write_text(json.dumps({"clusters": {"hosts": hosts}}))
    code, printed = play(tmp_path, "-i", "clusters.json", "--check")
    assert code == 2
    assert fatal(printed) == {name: says for name, (_variables, says) in CLUSTERS.items()}


@pytest.mark.parametrize("inventory", ["", "empty"])
def test_no_inventory(inventory: str, tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text('{"clusters": {"hosts": {}}}')
    code, printed = play(tmp_path, *(["-i", f"{inventory}.json"] if inventory else []))
    assert code == 2
    assert fatal(printed) == {
        "localhost": "Task failed: Error processing keyword 'environment': No host of the inventory matches"
        " clusters. Name an inventory with -i that has the clusters as hosts of its group clusters, or set"
        " balance_clusters."
    }


def test_the_guide_for_proxmox_as_it_is_written(tmp_path: Path) -> None:
    """Its inventory and its first command, with the address and the account of a simulator."""
    guide = (GUIDES / "getting-started-proxmox.md").read_text()
    inventory = re.search(r"```yaml\n(# clusters.yml[^`]*)```", guide)
    command = re.search(r"```shell\n(ansible-playbook[^`]*)```", guide)
    assert inventory is not None
    assert command is not None
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER))
    with launch.start("proxmox", [tmp_path / "cluster.json"], tmp_path / "simulator") as simulator:
        clusters = yaml.safe_load(inventory[1])
        production = clusters["clusters"]["hosts"]["production"]
        assert production.pop("balance_api_token_id")
        assert production.pop("balance_api_token_secret") == "{{ vault_pve_token }}"
        production["balance_api_host"] = [f"https://{simulator.host}:{simulator.port}/"]
        production |= {"balance_api_user": simulator.user, "balance_ca_path": "simulator/ca.pem"}
        assert Path(simulator.ca_path) == tmp_path / production["balance_ca_path"]
        (tmp_path / "clusters.yml").write_text(yaml.safe_dump(clusters))
        typed = command[1].splitlines()[0].partition("#")[0].split()
        assert typed[:2] == ["ansible-playbook", "evenkeel.cluster.balance"]
        code, printed = play(tmp_path, *typed[2:], PROXMOX_PASSWORD=simulator.password)
        # Then a rehearsal of that cluster.
        rehearsal = (GUIDES / "rehearsal.md").read_text()
        [export] = re.findall(r"(?m)^ansible-playbook .*balance_snapshot_path.*$", rehearsal)
        exported, text = play(tmp_path, *shlex.split(export)[2:], PROXMOX_PASSWORD=simulator.password)
    assert (code, "  spread  " in printed) == (0, True), printed
    assert exported == 0, text
    assert len(json.loads((tmp_path / "production.json").read_text())["guests"]) == len(CLUSTER["guests"])
