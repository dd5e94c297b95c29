# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headroom and history of the report page in Chromium, against their data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.given import Given
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.headroom import headroom_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.page import render
from ansible_collections.evenkeel.cluster.tests.support.browser import Watched, chromium, keep_screenshot
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.unit.report_page.past_runs import history, migration, run

HOSTILE = '"><img src=x onerror=document.title="run">{{7*7}}</title></script>'
RUNS = [
    run(f"2026-11-{day:02}T02:00:00Z", status, {"cpu": 5.0 + day, "memory": 40.0 - day})
    for day, status in reversed(
        [(2, "done"), (3, "done"), (4, "failed"), (5, "done"), (20, "partial"), (21, "done"), (22, "done")]
    )
]
MOVED = [
    migration("web2", "2026-11-20T02:03:00Z", "failed", "the target ran out of memory"),
    migration(HOSTILE, "2026-11-20T02:02:00Z"),
    migration("web1", "2026-11-05T02:01:00Z"),
    migration("web1", "2026-11-02T02:01:00Z"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def given() -> Given:
    return Given(
        snapshot=generate(Shape(hosts=5, guests=50, fill=0.72, seed=6)), history=history(RUNS, MOVED)
    )


@pytest.fixture(scope="module")
def page_file(given: Given, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("past") / "page.html"
    path.write_text(render(given), encoding="utf-8")
    return path


def test_what_is_shown_is_what_was_reckoned_and_recorded(
    browser: Browser, given: Given, page_file: Path
) -> None:
    context = browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    watched = Watched(context.new_page())
    page = watched.page
    page.goto(page_file.as_uri())

    rooms = headroom_of(given)
    assert rooms is not None
    found = rooms[0].found
    # Some hosts of this cluster may fail, and some may not.
    assert len({one.verdict for one in found.failures}) == 2
    tiles = page.locator("#headroom .tile")
    assert tiles.count() == len(found.failures)
    for number, one in enumerate(found.failures):
        text = tiles.nth(number).inner_text()
        assert one.name in text
        assert ("may fail" if one.verdict == "enough" else "may not fail") in text
        assert f"{one.guests} guest" in text
    page.get_by_text("Which guests, and why").click()
    names = page.locator(
        "#headroom details:has(caption:has-text('cannot be restarted')) tbody th"
    ).all_inner_texts()
    assert names == [guest.name for one in found.failures for guest in (*one.lost, *one.tied)]
    fits = page.locator("#headroom .shares .number").all_inner_texts()
    assert fits == [f"{one.fit_with_spare} with N-1, {one.fit} without" for one in found.sizes]

    # Two stretches of runs, with two weeks between them of which nothing is known.
    assert page.locator("#history .chart .curve.c0 use").count() == len(RUNS)
    assert page.locator("#history .chart .curve.c0 line").count() == len(RUNS) - 2
    marks = {
        shape: page.locator(f"#history .chart .mark.{shape} use").count()
        for shape in ("done", "failed", "partial")
    }
    assert marks == {"done": 5, "failed": 1, "partial": 1}
    page.get_by_text("The runs as a table").click()
    first = page.locator("#history tbody tr").first
    assert first.locator("time").get_attribute("datetime") == "2026-11-22T02:00:00Z"
    assert first.locator("time").inner_text() == "2026-11-22 02:00 UTC"
    assert first.locator("time").get_attribute("title") == "22 Nov 2026, 11:00 here"
    assert first.locator("td").all_inner_texts()[:4] == ["done", "spread", "27.0", "18.0"]
    assert "11:00 here" in str(page.locator("#history .mark.failed title").text_content())
    page.get_by_text("Show 4 migrations").click()
    ways = page.locator(
        "#history details:has(caption:has-text('Migrations that ended')) tbody tr"
    ).all_inner_texts()
    assert len(ways) == len(MOVED)
    assert "the target ran out of memory" in ways[0]
    assert f"{HOSTILE} (id-{HOSTILE})" in ways[1]
    assert page.title() != "run"
    watched.require_quiet()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it_on_a_phone_too(browser: Browser, page_file: Path, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 800}, color_scheme=scheme)
    watched = Watched(context.new_page())
    page = watched.page
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for summary in page.locator("#headroom summary, #history summary").all():
        summary.click()
    violations = [
        (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert violations == [], json.dumps(violations, indent=1)
    keep_screenshot(page, f"report-past-360-{scheme}")
    watched.require_quiet()
    context.close()
