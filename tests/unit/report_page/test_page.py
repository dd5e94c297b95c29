# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as a file: its size, its bytes, and that names are data."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import readable
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.given import Given
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.page import (
    json_in_html,
    render,
    section_ids,
)
from ansible_collections.evenkeel.cluster.tests.support.report_pages import (
    PAGES,
    SMALL,
    documents,
    hostile,
    planned,
)

LARGEST = 2_000_000


class Elements(HTMLParser):
    """Every element with its attributes, and the texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_well_formed_small_and_the_same_each_time(name: str) -> None:
    text = render(documents(name))
    given = documents(name)
    again = render(
        Given(snapshot=given.snapshot, plan=given.plan, outcome=given.outcome, placement=given.placement)
    )

    assert text == again
    assert len(text.encode()) < LARGEST
    elements = Elements(text)
    assert elements.wrong == []
    assert elements.open == []
    ids = [attributes["id"] for _tag, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in elements.found:
        assert not any(key.startswith("on") or key in ("style", "src") for key in attributes), tag
        assert (attributes.get("href") or "#").startswith("#")
    assert [f"#{id_}" for id_ in section_ids(given)] == re.findall(r'<a href="(#[^"]+)"', text)


def test_names_are_text_and_nothing_else() -> None:
    given = hostile()
    text = render(given)

    elements = Elements(text)
    assert elements.wrong == []
    assert elements.open == []
    tags = {tag for tag, _attributes in elements.found}
    assert tags <= {tag for tag, _attributes in Elements(render(documents("plan"))).found}
    assert sum(tag == "script" for tag, _attributes in elements.found) == 2 + text.count('id="data-') - 1
    assert given.snapshot is not None
    data = next(found for found in elements.texts if found.startswith('{"metrics"'))
    assert [guest[1] for guest in json.loads(data)["guests"]] == [
        readable(guest.name) for guest in given.snapshot.guests
    ]
    # Nothing turns the order of letters around.
    assert not set(text) & {"\u2028", "\u202e"}
    everything = " ".join(elements.texts)
    for guest in given.snapshot.guests[:6]:
        assert readable(guest.name) in everything


def test_json_can_not_end_its_element() -> None:
    text = str(json_in_html(["</script>", "<!--", "a&b", "\u2028", "]]>"]))

    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == ["</script>", "<!--", "a&b", "\\u2028", "]]>"]


def test_only_the_style_and_script_of_the_page_work() -> None:
    text = render(documents("plan"))

    policy = next(
        attributes["content"]
        for tag, attributes in Elements(text).found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; img-src data:;"
        r" base-uri 'none'; form-action 'none'",
        policy,
    )


def test_a_page_of_each_document_alone() -> None:
    whole = documents("outcome")
    for name in ("snapshot", "plan", "outcome"):
        text = render(Given(**{name: getattr(whole, name)}))
        assert "8x60-4" in text
    placement = documents("placement").placement
    assert "ci-warehouse has no place" in render(Given(placement=placement))


def test_odd_clusters_have_a_page() -> None:
    snapshot = planned(SMALL, {"max_spread": 12})[0]
    one = replace(
        snapshot,
        hosts=tuple(replace(host, used={}, status="unknown") for host in snapshot.hosts[:1]),
        guests=tuple(
            replace(guest, used={}, assigned={}, power="unknown")
            for guest in snapshot.guests
            if guest.host == snapshot.hosts[0].id
        ),
        rules=(),
    )
    for odd in (one, replace(one, guests=())):
        assert "host01" in render(Given(snapshot=odd))
        wanted = plan(odd, planned(SMALL, {})[1].policy)
        assert "host01" in render(Given(snapshot=odd, plan=wanted))
