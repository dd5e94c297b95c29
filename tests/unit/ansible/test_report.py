# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a report page: when it is written, and what is said of wrong options."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.balance_plan import (
    BALANCE_PLAN_ARGUMENTS,
    run_balance_plan,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.report import (
    REPORT_ARGUMENTS,
    run_report,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.modules import report
from ansible_collections.evenkeel.cluster.tests.support.report_pages import SMALL, disk_run, planned

SNAPSHOT, PLAN = (document.to_json() for document in planned(SMALL, {"max_spread": 12}))


def written(folder: Path, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    params = {name: option.get("default") for name, option in REPORT_ARGUMENTS.items()}
    params |= {"dest": str(folder / "new" / "page.html"), "title": "", "cluster": ""}
    return run_report({**params, **options}, check_mode)


def refused(folder: Path, **options: Any) -> str:
    with pytest.raises(EvenKeelError) as error:
        written(folder, **options)
    return str(error.value).replace(str(folder), "FOLDER")


def test_a_page_is_written_once(tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"

    checked = written(tmp_path, check_mode=True, snapshot=SNAPSHOT, plan=PLAN)
    assert checked["changed"]
    assert list(tmp_path.iterdir()) == []
    first = written(tmp_path, snapshot=SNAPSHOT, plan=PLAN)
    assert first == checked
    assert first["bytes"] == page.stat().st_size
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert first["diff"]["before"] == "no file\n"
    os.utime(page, (1, 1))
    again = written(tmp_path, snapshot=SNAPSHOT, plan=PLAN)
    assert not again["changed"]
    assert again["diff"]["before"] == again["diff"]["after"] == first["diff"]["after"]
    assert page.stat().st_mtime == 1
    # Another reader, or another title, is another file.
    assert written(tmp_path, snapshot=SNAPSHOT, plan=PLAN, mode="0644")["changed"]
    assert stat.S_IMODE(page.stat().st_mode) == 0o644
    assert written(tmp_path, snapshot=SNAPSHOT, plan=PLAN, mode="0644", title="Tonight")["changed"]
    assert "Tonight" in page.read_text(encoding="utf-8")
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]


def test_the_documentation_has_every_option_as_it_is() -> None:
    documented = yaml.safe_load(report.DOCUMENTATION)["options"]
    keys = ("type", "elements", "default", "choices", "required")

    assert {
        name: {key: option[key] for key in keys if option.get(key)} for name, option in documented.items()
    } == {
        name: {key: option[key] for key in keys if option.get(key)}
        for name, option in REPORT_ARGUMENTS.items()
    }
    for name in REPORT_ARGUMENTS:
        assert documented[name]["description"], name


def test_documents_may_be_files(tmp_path: Path) -> None:
    for name, document in (("snapshot", SNAPSHOT), ("plan", PLAN)):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))

    files = written(
        tmp_path, snapshot_path=str(tmp_path / "snapshot.json"), plan_path=str(tmp_path / "plan.json")
    )
    assert files["sections"][:3] == ["summary", "picture", "migrations"]
    assert not written(tmp_path, snapshot=SNAPSHOT, plan=PLAN)["changed"]


def test_datastores_and_disk_moves_are_sections_of_their_own(tmp_path: Path) -> None:
    given, _after = disk_run()
    assert given.snapshot is not None
    assert given.plan is not None
    assert given.outcome is not None
    documents = {
        name: json.loads(json.dumps(document.to_json()))
        for name, document in (
            ("snapshot", given.snapshot), ("plan", given.plan), ("outcome", given.outcome),
        )
    }  # fmt: skip

    assert written(tmp_path, **documents)["sections"] == [
        "summary", "datastores", "disk-moves", "picture", "undone", "headroom",
    ]  # fmt: skip
    assert "half a copy of scsi0: nfs6" in (tmp_path / "new" / "page.html").read_text(encoding="utf-8")


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"snapshot_path": "FOLDER/none.json"},
        "snapshot_path: FOLDER/none.json can't be read: No such file or directory",
    ),
    ({"plan_path": "FOLDER/empty.json"}, "plan_path: FOLDER/empty.json is empty"),
    (
        {"plan": SNAPSHOT},
        "plan.schema: 'evenkeel.cluster/snapshot/2' is not 'evenkeel.cluster/plan/1'. Pass a plan",
    ),
    ({"plan": PLAN, "dest": "FOLDER"}, "dest: FOLDER can't be written: it is not a regular file"),
    (
        {"plan": PLAN, "dest": "FOLDER/empty.json/x"},
        "dest: FOLDER/empty.json/x can't be written: a folder of its path is a file",
    ),
    ({"plan": PLAN, "max_parallel": 0}, "max_parallel: 0 is not a number of at least 1"),
    (
        {"plan": PLAN, "metric": "storage"},
        "metric: 'storage' is not one of the metrics of the page (cpu, memory)",
    ),
    (
        {"plan": PLAN, "snapshot": {**SNAPSHOT, "taken_at": "2020-01-01T00:00:00Z"}},
        "snapshot: the plan was not made from this snapshot, taken at 2020-01-01T00:00:00Z."
        " Pass the snapshot that the plan was made from, or leave it out.",
    ),
]


@pytest.mark.parametrize(("options", "says"), WRONG)
def test_wrong_options(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("")
    filled = {
        name: value.replace("FOLDER", str(tmp_path)) if isinstance(value, str) else value
        for name, value in options.items()
    }

    assert refused(tmp_path, **filled) == says
    assert refused(tmp_path, check_mode=True, **filled).partition(":")[0] == says.partition(":")[0]
    assert [path.name for path in tmp_path.iterdir()] == ["empty.json"]


def test_a_plan_with_refusals_and_one_of_a_changed_cluster_go_with_the_snapshot_before(
    tmp_path: Path,
) -> None:
    first = PLAN["migrations"][0]
    refusals = [{"guest": first["guest"]["id"], "host": first["to"], "why": "no space", "at": None}]
    of_disks = [{**refusals[0], "disks": ["scsi0"], "datastore": "nfs"}]
    del of_disks[0]["host"]
    given_back = {"refusals": refusals, "disk_refusals": of_disks}
    what_if = {"hosts_removed": [first["from"]], "rules_added": None}
    defaults = {name: option.get("default") for name, option in BALANCE_PLAN_ARGUMENTS.items()}
    given = {"snapshot": SNAPSHOT, "max_spread": 12, "what_if": what_if, **given_back}
    plan = run_balance_plan({**defaults, **given}, False, given)["plan"]

    page = written(tmp_path, snapshot=SNAPSHOT, plan=plan, what_if=what_if, **given_back)
    assert "picture" in page["sections"]
    # One host is in maintenance, and its guests are on the others, but for those that can't be migrated.
    left = next(one for one in page["headroom"]["failures"] if one["host"] == first["from"])
    assert left["guests"] == len(left["tied"]) < 3
    assert "the plan was not made from this snapshot" in refused(tmp_path, snapshot=SNAPSHOT, plan=plan)


def test_an_error_and_notes_need_no_document(tmp_path: Path) -> None:
    page = written(tmp_path, error="pve1 did not answer", notes=["The run ended at noon."], cluster="prod")
    assert page["sections"] == ["summary"]
    assert "headroom" not in page
    text = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    assert "pve1 did not answer" in text
    assert "The run ended at noon." in text
