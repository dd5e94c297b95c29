# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Python of .venv loads this at its start, by a .pth file: tests run thousands of processes of Ansible.
Each would pack modules anew from the same files, and compile and parse anew the same sources, data classes,
patterns, templates, settings and documentation. What came of it the first time is kept in .venv/quick, by the
content of all that went in. What runs is the same, but that Ansible looks less often whether a task has
ended; users have none of it.
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
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType
    from typing import Any

KEPT = os.path.join(sys.prefix, "quick")
PACKER = "ansible.executor.module_common"
CONSTANTS = "ansible.constants"
POLL_SECONDS = 0.01
LARGEST_PACK = 5000
TEMPLATE_SETTINGS = (
    "block_start_string", "block_end_string", "variable_start_string", "variable_end_string",
    "comment_start_string", "comment_end_string", "line_statement_prefix", "line_comment_prefix",
    "trim_blocks", "lstrip_blocks", "newline_sequence", "keep_trailing_newline", "sandboxed", "is_async",
)  # fmt: skip
READER = "ansible.utils.collection_loader._collection_meta"
COLLECTIONS = ("ansible_collections.evenkeel.cluster", "ansible_collections.awx.awx")


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
    """Of what makes a program of a module and all that it imports, one that knows what it has made: to find
    that out, ansible-playbook parses more than a hundred files, and then it packs them.
    """
    import hashlib

    make = packer._find_module_utils

    def made(**given: Any) -> Any:
        name = packer._get_ansible_module_fqn(given["module_path"]) if _is_known(given, packer) else ""
        # A module of these imports what is its own or Ansible's. Of others, nothing is known here.
        collection = next((one for one in COLLECTIONS if name.startswith(f"{one}.")), None)
        if not collection and not name.startswith("ansible.modules."):
            return make(**given)
        # Where Ansible keeps it for other tasks of the same run, if no extension changes it.
        compression = given["module_compression"]
        folder = os.path.join(packer.C.DEFAULT_LOCAL_TMP, "ansiballz_cache")
        path = os.path.join(folder, f"{name}-{compression}-none")
        if os.path.exists(path):
            return make(**given)
        what = f"{packer.__version__} {sys.version} {name} {compression}\n".encode() + given["b_module_data"]
        digest = hashlib.sha256(what + (_digest_of(collection) if collection else b"")).hexdigest()
        data = kept(digest)
        if data is not None:
            _put(data, folder, path)
        result = make(**given)
        if data is None and os.path.exists(path):
            with open(path, "rb") as file:
                keep(digest, file.read())
        return result

    return made


def _is_known(given: Any, packer: Any) -> bool:
    """Whether it is a module of a collection or of Ansible, made of these files alone."""
    path = given["module_path"]
    in_package = "/ansible_collections/" in path or "/ansible/modules/" in path
    return in_package and _finds_its_own_alone(packer)


def _put(data: bytes, folder: str, path: str) -> None:
    """In one piece: other tasks look for it."""
    os.makedirs(folder, exist_ok=True)
    draft = f"{path}.{os.getpid()}"
    with open(draft, "wb") as file:
        file.write(data)
    os.replace(draft, path)


def _finds_its_own_alone(packer: Any) -> bool:
    """Whether no folder of a user has module_utils that would take the place of Ansible's."""
    folders = packer.module_utils_loader._get_paths(subdirs=False)
    own = os.path.realpath(packer._MODULE_UTILS_PATH)
    return {os.path.realpath(folder) for folder in folders if os.path.isdir(folder)} == {own}


def _digest_of(collection: str) -> bytes:
    """Of what may be imported, and what may lead an import elsewhere. It is read only when the file system
    says that something has changed.
    """
    import hashlib
    from importlib import import_module

    root = os.path.dirname(str(import_module(collection).__file__))
    paths = [os.path.join("meta", "runtime.yml")]
    for folder, _folders, names in os.walk(os.path.join(root, "plugins", "module_utils")):
        paths += [os.path.relpath(os.path.join(folder, name), root) for name in names if name.endswith(".py")]
    paths.sort()
    state = hashlib.sha256(root.encode())
    for path in paths:
        at = os.stat(os.path.join(root, path))
        which = at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns
        state.update(f"\n{path} {which}".encode())
    digest = kept(state.hexdigest())
    if digest is None:
        content = hashlib.sha256()
        for path in paths:
            with open(os.path.join(root, path), "rb") as file:
                source = file.read()
            content.update(f"\n{path} {len(source)}\n".encode() + source)
        digest = content.digest()
        keep(state.hexdigest(), digest)
    return digest


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


class Pack:
    """What a program compiles of texts that it makes while it is loaded: hundreds of small ones, in one file
    for each program.
    """

    def __init__(self, kind: str) -> None:
        words = [word for word in sys.orig_argv[1:] if not word.startswith("-")] or ["python"]
        which = f"{kind} {sys.version} {os.path.basename(words[0])}".encode()
        self._name = f"{kind}-{_imp.source_hash(sys.hexversion, which).hex()}"
        self._known: dict[Any, Any] | None = None
        self._used: dict[Any, Any] = {}
        self._pid = os.getpid()
        self._new = False

    def of(self, key: Any, make: Callable[[], Any]) -> Any:
        """What was made of the key, or is made now."""
        if key in self._used:
            return self._used[key]
        if self._known is None:
            data = kept(self._name)
            self._known = marshal.loads(data) if data else {}
            import atexit

            atexit.register(self._keep)
        if key in self._known:
            found = self._known[key]
        elif os.getpid() != self._pid:
            found = self._apart(key, make)
        else:
            found, self._new = make(), True
        self._used[key] = found
        return found

    def _apart(self, key: Any, make: Callable[[], Any]) -> Any:
        """Of a process that was forked, whose end is not seen here."""
        what = f"{self._name} {key!r}".encode()
        name = f"{self._name}-{_imp.source_hash(len(what), what).hex()}"
        data = kept(name)
        if data is not None:
            return marshal.loads(data)
        found = make()
        keep(name, marshal.dumps(found))
        return found

    def _keep(self) -> None:
        if self._new and os.getpid() == self._pid and self._known is not None:
            every = {**self._known, **self._used}
            keep(self._name, marshal.dumps(every if len(every) < LARGEST_PACK else self._used))


def _make_classes(dataclasses: Any) -> None:
    """Of six functions for each data class the text is compiled."""
    codes = Pack("dataclasses")

    def run(text: str, *namespaces: dict[str, Any]) -> None:
        exec(codes.of(text, lambda: compile(text, "<string>", "exec", dont_inherit=True)), *namespaces)

    dataclasses.exec = run


def _compile_patterns(compiler: Any) -> None:
    codes = Pack("patterns")
    plain = compiler.compile

    def compiled(pattern: Any, flags: int = 0) -> Any:
        if type(pattern) not in (str, bytes) or flags & compiler.SRE_FLAG_DEBUG:
            return plain(pattern, flags)
        parts = codes.of((pattern, int(flags)), lambda: _parts(compiler, pattern, flags))
        return compiler._sre.compile(pattern, *parts)

    compiler.compile = compiled


def _parts(compiler: Any, pattern: Any, flags: int) -> Any:
    """As re._compiler.compile has them."""
    parsed = compiler._parser.parse(pattern, flags)
    code = [int(word) for word in compiler._code(parsed, flags)]
    names = parsed.state.groupdict
    by_index: list[str | None] = [None] * parsed.state.groups
    for name, index in names.items():
        by_index[index] = name
    return int(flags | parsed.state.flags), code, parsed.state.groups - 1, dict(names), tuple(by_index)


def _make_templates(environment: Any) -> None:
    """Each task is a process of its own, which compiles dozens of templates."""
    plain = environment.Environment.compile

    def compiled(
        self: Any,
        source: Any,
        name: Any = None,
        filename: Any = None,
        raw: bool = False,
        defer_init: bool = False,
    ) -> Any:
        if raw or not isinstance(source, str) or not _depends_on_settings_alone(self, environment):
            return plain(self, source, name, filename, raw, defer_init)
        kind = type(self).__name__
        settings = kind, [getattr(self, setting) for setting in TEMPLATE_SETTINGS], sorted(self.extensions)
        what = f"{sys.version} {settings} {name!r} {filename!r} {defer_init} ".encode() + source.encode()
        key = f"template-{_imp.source_hash(len(what), what).hex()}"
        data = kept(key)
        if data is not None:
            return marshal.loads(data)
        code = plain(self, source, name, filename, raw, defer_init)
        keep(key, marshal.dumps(code))
        return code

    environment.Environment.compile = compiled


def _depends_on_settings_alone(own: Any, environment: Any) -> bool:
    """Of what compiles templates: whether it folds no constants meanwhile, or with filters of Jinja alone, as
    that in which Ansible computes its settings.
    """
    kind = f"{type(own).__module__}.{type(own).__name__}"
    if kind == "ansible._internal._templating._jinja_bits.AnsibleEnvironment":
        return not own.optimized
    return (
        kind == "jinja2.nativetypes.NativeEnvironment"
        and own.finalize is None
        and own.filters == environment.DEFAULT_FILTERS
        and own.tests == environment.DEFAULT_TESTS
    )


def _configure(manager: Any) -> None:
    """Every process of Ansible starts by parsing all its settings."""
    plain = manager.ConfigManager._read_config_yaml_file

    def read(self: Any, file: Any) -> Any:
        # Not by its name, which is another in each run of ansible-test.
        at = os.stat(file)
        which = at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns
        what = f"{sys.version} {which}".encode()
        name = f"settings-{_imp.source_hash(len(what), what).hex()}"
        data = kept(name)
        if data is not None:
            return marshal.loads(data)
        settings = plain(self, file)
        keep(name, marshal.dumps(settings))
        return settings

    manager.ConfigManager._read_config_yaml_file = read


class Overheard:
    """Stands in for what shows warnings, and counts what it is asked."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        return getattr(self._display, name)


def _load_yaml(loader: Any) -> None:
    """Every process of Ansible starts by parsing what plugins for connections say of their options, and each
    role by parsing its specification.
    """
    from ansible._internal._yaml import _constructor
    from ansible.release import __version__

    cls = loader.AnsibleLoader
    start, plain = cls.__init__, cls.get_single_data
    _constructor.display = heard = Overheard(_constructor.display)

    def started(self: Any, stream: Any) -> None:
        start(self, stream)
        self._evenkeel_source = stream

    def load(self: Any) -> Any:
        source, origin = self._evenkeel_source, self._origin
        # A file of a plugin or role, and no other, since those of tests come and go. ansible-test has them in
        # a folder of its own.
        path = origin.path or ""
        lasts = "/ansible/plugins/" in path or "/ansible_collections/" in path
        if not lasts or not isinstance(source, str):
            return plain(self)
        settings = origin.line_num, origin.col_num, origin.description, self.trusted_as_template
        mode = self._duplicate_key_mode
        what = f"{__version__} {sys.version} {settings} {mode} ".encode() + source.encode()
        name = f"yaml-{_imp.source_hash(len(what), what).hex()}"
        data = kept(name)
        if data is not None:
            return _unpickled(data, path)
        before = heard.asked
        made = plain(self)
        # A warning is to be shown again.
        if heard.asked == before:
            keep(name, _pickled(made, path))
        return made

    cls.__init__, cls.get_single_data = started, load


def _load_specifications(reader: Any) -> None:
    """The roles' specifications, all of which the first task of each role reads."""
    plain = reader.yaml_load

    def load(text: Any) -> Any:
        if not isinstance(text, str) or "\nargument_specs:\n" not in text:
            return plain(text)
        what = f"{sys.version} {reader.HAS_LIBYAML} ".encode() + text.encode()
        name = f"specification-{_imp.source_hash(len(what), what).hex()}"
        data = kept(name)
        if data is not None:
            return marshal.loads(data)
        made = plain(text)
        keep(name, marshal.dumps(made))
        return made

    reader.yaml_load = load


def _pickled(made: Any, path: str) -> bytes:
    """Without the path: copies of a file are read alike."""
    import io
    import pickle

    data = io.BytesIO()
    pickler = pickle.Pickler(data, 5)
    pickler.persistent_id = lambda one: "" if type(one) is str and one == path else None  # type: ignore[method-assign]
    pickler.dump(made)
    return data.getvalue()


def _unpickled(data: bytes, path: str) -> Any:
    import io
    import pickle

    reader = pickle.Unpickler(io.BytesIO(data))
    reader.persistent_load = lambda _which: path  # type: ignore[method-assign]
    return reader.load()


def _pack(packer: Any) -> None:
    packer._find_module_utils = packed_once(packer)


def _read(reader: Any) -> None:
    reader._meta_yml_to_dict = read_once(reader._meta_yml_to_dict)


def _poll(constants: Any) -> None:
    """To look a thousand times a second whether a task has ended takes a third of a core."""
    constants.DEFAULT_INTERNAL_POLL_INTERVAL = max(POLL_SECONDS, constants.DEFAULT_INTERNAL_POLL_INTERVAL)


CHANGES = {
    PACKER: _pack,
    READER: _read,
    CONSTANTS: _poll,
    "ansible.config.manager": _configure,
    "ansible._internal._yaml._loader": _load_yaml,
    "ansible.module_utils.common.yaml": _load_specifications,
    "dataclasses": _make_classes,
    "jinja2.environment": _make_templates,
    "re._compiler": _compile_patterns,
}


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


# Of a benchmark, which measures what users have.
if os.environ.get("EVENKEEL_QUICK") != "no":
    zipimport._compile_source = compiled_once(zipimport._compile_source)  # type: ignore[attr-defined]
    sys.meta_path.insert(0, Finder())
