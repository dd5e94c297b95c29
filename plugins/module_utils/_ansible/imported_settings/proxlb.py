# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""proxlb.yaml of ProxLB."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..._model.errors import InputError
from ..._model.policy.windows import DAYS
from .section import Imported, NotCarriedOver, Section
from .variables import excluded, proxmox_hosts, seconds, vault_name, vault_reference

SYSTEM: Final = "ProxLB"
MARK: Final = "proxmox_api"
METRICS: Final = {"memory": "memory", "cpu": "cpu", "disk": "storage"}
PRESSURES: Final = {"memory": "memory", "cpu": "cpu", "disk": "disk_io"}
_GIB: Final = 1024**3
# A node of Proxmox VE waits this long for another one.
_MIN_TIMEOUT: Final = 30
_SCHEDULE: Final = "run the playbook on a schedule: by cron, a systemd timer, or AWX"


def imported(document: object, name: str) -> Imported:
    """Returns the variables of one inventory host from parsed YAML. Raises InputError for a wrong value."""
    if not isinstance(document, Mapping):
        raise InputError("the file", document, "a YAML dictionary with the section proxmox_api")
    left: list[NotCarriedOver] = []
    whole = Section("", {str(key): value for key, value in document.items()}, left)
    api, cluster, balancing, service, solver = (
        whole.section(key) for key in ("proxmox_api", "proxmox_cluster", "balancing", "service", "solver")
    )
    if not api.values:
        raise InputError.required("proxmox_api", expected="the section with hosts and user")
    variables: dict[str, Any] = {"balance_platform": "proxmox"}
    secrets = _connection(api, variables, name)
    variables["balance_preset"] = "proxlb"
    _cluster(cluster, variables, balancing.words("ignore_guests"))
    _balancing(balancing, variables)
    _migrations(balancing, variables)
    _guests(balancing, variables)
    _rules(balancing, variables)
    _service(service)
    _solver(solver, variables)
    for section in (api, cluster, balancing, service, solver, whole):
        section.leave_the_rest(SYSTEM)
    return Imported(SYSTEM, {name: variables}, secrets, tuple(left))


def _connection(api: Section, variables: dict[str, Any], name: str) -> dict[str, str]:
    hosts, user = api.words("hosts"), api.text("user")
    if not hosts:
        raise InputError.required("proxmox_api.hosts")
    if user is None:
        raise InputError.required("proxmox_api.user")
    variables.update(proxmox_hosts(hosts, api, "hosts"))
    variables["balance_api_user"] = user
    token, token_secret, password = api.text("token_id"), api.secret("token_secret"), api.secret("pass")
    if token is not None:
        variables["balance_api_token_id"] = token.rpartition("!")[2]
        option, secret = "api_token_secret", token_secret
        api.leave("pass", "token_id is set, and ProxLB then uses the token")
    else:
        option, secret = "api_password", password
        api.leave("token_secret", "token_id is not set")
    variables[f"balance_{option}"] = vault_reference(name, option)
    if api.flag("ssl_verification") is False:
        variables["balance_validate_certs"] = False
    timeout = api.whole("timeout", 1)
    if timeout is not None and timeout >= _MIN_TIMEOUT:
        variables["balance_api_timeout"] = timeout
    else:
        api.leave(
            "timeout",
            f"it is less than the {_MIN_TIMEOUT} seconds for which a node waits for another one; the default "
            "of balance_api_timeout applies",
        )
    for key in ("retries", "wait_time"):
        api.leave(key, "the next host of balance_api_host is tried immediately")
    return {} if secret is None else {vault_name(name, option): secret}


def _cluster(cluster: Section, variables: dict[str, Any], guests: list[str]) -> None:
    windows = [
        {"hosts": {"names": [node]}, "days": [], "start": "0:00", "hours": 24}
        for node in cluster.words("maintenance_nodes")
    ]
    weekly = cluster.section("maintenance_nodes_schedule")
    hours, lead = weekly.number("duration") or 0, weekly.number("pre-migration") or 0
    schedules = weekly.section("schedules")
    for node in schedules.values:
        for entry in (
            schedules.words(node) if isinstance(schedules.get(node), list) else [schedules.text(node)]
        ):
            windows.append(_window(node, entry or "", schedules.at(node), hours, lead))
    if schedules.values:
        cluster.left.append(
            NotCarriedOver(
                schedules.path,
                "ProxLB takes the local time of its server: set timezone in balance_maintenance_windows, "
                "whose default is UTC",
            )
        )
    weekly.leave_the_rest(SYSTEM)
    if windows:
        variables["balance_maintenance_windows"] = windows
    nodes = cluster.words("ignore_nodes")
    variables.update(excluded(nodes, nodes, guests))
    if cluster.flag("overprovisioning"):
        cluster.leave("overprovisioning", "no node exceeds balance_limits; raise them if you need to")


def _window(node: str, entry: str, path: str, hours: float, lead: float) -> dict[str, Any]:
    match = re.fullmatch(r"(\w+)\s*,\s*(\d{1,2}:\d{2})", entry)
    if match is None or match[1].lower() not in DAYS:
        raise InputError(path, entry, "a day and a time such as 'Monday, 8:00'")
    return {
        "hosts": {"names": [node]},
        "days": [match[1].lower()],
        "start": match[2],
        "hours": hours,
        "lead_minutes": lead,
    }


def _balancing(balancing: Section, variables: dict[str, Any]) -> None:
    """Metrics, thresholds and reserves."""
    method = balancing.choice("method", tuple(METRICS)) or "memory"
    mode = balancing.choice("mode", ("used", "assigned", "psi")) or "used"
    spread = balancing.number("balanciness")
    if mode == "psi":
        _pressures(balancing, variables, method)
    else:
        variables["balance_metrics"] = [METRICS[method]]
        if mode != "used":
            variables["balance_demand"] = mode
        above = {
            METRICS[each]: value
            for each in METRICS
            if (value := balancing.number(f"{each}_threshold")) is not None and each == method
        }
        if above:
            variables["balance_level_above"] = above
        balancing.leave("psi", f"mode is {mode}, and these thresholds apply to mode: psi only")
    for each in METRICS:
        if each != method or mode == "psi":
            why = "mode is psi" if mode == "psi" else f"method is {method}, so ProxLB does not use it"
            balancing.leave(f"{each}_threshold", why)
    if spread is not None:
        variables["balance_max_spread"] = spread
    overcommit = balancing.number("cpu_overcommit")
    if overcommit is not None:
        variables["balance_limits"] = {"cpu_overcommit": overcommit}
    _reserves(balancing, variables)


def _pressures(balancing: Section, variables: dict[str, Any], method: str) -> None:
    psi = balancing.section("psi")
    nodes = psi.section("nodes")
    variables["balance_demand"] = "pressure"
    overload: dict[str, float] = {}
    for resource, ours in PRESSURES.items():
        part = nodes.section(resource)
        some = part.number("pressure_some")
        if some is not None:
            overload[ours] = some
        for key in ("pressure_full", "pressure_spikes"):
            part.leave(key, "a snapshot has the share of time in which some task waits, and no other figure")
        part.leave_the_rest(SYSTEM)
    psi.leave("guests", "pressure is measured for nodes, and their guests count with their use")
    nodes.leave_the_rest(SYSTEM)
    psi.leave_the_rest(SYSTEM)
    if overload:
        variables["balance_goal"] = "relieve"
        variables["balance_min_gain"] = 0
        variables["balance_relieve"] = {"overload": overload}
        variables["balance_metrics"] = list(overload)
    else:
        variables["balance_metrics"] = [PRESSURES[method]]


def _reserves(balancing: Section, variables: dict[str, Any]) -> None:
    reserve = balancing.section("node_resource_reserve")
    reserves = []
    for node in sorted(reserve.values, key=lambda each: each != "defaults"):
        part = reserve.section(node)
        memory = part.number("memory")
        if memory is not None:
            names = ["*"] if node == "defaults" else [node]
            reserves.append({"hosts": {"names": names}, "memory": int(memory * _GIB)})
        for key in ("cpu", "disk"):
            part.leave(key, "ProxLB counts it in GB; set cpu of balance_reserves to a number of cores")
        part.leave_the_rest(SYSTEM)
    if reserves:
        variables["balance_reserves"] = reserves


def _migrations(balancing: Section, variables: dict[str, Any]) -> None:
    """How guests are migrated."""
    if balancing.flag("enable") is False:
        balancing.leave("enable", "do not run the playbook, or run it with --check")
    for key in ("enforce_affinity", "enforce_pinning"):
        if balancing.flag(key) is False:
            balancing.leave(key, "rules are always restored, even if the cluster is balanced")
    jobs = balancing.whole("parallel_jobs", 1)
    variables["balance_max_parallel"] = (jobs or 5) if balancing.flag("parallel") else 1
    inflow = balancing.whole("max_node_inflow", 1)
    if inflow is not None:
        balancing.leave(
            "max_node_inflow", "it limits a whole run; use balance_max_in_per_host for migrations at a time"
        )
    if balancing.flag("live") is False:
        balancing.leave("live", "running guests are always migrated live")
    if balancing.flag("with_conntrack_state") is False:
        balancing.leave("with_conntrack_state", "it is migrated if both nodes support it")
    timeout = balancing.whole("max_job_validation", 1)
    if timeout is not None:
        variables["balance_timeout"] = seconds(timeout)
    if balancing.flag("balance_larger_guests_first"):
        balancing.leave("balance_larger_guests_first", "guests are chosen so that few have to be migrated")


def _guests(balancing: Section, variables: dict[str, Any]) -> None:
    """Which guests are migrated: with local disks, of which kinds."""
    blockers = [] if balancing.flag("with_local_disks") is False else ["local_disk"]
    variables["balance_with_local_disks"] = bool(blockers)
    kinds = balancing.words("balance_types")
    strange = [kind for kind in kinds if kind not in ("vm", "ct")]
    if strange:
        raise InputError(balancing.at("balance_types"), strange[0], "vm or ct")
    if "ct" in kinds:
        blockers.append("container_restart")
        variables["balance_restart_containers"] = True
    variables["balance_allow_blockers"] = blockers
    if len(set(kinds)) == 1:
        exclude = variables.setdefault("balance_exclude", {})
        names = exclude.get("guests", {}).get("names", [])
        kept = {"vm": "container", "ct": "vm"}[kinds[0]]
        if names:
            # A selector with both would exclude only guests that match both.
            balancing.leave(
                "balance_types", f"balance_exclude.guests already selects names; add those of kind {kept}"
            )
        else:
            exclude["guests"] = {"kinds": [kept]}


def _rules(balancing: Section, variables: dict[str, Any]) -> None:
    pools = balancing.section("pools")
    rules: list[dict[str, Any]] = []
    for pool in pools.values:
        part = pools.section(pool)
        kind = part.choice("type", ("affinity", "anti-affinity"))
        pins, strict = part.words("pin"), part.flag("strict")
        if kind is not None:
            rules.append({"by": "pool", "pattern": pool, "kind": kind.replace("-", "_")})
        if pins:
            rule = {"by": "pool", "pattern": pool, "kind": "host_affinity", "hosts": {"names": pins}}
            rules.append({**rule, "min_members": 1, **({"strict": False} if strict is False else {})})
        part.leave_the_rest(SYSTEM)
    if rules:
        variables["balance_rules"] = rules


def _service(service: Section) -> None:
    if service.flag("daemon") is not False:
        service.leave("daemon", _SCHEDULE)
    schedule = service.section("schedule")
    interval, unit = schedule.whole("interval", 1), schedule.choice("format", ("hours", "minutes"))
    if interval is not None:
        schedule.leave(
            "interval", f"run the playbook every {interval} {unit or 'hours'} by cron, a timer, or AWX"
        )
    delay = service.section("delay")
    if delay.flag("enable"):
        delay.leave("enable", "the schedule decides when the first run starts")
    if service.flag("enable_ha"):
        service.leave(
            "enable_ha",
            "a lock in the state database keeps two runs apart: set balance_state_url to PostgreSQL",
        )
    service.leave("log_level", "use balance_log and balance_log_level")
    for key in ("time", "format"):
        delay.get(key)
    for part in (schedule, delay):
        part.leave_the_rest(SYSTEM)


def _solver(solver: Section, variables: dict[str, Any]) -> None:
    if solver.flag("enable"):
        limit = solver.number("timeout_seconds")
        if limit is not None:
            variables["balance_time_limit"] = limit
        if solver.text("mode") == "shadow":
            solver.leave("mode", "run the playbook with --check")
        solver.leave("log_dir", "balance_plan_path and balance_outcome_path save the plan and its outcome")
    for key in (
        "timeout_seconds",
        "mode",
        "log_dir",
        "use_reservations",
        "active_step_retries",
        "fallback_to_greedy",
    ):
        solver.get(key)
