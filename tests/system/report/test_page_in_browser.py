# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report page in Chromium: what it shows against the documents, who can use it, names that do nothing.

Pictures of each kind of page at three sizes are kept in .cache/screenshots.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import readable
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.content import view_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.page import render
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.pictures.treemap import (
    Rectangle,
    squarified,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.storage import storage_of
from ansible_collections.evenkeel.cluster.tests.support.browser import (
    SIZES,
    Watched,
    chromium,
    keep_screenshot,
)
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.report_pages import PAGES, documents, hostile


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


class Pages:
    """Files of pages, each written when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __truediv__(self, file: str) -> Path:
        path = self._folder / file
        if not path.exists():
            name = path.stem
            path.write_text(render(hostile() if name == "hostile" else documents(name)), encoding="utf-8")
        return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    return Pages(tmp_path_factory.mktemp("pages"))


def opened(browser: Browser, path: Path, **options: Any) -> Watched:
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    watched = Watched(context.new_page())
    watched.page.goto(path.as_uri())
    return watched


def loads_shown(page: Page, picture: str = "#live") -> dict[str, float]:
    """Percent of each host, or datastore, as the picture has it."""
    shown: dict[str, str] = page.evaluate(
        """(picture) => Object.fromEntries([...document.querySelectorAll(`${picture} .host`)].map((host) => [
            host.querySelector(".name").textContent, host.querySelector(".used").textContent,
        ]))""",
        picture,
    )
    return {name: float(text.split(" ")[0]) for name, text in shown.items()}


def blocks_shown(page: Page) -> dict[str, list[str]]:
    found: dict[str, list[str]] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("#live .host")].map((host) => [
            host.querySelector(".name").textContent,
            [...host.querySelectorAll(".block:not([hidden])")].map((block) => block.textContent).sort(),
        ]))"""
    )
    return found


def test_a_plan_is_shown_as_it_is_and_can_be_stepped_through(browser: Browser, folder: Pages) -> None:
    given = documents("plan")
    assert given.plan is not None
    view = view_of(given)
    assert view is not None
    watched = opened(browser, folder / "plan.html", color_scheme="light")
    page = watched.page

    def expected(end: int) -> tuple[dict[str, float], dict[str, list[str]]]:
        loads = {host.name: round(host.used[end]["cpu"] or 0, 1) for host in view.hosts}
        guests = {
            host.name: sorted(
                guest.name
                for guest in view.guests
                if (guest.target if end else guest.host) == number and guest.load["cpu"] > 0
            )
            for number, host in enumerate(view.hosts)
        }
        return loads, guests

    assert page.locator("h1").inner_text() == "17 migrations put the cluster in order."
    before, after = expected(0), expected(1)
    assert loads_shown(page) == pytest.approx(before[0], abs=0.11)
    assert blocks_shown(page) == before[1]
    # Step by step.
    for number, migration in enumerate(given.plan.migrations, 1):
        page.click("#next")
        now = page.locator("#now").inner_text()
        assert now.startswith(f"Step {number} of 17, wave {migration.wave}: {migration.guest.name}, ")
        assert migration.why in now
        assert page.locator(".block.moving").inner_text() in ("", migration.guest.name)
        assert page.locator(".host.goal .name").inner_text() == view.host_name(migration.target)
    assert loads_shown(page) == pytest.approx(after[0], abs=0.11)
    assert blocks_shown(page) == after[1]
    # And by the slider, from the keyboard.
    page.focus("#slider")
    page.keyboard.press("Home")
    assert blocks_shown(page) == before[1]
    page.keyboard.press("ArrowRight")
    assert page.locator("#now").inner_text().startswith("Step 1 of 17")
    page.click("#first")
    page.click("#play")
    expect(page.locator("#now")).to_contain_text("Step 2 of 17", timeout=1000 * PATIENCE_SECONDS)
    page.click("#play")
    page.click("#last")
    assert blocks_shown(page) == after[1]
    # Another metric.
    page.click("#metrics button[data-metric=memory]")
    memory = {host.name: round(host.used[1]["memory"] or 0, 1) for host in view.hosts}
    assert loads_shown(page) == pytest.approx(memory, abs=0.11)
    assert page.locator(".chart[data-metric]:visible").count() == 1
    # Every migration, with its reason, and at both of its hosts.
    assert page.locator("#slots svg rect").count() == 2 * 17
    for migration in given.plan.migrations:
        shown = page.locator(f"#step-{migration.step}").inner_text()
        assert migration.guest.name in shown
        assert migration.why in shown
    watched.require_quiet()
    page.context.close()


def test_the_script_lays_out_as_the_program_does(browser: Browser, folder: Pages) -> None:
    watched = opened(browser, folder / "plan.html")

    for sizes in (
        [5.0, 3, 0, 2, 2, 1, 0.5],
        [1.0] * 7,
        [100.0, 1],
        [0.0],
        [0.3 * n % 7 + 0.1 for n in range(47)],
    ):
        frame = {"x": 0, "y": 30.5, "width": 100, "height": 89.5}
        there = watched.page.evaluate("([sizes, frame]) => squarified(sizes, frame)", [sizes, frame])
        here = squarified(sizes, Rectangle(0, 30.5, 100, 89.5))
        for one, other in zip(there, here, strict=True):
            assert one == pytest.approx([other.x, other.y, other.width, other.height])
    watched.page.context.close()


def test_a_guest_says_what_it_is_and_why_it_stays(browser: Browser, folder: Pages) -> None:
    view = view_of(documents("plan"))
    assert view is not None
    watched = opened(browser, folder / "plan.html")
    page = watched.page
    fixed = next(guest for guest in view.guests if guest.fixed)
    mover = view.guests[view.steps[0].guest]

    page.fill("#find", fixed.name)
    details = page.locator("#details").inner_text()
    assert fixed.name in details
    assert fixed.stays in details
    assert view.hosts[fixed.host].name in details
    page.fill("#find", mover.name)
    details = page.locator("#details").inner_text()
    assert view.steps[0].why in details
    for rule in mover.rules:
        assert f"{view.rules[rule].name}: {view.rules[rule].says}" in details
    page.fill("#find", "")
    # One stop of the tab key, and arrow keys within.
    page.focus("#live")
    page.keyboard.press("Escape")
    seen = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowRight", "ArrowLeft", "End", "Home"):
        page.keyboard.press(key)
        seen.append(page.locator("#live .chosen").get_attribute("data-guest"))
        assert page.locator("#details h3").inner_text() == view.guests[int(seen[-1] or 0)].name
    assert seen[0] == seen[2] == seen[4] == seen[6]
    assert seen[1] != seen[0]
    assert page.evaluate("document.activeElement.id") == "live"
    assert page.locator("#live [tabindex]").count() == 0
    # The theme is chosen by a button.
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    watched.require_quiet()
    page.context.close()


def test_without_scripts_everything_reads(browser: Browser, folder: Pages) -> None:
    view = view_of(documents("plan"))
    assert view is not None
    watched = opened(browser, folder / "plan.html", java_script_enabled=False)
    page = watched.page

    pictures = page.locator("figure.static")
    assert [pictures.nth(n).locator(".host .name").all_inner_texts() for n in range(pictures.count())] == [
        [host.name for host in view.hosts]
    ] * 2
    assert page.locator(".chart[data-metric]:visible").count() == 2
    assert not page.locator("#slider").is_visible()
    rows = page.locator(".moves > li")
    assert rows.count() == 17
    page.locator("details.numbers summary").first.click()
    assert page.get_by_role("table", name="Hosts, percent in use").get_by_role("row").count() == 9
    assert watched.requests == []
    page.context.close()


def test_names_do_nothing(browser: Browser, folder: Pages) -> None:
    given = hostile()
    assert given.snapshot is not None
    assert given.plan is not None
    watched = opened(browser, folder / "hostile.html")
    page = watched.page

    assert page.title() == given.title
    assert page.locator(".eyebrow").inner_text().startswith(given.title)
    for _step in given.plan.migrations:
        page.click("#next")
    shown = page.locator("#live .name").all_text_contents()
    assert shown == [readable(host.name) for host in given.snapshot.hosts]
    for guest in given.snapshot.guests[:9]:
        page.fill("#find", guest.id)
        assert page.locator("#details h3").text_content() == readable(guest.name)
    page.hover("#step-1")
    assert page.locator("main img, main iframe, main object").count() == 0
    assert page.locator("script").count() == 2 + (page.locator("script[type='application/json']").count() - 1)
    assert page.title() == given.title
    watched.require_quiet()
    page.context.close()


def test_datastores_and_disk_moves_are_those_of_the_documents(browser: Browser, folder: Pages) -> None:
    given = documents("disk-run")
    storage = storage_of(given)
    assert storage is not None
    assert given.outcome is not None
    # Without scripts, so that it is shown that they need none.
    watched = opened(browser, folder / "disk-run.html", java_script_enabled=False)
    page = watched.page

    shown = page.locator("#datastores .places > li")
    assert shown.count() == len(storage.places)
    for number, place in enumerate(storage.places):
        text = shown.nth(number).inner_text()
        assert place.name in text
        assert f"{place.percent[1]:.1f} %" in text
        bar = shown.nth(number).locator("rect.use")
        rail = shown.nth(number).locator("rect.empty")
        part = bar.bounding_box()
        whole = rail.bounding_box()
        assert part is not None
        assert whole is not None
        assert 100 * part["width"] / whole["width"] == pytest.approx(place.percent[1], abs=0.1)
    for move in given.outcome.disk_moves:
        text = page.locator(f"#step-{move.step}").inner_text()
        assert move.guest.name in text
        for name in move.left_behind:
            assert f"left behind, to be deleted by hand: {name}" in text
            assert name in page.locator("#undone").inner_text()
    assert watched.requests == []
    page.context.close()


@pytest.mark.parametrize("name", ["datastores", "datastore-evacuation"])
def test_disks_are_stepped_through_from_before_to_after(browser: Browser, folder: Pages, name: str) -> None:
    given = documents(name)
    storage = storage_of(given)
    assert storage is not None
    assert given.plan is not None
    assert given.plan.storage is not None
    watched = opened(browser, folder / f"{name}.html")
    page = watched.page

    def used() -> dict[str, float]:
        return loads_shown(page, "#disks-live")

    ends = [
        {place.name: place.percent[end] for place in storage.places if place.percent[end] is not None}
        for end in (0, 1)
    ]
    assert used() == pytest.approx(ends[0], abs=0.06)
    for number, move in enumerate(given.plan.storage.moves, 1):
        page.click("#disks-next")
        now = page.locator("#disks-now").inner_text()
        disks = f"{move.guest.name}: {', '.join(move.disks)}, {move.source} → {move.target}."
        assert now.startswith(f"Step {number} of {len(given.plan.storage.moves)}, wave {move.wave}: {disks}")
        assert move.why in now
    assert used() == pytest.approx(ends[1], abs=0.11)
    assert "0 of 6 datastores above their limit." in page.locator("#disks-now").inner_text()
    page.fill("#disks-find", given.plan.storage.moves[0].guest.name)
    assert given.plan.storage.moves[0].why in page.locator("#disks-details").inner_text()
    page.click("#disks-first")
    assert used() == pytest.approx(ends[0], abs=0.06)
    # The hosts have a picture of their own.
    assert page.locator("#live .host").count() == len(given.plan.before.hosts)
    watched.require_quiet()
    page.context.close()


def test_steps_are_found_by_any_of_their_words(browser: Browser, folder: Pages) -> None:
    watched = opened(browser, folder / "large.html")
    page = watched.page
    given = documents("large")
    assert given.plan is not None
    migration = given.plan.migrations[7]
    steps = page.locator("#migrations .moves > li:visible")
    number = steps.count()

    page.fill("#migrations input[data-finds]", f"{migration.guest.name.upper()}  {migration.source}")
    assert migration.guest.name in page.locator(f"#step-{migration.step}").inner_text()
    found = page.locator("#found-migrations").inner_text()
    assert found == f"{steps.count()} of {len(given.plan.migrations)} fit."
    assert steps.count() < number
    page.fill("#migrations input[data-finds]", "there is no such step")
    assert page.locator("#migrations .wave:visible").count() == 0
    page.fill("#migrations input[data-finds]", "")
    assert steps.count() == number
    watched.require_quiet()
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, folder: Pages, scheme: str) -> None:
    axe = Axe()
    # What a plan and an evacuation show is on these, too.
    for name in ("outcome", "placement", "disk-run"):
        watched = opened(browser, folder / f"{name}.html", color_scheme=scheme)
        for step in ("#next", "#disks-next"):
            if watched.page.locator(step).count():
                watched.page.click(step)
        for summary in watched.page.locator("details.numbers > summary").all():
            summary.click()
        results = axe.run(watched.page).response
        serious = [
            (found["id"], found["impact"], [node["html"][:200] for node in found["nodes"][:3]])
            for found in results["violations"]
            if found["impact"] in ("serious", "critical")
        ]
        assert serious == [], f"{name} in {scheme}: {json.dumps(serious, indent=1)}"
        watched.page.context.close()


def test_every_page_at_every_size_fits_and_is_kept_as_a_picture(browser: Browser, folder: Pages) -> None:
    for name in (*PAGES, "hostile"):
        for width, height in SIZES if name in ("plan", "outcome", "large") else SIZES[:1]:
            scheme = "dark" if width == 1920 else "light"
            watched = opened(
                browser,
                folder / f"{name}.html",
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                reduced_motion="reduce",
            )
            page = watched.page
            assert page.evaluate("document.documentElement.scrollWidth") == width, name
            if page.locator("#next").count():
                page.click("#next")
            keep_screenshot(page, f"report-{name}-{width}x{height}", full=name != "large")
            watched.require_quiet()
            page.context.close()


def test_printed_it_has_both_pictures_and_all_migrations(browser: Browser, folder: Pages) -> None:
    watched = opened(browser, folder / "plan.html")
    page = watched.page
    page.emulate_media(media="print")

    assert page.locator("figure.static:visible").count() == 2
    assert page.locator(".chart[data-metric]:visible").count() == 2
    assert not page.locator(".controls").first.is_visible()
    assert not page.locator("#details").is_visible()
    assert page.locator(".moves > li:visible").count() == 17
    pdf = page.pdf(format="A4")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 14
    page.context.close()
