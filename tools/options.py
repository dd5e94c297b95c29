# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what documents the options of a policy, from its dataclasses in _model/policy.

    .venv/bin/python -m ansible_collections.evenkeel.cluster.tools.options

Written are plugins/doc_fragments/policy.py and the marked blocks of roles/*/meta/argument_specs.yml and
roles/balance/tasks/plan.yml. The argument spec is made of the dataclasses at run time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..plugins.module_utils._ansible.options.argument_spec import argument_spec
from ..plugins.module_utils._model.policy.policy import Policy
from .run import ROOT

SELECTED = ("may_stay", "shut_down")
FRAGMENT = "plugins/doc_fragments/policy.py"
BEGIN = "# Written by tools/options.py, up to END."
END = "# END"
HEAD = '''# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options of a policy. Written by tools/options.py from the dataclasses."""

from __future__ import annotations


class ModuleDocFragment:
'''


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def texts() -> dict[str, str]:
    """The text of each file, by its path."""
    options = argument_spec(Policy, texts=True)
    guests = {name: options[name] for name in SELECTED}
    found = {
        FRAGMENT: HEAD
        + _fragment("DOCUMENTATION", options)
        + "\n"
        + _fragment("GUESTS", {name: _alone(option) for name, option in guests.items()})
    }
    role = {f"balance_{name}": _of_role(option, options) for name, option in options.items()}
    # defaults/main.yml sets them.
    evacuate = {
        f"evacuate_{name}": _renamed(_alone(option), "options") | {"default": {}}
        for name, option in guests.items()
    }
    found |= _with_block("roles/balance/meta/argument_specs.yml", _yaml(role), 6)
    found |= _with_block("roles/evacuate/meta/argument_specs.yml", _yaml(evacuate), 6)
    lines = (f'{name}: "{{{{ balance_{name} | default(omit) }}}}"' for name in options)
    return found | _with_block("roles/balance/tasks/plan.yml", "\n".join(lines), 4)


def _fragment(name: str, options: Mapping[str, Any]) -> str:
    return f'    {name} = r"""\n{_yaml({"options": _documented(options)})}\n"""\n'


def _documented(options: Mapping[str, Any]) -> dict[str, Any]:
    """As modules document them, with suboptions, and one paragraph as a text."""
    return {name: _renamed(option, "suboptions") for name, option in options.items()}


def _renamed(option: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = dict(option)
    paragraphs = found["description"]
    found["description"] = paragraphs[0] if len(paragraphs) == 1 else paragraphs
    if "options" in found:
        inner = found.pop("options")
        found[key] = {name: _renamed(item, key) for name, item in inner.items()}
    return found


def _of_role(option: Mapping[str, Any], options: Iterable[str]) -> dict[str, Any]:
    """The option of the module as one of the role balance: what it refers to bears the role's names."""
    names = "|".join(options)

    def renamed(text: str) -> str:
        text = re.sub(rf"O\(({names})\b", r"O(balance_\1", text)
        return re.sub(r"RV\(", "C(", text)

    def inside(item: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(item) | {"description": [renamed(text) for text in item["description"]]}
        if "options" in item:
            found["options"] = {name: inside(part) for name, part in item["options"].items()}
        return found

    return _renamed(inside(option), "options")


def _alone(option: Mapping[str, Any]) -> dict[str, Any]:
    """An option that refers to no other."""
    assert not any("O(" in text for text in option["description"])
    return dict(option)


def _yaml(value: object) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return text.rstrip("\n")


def _with_block(path: str, block: str, indent: int) -> dict[str, str]:
    """The file with other lines between its marks."""
    before, _mark, rest = (ROOT / path).read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    margin = " " * indent
    lines = "".join(f"{margin}{line}\n" if line else "\n" for line in block.splitlines())
    _old, mark, after = rest.partition(f"{margin}{END}\n")
    assert mark, f"{path} has no marks of a block"
    return {path: f"{before}{BEGIN}\n{lines}{mark}{after}"}


def stale() -> list[str]:
    """The paths of files that are not as the dataclasses have it."""
    return [path for path, text in texts().items() if _present(ROOT / path) != text]


def _present(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def main() -> None:
    """Write the files anew."""
    for path, text in texts().items():
        (ROOT / path).write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
