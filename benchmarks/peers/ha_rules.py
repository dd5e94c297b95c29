# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules contradict each other: the rule configurations in the tests of Proxmox' HA manager.

HA ignores where guests are; it drops the rules of a set that it can't always keep. Even Keel receives all of
them, as if the API had reported no error, and guests that are all on one node. Rules that share guests are
one set, and sets are compared. The adapter omits a rule whose error the API reports, so a plan for a real
cluster has the same rules as HA.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ansible_collections.evenkeel.cluster.benchmarks.peers import ha_files
from ansible_collections.evenkeel.cluster.benchmarks.peers.ha_snapshots import policy_of, snapshot_of
from ansible_collections.evenkeel.cluster.benchmarks.peers.report import Row, Verdict
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

NODES: Final = ("node1", "node2", "node3")
# Of a rule that has no effect.
HARMLESS: Final = "less than two resources"
# Where HA drops rules because it does not look closer, not because they contradict each other.
UNSURE: Final[Mapping[str, str]] = {
    "multiple priorities": "HA drops rules of guests together or apart where a rule on nodes has several "
    "priorities. Even Keel keeps both, by the priority that counts now.",
    "already used in another": "HA takes one rule on nodes for a guest. Even Keel takes what all of them "
    "allow.",
    "other node affinity rule already": "HA takes one rule on nodes for guests that are kept together. Even "
    "Keel takes what all of them allow.",
}
_DROPPED = re.compile(r"^Drop rule '(.+?)', because (.+)\.$")


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules that share guests, and those of them that HA drops, with its reasons."""

    rules: tuple[ha_files.Part, ...]
    dropped: Mapping[str, str]


def configurations(checkout: Path, only: str = "") -> Iterator[tuple[str, tuple[RuleSet, ...]]]:
    """Returns the sets of rules of each configuration, by name."""
    for path in sorted((checkout / "src" / "test" / "rules_cfgs").glob("*.cfg")):
        if only not in path.name:
            continue
        expected = path.with_name(f"{path.name}.expect").read_text()
        dropped = {found[1]: found[2] for line in expected.splitlines() if (found := _DROPPED.match(line))}
        rules = [rule for rule in ha_files.sections(path, "rule") if str(rule.get("disable", 0)) != "1"]
        yield path.stem, tuple(RuleSet(tuple(found), _of(found, dropped)) for found in _connected(rules))


def _of(rules: Sequence[ha_files.Part], dropped: Mapping[str, str]) -> dict[str, str]:
    names = [str(rule["rule"]) for rule in rules]
    return {name: dropped[name] for name in names if name in dropped}


def _connected(rules: Sequence[ha_files.Part]) -> list[list[ha_files.Part]]:
    groups: list[tuple[set[str], list[ha_files.Part]]] = []
    for rule in rules:
        guests, members = set(str(rule["resources"]).split(",")), [rule]
        for group in [group for group in groups if group[0] & guests]:
            groups.remove(group)
            guests |= group[0]
            members = [*group[1], *members]
        groups.append((guests, members))
    return [members for _guests, members in groups]


def unkept(name: str, rules: Sequence[ha_files.Part]) -> frozenset[str]:
    """Returns the rules of a set that Even Keel reports as impossible."""
    sids = {sid for rule in rules for sid in str(rule["resources"]).split(",")}
    case = ha_files.Case(
        name=name,
        hardware={node: {} for node in NODES},
        resources={},
        rules=tuple(rules),
        groups=(),
        crs={},
        situations=(),
        end=ha_files.Cluster({}, {}, {}),
    )
    start = ha_files.Cluster(
        nodes=dict.fromkeys(NODES, "online"),
        services=dict.fromkeys(sorted(sids), (NODES[0], "started")),
        usage={},
    )
    found = plan(snapshot_of(case, start), policy_of(case, "rules"))
    return frozenset(violation.rule for violation in found.after.violations)


def compare(name: str, sets: Sequence[RuleSet]) -> Row:
    """Returns the rows; the verdict is the same if both find contradictions in the same sets."""
    theirs, ours, reasons = [], [], []
    verdict: Verdict = "same"
    for one in sets:
        broken = unkept(name, one.rules)
        dropped = {rule for rule, why in one.dropped.items() if HARMLESS not in why}
        if bool(broken) == bool(dropped):
            continue
        verdict = "different"
        theirs.append(f"{', '.join(sorted(dropped)) or 'none'} dropped")
        ours.append(f"{', '.join(sorted(broken)) or 'all kept'}")
        reasons += [why for mark, why in UNSURE.items() if any(mark in text for text in one.dropped.values())]
    return Row(
        f"rules_cfgs/{name}", verdict, "; ".join(theirs), "; ".join(ours), " ".join(dict.fromkeys(reasons))
    )
