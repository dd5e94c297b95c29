# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What processes of tests keep for each other is what they would have made, and never that of yesterday."""

from __future__ import annotations

import _sre
import marshal
import os
import re
import re._compiler
import subprocess
import sys
import zipimport
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import evenkeel_quick
import pytest
import yaml
from ansible._internal._datatag._tags import Origin, TrustedAsTemplate
from ansible._internal._templating._jinja_bits import AnsibleEnvironment
from ansible._internal._yaml import _constructor
from ansible.module_utils._internal._datatag import AnsibleTagHelper
from ansible.module_utils.common.yaml import yaml_load
from ansible.parsing.yaml.loader import AnsibleLoader
from jinja2 import TemplateSyntaxError
from jinja2.nativetypes import NativeEnvironment

from ansible_collections.evenkeel.cluster.tools.package import only_from
from ansible_collections.evenkeel.cluster.tools.tree import collection_copy

ROOT = Path(__file__).parents[3]
FILE = Path("plugins", "module_utils", "_platforms", "rehearsal.py")


def test_a_source_is_compiled_once_and_knows_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evenkeel_quick, "KEPT", str(tmp_path / "kept"))
    asked = []

    def compiled(path: str, source: bytes) -> CodeType:
        asked.append(source)
        return compile(source, path, "exec", dont_inherit=True)

    code_of = evenkeel_quick.compiled_once(compiled)
    source = b"def inner():\n    return __doc__\n"
    for path in ("/one/zip/a.py", "/two/zip/b.py"):
        code = code_of(path, source)
        assert code == compile(source, path, "exec", dont_inherit=True)
        inner = next(part for part in code.co_consts if isinstance(part, CodeType))
        assert {code.co_filename, inner.co_filename} == {path}
    assert asked == [source]
    code_of("/one/zip/a.py", source + b"\n")
    assert asked == [source, source + b"\n"]


def test_where_nothing_can_be_kept_it_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(evenkeel_quick, "KEPT", str(tmp_path / "file"))
    evenkeel_quick.keep("name", b"data")
    assert evenkeel_quick.kept("name") is None


def test_it_is_in_use() -> None:
    """Where Python or Ansible no longer have what this hooks into, it would only be slow."""
    assert zipimport._compile_source.__module__ == "evenkeel_quick"  # type: ignore[attr-defined]
    ask = """
from ansible.executor import module_common
from ansible.utils.collection_loader import _collection_finder
from ansible import constants
import dataclasses, re._compiler
from ansible.config.manager import ConfigManager
from ansible._internal._yaml._loader import AnsibleLoader
from ansible.module_utils.common.yaml import yaml_load
from jinja2 import Environment
for it in (
    dataclasses.exec, re._compiler.compile, Environment.compile, ConfigManager._read_config_yaml_file,
    AnsibleLoader.get_single_data, yaml_load,
):
    assert it.__module__ == "evenkeel_quick", it
print(module_common._find_module_utils.__module__, _collection_finder._meta_yml_to_dict.__module__)
print(constants.DEFAULT_INTERNAL_POLL_INTERVAL)
"""
    asked = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True)
    assert asked.stdout.split() == ["evenkeel_quick", "evenkeel_quick", "0.01"]


def test_a_benchmark_has_none_of_it() -> None:
    ask = "import dataclasses; print(hasattr(dataclasses, 'exec'))"
    for said, setting in (("True", "yes"), ("False", "no")):
        env = {**os.environ, "EVENKEEL_QUICK": setting}
        asked = subprocess.run(
            [sys.executable, "-c", ask], check=True, capture_output=True, text=True, env=env
        )
        assert asked.stdout.strip() == said


def test_a_pack_is_of_one_program_and_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evenkeel_quick, "KEPT", str(tmp_path / "kept"))
    asked: list[str] = []

    def made(key: str) -> str:
        asked.append(key)
        return key.upper()

    for _run in range(2):
        pack = evenkeel_quick.Pack("words")
        assert [pack.of(key, lambda key=key: made(key)) for key in ("a", "b", "a")] == ["A", "B", "A"]
        pack._keep()
    assert asked == ["a", "b"]
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "another"])
    evenkeel_quick.Pack("words").of("a", lambda: made("a"))
    assert asked == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("pattern", "flags"),
    [
        (r"(?P<one>a+)|(b)", 0),
        (r"(?im)^x(?#no).$", re.DOTALL),
        (rb"\w+(?=\d)", 0),
        (r"[ä-ü]{2,3}?", re.ASCII),
    ],
)
def test_a_pattern_is_the_same_from_its_parts(pattern: str | bytes, flags: int) -> None:
    parts = evenkeel_quick._parts(re._compiler, pattern, flags)  # type: ignore[attr-defined]
    again = _sre.compile(pattern, *marshal.loads(marshal.dumps(parts)))
    plain = re.compile(pattern, flags)
    assert again == plain
    assert (again.groupindex, again.groups, again.flags) == (plain.groupindex, plain.groups, plain.flags)


def test_templates_are_kept_by_all_that_they_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evenkeel_quick, "KEPT", str(tmp_path / "kept"))
    environment = AnsibleEnvironment()
    for text in ("{{ 1 + one }}", "{{ 1 - one }}"):
        first, again = environment.compile(text), environment.compile(text)
        assert first == again
        assert first.co_code
    assert len([*(tmp_path / "kept").iterdir()]) == 2
    with pytest.raises(TemplateSyntaxError):
        environment.compile("{{ 1 + }}")
    other = environment.overlay(variable_start_string="[[", variable_end_string="]]")
    assert other.compile("{{ 1 + one }}") != environment.compile("{{ 1 + one }}")


def test_templates_of_settings_are_kept_where_no_filter_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evenkeel_quick, "KEPT", str(tmp_path / "kept"))
    environment = NativeEnvironment()
    text = "{{ [1, 'a' | upper] }}"
    for _kept in (False, True):
        assert environment.from_string(text).render() == [1, "A"]
    environment.filters["upper"] = str.title
    assert environment.from_string("{{ 'ab' | upper }}").render() == "Ab"
    assert len([*(tmp_path / "kept").iterdir()]) == 1


SPECIFICATION = """\
options:
  first: &first
    default: 3
    choices: [1.5, yes, null, "{{ text }}"]
  second: *first
"""


def parsed(text: str, path: str, trusted: bool = True) -> Any:
    source = Origin(path=path, line_num=7).tag(text)
    return yaml.load(TrustedAsTemplate().tag(source) if trusted else source, Loader=AnsibleLoader)


def tags(value: Any) -> Iterator[tuple[object, frozenset[object]]]:
    """Every value with its tags: where it stands, and whether it is trusted."""
    yield AnsibleTagHelper.untag(value), AnsibleTagHelper.tags(value)
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in parts:
        yield from tags(part)


def test_documentation_is_parsed_once_and_each_value_knows_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, copy = (f"/{name}/ansible_collections/a/b/meta/specs.yml" for name in ("here", "copy"))
    (tmp_path / "file").touch()
    monkeypatch.setattr(evenkeel_quick, "KEPT", str(tmp_path / "file"))
    plain = [[*tags(parsed(SPECIFICATION, path, trust))] for path in (here, copy) for trust in (True, False)]
    monkeypatch.setattr(evenkeel_quick, "KEPT", str(tmp_path / "kept"))
    for _kept in (False, True):
        made = [parsed(SPECIFICATION, path, trust) for path in (here, copy) for trust in (True, False)]
        assert [[*tags(one)] for one in made] == plain
        assert made[0]["options"]["first"] is made[0]["options"]["second"]
    assert len([*(tmp_path / "kept").iterdir()]) == 2
    assert parsed(SPECIFICATION.replace("3", "4"), here)["options"]["first"]["default"] == 4
    # Those of tests come and go.
    parsed(SPECIFICATION, str(tmp_path / "play.yml"))
    assert len([*(tmp_path / "kept").iterdir()]) == 3


def test_specifications_of_roles_are_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evenkeel_quick, "KEPT", str(tmp_path / "kept"))
    texts = [file.read_text() for file in sorted(ROOT.glob("roles/*/meta/argument_specs.yml"))]
    for _kept in (False, True):
        assert [yaml_load(text) for text in texts] == [
            yaml.load(text, Loader=yaml.CSafeLoader) for text in texts
        ]
        assert len([*(tmp_path / "kept").iterdir()]) == len(texts) > 1
    assert yaml_load("a: [1]") == {"a": [1]}
    assert len([*(tmp_path / "kept").iterdir()]) == len(texts)


def test_a_warning_about_documentation_is_shown_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evenkeel_quick, "KEPT", str(tmp_path / "kept"))
    said = []
    monkeypatch.setattr(_constructor.display._display, "warning", lambda msg, **_more: said.append(msg))
    for _again in range(2):
        assert parsed("a: 1\na: 2\n", "/x/ansible_collections/a/b/c.yml") == {"a": 2}
    assert len(said) == 2
    assert not (tmp_path / "kept").exists()


def test_metadata_of_a_collection_is_read_once_and_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evenkeel_quick, "KEPT", str(tmp_path / "kept"))
    asked = []

    def reader(source: bytes | str, content: str) -> object:
        asked.append(source)
        return yaml.load(source, Loader=yaml.BaseLoader)

    read = evenkeel_quick.read_once(reader)
    text = (ROOT / "meta" / "runtime.yml").read_text()
    for source in (text, text.encode(), text):
        assert read(source, "evenkeel.cluster") == yaml.load(text, Loader=yaml.BaseLoader)
    assert asked == [text]
    assert read(text.replace("2.19", "2.20"), "evenkeel.cluster")["requires_ansible"] == ">=2.20.0"


def test_a_change_deep_inside_is_seen() -> None:
    with collection_copy() as copy:
        assert "names a snapshot file" in _asked(copy)
        text = (copy / FILE).read_text()
        (copy / FILE).write_text(text.replace("names a snapshot file", "is to name something else"))
        assert "is to name something else" in _asked(copy)


def _asked(copy: Path) -> str:
    """What the module says of a file that is not there, through Ansible."""
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible", "localhost", "--connection", "local",
            "--module-name", "evenkeel.cluster.cluster_facts",
            "--args", "platform=rehearsal rehearsal_path=/no/such/file",
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False,
        env={**os.environ, **only_from(copy.parents[2])},
    )  # fmt: skip
    assert done.returncode != 0
    return done.stdout
