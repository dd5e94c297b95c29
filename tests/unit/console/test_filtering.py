# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests a text in the filter selects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.extensions.console.filtering import guests_matching
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest

HOSTS = {"h1": "pve1", "h10": "pve10"}
WEB = Guest(
    id="101", name="Web-01", kind="vm", host="h1", power="running", assigned={}, used={"memory": 8e9},
    tags=("prod", "front"), migratable=True,
)  # fmt: skip
GUESTS = (
    WEB,
    replace(
        WEB, id="102", name="db", host="h10", tags=("prod",), power="stopped", used={"memory": 1e9}, pool="a"
    ),
    replace(WEB, id="103", name="tag:x", host="h10", tags=(), run_state="paused"),
)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", "101 102 103"),
        ("web", "101"),
        ("PROD", "101 102"),
        ("prod db", "102"),
        ("pve1", "101 102 103"),
        ("host:pve1", "101"),
        ("host:h10", "102 103"),
        ("tag:front", "101"),
        ("tag:x", ""),
        ("name:tag:x", "103"),
        ("state:stopped", "102"),
        ("state:paused", "103"),
        ("pool:a", "102"),
        ("id:10", ""),
        ("nothing", ""),
        ("where used.memory > `5000000000` && power == 'running'", "101 103"),
        ("WHERE contains(tags, 'prod')", "101 102"),
    ],
)
def test_matching(text: str, ids: str) -> None:
    assert [guest.id for guest in guests_matching(GUESTS, text, HOSTS)] == ids.split()


def test_a_wrong_expression_says_where() -> None:
    with pytest.raises(InputError, match=r"^where"):
        guests_matching(GUESTS, "where memory >", HOSTS)
