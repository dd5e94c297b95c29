# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that a person works on: goal and options, migrations and moves of disks left out, and what if.

Planning takes a while on large clusters. It is done in a thread, one at a time: a new wish ends the planning
for the one before it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.policy import (
    POLICY_ARGUMENTS,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.datastores import (
    datastore_ids,
    datastores_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError, InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.overrides import Overrides
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import (
    DiskMove,
    GuestRef,
    Migration,
    Plan,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.choices import (
    Choices,
    DisksLeftOut,
    LeftOut,
    Pinned,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.nearest import nearest
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.by_hand import (
    Moved,
    plan_back,
    plan_move,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan as make_plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.what_if import (
    apply_overrides,
)

from .settings import policy_with

GOALS = ("spread", "relieve", "rules", "consolidate", "storage")
# What belongs to one goal, and is refused by the others.
_OF_GOAL = {"relieve": "relieve", "consolidate": "consolidate", "evacuate": "evacuate"}
# A reading this old may be of another cluster than the one that there is now.
OLD_SECONDS = 300.0


class Cancelled(Exception):
    """Nobody wants this plan any more."""


@dataclass(frozen=True)
class Wish:
    """Goal and preset where they differ from those of the inventory, options of balance_plan in addition, and
    changes of what if.
    """

    goal: str | None = None
    preset: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    overrides: Overrides | None = None


def read_options(text: str) -> dict[str, Any]:
    """Options of balance_plan as a person types them: `max_spread: 10, max_migrations: 20`. Raises
    InputError.
    """
    try:
        found = yaml.safe_load("{" + text + "}")
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict):
        raise InputError("options", text, "options such as max_spread: 10, max_migrations: 20")
    return {str(name): value for name, value in found.items()}


def wished_policy(given: Mapping[str, Any], wish: Wish) -> Policy:
    """The policy of the inventory with another goal, preset or options. Raises EvenKeelError."""
    options = dict(given)
    if wish.goal is not None and wish.goal != options.get("goal", "spread"):
        for name in _OF_GOAL.values():
            options.pop(name, None)
        if wish.goal == "relieve":
            # The metrics are then those that have a threshold.
            options.pop("metrics", None)
        options["goal"] = wish.goal
    if wish.preset is not None:
        options["preset"] = wish.preset
    for name in wish.options:
        if name not in POLICY_ARGUMENTS:
            near = nearest(name, list(POLICY_ARGUMENTS))
            raise InputError(
                "options",
                name,
                "an option of the policy",
                statement=f": {name} is not an option of the policy",
                hint=f"Did you mean {near}?" if near else "See the options of balance_plan",
            )
    options |= wish.options
    return policy_with(options)


def read_overrides(
    away: str,
    back: str,
    added: str,
    grown: str,
    stores_away: str = "",
    stores_back: str = "",
    stores_added: str = "",
    stores_fuller: str = "",
) -> Overrides | None:
    """Changes of what if as a person types them: hosts away and hosts back by name, `new like old` and
    `guest x 2`, each separated by commas; the same for datastores, with `name + 500G` or `name + 10 %` for
    one that is fuller. None where nothing is changed. Raises InputError.
    """
    value: dict[str, Any] = {
        "hosts_removed": _words(away),
        "hosts_returned": _words(back),
        "hosts_added": [
            _new(text, "hosts added", "a new name and an existing host, such as pve9 like pve1")
            for text in _words(added)
        ],
        "guests_grown": [_grown(text) for text in _words(grown)],
        "datastores_removed": _words(stores_away),
        "datastores_returned": _words(stores_back),
        "datastores_added": [
            _new(text, "datastores added", "a new name and an existing datastore, such as nfs9 like nfs1")
            for text in _words(stores_added)
        ],
        "datastores_changed": [_fuller(text) for text in _words(stores_fuller)],
    }
    if not any(value.values()):
        return None
    return Overrides.from_json(value)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _new(text: str, field: str, expected: str) -> dict[str, str]:
    name, found, like = text.partition(" like ")
    if not found:
        raise InputError(field, text, expected)
    return {"name": name.strip(), "like": like.strip()}


def _grown(text: str) -> dict[str, Any]:
    name, _blank, factor = text.rpartition(" ")
    name = name.strip().removesuffix(" x").removesuffix(" ×").strip()
    try:
        return {"guest": name or text, "factor": float(factor.lstrip("x×"))}
    except ValueError:
        raise InputError("guests grown", text, "a guest and a factor, such as db1 x 2") from None


def _fuller(text: str) -> dict[str, Any]:
    name, found, more = text.rpartition("+")
    more = more.strip()
    if not found or not more:
        raise InputError("datastores fuller", text, "a datastore and how much, such as nfs1 + 500G")
    if not more.endswith("%"):
        return {"datastore": name.strip(), "filled_by": more}
    try:
        return {"datastore": name.strip(), "filled_by_percent": float(more.removesuffix("%"))}
    except ValueError:
        raise InputError("datastores fuller", text, "a number of percent, such as nfs1 + 10 %") from None


@dataclass(frozen=True)
class Line:
    """A migration, or a move of disks, on the screen: one of the plan, or one that is left out. `migration`
    is None for a guest that is pinned where it is, and for `disks`, which have a `move`. `source` and
    `target` are ids of hosts, or of datastores.
    """

    key: str
    guest: GuestRef
    source: str
    target: str
    migration: Migration | None
    left_out: bool = False
    not_there: bool = False
    pinned: bool = False
    disks: tuple[str, ...] = ()
    move: DiskMove | None = None

    @property
    def wave(self) -> int | None:
        """The wave of the step, among those of its kind."""
        step = self.migration or self.move
        return None if step is None else step.wave

    @property
    def choice(self) -> DisksLeftOut:
        """What leaves a move of disks out."""
        return DisksLeftOut(
            guest=self.guest.id, disks=self.disks, datastore=self.target if self.not_there else None
        )


class Desk:
    """What a person has chosen, and the newest plan for it. Everything but `work` returns at once, and is for
    the thread of the screen.

    `changed` is called from the planning thread whenever a plan, or an error, is there. `make` plans for
    something else than the policy, such as one guest by hand: then single migrations can't be left out.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        given: Mapping[str, Any],
        *,
        run: Callable[[Callable[[], None]], object],
        changed: Callable[[], None],
        make: Callable[[Snapshot], Plan] | None = None,
        title: str = "",
    ) -> None:
        self.snapshot = snapshot
        self.title = title
        self.wish = Wish()
        self.plan: Plan | None = None
        self.error = ""
        self.planning = False
        self._given = given
        self._run = run
        self._changed = changed
        self._make = make
        self._left_out: dict[tuple[str, str | None], Line] = {}
        self._pinned: dict[str, Line] = {}
        self._disks_left_out: dict[DisksLeftOut, Line] = {}
        self._lock = threading.Lock()
        self._number = 0

    @property
    def editable(self) -> bool:
        return self._make is None

    @property
    def hypothetical(self) -> bool:
        return self.wish.overrides is not None

    @property
    def choices(self) -> Choices:
        return Choices(
            left_out=tuple(LeftOut(guest=guest, host=host) for guest, host in self._left_out),
            pinned=tuple(Pinned(guest=line.guest.id, host=line.target) for line in self._pinned.values()),
            disks_left_out=tuple(self._disks_left_out),
        )

    def lines(self) -> list[Line]:
        """The migrations and then the moves of disks of the plan in their order, then what is pinned in place
        and what is left out.
        """
        found = []
        for step in () if self.plan is None else self.plan.migrations:
            pin = self._pinned.get(step.guest.id)
            found.append(
                Line(
                    key=f"step:{step.guest.id}:{step.target}",
                    guest=step.guest,
                    source=step.source,
                    target=step.target,
                    migration=step,
                    pinned=pin is not None and pin.target == step.target,
                )
            )
        storage = None if self.plan is None else self.plan.storage
        found += [_of_disks(move) for move in (() if storage is None else storage.moves)]
        shown = {line.guest.id for line in found if line.pinned}
        found += [line for line in self._pinned.values() if line.guest.id not in shown]
        return [*found, *self._left_out.values(), *self._disks_left_out.values()]

    def begin(self) -> None:
        """Plan for what is chosen now; a planning under way is given up."""
        with self._lock:
            self._number += 1
            number, self.planning, self.error = self._number, True, ""
        self._run(lambda: self._work(number, self.snapshot, self.wish, self.choices))

    def cancel(self) -> None:
        """Give up planning; the plan before stays."""
        with self._lock:
            self._number += 1
            if self.planning:
                self.planning = False
                self.error = "Planning was cancelled. The plan that is shown is the one before."

    def read_again(self, snapshot: Snapshot) -> None:
        """Plan for a newer reading. Choices about what is gone are dropped."""
        self.snapshot = snapshot
        guests = {guest.id for guest in snapshot.guests}
        hosts = {host.id for host in snapshot.hosts}
        self._left_out = {
            key: line
            for key, line in self._left_out.items()
            if key[0] in guests and (key[1] is None or key[1] in hosts)
        }
        self._pinned = {
            guest: line for guest, line in self._pinned.items() if guest in guests and line.target in hosts
        }
        disks = {(guest.id, disk.id) for guest in snapshot.guests for disk in guest.disks}
        places = {None, *(place.id for place in datastores_of(snapshot))}
        self._disks_left_out = {
            choice: line
            for choice, line in self._disks_left_out.items()
            if choice.datastore in places and all((choice.guest, disk) in disks for disk in choice.disks)
        }
        self.begin()

    def ask(self, wish: Wish) -> None:
        """Plan for another goal, other options, or other changes. Raises EvenKeelError for wrong ones, and
        then nothing changes.
        """
        wished_policy(self._given, wish)
        if wish.overrides is not None:
            apply_overrides(self.snapshot, wish.overrides)
        self.wish = wish
        self.begin()

    def toggle(self, line: Line) -> None:
        """Leave a migration or a move of disks out, or take it back in."""
        if line.disks:
            self._toggle_disks(line)
        elif line.left_out:
            self._left_out.pop((line.guest.id, line.target if line.not_there else None), None)
        else:
            self._pinned.pop(line.guest.id, None)
            self._leave_out(line, not_there=False)
        self.begin()

    def toggle_target(self, line: Line) -> None:
        """Keep a guest from this host, or disks from this datastore, only; or not any more."""
        if line.left_out:
            self.toggle(line)
            return
        if line.disks:
            self._toggle_disks(replace(line, not_there=True))
            self.begin()
            return
        self._pinned.pop(line.guest.id, None)
        self._leave_out(line, not_there=True)
        self.begin()

    def toggle_pin(self, line: Line) -> None:
        """Insist on a migration, or not any more. Moves of disks can't be insisted on."""
        if line.disks:
            return
        if line.guest.id in self._pinned and not line.left_out:
            del self._pinned[line.guest.id]
        else:
            for key in [key for key in self._left_out if key[0] == line.guest.id]:
                del self._left_out[key]
            self._pinned[line.guest.id] = replace(
                line, key=f"pin:{line.guest.id}", migration=None, pinned=True, left_out=False, not_there=False
            )
        self.begin()

    def forget(self) -> None:
        """Take all choices back."""
        self._left_out.clear()
        self._pinned.clear()
        self._disks_left_out.clear()
        self.begin()

    def stale(self, newer: Snapshot) -> str:
        """Why the plan does not hold for a newer reading: guests or disks of it are elsewhere or gone, or a
        target is closed. Empty where it holds.
        """
        if self.plan is None:
            return ""
        now = {guest.id: guest.host for guest in newer.guests}
        hosts = {host.id: host for host in newer.hosts}
        first: dict[str, Migration] = {}
        for step in self.plan.migrations:
            first.setdefault(step.guest.id, step)
        for step in first.values():
            here = now.get(step.guest.id)
            if here is None:
                return f"{step.guest.name} is not there any more"
            if here != step.source:
                return f"{step.guest.name} is on {hosts[here].name if here in hosts else here} now"
        for step in self.plan.migrations:
            host = hosts.get(step.target)
            if host is None or not host.active:
                return f"{step.target if host is None else host.name} does not accept guests now"
        return self._stale_disks(newer)

    def _stale_disks(self, newer: Snapshot) -> str:
        storage = None if self.plan is None else self.plan.storage
        if self.plan is None or storage is None or not storage.moves:
            return ""
        ids = datastore_ids(newer)
        now = {
            (guest.id, disk.id): ids.get((guest.host, disk.datastore))
            for guest in newer.guests
            for disk in guest.disks
        }
        places = {place.id: place for place in datastores_of(newer)}
        # Where the migration of a guest takes disks along, they are elsewhere when their turn comes.
        seen: set[tuple[str, str | None]] = {
            (step.guest.id, None) for step in self.plan.migrations if step.storage
        }
        for move in storage.moves:
            for disk in move.disks:
                if (move.guest.id, disk) in seen or (move.guest.id, None) in seen:
                    continue
                seen.add((move.guest.id, disk))
                here = now.get((move.guest.id, disk))
                if here is None:
                    return f"{disk} of {move.guest.name} is not there any more"
                if here != move.source:
                    return f"{disk} of {move.guest.name} is on {places[here].name} now"
        for move in storage.moves:
            place = places.get(move.target)
            if place is None or place.maintenance or place.closed_because:
                return f"{move.target if place is None else place.name} takes no disks now"
        return ""

    def _toggle_disks(self, line: Line) -> None:
        """For a line that is on the screen once with each choice."""
        if self._disks_left_out.pop(line.choice, None) is None:
            key = f"out:{line.guest.id}:{','.join(line.disks)}:{line.choice.datastore}"
            self._disks_left_out[line.choice] = replace(line, key=key, move=None, left_out=True)

    def _leave_out(self, line: Line, *, not_there: bool) -> None:
        host = line.target if not_there else None
        self._left_out[line.guest.id, host] = replace(
            line,
            key=f"out:{line.guest.id}:{host}",
            migration=None,
            left_out=True,
            not_there=not_there,
            pinned=False,
        )

    def _work(self, number: int, snapshot: Snapshot, wish: Wish, choices: Choices) -> None:
        def clock() -> float:
            if number != self._number:
                raise Cancelled
            return time.monotonic()

        try:
            found, error = self._planned(snapshot, wish, choices, clock), ""
        except Cancelled:
            return
        except EvenKeelError as failure:
            found, error = None, str(failure)
        with self._lock:
            if number != self._number:
                return
            self.planning = False
            if found is not None:
                self.plan = found
            self.error = error
        self._changed()

    def _planned(self, snapshot: Snapshot, wish: Wish, choices: Choices, clock: Callable[[], float]) -> Plan:
        if self._make is not None:
            return self._make(snapshot)
        policy = replace(wished_policy(self._given, wish), choices=choices)
        if wish.overrides is not None:
            snapshot = apply_overrides(snapshot, wish.overrides)
        found = make_plan(snapshot, policy, clock)
        return replace(found, hypothetical=wish.overrides is not None)


def _of_disks(move: DiskMove) -> Line:
    return Line(
        key=f"disks:{move.guest.id}:{','.join(move.disks)}:{move.target}",
        guest=move.guest,
        source=move.source,
        target=move.target,
        migration=None,
        disks=move.disks,
        move=move,
    )


def moving(guest: str, host: str, policy: Policy) -> Callable[[Snapshot], Plan]:
    """Plans one guest to one host."""
    return lambda snapshot: plan_move(snapshot, guest, host, policy)


def undoing(
    moved: Sequence[Moved], policy: Policy, before: Snapshot | None = None
) -> Callable[[Snapshot], Plan]:
    """Plans the way back. `before`: the cluster before the run."""
    return lambda snapshot: plan_back(snapshot, moved, policy, before)
