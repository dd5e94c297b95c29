# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The situations in the tests of Proxmox' HA manager, decided by Even Keel and compared:

    git clone https://git.proxmox.com/git/pve-ha-manager.git
    .venv/bin/python benchmarks/peers/proxmox_ha.py pve-ha-manager

A test has a cluster, commands over time, and an expected log. Each decision in that log is a situation: the
cluster just before it becomes a snapshot, with HA's rules as they are read from the API. Even Keel plans (or
places, if the manager starts a guest), and the result is compared with the result of the manager's decisions.
If a user commands the manager to migrate a guest, the guests that move along are compared, or the refusal.
The end of each test is one more situation: nothing should be done.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, get_args

from ansible_collections.evenkeel.cluster.benchmarks.peers import ha_files, ha_rules, report
from ansible_collections.evenkeel.cluster.benchmarks.peers.ha_reasons import NOT_OURS, REASONS
from ansible_collections.evenkeel.cluster.benchmarks.peers.ha_snapshots import (
    LIMITS,
    demand_of,
    guest_id,
    level,
    levels,
    policy_of,
    snapshot_of,
    used_by,
)
from ansible_collections.evenkeel.cluster.benchmarks.peers.report import Row, Verdict
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.move_units import partners_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.native_balancer import (
    Settings,
    balance,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place_in
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

BALANCED: Final = 15.0
# Points of spread that do not matter.
ALIKE: Final = 0.5
ORDER: Final[Sequence[Verdict]] = ("worse", "different", "as good", "better", "same", "not comparable")


@dataclass(frozen=True, slots=True)
class Finding:
    """A situation with its verdict."""

    what: str
    verdict: Verdict
    theirs: str
    ours: str
    reason: str = ""


def findings(test: ha_files.Case) -> Iterator[Finding]:
    """Returns all situations of a test with their verdicts, and its end."""
    for number, situation in enumerate(test.situations, 1):
        what = f"{number} {situation.kind}"
        if situation.kind in NOT_OURS:
            theirs = ", ".join(f"{guest_id(sid)} to {node}" for sid, node in situation.moves[:4])
            yield Finding(what, "not comparable", theirs, "", NOT_OURS[situation.kind])
        elif situation.kind in ("recovery", "start"):
            yield _placing(test, situation, what)
        elif situation.kind == "command":
            yield _going_along(test, situation, what)
        elif situation.kind == "refusal":
            yield _refused(test, situation, what)
        else:
            yield _planning(test, situation, what)
    yield at_rest(test)


def at_rest(test: ha_files.Case) -> Finding:
    """Compares the end, where HA and Even Keel should do nothing."""
    snapshot = snapshot_of(test, test.end, "end")
    balances = test.crs.get("ha-auto-rebalance")
    policy = policy_of(test, "spread", max_spread=BALANCED) if balances else policy_of(test, "rules")
    found = plan(snapshot, policy)
    ours = report.migrations(len(found.migrations))
    if found.migrations:
        return Finding("end", "different", "nothing to do", f"{ours}: {_moves(found.migrations)}")
    return Finding("end", "same", "nothing to do", ours)


def planned(test: ha_files.Case, situation: ha_files.Situation) -> tuple[Snapshot, Policy]:
    """Returns the plan for a situation."""
    before = snapshot_of(test, situation.before, situation.kind)
    theirs = {guest_id(sid): node for sid, node in situation.after.places().items()}
    if situation.kind == "rule":
        return before, policy_of(test, "rules")
    # As level as the manager leaves the nodes, and no more than that.
    reached = min(100.0, level(test, before, _changed(before, theirs)) + 0.01)
    if situation.kind == "rebalance":
        return before, policy_of(test, "spread", max_spread=reached)
    left = sorted({situation.before.services[sid][0] for sid, _node in situation.moves})
    return before, policy_of(test, "evacuate", evacuate={"names": left}, max_spread=reached)


def _planning(test: ha_files.Case, situation: ha_files.Situation, what: str) -> Finding:
    before, policy = planned(test, situation)
    found = plan(before, policy)
    theirs = {guest_id(sid): node for sid, node in situation.after.places().items()}
    theirs = _changed(before, theirs)
    ours = {migration.guest.id: migration.target for migration in found.migrations}
    mine = _brief(test, before, ours, len(found.migrations))
    other = _brief(test, before, theirs, len(situation.moves))
    if ours == theirs:
        return Finding(what, "same", other, mine)
    if found.status == "infeasible" or len(found.after.violations) > _violations(test, situation):
        undone = ", ".join(entry.what for entry in found.unresolved)
        return Finding(what, "worse", other, f"{mine}; undone: {undone}")
    more = len(found.migrations) - len(situation.moves)
    wider = sum(levels(test, before, ours)) - sum(levels(test, before, theirs))
    verdict, reason = _verdict(more, wider)
    return Finding(what, verdict, other, mine, reason)


def _verdict(more: int, wider: float) -> tuple[Verdict, str]:
    """Returns the verdict by the number of migrations first, then by the spread of the nodes that take
    guests.
    """
    if more < 0:
        return "better", "Fewer migrations, and every rule that holds is kept meanwhile."
    if more > 0:
        return "worse", ""
    if abs(wider) <= ALIKE:
        return "as good", "As many migrations, and the nodes end as level."
    if wider < 0:
        return "better", "As many migrations, and the nodes end more level."
    return "worse", ""


def _violations(test: ha_files.Case, situation: ha_files.Situation) -> int:
    """Returns the rules that the manager leaves broken."""
    after = snapshot_of(test, situation.after)
    return len(_broken(test, after))


def _broken(test: ha_files.Case, snapshot: Snapshot) -> frozenset[str]:
    found = plan(snapshot, policy_of(test, "rules", max_migrations=0))
    return frozenset(violation.rule for violation in found.before.violations)


def _going_along(test: ha_files.Case, situation: ha_files.Situation, what: str) -> Finding:
    """Compares the guests that are migrated together with one of them."""
    asked = guest_id(situation.moves[0][0])
    theirs = {guest_id(sid) for sid, _node in situation.moves}
    ours = {asked, *partners_of(snapshot_of(test, situation.before).rules, asked)}
    verdict: Verdict = "same" if ours == theirs else "different"
    return Finding(what, verdict, f"{', '.join(sorted(theirs))} go", f"{', '.join(sorted(ours))} go")


def _refused(test: ha_files.Case, situation: ha_files.Situation, what: str) -> Finding:
    """Compares a migration that the manager refuses: it must break a rule here, too."""
    sid, node = situation.moves[0]
    cluster = situation.before
    there = replace(cluster, services={**cluster.services, sid: (node, "started")})
    broken = _broken(test, snapshot_of(test, there)) - _broken(test, snapshot_of(test, cluster))
    theirs = f"{guest_id(sid)} to {node} is refused"
    if broken:
        return Finding(what, "same", theirs, f"it would break {', '.join(sorted(broken))}")
    return Finding(what, "worse", theirs, "no rule would be broken")


def _placing(test: ha_files.Case, situation: ha_files.Situation, what: str) -> Finding:
    """Places guest by guest, each after the previous ones are where the manager has put them."""
    cluster = situation.before
    differing, chosen = [], []
    wider = 0.0
    for sid, node in situation.moves:
        gone = {key: value for key, value in cluster.services.items() if key != sid}
        without = replace(cluster, services=gone)
        ours = _host_for(test, cluster, without, sid)
        after = replace(cluster, services={**gone, sid: (node, "started")})
        if ours != node:
            differing.append(f"{guest_id(sid)} on {ours or 'none'}, not {node}")
            if ours:
                there = replace(cluster, services={**gone, sid: (ours, "started")})
                mine, their = snapshot_of(test, there), snapshot_of(test, after)
                wider = max(wider, sum(levels(test, mine, {})) - sum(levels(test, their, {})))
            else:
                wider = 100.0
        chosen.append(f"{guest_id(sid)} on {node}")
        cluster = after
    theirs = ", ".join(chosen[:4]) + (f" and {len(chosen) - 4} more" if len(chosen) > 4 else "")
    if not differing:
        return Finding(what, "same", theirs, "the same nodes")
    other = ", ".join(differing[:4]) + (f" and {len(differing) - 4} more" if len(differing) > 4 else "")
    if wider > ALIKE:
        return Finding(what, "worse", theirs, other)
    return Finding(what, "as good", theirs, other, "With the guest there the nodes are at least as level.")


def _host_for(
    test: ha_files.Case, cluster: ha_files.Cluster, without: ha_files.Cluster, sid: str
) -> str | None:
    """Returns the host that vm_placement selects for a guest of this size and with these rules."""
    everyone = snapshot_of(test, cluster)
    guest, usage = guest_id(sid), cluster.usage.get(sid, ha_files.Usage())
    running = {guest_id(other) for other in without.places()}
    wanted: dict[str, object] = {
        "name": sid,
        "cpu": usage.cpu,
        "memory": int(usage.memory),
        "used": dict(zip(("cpu", "memory"), used_by(usage), strict=True)),
        "affinity": sorted(_partners(everyone.rules, guest, "affinity") & running),
        "anti_affinity": sorted(_partners(everyone.rules, guest, "anti_affinity") & running),
    }
    pins = [rule for rule in everyone.rules if rule.kind == "host_affinity" and rule.strict]
    hosts = [set(rule.hosts) for rule in pins if guest in rule.guests]
    if hosts:
        wanted["hosts"] = {"names": sorted(set.intersection(*hosts))}
    request = PlacementRequest.from_json(
        {
            "schema": "evenkeel.cluster/placement_request/1",
            "vms": [wanted],
            "policy": {"limits": LIMITS, "metrics": ["cpu", "memory"], "demand": demand_of(test)},
        }
    )
    snapshot = snapshot_of(test, without)
    found = place_in(replace(snapshot, rules=()), request)
    return found.placements[0].host.id if found.placements else None


def _partners(rules: Sequence[Rule], guest: str, kind: str) -> set[str]:
    """Returns the guests that rules of HA bind to this one; a guest apart from one of a group is apart from
    all of it.
    """
    group = {guest}
    for _again in rules:
        for rule in rules:
            if rule.kind == "affinity" and group & set(rule.guests):
                group |= set(rule.guests)
    if kind == "affinity":
        return group - {guest}
    apart: set[str] = set()
    for rule in rules:
        if rule.kind == "anti_affinity" and group & set(rule.guests):
            apart |= set(rule.guests) - group
    return apart


def _changed(before: Snapshot, places: Mapping[str, str]) -> dict[str, str]:
    """Returns the places that are new."""
    return {g.id: places[g.id] for g in before.guests if g.id in places and places[g.id] != g.host}


def _brief(test: ha_files.Case, before: Snapshot, places: Mapping[str, str], migrations: int) -> str:
    first, last = level(test, before, {}), level(test, before, places)
    return f"{report.migrations(migrations)}, spread {first:.0f} → {last:.0f}"


def _moves(migrations: Sequence[Migration]) -> str:
    return ", ".join(f"{migration.guest.id} to {migration.target}" for migration in migrations)


def judged(test: ha_files.Case) -> list[Finding]:
    """Returns the findings of a test with the known reasons."""
    result = []
    for one in findings(test):
        given = REASONS.get(f"{test.name} {one.what}")
        if given and one.verdict not in ("same", "better", "not comparable"):
            one = replace(one, verdict=given[0], reason=given[1])
        result.append(one)
    return result


def row(test: ha_files.Case, found: Sequence[Finding]) -> Row:
    """Returns the verdict on a test: the worst one of its situations. Situations that are not comparable
    count only if HA decides nothing else in it.
    """
    *decided, end = found
    comparable = [one for one in decided if one.verdict != "not comparable"]
    counted = [*comparable, end]
    if decided and not comparable and end.verdict == "same":
        counted = decided
    telling = [one for one in counted if one.verdict != "same"]
    return Row(
        test.name,
        min((one.verdict for one in counted), key=ORDER.index),
        "; ".join(f"{one.what}: {one.theirs}" for one in telling),
        "; ".join(f"{one.what}: {one.ours}" for one in telling if one.ours),
        " ".join(dict.fromkeys(one.reason for one in telling if one.reason)),
    )


def tally(found: Sequence[Finding]) -> str:
    """Returns the number of situations for each kind and verdict."""
    counts = Counter((one.what.split()[-1], one.verdict) for one in found)
    seen = [verdict for verdict in get_args(Verdict) if any(verdict == other for _kind, other in counts)]
    lines = ["| situation | " + " | ".join(seen) + " |", "|---" * (len(seen) + 1) + "|"]
    for kind in sorted({kind for kind, _verdict in counts}):
        lines.append(f"| {kind} | " + " | ".join(str(counts[kind, verdict]) for verdict in seen) + " |")
    return "\n".join(lines) + "\n"


def as_native(test: ha_files.Case) -> Iterator[tuple[str, bool]]:
    """Returns whether benchmarks/peers/native.py makes the migrations that the tests expect of the balancer.
    The imbalance in these tests is not scaled yet.
    """
    settings = Settings.of(test.crs, scaled=False)
    for number, situation in enumerate(test.situations, 1):
        if situation.kind == "rebalance":
            run = balance(snapshot_of(test, situation.before), settings)
            made = [(guest, move.target) for move in run.moves for guest in move.guests]
            expected = [(guest_id(sid), node) for sid, node in situation.moves]
            # What comes before the end of a test comes before the balancer rests.
            last = number == len(test.situations)
            yield f"{test.name} {number}", expected == (made if last else made[: len(expected)])


def save(test: ha_files.Case, folder: Path) -> None:
    """Writes the snapshot and policy of each situation, for balance_plan or inspection."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, situation in enumerate(test.situations, 1):
        if situation.kind in ("rebalance", "rule", "maintenance"):
            snapshot, policy = planned(test, situation)
            stem = folder / f"{test.name}-{number}"
            stem.with_suffix(".snapshot.json").write_text(json.dumps(snapshot.to_json(), indent=1))
            stem.with_suffix(".policy.json").write_text(json.dumps(policy.to_json(), indent=1))


def main() -> int:
    asked = report.options(__doc__, "a checkout of pve-ha-manager")
    tests = list(ha_files.read_all(asked.checkout, asked.only))
    if asked.save:
        for test in tests:
            save(test, asked.save)
    native = [checked for test in tests for checked in as_native(test)]
    print(f"native.py makes the same migrations in {sum(same for _name, same in native)} of {len(native)}")
    for name in (name for name, same in native if not same):
        print(f"    not in {name}")
    found = [(test, judged(test)) for test in tests]
    situations = tally([one for _test, all_of_it in found for one in all_of_it])
    print(situations)
    rows = [row(test, all_of_it) for test, all_of_it in found]
    rows += [ha_rules.compare(*entry) for entry in ha_rules.configurations(asked.checkout, asked.only)]
    return report.finish(rows, "proxmox_ha", asked.markdown, situations)


if __name__ == "__main__":
    raise SystemExit(main())
