# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as people read it: hosts before and after, every migration with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..._model.plan import ClusterState, DiskMove, Migration, Plan, StoragePlan, StorageState, Violation
from ..._model.text.wording import counted, readable

GIB = 1024**3
# A name of hundreds of characters would push every other column of its table off the screen.
MAX_WIDTH = 64


def plan_report(plan: Plan) -> list[str]:
    """The lines of the report."""
    return [readable(line) for line in _lines(plan)]


def _lines(plan: Plan) -> list[str]:
    lines = [_headline(plan), ""]
    lines += hosts_table(plan.before, plan.after)
    if plan.emptied:
        names = ", ".join(host_name(plan.before, host) for host in plan.emptied)
        lines += ["", f"become empty: {names}"]
    for wave, migrations in _by_wave(plan.migrations):
        lines += ["", f"wave {wave}", *table([_migration(plan, migration) for migration in migrations])]
    lines += _section("broken rules now", map(_violation, plan.before.violations))
    lines += _section("broken rules left", map(_violation, plan.after.violations))
    lines += _section("unresolved", (f"{item.what}: {item.why}" for item in plan.unresolved))
    lines += _section("notes", plan.notices)
    lines += _section(
        "can't be migrated", (f"{item.guest.name} ({item.guest.id}): {item.why}" for item in plan.immovable)
    )
    if plan.storage is not None:
        lines += ["", *storage_lines(plan.storage, growth_of(plan))]
    return lines


def storage_lines(plan: StoragePlan, growth: float = 0) -> list[str]:
    """The part of the report about datastores; `growth` is that of the policy."""
    lines = [_storage_headline(plan), "", *datastores_table(plan.before, plan.after)]
    if growth:
        lines.append(f"  In use counts {growth:g} % of what thin disks may still grow.")
    waves: dict[int, list[DiskMove]] = {}
    for move in plan.moves:
        waves.setdefault(move.wave, []).append(move)
    for wave, moves in sorted(waves.items()):
        lines += ["", f"disks, wave {wave}", *table([_disk_move(plan, move) for move in moves])]
    lines += _section("broken rules for disks now", map(_violation, plan.before.violations))
    lines += _section("broken rules for disks left", map(_violation, plan.after.violations))
    lines += _section("unresolved about datastores", (f"{item.what}: {item.why}" for item in plan.unresolved))
    lines += _section("notes about datastores", plan.notices)
    lines += _section(
        "disks that can't be moved",
        (
            f"{', '.join(item.disks) or 'disks without an id'} of {item.guest.name} ({item.guest.id}) on "
            f"{datastore_name(plan.before, item.datastore)}: {item.why}"
            for item in plan.immovable
        ),
    )
    return lines


def growth_of(plan: Plan) -> float:
    """Percent of what thin disks may still grow that count as in use."""
    return 0 if plan.policy.storage is None else plan.policy.storage.growth


def _storage_headline(plan: StoragePlan) -> str:
    if not plan.moves:
        return f"datastores: {plan.status}, no disk moves"
    waves = max(move.wave for move in plan.moves)
    proof = plan.proof
    least = ""
    if proof.optimal:
        least = " (proven to be the fewest)"
    elif proof.bytes_lower_bound:
        least = f" (the fewest found; at least {proof.bytes_lower_bound / GIB:.1f} GiB are needed)"
    return (
        f"datastores: {plan.status} by {counted(len(plan.moves), 'disk move')} in {counted(waves, 'wave')}, "
        f"{proof.bytes / GIB:.1f} GiB copied{least}"
    )


def datastores_table(before: StorageState, after: StorageState) -> list[str]:
    """Each datastore with its size and what is in use before and after."""
    rows = [["datastore", "GiB", "used %", "disks", "latency ms"]]
    for identity, place in before.datastores.items():
        then = after.datastores.get(identity)
        rows.append(
            [
                datastore_name(before, identity),
                "unknown" if place.capacity is None else f"{place.capacity / GIB:.0f}",
                change(place.percent, then.percent if then else None),
                change(place.disks, then.disks if then else None, digits=0),
                "" if place.latency is None else f"{place.latency:.1f}",
            ]
        )
    return table(rows)


def _disk_move(plan: StoragePlan, move: DiskMove) -> list[str]:
    after = f"after {', '.join(map(str, move.after))}" if move.after else ""
    source, target = (datastore_name(plan.before, name) for name in (move.source, move.target))
    return [
        f"{move.step}",
        f"{move.guest.name} ({move.guest.id})",
        ", ".join(move.disks),
        f"{source} → {target}",
        f"{move.bytes / GIB:.1f} GiB",
        move.kind,
        "; ".join(part for part in (move.why, after) if part),
    ]


def datastore_name(state: StorageState, identity: str) -> str:
    """The name of a datastore; its id where another one has the same name."""
    place = state.datastores.get(identity)
    if place is None:
        return identity
    names = [one.name for one in state.datastores.values()]
    return place.name if names.count(place.name) == 1 else identity


def _violation(violation: Violation) -> str:
    return f"{'' if violation.strict else 'soft rule '}{violation.rule}: {violation.detail}"


def _headline(plan: Plan) -> str:
    name = f"cluster {plan.cluster.name} ({plan.platform})"
    status = _status_of_hosts(plan)
    if not plan.migrations:
        return f"{name}: {f'{status}, ' if status else ''}no migrations"
    waves = max(migration.wave for migration in plan.migrations)
    memory = sum(migration.cost.memory for migration in plan.migrations)
    count = len(plan.migrations)
    disks = sum(migration.cost.disks for migration in plan.migrations)
    return (
        f"{name}: {f'{status} by ' if status else ''}{counted(count, 'migration')}{_proof(plan)}"
        f" in {waves} wave{'s' if waves > 1 else ''}, {memory / GIB:.1f} GiB of memory"
        f"{f' and {disks / GIB:.1f} GiB of disks' if disks else ''}"
    )


def _status_of_hosts(plan: Plan) -> str:
    """That of the plan is of hosts and datastores together. Empty where it is about datastores only."""
    if plan.policy.goal == "storage":
        return ""
    if plan.storage is None:
        return plan.status
    if not plan.unresolved:
        return "hosts balanced"
    if plan.migrations:
        return "hosts improved"
    # With disk moves the status of the plan does not say whether anything else is possible.
    return "hosts not balanced" if plan.storage.moves else f"hosts {plan.status}"


def _proof(plan: Plan) -> str:
    """Nothing where something stays undone, since fewer migrations that leave more undone prove nothing."""
    if plan.proof.optimal:
        return " (proven to be the fewest)"
    least = plan.proof.migrations_lower_bound
    return f" (the fewest found; at least {least} {'is' if least == 1 else 'are'} needed)" if least else ""


def hosts_table(before: ClusterState, after: ClusterState) -> list[str]:
    """Each host with its load and its number of guests, before and after, and the spread in the last line."""
    metrics = list(before.spread)
    rows = [["host", *(f"{metric} %" for metric in metrics), "guests"]]
    for host_id, host in before.hosts.items():
        then = after.hosts.get(host_id)
        used = then.used if then else {}
        cells = [change(host.used.get(metric), used.get(metric)) for metric in metrics]
        rows.append([host.name, *cells, change(host.guests, then.guests if then else None, digits=0)])
    spread = [change(before.spread.get(metric), after.spread.get(metric)) for metric in metrics]
    rows.append(["spread", *spread, ""])
    return table(rows)


def change(before: float | None, after: float | None, digits: int = 1) -> str:
    """The figures before and after, or one figure when both are equal."""
    if before is None or after is None:
        return "unknown"
    old, new = f"{before:.{digits}f}", f"{after:.{digits}f}"
    return old if old == new else f"{old} → {new}"


def _migration(plan: Plan, migration: Migration) -> list[str]:
    after = f"after {', '.join(map(str, migration.after))}" if migration.after else ""
    disks = migration.cost.disks
    return [
        f"{migration.step}",
        f"{migration.guest.name} ({migration.guest.id})",
        f"{host_name(plan.before, migration.source)} → {host_name(plan.before, migration.target)}",
        f"{migration.cost.memory / GIB:.1f} GiB{f' and {disks / GIB:.1f} GiB of disks' if disks else ''}",
        migration.kind,
        "; ".join(part for part in (_disks_along(migration), migration.why, after) if part),
    ]


def _disks_along(migration: Migration) -> str:
    """Where its disks go, of one that is migrated for them."""
    if not migration.cost.disks:
        return ""
    return f"disks {', '.join(f'{source} → {target}' for source, target in migration.storage.items())}"


def host_name(state: ClusterState, host_id: str) -> str:
    host = state.hosts.get(host_id)
    return host.name if host else host_id


def _by_wave(migrations: Iterable[Migration]) -> list[tuple[int, list[Migration]]]:
    waves: dict[int, list[Migration]] = {}
    for migration in migrations:
        waves.setdefault(migration.wave, []).append(migration)
    return sorted(waves.items())


def _section(title: str, entries: Iterable[str]) -> list[str]:
    rows = [f"  {entry}" for entry in entries]
    return ["", title, *rows] if rows else []


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns; every row has as many. Only the last column may be as wide as it likes."""
    shown = [[*(_narrow(readable(cell)) for cell in row[:-1]), readable(row[-1])] for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]


def _narrow(cell: str) -> str:
    return cell if len(cell) <= MAX_WIDTH else f"{cell[: MAX_WIDTH - 1]}…"
