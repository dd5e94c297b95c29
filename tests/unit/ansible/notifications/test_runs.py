# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles leave in the variables of a host, as runs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.evenkeel.cluster.plugins.filter.runs import FilterModule

PLANNED = {"summary": {"migrations": 2}, "unresolved": ["a: b"], "report": ["plan"]}
MIGRATED = {
    "summary": {"migrated": 2},
    "unresolved": [],
    "report": ["outcome"],
    "lock_taken_over": "process 7",
}


def runs(names: Any, hostvars: Any) -> Any:
    return FilterModule().filters()["runs"](names, hostvars)


def test_a_run_that_went_well_one_that_failed_and_none() -> None:
    well = {
        "balance_planned": PLANNED,
        "balance_migrated": MIGRATED,
        "balance_shown": {"report": ["outcome"]},
    }
    failed = {
        "balance_planned": PLANNED,
        "balance_migrated": {"msg": "locked", "failed": True},
        "balance_shown": {"failed": True, "msg": "locked"},
        "balance_failure": "",
    }
    found = runs(["a", "b", "c", "d"], {"a": well, "b": failed, "c": {}})
    assert found[0] == {
        "cluster": "a",
        "plan": {"migrations": 2},
        "outcome": {"migrated": 2},
        "unresolved": [],
        "report": ["outcome"],
        "error": "",
        "lock_taken_over": "process 7",
    }
    assert (found[1]["error"], found[1]["unresolved"], found[1]["report"]) == ("locked", ["a: b"], ["plan"])
    assert found[2:] == [
        {"cluster": name, "error": "No run began, because an earlier task failed."} for name in ("c", "d")
    ]


def test_the_error_of_the_role_evacuate_counts() -> None:
    [found] = runs(["a"], {"a": {"balance_shown": {"report": []}, "evacuate_failure": "no SSH"}})
    assert found["error"] == "no SSH"


def test_the_page_of_a_run_goes_along() -> None:
    page = {"path": "/srv/a.html", "url": "https://files.example.com/a.html"}
    shown = {"balance_shown": {"report": []}}
    found = runs(["a", "b"], {"a": {**shown, "balance_page": page}, "b": {**shown, "balance_page": {}}})
    assert (found[0]["page"], found[0]["page_url"]) == (page["path"], page["url"])
    assert "page" not in found[1]


def test_what_the_role_has_kept_for_a_digest_is_the_run() -> None:
    kept = {"cluster": "x", "error": "locked", "report": []}
    assert runs(["a"], {"a": {"balance_run": kept, "balance_shown": {"report": []}}}) == [
        {"cluster": "a", "error": "locked", "report": []}
    ]


@pytest.mark.parametrize(("names", "hostvars"), [("a", {}), (["a"], "x")])
def test_what_the_filter_refuses(names: Any, hostvars: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^runs: "):
        runs(names, hostvars)
