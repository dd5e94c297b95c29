# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents for report pages, made by the planner, the placer and a run of the rehearsal on a clock by hand.

    .venv/bin/python tests/support/report_pages.py FOLDER

writes a page of each kind, or those that are named, and with --pictures docs/images the pictures of the
documentation.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.storage.executor import (
    DiskMoveExecutor,
    with_disk_moves,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.storage.job import (
    DiskSlots,
    disk_move_job,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    CoMigrated,
    DiskMoveOutcome,
    Outcome,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement import Placement
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import (
    DatastoreState,
    DiskMove,
    GuestRef,
    ImmovableDisk,
    Plan,
    StoragePlan,
    StorageProof,
    StorageState,
    Unresolved,
    Violation,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Notice, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.rehearsal import RehearsalPlatform
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.given import Given
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.page import render
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.timeline import limits_of
from ansible_collections.evenkeel.cluster.tests.support.browser import chromium
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)
from ansible_collections.evenkeel.cluster.tests.unit.execution.slow import CLUSTER, HandClock, Run, Slow

ROOT = Path(__file__).parents[2]
GIB = 1024**3
SMALL = Shape(hosts=8, guests=60, seed=4, fixed=0.08)
LARGE = Shape(hosts=64, guests=3000, seed=2)


@cache
def cluster(shape: Shape) -> Snapshot:
    return replace(generate(shape), taken_at="2026-11-30T02:00:00Z", readings=())


def planned(shape: Shape, policy: Mapping[str, Any]) -> tuple[Snapshot, Plan]:
    """A cluster and the plan for it."""
    return _planned(shape, json.dumps(policy))


@cache
def _planned(shape: Shape, policy: str) -> tuple[Snapshot, Plan]:
    snapshot = cluster(shape)
    return snapshot, plan(snapshot, Policy.from_json(json.loads(policy)))


def run(
    snapshot: Snapshot,
    wanted: Plan,
    *,
    fails: int = 0,
    on_failure: Literal["continue", "stop", "rollback"] = "continue",
    along: Mapping[str, Sequence[CoMigrated]] | None = None,
) -> Outcome:
    """The outcome of a plan on a rehearsal in which each migration takes a little longer than estimated, and
    so many fail. `along`: what the platform takes along, by guest.
    """
    guests = [migration.guest.id for migration in wanted.migrations]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cluster.json"
        path.write_text(json.dumps(replace(snapshot, cluster=CLUSTER).to_json()))
        platform = Slow(
            path=str(path),
            clock=HandClock(),
            seconds={
                migration.guest.id: migration.cost.seconds * (1.05 + migration.step % 4 / 10)
                for migration in wanted.migrations
            },
            fails=guests[2 : 2 + 3 * fails : 3],
            along=along or {},
        )
        policy = FailurePolicy(poll_interval=2, on_failure=on_failure)
        outcome = Run(platform, wanted.migrations, policy, limits_of(wanted), rules=snapshot.rules).run()
    return replace(outcome, cluster=snapshot.cluster)


def run_disks(
    snapshot: Snapshot, wanted: Plan, outcome: Outcome, faults: Sequence[Mapping[str, Any]] = ()
) -> tuple[Outcome, Snapshot]:
    """The outcome of a plan after its disk moves, on a rehearsal a little slower than estimated, and the
    cluster as it is then.
    """
    if wanted.storage is None or wanted.policy.storage is None:
        raise ValueError("the plan has no part for datastores")
    clock = HandClock()
    clock.sleep(outcome.seconds)
    now = replace(snapshot_after(snapshot, wanted), cluster=CLUSTER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cluster.json"
        path.write_text(json.dumps(now.to_json()))
        storage = {"bandwidth": 0.85 * wanted.policy.storage.bandwidth, "faults": faults}
        path.with_suffix(".storage.json").write_text(json.dumps(storage))
        job = disk_move_job(
            wanted, now, {}, timeout=None, last_step=len(wanted.storage.moves), settling_seconds=0
        )
        if job is None:
            raise ValueError("the plan moves no disk")
        platform = RehearsalPlatform(str(path), now=clock.monotonic)
        end = DiskMoveExecutor(
            replace(job, cluster=CLUSTER),
            platform,
            slots=DiskSlots(per_datastore=wanted.policy.storage.max_per_datastore),
            failure_policy=FailurePolicy(poll_interval=2),
            journal=Journal(None, "plan"),
            stop=StopSignal(),
            clock=clock,
            rng=lambda: 0.5,
        ).run()
        after = platform.read()
    return with_disk_moves(outcome, end, clock.seconds - 1000), after


@cache
def example_datastores() -> Snapshot:
    """The example of the documentation, whose thin datastores promise more than they have."""
    path = ROOT / "playbooks" / "files" / "example-datastores.json"
    snapshot = Snapshot.from_json(json.loads(path.read_text(encoding="utf-8")))
    datastores = tuple(
        replace(
            one,
            provisioned=round((1 + 0.09 * number) * (one.capacity or 0) - 0.8 * (one.free or 0)),
            kind="gold",
            closed_because="not accessible from host4" if number == 3 else None,
        )
        for number, one in enumerate(snapshot.datastores)
    )
    return replace(snapshot, datastores=datastores)


def planned_storage(snapshot: Snapshot, storage: Mapping[str, Any], goal: str = "storage") -> Given:
    policy = {
        "goal": goal,
        "storage": storage,
        "effort": 4,
        **({"max_spread": 10} if goal == "spread" else {}),
    }
    return Given(snapshot=snapshot, plan=plan(snapshot, Policy.from_json(policy)))


@cache
def uneven() -> Snapshot:
    """Datastores and hosts that are both uneven."""
    snapshot = generate_storage(StorageShape(seed=17, datastores=5, disks=48, rules=2, local=1, skew=5))
    guests = []
    for number, guest in enumerate(snapshot.guests):
        is_shared = all(disk.datastore.startswith("ds") for disk in guest.disks)
        guests.append(
            replace(
                guest,
                host="h1" if number % 3 and is_shared else guest.host,
                used={"cpu": 1.5, "memory": 12 * GIB},
                assigned={"cpu": 4, "memory": 16 * GIB},
            )
        )
    running = Counter(guest.host for guest in guests if guest.is_on_host)
    hosts = tuple(
        replace(
            host,
            used={"cpu": 1 + 1.5 * running[host.id], "memory": (8 + 12 * running[host.id]) * GIB},
        )
        for host in snapshot.hosts
    )
    return replace(snapshot, guests=tuple(guests), hosts=hosts)


def storage_documents(name: str) -> Given:
    """What the page of this name about datastores is made from."""
    if name == "datastores":
        return planned_storage(example_datastores(), {"latency": 15, "reserve": 50 * GIB})
    if name == "disk-run":
        return disk_run()[0]
    if name == "datastore-evacuation":
        return planned_storage(example_datastores(), {"evacuate": {"names": ["nfs3"]}})
    if name == "both":
        return planned_storage(uneven(), {"max_spread": 15}, "spread")
    raise LookupError(name)


@cache
def disk_run() -> tuple[Given, Snapshot]:
    """A run that moves disks, of which one copy fails and stays, and one old copy can't be deleted; and the
    cluster after it.
    """
    given = storage_documents("datastores")
    wanted = given.plan
    if given.snapshot is None or wanted is None or wanted.storage is None:
        raise ValueError("the page has no plan for datastores")
    nothing = Outcome(
        cluster=wanted.cluster, status="done", started_at=HandClock().now(), seconds=0, migrations=()
    )
    first, second = wanted.storage.moves[:2]
    faults: list[Mapping[str, Any]] = [
        {"guest": second.guest.id, "what": "copy", "percent": 40, "stays": True},
        {"guest": first.guest.id, "what": "delete"},
    ]
    outcome, after = run_disks(given.snapshot, wanted, nothing, faults)
    outcome = replace(outcome, cluster=wanted.cluster)
    return Given(snapshot=given.snapshot, plan=wanted, outcome=outcome), after


def placed(snapshot: Snapshot, vms: list[dict[str, Any]]) -> Placement:
    return place([snapshot], PlacementRequest.from_json({"vms": vms, "all_or_nothing": False}))


def documents(name: str) -> Given:
    """What the page of this name is made from."""
    small = {"max_spread": 12}
    snapshot, wanted = planned(LARGE, {"max_spread": 8}) if name == "large" else planned(SMALL, small)
    if name in ("plan", "large"):
        return Given(snapshot=snapshot, plan=wanted)
    if name == "plan-alone":
        return Given(plan=wanted)
    if name == "outcome":
        return Given(snapshot=snapshot, plan=wanted, outcome=run(snapshot, wanted, fails=2))
    if name == "evacuation":
        snapshot, wanted = planned(
            replace(SMALL, seed=1), {"goal": "evacuate", "evacuate": {"names": ["host03"]}}
        )
        return Given(snapshot=snapshot, plan=wanted)
    if name == "placement":
        gib = 1024**3
        vms = [
            {"name": "ci-web", "count": 4, "cpu": 4, "memory": 16 * gib},
            {"name": "ci-warehouse", "cpu": 64, "memory": 512 * gib},
        ]
        return Given(snapshot=snapshot, placement=placed(snapshot, vms))
    return storage_documents(name)


def hostile() -> Given:
    """A plan whose hosts, guests, rules and cluster have names that would do harm if they were more than
    text.
    """
    names = (
        '"><script>document.title="broken"</script>',
        "</script><img src=x onerror=\"document.title='broken'\">",
        "{{7*7}}{% raw %}",
        "</style><style>*{display:none}</style>",
        "javascript:document.title='broken'",
        "' onmouseover='document.title=1' x='",
        "<!--<script>",
        "\u2028\u202e&lt;b&gt;&amp;",
        "</title><svg onload=document.title='broken'>",
    )
    snapshot = cluster(SMALL)
    guests = tuple(
        replace(guest, name=f"{names[number % len(names)]}{number}" if number < 40 else guest.name)
        for number, guest in enumerate(snapshot.guests)
    )
    hosts = tuple(
        replace(host, name=f"{names[number % len(names)]}{number}", closed_because=names[number])
        for number, host in enumerate(snapshot.hosts)
    )
    rules = tuple(
        replace(rule, name=f"{names[number % len(names)]}{number}")
        for number, rule in enumerate(snapshot.rules)
    )
    snapshot = replace(
        snapshot,
        cluster=replace(snapshot.cluster, name=names[8]),
        guests=guests,
        hosts=(replace(hosts[0], maintenance=True), *hosts[1:]),
        rules=rules,
        notices=tuple(Notice(text=name) for name in names),
    )
    wanted = plan(snapshot, Policy.from_json({"max_spread": 12}))
    wanted = replace(wanted, storage=_hostile_storage(wanted, names))
    outcome = run(snapshot, wanted, fails=3)
    ended = tuple(
        DiskMoveOutcome(
            step=move.step,
            guest=move.guest,
            disks=move.disks,
            source=move.source,
            target=move.target,
            result="failed" if move.step % 2 else "migrated",
            why=names[0],
            left_behind=(names[1], names[3]),
        )
        for move in (wanted.storage.moves if wanted.storage else ())
    )
    outcome = replace(outcome, disk_moves=ended)
    return Given(snapshot=snapshot, plan=wanted, outcome=outcome, title=f"Report {names[0]}")


def _hostile_storage(wanted: Plan, names: Sequence[str]) -> StoragePlan:
    """A part for datastores whose every text is hostile."""
    last = max(migration.step for migration in wanted.migrations)
    datastores = {
        name: DatastoreState(name=name, capacity=100 * GIB, used=90 * GIB, percent=90.0, disks=3)
        for name in names
    }
    state = StorageState(
        datastores=datastores, violations=tuple(Violation(rule=name, detail=name) for name in names)
    )
    return StoragePlan(
        status="improved",
        moves=tuple(
            DiskMove(
                step=last + number,
                wave=1,
                guest=GuestRef(id=f"{number}", name=name),
                host="host01",
                disks=(name,),
                source=names[0],
                target=names[1],
                kind="space",
                why=name,
                after=(),
                bytes=GIB,
                room=GIB,
                seconds=5.0,
            )
            for number, name in enumerate(names, 1)
        ),
        before=state,
        after=state,
        proof=StorageProof(
            bytes=len(names) * GIB, bytes_lower_bound=0, optimal=False, method=f"none {names[0]}"
        ),
        unresolved=tuple(Unresolved(what=name, why=name) for name in names),
        immovable=tuple(
            ImmovableDisk(guest=GuestRef(id="1", name=name), disks=(name,), datastore=name, why=name)
            for name in names
        ),
        notices=tuple(names),
    )


PAGES = (
    "plan",
    "plan-alone",
    "outcome",
    "evacuation",
    "placement",
    "large",
    "datastores",
    "disk-run",
    "datastore-evacuation",
    "both",
)


def main() -> None:
    """Write the pages into a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=PAGES)
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in given.names:
        text = render(documents(name))
        (given.folder / f"{name}.html").write_text(text, encoding="utf-8")
        print(f"{name}: {len(text.encode())} bytes")
    if given.pictures is not None:
        _take_pictures(given.folder, given.pictures)


def _take_pictures(pages: Path, folder: Path) -> None:
    """The pictures of the documentation: page, scheme, step and part of each."""
    wanted = {
        "report-plan": ("plan", "light", 0, "body"),
        "report-hosts": ("plan", "light", 5, "#picture"),
        "report-run": ("outcome", "light", 0, "#migrations"),
        "report-large": ("large", "dark", 40, "#picture"),
        "report-datastores": ("datastores", "light", 0, "#datastores"),
        "report-disk-moves": ("disk-run", "light", 0, "#disk-moves"),
    }
    with chromium() as browser:
        for name, (page_of, scheme, step, part) in wanted.items():
            context = browser.new_context(
                viewport={"width": 1280, "height": 800},
                color_scheme="dark" if scheme == "dark" else "light",
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.goto((pages / f"{page_of}.html").resolve().as_uri())
            if step:
                page.fill("#slider", str(step))
                moved = page.locator("#live .moving").get_attribute("data-guest")
                page.locator(f"#live .block[data-guest='{moved}']").dispatch_event("click")
            page.evaluate("document.activeElement.blur()")
            page.evaluate("part => document.querySelector(part).scrollIntoView()", part)
            page.screenshot(path=folder / f"{name}.png")
            context.close()


if __name__ == "__main__":
    main()
