# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that imports run only downwards: which part of plugins/ and extensions/ may import which."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .run import ROOT

PARTS = ("plugins", "extensions")
COLLECTION = ("ansible_collections", "evenkeel", "cluster")
UTILS = "plugins/module_utils"

ADAPTERS = ("proxmox", "vmmanager", "vsphere")
# The rooms of an adapter, each of which may import those before it, and what adapters share.
ROOMS = ("api", "read", "migrate")
SHARED = tuple(
    f"{UTILS}/_platforms/{name}.py"
    for name in ("connection", "errors", "protocol", "storage_protocol", "transport", "values", "waiting")
)

# A layer, and what it may import besides itself. A file that is named alone is a layer of its own.
ALLOWED: dict[str, tuple[str, ...]] = {
    f"{UTILS}/_model": (),
    f"{UTILS}/_planning": (f"{UTILS}/_model", f"{UTILS}/_planning"),
    f"{UTILS}/_planning/errors.py": (f"{UTILS}/_model",),
    f"{UTILS}/_planning/tolerances.py": (),
    f"{UTILS}/_planning/model": (
        f"{UTILS}/_model",
        f"{UTILS}/_planning/tolerances.py",
        f"{UTILS}/_planning/errors.py",
    ),
    f"{UTILS}/_planning/snapshots": (
        f"{UTILS}/_model",
        f"{UTILS}/_planning/tolerances.py",
        f"{UTILS}/_planning/errors.py",
        f"{UTILS}/_planning/model",
    ),
    f"{UTILS}/_planning/bounds": (
        f"{UTILS}/_model",
        f"{UTILS}/_planning/tolerances.py",
        f"{UTILS}/_planning/errors.py",
        f"{UTILS}/_planning/model",
    ),
    f"{UTILS}/_planning/schedule": (
        f"{UTILS}/_model",
        f"{UTILS}/_planning/tolerances.py",
        f"{UTILS}/_planning/model",
    ),
    f"{UTILS}/_planning/search": (
        f"{UTILS}/_model",
        f"{UTILS}/_planning/tolerances.py",
        f"{UTILS}/_planning/errors.py",
        f"{UTILS}/_planning/bounds",
        f"{UTILS}/_planning/model",
    ),
    f"{UTILS}/_planning/report": (
        f"{UTILS}/_model",
        f"{UTILS}/_planning/tolerances.py",
        f"{UTILS}/_planning/errors.py",
        f"{UTILS}/_planning/model",
        f"{UTILS}/_planning/schedule",
        f"{UTILS}/_planning/snapshots",
    ),
    f"{UTILS}/_planning/goals.py": (
        f"{UTILS}/_model",
        f"{UTILS}/_planning/tolerances.py",
        f"{UTILS}/_planning/bounds",
        f"{UTILS}/_planning/model",
        f"{UTILS}/_planning/report",
    ),
    f"{UTILS}/_planning/placement": (
        f"{UTILS}/_model",
        f"{UTILS}/_planning/tolerances.py",
        f"{UTILS}/_planning/errors.py",
        f"{UTILS}/_planning/model",
        f"{UTILS}/_planning/planner.py",
        f"{UTILS}/_planning/report",
        f"{UTILS}/_planning/snapshots",
        f"{UTILS}/_planning/storage",
        f"{UTILS}/_planning/verify",
    ),
    f"{UTILS}/_planning/storage": (
        f"{UTILS}/_model",
        f"{UTILS}/_planning/errors.py",
        f"{UTILS}/_planning/model",
        f"{UTILS}/_planning/verify",
    ),
    # Who judges a plan knows nothing of how it was made.
    f"{UTILS}/_planning/verify": (f"{UTILS}/_model",),
    f"{UTILS}/_platforms": (f"{UTILS}/_model",),
    # No adapter imports another one, and what they share imports none.
    **{
        f"{UTILS}/_platforms/{adapter}": (f"{UTILS}/_model", f"{UTILS}/_platforms/{adapter}", *SHARED)
        for adapter in ADAPTERS
    },
    **{
        f"{UTILS}/_platforms/{adapter}/{room}": (
            f"{UTILS}/_model",
            *SHARED,
            *(f"{UTILS}/_platforms/{adapter}/{lower}" for lower in ROOMS[: ROOMS.index(room)]),
        )
        for adapter in ADAPTERS
        for room in ROOMS
    },
    f"{UTILS}/_execution": (
        f"{UTILS}/_model",
        f"{UTILS}/_platforms/protocol.py",
        f"{UTILS}/_platforms/storage_protocol.py",
        f"{UTILS}/_platforms/errors.py",
    ),
    f"{UTILS}/_state": (f"{UTILS}/_model",),
    f"{UTILS}/_capacity": (f"{UTILS}/_model", f"{UTILS}/_state"),
    f"{UTILS}/_service": (f"{UTILS}/_model", f"{UTILS}/_state", f"{UTILS}/_capacity"),
    f"{UTILS}/_loads": (f"{UTILS}/_model",),
    f"{UTILS}/_report_page": (
        f"{UTILS}/_model",
        f"{UTILS}/_planning",
        f"{UTILS}/_execution/concurrency_limits.py",
        f"{UTILS}/_execution/critical_path.py",
    ),
    # It runs on hypervisors, whose Python may be older than ours.
    f"{UTILS}/_hypervisor": (f"{UTILS}/_model/errors.py",),
    f"{UTILS}/_ansible": (UTILS,),
    # The door for Python; nothing of ours comes in through it.
    f"{UTILS}/evenkeel.py": (UTILS,),
    "plugins/modules": (UTILS,),
    "plugins/action": (UTILS,),
    "plugins/callback": (UTILS,),
    "plugins/filter": (UTILS,),
    "plugins/inventory": (UTILS,),
    "plugins/doc_fragments": (),
    # What ansible-rulebook runs knows Ansible no more than what it calls.
    "extensions/eda/plugins": (UTILS,),
    # The console; nothing imports it.
    "extensions/console": (UTILS,),
}
# Only _ansible/ and the plugins proper may know Ansible.
ANSIBLE_FREE = tuple(
    f"{UTILS}/{name}"
    for name in (
        "_model",
        "_planning",
        "_platforms",
        "_execution",
        "_state",
        "_capacity",
        "_service",
        "_loads",
        "_report_page",
        "_hypervisor",
    )
)


@dataclass(frozen=True)
class Import:
    """One import: where it stands and what it names, a path below the checkout or a package."""

    file: PurePosixPath
    line: int
    target: str


def within(path: str, part: str) -> bool:
    """Whether path is part, or lies below it; a module file is named with or without its suffix."""
    bare = part.removesuffix(".py")
    return path == bare or (path.startswith(bare + "/"))


def layer_of(path: str) -> str | None:
    """The most specific layer that holds a path."""
    return max((layer for layer in ALLOWED if within(path.removesuffix(".py"), layer)), key=len, default=None)


def imports(root: Path, file: Path) -> Iterator[Import]:
    """Every import of a file, as deep as it names a file or folder of ours."""
    relative = PurePosixPath(file.relative_to(root))
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(relative, node.lineno, _place(root, tuple(alias.name.split("."))))
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                module = COLLECTION + relative.parts[: len(relative.parts) - node.level] + module
            for alias in node.names:
                yield Import(relative, node.lineno, _place(root, (*module, alias.name)))


def _place(root: Path, dotted: tuple[str, ...]) -> str:
    if dotted[:3] != COLLECTION:
        return ".".join(dotted)
    place = root.joinpath(*dotted[3:])
    while not (place.is_dir() or place.with_suffix(".py").is_file()):
        place = place.parent
    return place.relative_to(root).as_posix()


def violations(root: Path) -> list[str]:
    """Every import below plugins/ and extensions/ that runs against the arrows, as file:line: what."""
    found = []
    files = [file for part in PARTS for file in (root / part).rglob("*.py")]
    for file in sorted(files):
        own = layer_of(str(PurePosixPath(file.relative_to(root))))
        for imported in imports(root, file):
            where = f"{imported.file}:{imported.line}"
            if own is None:
                found.append(f"{where}: {imported.file} is in no layer; name its layer in tools/layers.py")
                break
            if imported.target.split(".")[0] == "ansible" and own.startswith(ANSIBLE_FREE):
                found.append(f"{where}: {own} may not know Ansible, and imports {imported.target}")
            if "/" not in imported.target:
                continue
            target = layer_of(imported.target)
            if target != own and not any(within(imported.target, part) for part in ALLOWED[own]):
                found.append(f"{where}: {own} may not import {imported.target}")
    return found


def main() -> int:
    """Print the violations; the exit code is 1 when there are any."""
    found = violations(ROOT)
    print("\n".join(found) or "every import runs downwards")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
