# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README: links that work from Galaxy, and the sections that certified collections have."""

from __future__ import annotations

import re

from ansible_collections.evenkeel.cluster.tools.links import (
    DOCSITE,
    README,
    addresses,
    docsite,
    links,
    renewed,
)
from ansible_collections.evenkeel.cluster.tools.run import ROOT

TEXT = README.read_text("utf-8")
SECTIONS = (
    "Description",
    "Requirements",
    "Installation",
    "Use cases",
    "Testing",
    "Documentation and support",
    "Release notes",
    "Licence",
)


def test_the_readme_has_the_sections_of_certified_collections() -> None:
    assert tuple(re.findall(r"^## (.*)$", TEXT, re.MULTILINE)) == SECTIONS


def test_the_two_commands_that_set_up_a_bare_machine_are_in_the_first_screen() -> None:
    first_screen = TEXT.splitlines()[:24]
    for command in ("./demo", "./check"):
        assert any(line.startswith(command) for line in first_screen)


def test_every_link_of_the_readme_leads_to_a_file_at_an_address_of_galaxy_yml() -> None:
    at = addresses()
    named = links(TEXT)
    assert set(named) == set(re.findall(r"\]\[([\w-]+)\]", TEXT))
    for address in named.values():
        if address == at["documentation"] or address == at["issues"]:
            continue
        if address.startswith(at["documentation"] + "/"):
            page = address.removeprefix(at["documentation"] + "/").replace(".html", ".md")
            assert (ROOT / "docs" / page).is_file(), address
        else:
            file = address.removeprefix(at["repository"] + "/blob/main/")
            assert file in {"CHANGELOG.md"} or (ROOT / file).is_file(), address


def test_other_addresses_of_galaxy_yml_reach_the_links() -> None:
    before = addresses()
    after = {name: f"https://host.test/{name}" for name in before}
    for name, address in links(renewed(TEXT, before, after)).items():
        assert address.startswith("https://host.test/"), name
    assert renewed(renewed(TEXT, before, after), after, before) == TEXT


def test_the_links_beside_the_reference_are_those_of_galaxy_yml() -> None:
    assert DOCSITE.read_text("utf-8") == docsite(addresses())
