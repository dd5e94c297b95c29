# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selectors and rules of a policy that match nothing, or that ask for what was not read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..._model.policy.policy import Policy
from ..._model.policy.presets import PRESETS
from ..._model.policy.rule_spec import RuleSpec
from ..._model.selector import Selector
from ..._model.snapshot import HiddenFact, Snapshot
from ..._model.where import GUEST, HOST, facts_read
from ..errors import PlanningError
from ..model.rules import groups, least_members
from ..model.selectors import WILDCARDS, select_guests, select_hosts


def unmatched_selectors(
    snapshot: Snapshot, policy: Policy, hosts: Iterable[tuple[str, Selector]] = ()
) -> tuple[str, ...]:
    """The parts of the policy that match nothing, in sentences; `hosts` are more selectors of hosts, with the
    field that each is in.

    Raises PlanningError where the policy selects by facts that were not read, and, with strict_selectors,
    where anything matches nothing.
    """
    hosts = tuple(hosts)
    _refuse_hidden(snapshot, policy, hosts)
    found = [*_selectors(snapshot, policy, hosts), *_rules(snapshot, policy)]
    if found and policy.strict_selectors:
        field, text = found[0]
        more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
        raise PlanningError(
            f"{text}{more}", where=field, hint="Correct or remove it, or set strict_selectors to false"
        )
    return tuple(f"{field}: {text}" for field, text in found)


def guest_selectors(policy: Policy) -> Iterator[tuple[str, Selector]]:
    """The selectors of guests, with the field that each is in."""
    yield "policy.exclude.guests", policy.exclude.guests
    yield "policy.may_stay", policy.may_stay
    yield "policy.shut_down", policy.shut_down
    for index, priority in enumerate(policy.priorities):
        yield f"policy.priorities[{index}].guests", priority.guests
    for index, spec in enumerate(policy.rules):
        if spec.guests is not None:
            yield f"policy.rules[{index}].guests", spec.guests


def host_selectors(policy: Policy) -> Iterator[tuple[str, Selector]]:
    """The selectors of hosts, with the field that each is in."""
    yield "policy.exclude.sources", policy.exclude.sources
    yield "policy.exclude.targets", policy.exclude.targets
    if policy.evacuate is not None:
        yield "policy.evacuate", policy.evacuate
    for index, reserve in enumerate(policy.reserves):
        yield f"policy.reserves[{index}].hosts", reserve.hosts
    for index, window in enumerate(policy.maintenance_windows):
        yield f"policy.maintenance_windows[{index}].hosts", window.hosts
    for index, spec in enumerate(policy.rules):
        if spec.hosts is not None:
            yield f"policy.rules[{index}].hosts", spec.hosts


def _refuse_hidden(snapshot: Snapshot, policy: Policy, more: Iterable[tuple[str, Selector]]) -> None:
    hidden: dict[HiddenFact, str] = {}
    for notice in snapshot.notices:
        for fact in notice.hides:
            hidden.setdefault(fact, notice.text)
    for field, selector, kind in (
        *((field, selector, GUEST) for field, selector in guest_selectors(policy)),
        *((field, selector, HOST) for field, selector in (*host_selectors(policy), *more)),
    ):
        for name, fact in facts_read(selector.where, kind) if selector.where is not None else ():
            if fact in hidden:
                raise PlanningError(
                    f"it selects {kind.word}s by {name}, which could not be read: {hidden[fact]}",
                    where=f"{field}.where",
                    hint=f"Let the account read the {fact}, or select by something else",
                )
    facts: tuple[tuple[HiddenFact, str], ...] = (("pools", "pool"), ("tags", "tag"))
    for fact, singular in facts:
        if fact not in hidden:
            continue
        fields = [field for field, selector in guest_selectors(policy) if getattr(selector, fact)]
        fields = [f"{field}.{fact}" for field in fields]
        fields += [f"policy.rules[{i}].by" for i, spec in enumerate(policy.rules) if spec.by == singular]
        if fields:
            raise PlanningError(
                f"it selects guests by {fact}, which could not be read: {hidden[fact]}",
                where=fields[0],
                hint=f"Let the account read the {fact}, or select by something else",
            )


def _selectors(
    snapshot: Snapshot, policy: Policy, more: Iterable[tuple[str, Selector]]
) -> Iterator[tuple[str, str]]:
    guests = {word for guest in snapshot.guests for word in (guest.id, guest.name)}
    for field, selector in guest_selectors(policy):
        for part, value, alone in parts(selector):
            exact = part == "names" and not WILDCARDS & set(value)
            if not (value in guests if exact else select_guests(snapshot.guests, alone, field)):
                yield f"{field}.{part}", f"{value!r} matches no guest"
    for field, selector in (*host_selectors(policy), *more):
        for part, value, alone in parts(selector):
            # An exact name that no host has is an error of its own.
            if not select_hosts(snapshot.hosts, alone, f"{field}.{part}"):
                yield f"{field}.{part}", f"{value!r} matches no host"


def parts(selector: Selector) -> Iterator[tuple[str, str, Selector]]:
    """Each part of a selector: its name, its value as a text, and a selector of this part alone."""
    for name in selector.names:
        yield "names", name, Selector(names=(name,))
    if selector.regex is not None:
        yield "regex", selector.regex, Selector(regex=selector.regex)
    for tag in selector.tags:
        yield "tags", tag, Selector(tags=(tag,))
    for pool in selector.pools:
        yield "pools", pool, Selector(pools=(pool,))
    for kind in selector.kinds:
        yield "kinds", kind, Selector(kinds=(kind,))
    if selector.labels:
        text = ", ".join(f"{key}={value}" for key, value in selector.labels.items())
        yield "labels", text, Selector(labels=selector.labels)
    if selector.where is not None:
        yield "where", selector.where, Selector(where=selector.where)


def _rules(snapshot: Snapshot, policy: Policy) -> Iterator[tuple[str, str]]:
    for index, spec in enumerate(policy.rules):
        if not _is_of_preset(spec, policy):
            found = groups(spec, snapshot, f"policy.rules[{index}]")
            least = least_members(spec)
            most = max((len(members) for members in found.values()), default=0)
            if most < least and (most or spec.by != "guests"):
                yield f"policy.rules[{index}]", _nothing(spec, least, most)


def _nothing(spec: RuleSpec, least: int, most: int) -> str:
    """Why a rule comes to nothing; `most`: the guests of the largest group that it finds."""
    of = "" if spec.pattern is None else f" like {spec.pattern!r}"
    whose = {
        "name_prefix": "whose names are alike but for trailing digits",
        "regex": f"with names{of}",
        "tag": f"with a tag{of}",
        "pool": f"in a pool{of}",
        "guests": "that it selects",
    }[spec.by]
    if not most:
        return f"there are no guests {whose}, so no rule comes of it"
    return f"there are never {least} guests {whose}, but {most} at most, so no rule comes of it"


def _is_of_preset(spec: RuleSpec, policy: Policy) -> bool:
    """Names from another system may match nothing without a mistake of the user's."""
    own = PRESETS[policy.preset].get("rules", ()) if policy.preset else ()
    return isinstance(own, list) and any(
        all(getattr(spec, key) == value for key, value in given.items()) for given in own
    )
