# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what Ansible packs and sends for each module: our files, all files, and bytes.

    .venv/bin/python -m ansible_collections.evenkeel.cluster.tools.payload [MODULE …]

A module packs everything that it imports, imports inside functions included. Only modules that plan are to
pack the planner; the last column says which do. With names of modules, their files are listed instead.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = "ansible_collections/evenkeel/cluster/plugins/module_utils/"


@dataclass(frozen=True)
class Payload:
    """What Ansible packs for one module: paths in the archive, and the size of what it sends in bytes."""

    files: tuple[str, ...]
    size: int

    @property
    def ours(self) -> tuple[str, ...]:
        """Paths below module_utils of the files that are the collection's own, without __init__.py."""
        return tuple(
            name.removeprefix(OURS)
            for name in self.files
            if name.startswith(OURS) and not name.endswith("/__init__.py")
        )

    @property
    def plans(self) -> bool:
        """Whether the search for a plan or a placement is among them."""
        return any(name.startswith(("_planning/search/", "_planning/placement/")) for name in self.ours)


def payload(module: str) -> Payload:
    """What Ansible packs for a module of the collection, named without its namespace."""
    from ansible.executor.module_common import modify_module
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar

    built = modify_module(
        module_name=f"ansible_collections.evenkeel.cluster.plugins.modules.{module}",
        module_path=str(ROOT / "plugins" / "modules" / f"{module}.py"),
        module_args={},
        templar=Templar(loader=DataLoader()),
        module_compression="ZIP_DEFLATED",
        task_vars={"ansible_python_interpreter": sys.executable},
    )
    # The archive stands in the script as one long word of base64.
    words = re.findall(rb"[A-Za-z0-9+/=]{1000,}", built.b_module_data)
    archive = base64.b64decode(max(words, key=len))
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        return Payload(files=tuple(sorted(packed.namelist())), size=len(built.b_module_data))


def modules() -> list[str]:
    """All but those that an action plugin carries out on the controller, whose file only documents them."""
    files = (ROOT / "plugins" / "modules").glob("*.py")
    return sorted(file.stem for file in files if "def main(" in file.read_text())


def main() -> None:
    """Print one line for each module, or with arguments the files of the modules that they name."""
    if __package__:
        # Ansible must be the first to import the collection, and python -m has imported it already.
        os.execv(sys.executable, [sys.executable, __file__, *sys.argv[1:]])
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
    if sys.argv[1:]:
        for module in sys.argv[1:]:
            print("\n".join(payload(module).ours))
        return
    print(f"{'module':20} {'our files':>9} {'all files':>9} {'KiB':>6}  planner")
    for module in modules():
        found = payload(module)
        counts = f"{len(found.ours):9} {len(found.files):9} {found.size / 1024:6.0f}"
        print(f"{module:20} {counts}{'  yes' if found.plans else ''}")


if __name__ == "__main__":
    main()
