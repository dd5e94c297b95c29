# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as people read it: hosts before and after, every migration with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..._model.plan import ClusterState, Migration, Plan, Violation
from ..._model.text.wording import readable

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
    return lines


def _violation(violation: Violation) -> str:
    return f"{'' if violation.strict else 'soft rule '}{violation.rule}: {violation.detail}"


def _headline(plan: Plan) -> str:
    name = f"cluster {plan.cluster.name} ({plan.platform})"
    if not plan.migrations:
        return f"{name}: {plan.status}, no migrations"
    waves = max(migration.wave for migration in plan.migrations)
    memory = sum(migration.cost.memory for migration in plan.migrations)
    count = len(plan.migrations)
    return (
        f"{name}: {plan.status} by {count} migration{'s' if count > 1 else ''}{_proof(plan)}"
        f" in {waves} wave{'s' if waves > 1 else ''}, {memory / GIB:.1f} GiB of memory"
    )


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
    return [
        f"{migration.step}",
        f"{migration.guest.name} ({migration.guest.id})",
        f"{host_name(plan.before, migration.source)} → {host_name(plan.before, migration.target)}",
        f"{migration.cost.memory / GIB:.1f} GiB",
        migration.kind,
        "; ".join(part for part in (migration.why, after) if part),
    ]


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
