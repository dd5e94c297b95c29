# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices: the assumptions of a plan and the guests that it left alone, one short line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ..._model.loads import is_unmeasured
from ..._model.plan import Plan
from ..._model.policy.policy import Policy
from ..._model.snapshot import Guest, Host, Snapshot
from ..._model.text.wording import listed
from ..model.problem import Problem
from ..model.refusals import refused_targets
from ..model.stayers import stayers_of
from .obstacles import above_limits

Test = Callable[[Guest | Host, str], bool]
MEASURED = ("cpu", "memory", "disk_io", "network_io")
MAX_NAMES = 5
MAX_REFUSALS = 10
PLATFORMS = {"vsphere": "vCenter", "proxmox": "Proxmox VE", "vmmanager": "VMmanager"}


def plan_notices(problem: Problem, result: Plan) -> tuple[str, ...]:
    """The notices of a plan for this problem."""
    snapshot, policy = problem.snapshot, problem.policy
    return (
        *unread_notices(snapshot),
        *_values(snapshot, policy),
        *_under_way(problem),
        *_left_alone(problem),
        *_refusals(problem),
        *_above_limits(problem, result),
    )


def unread_notices(snapshot: Snapshot) -> Iterator[str]:
    """The parts of the cluster that were not read."""
    for notice in snapshot.notices:
        yield notice.text


def platform_name(snapshot: Snapshot) -> str:
    return PLATFORMS.get(snapshot.platform, "the platform")


def _counted(things: Sequence[object], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"


def _values(snapshot: Snapshot, policy: Policy) -> Iterator[str]:
    metrics = [metric for metric in policy.metrics if metric in MEASURED]
    guests = [guest for guest in snapshot.guests if guest.is_on_host and not guest.platform_managed]
    hosts = [host for host in snapshot.hosts if host.status == "online"]
    averaged = snapshot.window_seconds > 0 and policy.demand != "assigned"
    if averaged:
        for what, things in (("guest", guests), ("host", hosts)):
            for names, found in _alike(metrics, things, _is_present):
                yield (
                    f"{_counted(found, what)} {_verb(found, 'counts', 'count')} with the present {names}, not"
                    f" with an average over {snapshot.window_seconds} s:"
                    f" {listed((thing.name for thing in found), MAX_NAMES)}"
                )
    if policy.demand != "assigned":
        for names, found in _alike(metrics, guests, _is_fresh):
            yield (
                f"{_counted(found, 'guest')} {_verb(found, 'stays', 'stay')}, unless a rule or an evacuation"
                f" needs {_verb(found, 'it', 'them')}, because the {names} {_verb(found, 'is', 'are')} not"
                f" measured yet: {listed((guest.name for guest in found), MAX_NAMES)}"
            )
        for names, found in _alike(metrics, guests, _is_assigned):
            yield (
                f"{_counted(found, 'guest')} {_verb(found, 'counts', 'count')} with the assigned {names},"
                f" because the platform does not report what {_verb(found, 'it uses', 'they use')}:"
                f" {listed((guest.name for guest in found), MAX_NAMES)}"
            )


def _verb(found: Sequence[object], one: str, many: str) -> str:
    return one if len(found) == 1 else many


def _alike(
    metrics: Iterable[str], things: Sequence[Guest | Host], holds: Test
) -> Iterator[tuple[str, list[Guest | Host]]]:
    """The things for which something holds, with the metrics; the same things once for several metrics."""
    groups: dict[tuple[str, ...], tuple[list[str], list[Guest | Host]]] = {}
    for metric in metrics:
        found = [thing for thing in things if holds(thing, metric)]
        if found:
            key = tuple(thing.id for thing in found)
            groups.setdefault(key, ([], found))[0].append(metric.replace("_io", " I/O"))
    for names, found in groups.values():
        yield " and ".join(names), found


def _is_present(thing: Guest | Host, metric: str) -> bool:
    return thing.sources.get(metric) == "present" and thing.used.get(metric) is not None


def _is_fresh(thing: Guest | Host, metric: str) -> bool:
    return isinstance(thing, Guest) and is_unmeasured(thing, metric)


def _is_assigned(thing: Guest | Host, metric: str) -> bool:
    return (
        isinstance(thing, Guest)
        and metric in ("cpu", "memory")
        and thing.used.get(metric) is None
        and thing.assigned.get(metric) is not None
        and not is_unmeasured(thing, metric)
    )


def _under_way(problem: Problem) -> Iterator[str]:
    moving = [guest for guest, _source, _target in problem.index.arriving]
    if moving:
        yield (
            f"{_counted(moving, 'guest')} {_verb(moving, 'is', 'are')} being migrated at this moment:"
            f" {listed((guest.name for guest in moving), MAX_NAMES)}"
        )


def _left_alone(problem: Problem) -> Iterator[str]:
    stay = stayers_of(problem.snapshot, problem.policy)
    agents, may_stay, shut_down = [], [], []
    for guest, home in zip(problem.guests, problem.home, strict=True):
        if not problem.roles.leaving[home] or not guest.is_on_host:
            continue
        if guest.platform_managed:
            agents.append(guest.name)
        elif guest.id in stay.shut_down:
            shut_down.append(guest.name)
        elif guest.id in stay.may_stay:
            may_stay.append(guest.name)
    where = "on hosts that are to be emptied"
    if agents:
        whose = f"{platform_name(problem.snapshot)} itself moves or shuts down its own guests"
        yield f"{whose} {where}: {listed(agents, MAX_NAMES)}"
    if shut_down:
        yield f"to be shut down before maintenance mode, {where}: {listed(shut_down, MAX_NAMES)}"
    if may_stay:
        yield f"may stay {where}: {listed(may_stay, MAX_NAMES)}"


def _above_limits(problem: Problem, result: Plan) -> Iterator[str]:
    """With goal evacuate, which asks for empty hosts only, the others that are above a limit."""
    if not problem.traits.names_hosts:
        return
    at = problem.index.host_at
    ends = {step.guest.id: at[step.target] for step in result.migrations}
    places = [ends.get(guest.id, home) for guest, home in zip(problem.guests, problem.home, strict=True)]
    for host, texts in above_limits(problem, places).items():
        yield f"{problem.hosts[host].name} is above its limits: {'; '.join(texts)}"


def _refusals(problem: Problem) -> Iterator[str]:
    snapshot, index = problem.snapshot, problem.index
    found = [
        f"{platform_name(snapshot)} refuses {index.guests[index.guest_at[guest]].name} on"
        f" {index.host_name(host)}: {refusal.why}; planned around it"
        for guest, against in refused_targets(snapshot, problem.policy).items()
        if guest in index.guest_at
        for host, refusal in against.items()
    ]
    yield from found[:MAX_REFUSALS]
    if len(found) > MAX_REFUSALS:
        yield f"{len(found) - MAX_REFUSALS} more refusals are planned around"
