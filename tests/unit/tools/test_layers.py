# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tools.layers import violations

UTILS = "plugins/module_utils"
PLUGINS = "ansible_collections.evenkeel.cluster.plugins"
OURS = f"{PLUGINS}.module_utils"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A collection with one harmless file a layer."""
    for name in (
        f"{UTILS}/_model/snapshot.py",
        f"{UTILS}/_planning/search/solve.py",
        f"{UTILS}/_planning/verify/plan.py",
        f"{UTILS}/_platforms/protocol.py",
        f"{UTILS}/_platforms/errors.py",
        f"{UTILS}/_platforms/proxmox/adapter.py",
        f"{UTILS}/_execution/executor.py",
        f"{UTILS}/_ansible/runner.py",
        "plugins/modules/vm_migrate.py",
        "extensions/eda/plugins/event_source/requests.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("from __future__ import annotations\nimport json\n")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "statement"),
    [
        (f"{UTILS}/_planning/search/solve.py", "from ..._model.snapshot import Snapshot"),
        (f"{UTILS}/_planning/search/solve.py", "from . import verify"),
        (f"{UTILS}/_platforms/proxmox/adapter.py", "from ...  import _model"),
        (f"{UTILS}/_execution/executor.py", "from .._platforms.protocol import Platform"),
        (f"{UTILS}/_ansible/runner.py", "from ansible.module_utils.basic import AnsibleModule"),
        (f"{UTILS}/_ansible/runner.py", f"from {OURS}._execution.executor import execute"),
        ("plugins/modules/vm_migrate.py", "from ..module_utils._ansible.runner import run_module"),
        ("extensions/eda/plugins/event_source/requests.py", f"from {OURS}._model import snapshot"),
    ],
)
def test_downward_imports_pass(tree: Path, file: str, statement: str) -> None:
    (tree / file).write_text(statement + "\n")
    assert violations(tree) == []


@pytest.mark.parametrize(
    ("file", "statement"),
    [
        (f"{UTILS}/_model/snapshot.py", "from .._planning import search"),
        (f"{UTILS}/_model/snapshot.py", "from .._planning.search import plan"),
        (f"{UTILS}/_model/snapshot.py", "from ansible.module_utils.basic import AnsibleModule"),
        (f"{UTILS}/_planning/search/solve.py", "from .._platforms import protocol"),
        (f"{UTILS}/_planning/search/solve.py", f"import {OURS}._ansible.runner"),
        (f"{UTILS}/_planning/verify/plan.py", "from .. import search"),
        (f"{UTILS}/_planning/verify/plan.py", "from ..search import plan"),
        (f"{UTILS}/_platforms/proxmox/adapter.py", "from ..._execution.executor import execute"),
        (f"{UTILS}/_execution/executor.py", "from .._platforms.proxmox import adapter"),
        (f"{UTILS}/_execution/executor.py", "def late():\n    from .._planning.search import plan"),
        (f"{UTILS}/_ansible/runner.py", f"from {PLUGINS}.modules import vm_migrate"),
        ("extensions/eda/plugins/event_source/requests.py", f"from {PLUGINS}.modules import vm_migrate"),
        (f"{UTILS}/stray.py", "import json"),
    ],
)
def test_a_planted_violation_is_caught(tree: Path, file: str, statement: str) -> None:
    (tree / file).write_text(statement + "\n")
    found = violations(tree)
    assert len(found) == 1
    assert found[0].startswith(f"{file}:{statement.count(chr(10)) + 1}: ")
