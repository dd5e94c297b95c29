# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Python of .venv loads this at its start, by a .pth file: tests run thousands of modules of Ansible,
each packed anew from the same files and compiled anew from the same source. What came of it the first time
is kept in .venv/quick, by the content of all that went in. What runs is the same; users have none of it.
"""

from __future__ import annotations

# Nothing that a Python does not load by itself: that would cost each of them time.
import _imp
import marshal
import os
import sys
import zipimport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType
    from typing import Any

KEPT = os.path.join(sys.prefix, "quick")
PACKER = "ansible.executor.module_common"
READER = "ansible.utils.collection_loader._collection_meta"
OURS = "ansible_collections.evenkeel.cluster"


def kept(name: str) -> bytes | None:
    """What is kept by that name."""
    try:
        with open(os.path.join(KEPT, name), "rb") as file:
            return file.read()
    except OSError:
        return None


def keep(name: str, data: bytes) -> None:
    """In one piece, for others look at the same time. What can't be kept is made again."""
    draft = os.path.join(KEPT, f"{name}.{os.getpid()}")
    try:
        os.makedirs(KEPT, exist_ok=True)
        with open(draft, "wb") as file:
            file.write(data)
        os.replace(draft, os.path.join(KEPT, name))
    except OSError:
        pass


def compiled_once(compiled: Any) -> Any:
    """Of what compiles a file of an archive, one that knows what it has compiled: Python keeps bytecode next
    to a source, and in an archive it can't.
    """
    python = sys.hexversion * 4 + sys.flags.optimize

    def code_of(path: str, source: bytes) -> CodeType:
        name = _imp.source_hash(python, source).hex()
        data = kept(name)
        if data is None:
            code: CodeType = compiled(path, source)
            keep(name, marshal.dumps(code))
        else:
            code = marshal.loads(data)
            _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
        return code

    return code_of


def packed_once(packer: Any) -> Any:
    """Of what puts all that a module imports into its archive, one that knows what it has put: to find it
    out, ansible-playbook parses more than a hundred files.
    """
    import hashlib
    import pickle

    find = packer.recursive_finder

    def found(name: str, module: str, source: bytes, archive: Any, moment: Any, extensions: Any) -> Any:
        ours = module.startswith(f"{OURS}.")
        # Of what is neither Ansible's nor the collection's, nothing is known here.
        known = (ours or module.startswith("ansible.modules.")) and not extensions.extension_names
        if not known or not _finds_its_own_alone(packer):
            return find(name, module, source, archive, moment, extensions)
        digest = hashlib.sha256(f"{packer.__version__} {sys.version} {module}\n".encode() + source)
        for path in _files_of_ours() if ours else ():
            digest.update(f"\n{path[0]} {len(path[1])}\n".encode() + path[1])
        data = kept(digest.hexdigest())
        if data is None:
            metadata = find(name, module, source, archive, moment, extensions)
            put = [(path, archive.read(path)) for path in archive.namelist()]
            keep(digest.hexdigest(), pickle.dumps((metadata, put)))
            return metadata
        metadata, put = pickle.loads(data)
        for path, content in put:
            archive.writestr(packer._make_zinfo(path, moment, zf=archive), content)
        return metadata

    return found


def _finds_its_own_alone(packer: Any) -> bool:
    """Whether no folder of a user has module_utils that would take the place of Ansible's."""
    folders = packer.module_utils_loader._get_paths(subdirs=False)
    own = os.path.realpath(packer._MODULE_UTILS_PATH)
    return {os.path.realpath(folder) for folder in folders if os.path.isdir(folder)} == {own}


def _files_of_ours() -> list[tuple[str, bytes]]:
    """What may be imported, and what may lead an import elsewhere."""
    from importlib import import_module

    root = os.path.dirname(str(import_module(OURS).__file__))
    paths = [os.path.join("meta", "runtime.yml")]
    for folder, _folders, names in os.walk(os.path.join(root, "plugins", "module_utils")):
        paths += [os.path.relpath(os.path.join(folder, name), root) for name in names if name.endswith(".py")]
    found = []
    for path in sorted(paths):
        with open(os.path.join(root, path), "rb") as file:
            found.append((path, file.read()))
    return found


def read_once(reader: Any) -> Any:
    """Of what reads the metadata of a collection, one that knows what it has read: every process of Ansible
    starts by parsing the largest of them.
    """
    import hashlib

    def read(source: bytes | str, content: str) -> Any:
        data = source.encode() if isinstance(source, str) else source
        name = hashlib.sha256(f"metadata {sys.version}\n".encode() + data).hexdigest()
        found = kept(name)
        if found is not None:
            return marshal.loads(found)
        metadata = reader(source, content)
        keep(name, marshal.dumps(metadata))
        return metadata

    return read


def _pack(packer: Any) -> None:
    packer.recursive_finder = packed_once(packer)


def _read(reader: Any) -> None:
    reader._meta_yml_to_dict = read_once(reader._meta_yml_to_dict)


CHANGES = {PACKER: _pack, READER: _read}


class Finder:
    """Among what finds modules for Python, this waits for those of Ansible that it changes."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in CHANGES:
            return None
        from importlib.util import find_spec

        change = CHANGES.pop(name)
        if not CHANGES:
            sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def loaded(module: ModuleType) -> None:
                load(module)
                change(module)

            spec.loader.exec_module = loaded  # type: ignore[method-assign]
        return spec


zipimport._compile_source = compiled_once(zipimport._compile_source)  # type: ignore[attr-defined]
sys.meta_path.insert(0, Finder())
