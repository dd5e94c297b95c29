# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Use from Python: read a cluster, plan, apply a plan, place new guests.

    from ansible_collections.evenkeel.cluster.plugins.module_utils import evenkeel

    connection = evenkeel.Connection(platform="proxmox", api_host="pve1", api_user="root@pam", api_password=…)
    snapshot = evenkeel.read(connection, window="1h")
    plan = evenkeel.plan(snapshot, {"goal": "spread", "max_spread": 10})
    outcome = evenkeel.apply(connection, plan)

The functions do what the modules cluster_facts, balance_plan, vm_migrate and vm_placement do, by the same
code, and return frozen data: each class has `to_json` and `from_json` where the modules have a document.
Everything in `__all__` follows semantic versioning; everything else in this collection is private. Ansible
need not be installed.

All errors are an EvenKeelError. What is worth a warning of a module goes to the logger `evenkeel.cluster`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from ._ansible.actions.balance_plan import hypothetical_plan, what_if_of
from ._ansible.actions.cluster_facts import FactsOptions, read_cluster
from ._ansible.actions.vm_migrate import MigrateOptions, migrate, refuse_hypothetical
from ._ansible.log import Log
from ._ansible.log_events import RunEvents
from ._ansible.options.argument_spec import argument_spec
from ._ansible.options.execution import ExecutionOptions, failure_policy, stop_of
from ._ansible.options.platform import MovingOptions
from ._ansible.options.policy import policy_in_plain_numbers
from ._ansible.state_session import ClusterStateOptions, LockOptions
from ._execution.clock import SystemClock
from ._execution.progress import DiskProgress, Moving, MovingDisks, Progress
from ._execution.stopping import StopSignal
from ._model.codec import hints_of
from ._model.errors import EvenKeelError, InputError
from ._model.headroom import Headroom, HostFailure, LargestGuest, LostGuest, SizeClass
from ._model.outcome import DiskMoveOutcome, MigrationOutcome, Outcome
from ._model.overrides import Overrides
from ._model.placement import Placed, Placement, Unplaced
from ._model.placement_request import PlacementRequest
from ._model.plan import (
    ClusterState,
    DatastoreState,
    DiskMove,
    ImmovableDisk,
    Migration,
    Plan,
    Proof,
    StoragePlan,
    StorageProof,
    StorageState,
    Unresolved,
    Violation,
)
from ._model.policy.choices import Choices, DisksLeftOut, LeftOut, Pinned
from ._model.policy.policy import Policy
from ._model.policy.storage import DatastoreRule, DatastoreSelector, StorageClass, StoragePolicy
from ._model.quantities import in_plain_numbers, quantity_of
from ._model.selector import Selector
from ._model.snapshot import (
    ClusterRef,
    Datastore,
    Disk,
    Guest,
    Host,
    Notice,
    Rule,
    Snapshot,
    StorageRule,
)
from ._planning.by_hand import moved_by
from ._planning.by_hand import plan_back as _plan_back
from ._planning.by_hand import plan_move as _plan_move
from ._planning.errors import PlanningError
from ._planning.headroom.headroom import headroom as _headroom
from ._planning.placement.placer import place as _place
from ._planning.planner import plan as _plan
from ._planning.ranking import RankedHost, Ranking
from ._planning.ranking import rank_hosts as _rank_hosts
from ._platforms.errors import PlatformError
from ._state.errors import LockHeld, StateError

__all__ = (
    "Choices",
    "ClusterRef",
    "ClusterState",
    "Connection",
    "Datastore",
    "DatastoreRule",
    "DatastoreSelector",
    "DatastoreState",
    "Disk",
    "DiskMove",
    "DiskMoveOutcome",
    "DiskProgress",
    "DisksLeftOut",
    "EvenKeelError",
    "Execution",
    "Guest",
    "Headroom",
    "Host",
    "HostFailure",
    "ImmovableDisk",
    "InputError",
    "LargestGuest",
    "LeftOut",
    "LockHeld",
    "LostGuest",
    "Migration",
    "MigrationOutcome",
    "Moving",
    "MovingDisks",
    "Notice",
    "Outcome",
    "Overrides",
    "Pinned",
    "Placed",
    "Placement",
    "PlacementRequest",
    "Plan",
    "PlanningError",
    "PlatformError",
    "Policy",
    "Progress",
    "Proof",
    "RankedHost",
    "Ranking",
    "Rule",
    "Selector",
    "SizeClass",
    "Snapshot",
    "StateError",
    "Stop",
    "StorageClass",
    "StoragePlan",
    "StoragePolicy",
    "StorageProof",
    "StorageRule",
    "StorageState",
    "Unplaced",
    "Unresolved",
    "Violation",
    "apply",
    "headroom",
    "hosts_for",
    "place",
    "plan",
    "plan_back",
    "plan_move",
    "read",
)

_KINDS: Mapping[str, tuple[Any, str]] = {
    "str": (str, "a text"),
    "path": (str, "a path"),
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "bool": (bool, "true or false"),
    "list": (Sequence, "a list"),
    "dict": (Mapping, "a dictionary"),
}
_log = logging.getLogger("evenkeel.cluster")
_Options = TypeVar("_Options")


@dataclass(frozen=True, kw_only=True)
class Connection(ClusterStateOptions):
    """A cluster and how to reach it: the options of cluster_facts, with the same environment variables for
    those that are left out. `state_url`: the database with the history and the lock of the cluster.
    """

    def __post_init__(self) -> None:
        if isinstance(self.api_host, str):
            object.__setattr__(self, "api_host", (self.api_host,))
        _check(self)


@dataclass(frozen=True, kw_only=True)
class Execution(ExecutionOptions, MovingOptions, LockOptions):
    """How a plan is applied: the options of vm_migrate. Times are numbers of seconds and sizes numbers of
    bytes, or texts with a unit such as 30m and 8G.
    """

    journal_path: str | None = None
    history_days: int = 400
    started_by: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        # A number is as good as its text.
        object.__setattr__(self, "max_failures", str(self.max_failures))
        _check(self)


class Stop(StopSignal):
    """Stops a run: after `request`, from a signal handler or another thread, nothing new is started, and
    `apply` returns with the status stopped once the migrations under way have ended.

    After `pause` nothing new is started until `resume`; the lock is kept, and the progress says so.
    """

    def __init__(self) -> None:
        super().__init__()


def read(
    connection: Connection,
    *,
    window: float | str = 0,
    history: float | str = 3600,
    sustained: int = 1,
    sustained_for: float | str = 0,
    storage: bool = False,
) -> Snapshot:
    """The cluster as it is. Loads are averages over the `window`, in seconds or with a unit such as 1h; 0 for
    present values. `history`: how far back the platform's own record of migrations is read. `sustained` and
    `sustained_for`: as in the policy that is to be planned by. `storage`: also what only a policy with
    storage requires.

    Raises PlatformError and StateError.
    """
    options = _options(
        FactsOptions,
        connection,
        window=window,
        history=history,
        sustained=sustained,
        sustained_for=sustained_for,
        storage=storage,
    )
    snapshot, notices = read_cluster(options)
    _warn(notices)
    return snapshot


def plan(
    snapshot: Snapshot,
    policy: Policy | Mapping[str, Any] | None = None,
    *,
    choices: Choices | None = None,
    what_if: Overrides | Mapping[str, Any] | None = None,
) -> Plan:
    """The fewest migrations, and the fewest bytes of disks, that put the cluster in order. Nothing is read or
    changed.

    A policy may be a mapping with the options of balance_plan; with `storage` the plan has disk moves, in
    `storage`. `choices`: single migrations to leave out or to insist on, instead of those of the policy.
    `what_if`: changes to the snapshot before it is planned, as of balance_plan; such a plan can't be applied.
    Raises InputError and PlanningError.
    """
    policy = _policy(policy)
    policy = policy if choices is None else replace(policy, choices=choices)
    if what_if is None:
        return _plan(snapshot, policy)
    overrides = what_if if isinstance(what_if, Overrides) else Overrides.from_json(what_if_of(what_if))
    return hypothetical_plan(snapshot, policy, overrides)


def headroom(snapshot: Snapshot, policy: Policy | Mapping[str, Any] | None = None) -> Headroom:
    """Which hosts may fail, how many more guests of the sizes that occur fit, and the largest that does, by
    the limits, rules and exclusions of the policy. Nothing is read or changed.

    Raises InputError and PlanningError.
    """
    return _headroom(snapshot, _policy(policy))


def hosts_for(snapshot: Snapshot, guest: str, policy: Policy | Mapping[str, Any] | None = None) -> Ranking:
    """The hosts for one guest, by id or name: those that are possible, the best first, then the others with
    the reason. Nothing is read or changed.

    The best host leaves the fewest strict rules broken, then the fewest points outside the band of the
    policy, then the smallest spreads. Raises InputError and PlanningError, and EvenKeelError for an unknown
    guest.
    """
    return _rank_hosts(snapshot, guest, _policy(policy))


def plan_move(
    snapshot: Snapshot, guest: str, host: str, policy: Policy | Mapping[str, Any] | None = None
) -> Plan:
    """The plan that brings one guest to a host, with those that move along with it, and does nothing else.
    Where the rules, limits and exclusions of the policy do not let it go there, the plan has no migrations,
    and `unresolved` says why.

    Raises InputError and PlanningError, and EvenKeelError for an unknown guest or host.
    """
    return _plan_move(snapshot, guest, host, _policy(policy))


def plan_back(
    snapshot: Snapshot,
    outcome: Outcome,
    policy: Policy | Mapping[str, Any] | None = None,
    *,
    before: Snapshot | None = None,
) -> Plan:
    """The plan that brings the guests which a run has moved back to where they were, and does nothing else.
    `snapshot` is of after the run, and `before` of before it: guests that have just arrived and are not
    measured yet then count with their loads of before. A guest that was moved since, or whose return would
    break a rule that holds, stays, and is in `unresolved`.

    Raises InputError and PlanningError.
    """
    return _plan_back(snapshot, moved_by(outcome), _policy(policy), before)


def apply(
    connection: Connection,
    plan: Plan,
    *,
    execution: Execution | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
) -> Outcome:
    """Runs the migrations of a plan, then its disk moves, and returns what became of each; with the lock, the
    journal and the history of the cluster, as vm_migrate. A plan that was interrupted goes on where it
    stopped.

    dry_run: everything is checked and nothing is migrated; the status is planned. `progress` is called
    whenever something has changed. A migration that fails raises nothing: see the status of the outcome, and
    `result` and `why` of its migrations and disk moves. Raises PlatformError, LockHeld, StateError, and
    InputError for a plan of what_if.
    """
    refuse_hypothetical(plan, "plan")
    execution = execution or Execution()
    options = _options(MigrateOptions, connection, **_values(execution))
    failure_policy(options)
    clock = SystemClock()
    run = migrate(
        options,
        plan,
        stop_of(options, clock, stop),
        clock,
        RunEvents(Log(None)),
        check_mode=dry_run,
        watch=progress or _ignore,
    )
    _warn(run.notices)
    return run.outcome


def place(
    snapshots: Snapshot | Sequence[Snapshot], request: PlacementRequest | Mapping[str, Any]
) -> Placement:
    """A host and datastores for new guests, in the cluster that suits best. Nothing is read or changed.

    A request may be a mapping with the options of vm_placement. The status is impossible where no cluster has
    room. Raises InputError and PlanningError.
    """
    if not isinstance(request, PlacementRequest):
        given = {**request, "policy": policy_in_plain_numbers(request.get("policy", {}), "request.policy")}
        request = PlacementRequest.from_json(in_plain_numbers(PlacementRequest, given, "request"))
    return _place([snapshots] if isinstance(snapshots, Snapshot) else snapshots, request)


def _policy(policy: Policy | Mapping[str, Any] | None) -> Policy:
    if isinstance(policy, Policy):
        return policy
    return Policy.from_json(policy_in_plain_numbers(policy or {}, "policy"))


def _options(cls: type[_Options], connection: Connection, **more: object) -> _Options:
    return cls(**in_plain_numbers(cls, _values(connection) | more))


def _check(options: Connection | Execution) -> None:
    """Raises InputError for a value of a wrong kind: no AnsibleModule has checked them."""
    cls: type = type(options)
    hints, specs = hints_of(cls), argument_spec(cls)
    for field in fields(options):
        value = getattr(options, field.name)
        spec = specs[field.name]
        if (value is None and field.default is None) or quantity_of(hints[field.name]):
            # What may have a unit is checked where it is read.
            continue
        if value not in spec.get("choices", (value,)):
            raise InputError(field.name, value, f"one of {', '.join(spec['choices'])}")
        kind, expected = _KINDS[spec["type"]]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InputError(field.name, value, expected)


def _values(options: object) -> dict[str, Any]:
    return {field.name: getattr(options, field.name) for field in fields(options)}  # type: ignore[arg-type]


def _warn(notices: Iterable[str]) -> None:
    for notice in notices:
        _log.warning("%s", notice)


def _ignore(_progress: Progress) -> None:
    """Nobody watches."""
