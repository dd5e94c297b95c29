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
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import CoMigrated, Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement import Placement
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Notice, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.given import Given
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.page import render
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.timeline import limits_of
from ansible_collections.evenkeel.cluster.tests.support.browser import chromium
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.unit.execution.slow import CLUSTER, HandClock, Run, Slow

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
    raise LookupError(name)


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
    return Given(
        snapshot=snapshot, plan=wanted, outcome=run(snapshot, wanted, fails=3), title=f"Report {names[0]}"
    )


PAGES = ("plan", "plan-alone", "outcome", "evacuation", "placement", "large")


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
