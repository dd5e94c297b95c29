# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relative paths are relative to the folder in which the user started Ansible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.start_folder import (
    STARTED_IN,
    enter_start_folder,
    with_start_folder,
)

ROOT = Path(__file__).parents[3]
PATHS = {"plan_path": {"type": "path"}, "snapshot_paths": {"type": "list", "elements": "path"}, "name": {}}


def test_every_module_has_an_action_plugin_that_names_the_folder() -> None:
    routed = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["plugin_routing"]["modules"]
    assert {target["action_plugin"] for target in routed.values()} == {"evenkeel.cluster.cluster_facts"}
    own = {path.stem for path in (ROOT / "plugins/action").glob("*.py")}
    assert not own & set(routed)
    assert own | set(routed) == {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}


def test_the_environment_of_the_task_is_kept() -> None:
    assert with_start_folder(None, "/s") == [{STARTED_IN: "/s"}]
    assert with_start_folder([{"A": 1}, None], "/s") == [{"A": 1}, {STARTED_IN: "/s"}]
    assert with_start_folder({"A": 1}, "/s") == [{"A": 1}, {STARTED_IN: "/s"}]


def test_options_are_made_absolute_and_the_rest_follows_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    params: dict[str, Any] = {"plan_path": "plan.json", "snapshot_paths": ["a", "/b"], "name": "n"}
    enter_start_folder(params, PATHS, {})
    assert params == {"plan_path": "plan.json", "snapshot_paths": ["a", "/b"], "name": "n"}
    enter_start_folder(params, PATHS, {STARTED_IN: str(tmp_path)})
    assert params == {
        "plan_path": f"{tmp_path}/plan.json",
        "snapshot_paths": [f"{tmp_path}/a", "/b"],
        "name": "n",
    }
    assert Path.cwd() == tmp_path
    enter_start_folder(params, PATHS, {STARTED_IN: f"{tmp_path}/gone"})
    assert Path.cwd() == tmp_path
