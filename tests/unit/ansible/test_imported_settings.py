# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of other balancers as variables of an inventory, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.evenkeel.cluster.plugins.filter.imported_settings import imported_settings
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.policy import POLICY_ARGUMENTS
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy

ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT / "tests" / "unit" / "ansible" / "imported"
NAMES = ("vm-balancer.env", "prs.conf", "proxlb.yaml")
SECRETS = ("hunter2", "100%", "430e308f", "telegram-secret")
ROLE = yaml.safe_load((ROOT / "roles/balance/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
ENV = "VMMANAGER_HOST=vm.example.com\n"
PRS = "[proxmox]\napi_host: pve1\napi_user: root@pam\n"
PROXLB = "proxmox_api: {hosts: [pve1], user: root@pam}\n"


def settings(text: str) -> dict[str, Any]:
    found = imported_settings(text, "prod")
    assert isinstance(found, dict)
    return found


def hosts(text: str) -> dict[str, dict[str, Any]]:
    result: dict[str, dict[str, Any]] = settings(text)["inventory"]["clusters"]["hosts"]
    return result


def left(text: str) -> dict[str, str]:
    return {entry["setting"]: entry["why"] for entry in settings(text)["not_carried_over"]}


def read(name: str) -> str:
    return (FILES / name).read_text()


def test_vm_balancer() -> None:
    text = read("vm-balancer.env")
    common = {
        "balance_platform": "vmmanager",
        "balance_vmmanager_host": "vm.example.com",
        "balance_vmmanager_port": 8443,
        "balance_vmmanager_username": "balancer@example.com",
        "balance_vmmanager_password": "{{ vault_prod_vmmanager_password }}",
        "balance_validate_certs": False,
        "balance_preset": "vmmanager",
        "balance_max_migrations": 2,
        "balance_timeout": 3600,
        "balance_relieve": {
            "overload": {"vcpus_per_core": 6.5, "memory": 75},
            "target": {"vcpus_per_core": 5.5, "memory": 70},
        },
        "balance_exclude": {"targets": {"names": ["node-7", "12"]}},
    }
    assert hosts(text) == {
        "prod-1": {**common, "balance_cluster": "1"},
        "prod-3": {**common, "balance_cluster": "3"},
    }
    assert imported_settings(text, "prod", "secrets") == {
        "vault_prod_vmmanager_password": "pa ss # {{ hunter2 }}"
    }
    assert set(left(text)) == {
        "BALANCE_INTERVAL", "LOG_LEVEL", "SSH_ENABLED", "SSH_USERNAME", "SSH_PRIVATE_KEY_PATH",
        "TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "MAX_MIGRATION_PER_CYCLE",
    }  # fmt: skip
    assert left(text)["BALANCE_INTERVAL"] == "run the playbook every 300 seconds by cron, a timer, or AWX"
    assert left(text)["MAX_MIGRATION_PER_CYCLE"] == (
        "vm-balancer has no such setting. Is MAX_MIGRATIONS_PER_CYCLE meant?"
    )


def test_all_clusters_of_vm_balancer_are_named_as_not_carried_over() -> None:
    assert list(hosts(ENV)) == ["prod"]
    assert "balance_cluster" not in hosts(ENV)["prod"]
    assert left(ENV) == {
        "CLUSTER_IDS": "it is empty, which means all clusters: add an inventory host with balance_cluster "
        "for each, or use the inventory plugin evenkeel.cluster.clusters"
    }


def test_prs() -> None:
    text = read("prs.conf")
    assert hosts(text) == {
        "prod": {
            "balance_platform": "proxmox",
            "balance_api_host": ["pve1.example.com"],
            "balance_api_user": "root@pam",
            "balance_api_password": "{{ vault_prod_api_password }}",
            "balance_validate_certs": False,
            "balance_preset": "proxmox_rebalancing",
            "balance_with_local_disks": True,
            "balance_metrics": ["storage"],
            "balance_exclude": {
                "sources": {"names": ["pve8", "pve9"]},
                "targets": {"names": ["pve8", "pve9"]},
                "guests": {"names": ["testvm01", "testvm02"]},
            },
        }
    }
    assert imported_settings(text, "prod", "secrets") == {"vault_prod_api_password": "100%-secret"}
    assert left(text) == {
        "service.daemon": "run the playbook on a schedule: by cron, a systemd timer, or AWX",
        "service.schedule": "run the playbook every 12 hours by cron, a systemd timer, or AWX",
        "balancing.ignore_vmss": "PRS has no such setting. Is balancing.ignore_vms meant?",
    }


def test_proxlb() -> None:
    text = read("proxlb.yaml")
    assert hosts(text) == {
        "prod": {
            "balance_platform": "proxmox",
            "balance_api_host": ["virt01.example.com", "10.10.10.10", "fd00::1"],
            "balance_api_port": 443,
            "balance_api_user": "balancer@pve",
            "balance_api_token_id": "proxlb",
            "balance_api_token_secret": "{{ vault_prod_api_token_secret }}",
            "balance_preset": "proxlb",
            "balance_maintenance_windows": [
                {"hosts": {"names": ["virt66"]}, "days": [], "start": "0:00", "hours": 24},
                *(
                    {
                        "hosts": {"names": ["virt77"]},
                        "days": [day],
                        "start": start,
                        "hours": 3,
                        "lead_minutes": 10,
                    }
                    for day, start in (("monday", "8:00"), ("friday", "22:30"))
                ),
            ],
            "balance_exclude": {
                "sources": {"names": ["virt09"]},
                "targets": {"names": ["virt09"]},
                "guests": {"names": ["my-auto-vm-01"]},
            },
            "balance_metrics": ["memory"],
            "balance_demand": "assigned",
            "balance_level_above": {"memory": 75},
            "balance_max_spread": 5,
            "balance_limits": {"cpu_overcommit": 3.5},
            # The last entry that selects a node applies, so the defaults come first.
            "balance_reserves": [
                {"hosts": {"names": ["*"]}, "memory": 4 * 1024**3},
                {"hosts": {"names": ["virt01"]}, "memory": 6 * 1024**3},
            ],
            "balance_max_parallel": 3,
            "balance_timeout": 1800,
            "balance_with_local_disks": True,
            "balance_restart_containers": True,
            "balance_allow_blockers": ["local_disk", "container_restart"],
            "balance_rules": [
                {"by": "pool", "pattern": "dev", "kind": "affinity"},
                {"by": "pool", "pattern": "db", "kind": "anti_affinity"},
                {
                    "by": "pool", "pattern": "db", "kind": "host_affinity", "min_members": 1,
                    "hosts": {"names": ["virt66", "virt77"]}, "strict": False,
                },
            ],
            "balance_time_limit": 30,
        }
    }  # fmt: skip
    assert imported_settings(text, "prod", "secrets") == {
        "vault_prod_api_token_secret": "430e308f-1337-1337-beef-1337beefcafe"
    }
    assert set(left(text)) == {
        "proxmox_api.timeout", "proxmox_api.retries", "proxmox_api.wait_time",
        "proxmox_cluster.maintenance_nodes_schedule.schedules", "proxmox_cluster.overprovisioning",
        "balancing.enforce_affinity", "balancing.max_node_inflow", "balancing.cpu_threshold",
        "balancing.balance_larger_guests_first", "balancing.node_resource_reserve.defaults.disk",
        "service.daemon", "service.enable_ha", "service.schedule.interval", "service.log_level",
        "solver.mode",
    }  # fmt: skip


def test_thresholds_of_pressure_become_those_of_relief() -> None:
    psi = "{nodes: {memory: {pressure_some: 0.2, pressure_full: 0.1}}, guests: {cpu: {pressure_some: 1}}}"
    text = f"{PROXLB}balancing: {{mode: psi, method: memory, psi: {psi}}}\n"
    found = hosts(text)["prod"]
    assert found["balance_demand"] == "pressure"
    assert found["balance_goal"] == "relieve"
    assert found["balance_relieve"] == {"overload": {"memory": 0.2}}
    assert set(left(text)) == {"balancing.psi.guests", "balancing.psi.nodes.memory.pressure_full"}


@pytest.mark.parametrize(
    "text",
    [
        *map(read, NAMES), ENV, PRS, PROXLB,
        *(f"{PROXLB}balancing: {body}\n" for body in (
            "{mode: psi, method: disk}",
            "{mode: psi, psi: {nodes: {disk: {pressure_some: 1}, cpu: {pressure_some: 2}}}}",
            "{method: disk, disk_threshold: 80}",
            "{method: cpu, balance_types: [ct]}",
            "{balance_types: [vm], ignore_guests: [a]}",
        )),
        *(f"{PRS}[balancing]\nmethod: {method}\n" for method in ("cpu", "memory", "disk")),
    ],
)  # fmt: skip
def test_every_variable_is_one_of_the_role_and_the_policy_is_valid(text: str) -> None:
    for variables in hosts(text).values():
        assert set(variables) <= set(ROLE["options"])
        options = {name.removeprefix("balance_"): value for name, value in variables.items()}
        Policy.from_json({name: value for name, value in options.items() if name in POLICY_ARGUMENTS})


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_among_the_settings(name: str) -> None:
    shown = repr(settings(read(name)))
    assert not [secret for secret in SECRETS if secret in shown]


def test_each_of_several_ports_of_proxlb_is_named() -> None:
    text = "proxmox_api: {hosts: ['pve1:443', 'pve2'], user: root@pam}\n"
    assert hosts(text)["prod"]["balance_api_port"] == 443
    assert left(text)["proxmox_api.hosts"].startswith("the hosts have several ports (443, 8006)")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The file is not from a balancer that is supported: it is empty. Use the .env file of"),
        ("#!/bin/sh\nPATH=/bin\n", "it has neither VMMANAGER_HOST nor [proxmox] nor proxmox_api. Use the"),
        ("VMMANAGER_USERNAME=admin\n", "VMMANAGER_HOST is required"),
        (f"{ENV}VMMANAGER_PASSWORD=\udce4\n", "The file is not UTF-8. Save it as UTF-8"),
        (f"{ENV}secret without a sign\n", "line 2 is not NAME=value"),
        (f"{ENV}MIGRATION_TIMEOUT=soon\n", "MIGRATION_TIMEOUT: 'soon' is not a number of at least 1"),
        (f"{ENV}MAX_MIGRATIONS_PER_CYCLE=1.5\n", "MAX_MIGRATIONS_PER_CYCLE: '1.5' is not a whole number"),
        (f"{ENV}VERIFY_SSL=maybe\n", "VERIFY_SSL: 'maybe' is not true or false"),
        ("VMMANAGER_HOST=http://vm\n", "VMMANAGER_HOST: 'http://vm' is not an address or an https URL"),
        ("VMMANAGER_HOST=https://a:secret@vm\n", "VMMANAGER_HOST: 'a URL with a user' is not the name or"),
        ("VMMANAGER_HOST=vm:99999\n", "VMMANAGER_HOST: 'vm:99999' is not the name or address of a server"),
        (f"{ENV}EXCLUDE_SOURCE_NODES={{{{ x }}}}\n", "is not a text of one line without {{, {% and {#"),
        ("[service]\ndaemon: 1\n", "[proxmox] is required: the section with api_host and api_user"),
        ("[proxmox]\napi_host: pve1\n", "proxmox.api_user is required"),
        ("[proxmox]\napi_user: root@pam\n", "proxmox.api_host is required"),
        (f"{PRS}api_pass\n", "line 4 is neither [section] nor 'key: value', or is doubled"),
        (f"{PRS}api_user: secret\n", "line 4 is neither [section] nor 'key: value', or is doubled"),
        (
            f"{PRS}[balancing]\nmethod: network\n",
            "balancing.method: 'network' is not one of memory, cpu, disk",
        ),
        (f"{PRS}[service]\nschedule: daily\n", "service.schedule: 'daily' is not a number of at least 0"),
        ("proxmox_api: [secret\n", "The file is not valid YAML: line 2, column 1"),
        ("proxmox_api: 5\n", "proxmox_api: 5 is not a section with settings"),
        ("proxmox_api: {}\n", "proxmox_api is required: the section with hosts and user"),
        ("proxmox_api: {user: root@pam}\n", "proxmox_api.hosts is required"),
        ("proxmox_api: {hosts: {a: 1}, user: u}\n", "proxmox_api.hosts: {'a': 1} is not a list of names"),
        ("proxmox_api: {hosts: [pve1], user: u, pass: [secret]}\n", "proxmox_api.pass is not a text"),
        (f"{PROXLB}balancing: [memory]\n", "balancing: ['memory'] is not a section with settings"),
        (f"{PROXLB}balancing: {{balanciness: ten}}\n", "balancing.balanciness: 'ten' is not a number"),
        (
            f"{PROXLB}balancing: {{balance_types: [qemu]}}\n",
            "balancing.balance_types: 'qemu' is not vm or ct",
        ),
        (f"{PROXLB}balancing: {{pools: {{db: {{type: apart}}}}}}\n", "'apart' is not one of affinity, anti"),
        (
            f"{PROXLB}proxmox_cluster: {{maintenance_nodes_schedule: {{schedules: {{a: ['Mo, 8']}}}}}}\n",
            "schedules.a: 'Mo, 8' is not a day and a time such as 'Monday, 8:00'",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence_without_a_secret(text: str, sentence: str) -> None:
    error = imported_settings(text, "prod", "error")
    assert isinstance(error, str)
    assert sentence in error
    assert "secret" not in error.replace("'secret'", "")
    assert "\n" not in error
    with pytest.raises(AnsibleFilterError) as raised:
        imported_settings(text, "prod")
    assert error in str(raised.value)


def test_a_valid_file_has_no_error() -> None:
    assert [imported_settings(read(name), "prod", "error") for name in NAMES] == ["", "", ""]


def test_a_mark_of_the_byte_order_does_no_harm() -> None:
    assert hosts(f"\ufeff{ENV}") == hosts(ENV)


def test_the_name_is_one_of_an_inventory_host() -> None:
    assert "name: 'a b' is not the name of an inventory host" in str(imported_settings(ENV, "a b", "error"))


def test_strange_calls_of_the_filter() -> None:
    with pytest.raises(AnsibleFilterError, match="text of a file is required, not int"):
        imported_settings(5)
    with pytest.raises(AnsibleFilterError, match="part: 'all' is not settings, secrets or error"):
        imported_settings(ENV, part="all")


def test_a_time_of_less_than_a_minute_keeps_its_unit() -> None:
    found = [hosts(f"{ENV}MIGRATION_TIMEOUT={given}\n")["prod"]["balance_timeout"] for given in (45, 300)]
    assert found == ["45s", 300]
