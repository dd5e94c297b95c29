# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the documentation of options from its one source, the dataclasses and the modules.

    .venv/bin/python -m ansible_collections.evenkeel.cluster.tools.options

The options of a policy are documented by its dataclasses in _model/policy: plugins/doc_fragments/policy.py
and marked blocks of the roles balance and evacuate are made of them. An option that a role passes on to a
module is documented by the module. The argument specs of modules are made of dataclasses at run time.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from ..plugins.module_utils._ansible.actions.metrics_export import ExportOptions
from ..plugins.module_utils._ansible.actions.notify import NotifyOptions
from ..plugins.module_utils._ansible.actions.prometheus_load import PROMETHEUS_ARGUMENTS
from ..plugins.module_utils._ansible.log import LogOptions
from ..plugins.module_utils._ansible.options.argument_spec import argument_spec
from ..plugins.module_utils._ansible.options.capacity import LeaseOptions
from ..plugins.module_utils._ansible.options.execution import ExecutionOptions
from ..plugins.module_utils._ansible.options.placement import PLACEMENT_ARGUMENTS
from ..plugins.module_utils._ansible.options.platform import PLATFORM_ARGUMENTS, MovingOptions
from ..plugins.module_utils._ansible.options.policy import POLICY_ARGUMENTS
from ..plugins.module_utils._ansible.schedule.entry import ScheduleOptions
from ..plugins.module_utils._ansible.service_setup.unit import ServiceSetupOptions
from ..plugins.module_utils._ansible.state_session import STATE_ARGUMENTS
from ..plugins.module_utils._model.policy.policy import Policy
from .run import ROOT

SELECTED = ("may_stay", "shut_down")
FRAGMENT = "plugins/doc_fragments/policy.py"
BEGIN = "# Written by tools/options.py, up to END."
END = "# END"
PLUGINS = "ansible_collections.evenkeel.cluster.plugins"
ROLES = (
    "balance",
    "evacuate",
    "host_load",
    "lease",
    "notify",
    "place",
    "report",
    "schedule",
    "service",
    "service_setup",
)
# Which of them are secret is no part of the documentation.
_SPECS = {
    **PLATFORM_ARGUMENTS,
    **STATE_ARGUMENTS,
    **PROMETHEUS_ARGUMENTS,
    "entries": argument_spec(ScheduleOptions)["entries"],
    "urls": argument_spec(NotifyOptions)["urls"],
    "pushgateway": argument_spec(ExportOptions)["pushgateway"],
}
HEAD = '''# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options of a policy. Written by tools/options.py from the dataclasses."""

from __future__ import annotations


class ModuleDocFragment:
'''


_STATE = ("state_url", "lock", "lock_wait")
_LOG = tuple(field.name for field in fields(LogOptions))
_MOVING = (field.name for field in (*fields(ExecutionOptions), *fields(MovingOptions)))


@dataclass(frozen=True)
class Passed:
    """A block of the options that a role passes on to a module, in one of its own options if `inside`."""

    role: str
    module: str
    names: Sequence[str]
    prefix: str
    inside: bool = False

    @property
    def mark(self) -> str:
        return f"# Written by tools/options.py from {self.module}, up to END."


PASSED = (
    Passed("lease", "capacity_lease", [field.name for field in fields(LeaseOptions)], "lease_"),
    Passed("place", "vm_migrate", ["platform", *_STATE, *_LOG], "balance_"),
    Passed("place", "vm_placement", list(PLACEMENT_ARGUMENTS), "place_"),
    Passed("report", "vm_migrate", ["platform", "state_url"], "balance_"),
    Passed("schedule", "schedule", [field.name for field in fields(ScheduleOptions)], "schedule_"),
    Passed(
        "service_setup",
        "service_setup",
        [field.name for field in fields(ServiceSetupOptions)],
        "service_setup_",
    ),
    Passed("host_load", "host_load_merge", ["cpu", "period", "on_silent_host"], "host_load_"),
    Passed(
        "evacuate",
        "vm_migrate",
        ["platform", *_STATE, *_LOG, "journal_path", "stop_file", "pause_file", "run_timeout"],
        "balance_",
    ),
    Passed("service", "capacity_lease", ["state_url"], "service_"),
    Passed("balance", "cluster_facts", [*PLATFORM_ARGUMENTS, "window"], "balance_"),
    Passed("balance", "notify", ["urls", "events", "attachments", "timeout"], "balance_notify.", inside=True),
    Passed("notify", "notify", ["urls", "events", "title", "body", "attachments", "timeout"], "notify_"),
    Passed("balance", "metrics_export", ["textfile_path", "pushgateway"], "balance_"),
    Passed("balance", "prometheus_load", list(PROMETHEUS_ARGUMENTS), "balance_prometheus.", inside=True),
    Passed(
        "balance",
        "vm_migrate",
        [
            *_STATE,
            *_LOG,
            *(name for name in _MOVING if name not in POLICY_ARGUMENTS),
            "journal_path",
            "history_days",
            "started_by",
        ],
        "balance_",
    ),
)


class _Dumper(yaml.SafeDumper):
    """Lists of words on one line, and each dictionary of suboptions once, with an alias where it repeats."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def represent_sequence(
        self, tag: str, sequence: Iterable[Any], flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        words = all(not isinstance(item, str) or " " not in item for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=words)

    def generate_anchor(self, node: yaml.Node) -> str:
        # Named after the first option, since a dictionary does not know its own name; two may begin alike.
        name = f"with_{node.value[0][0].value}_{len(node.value)}"
        alike = sum(str(anchor).startswith(name) for anchor in self.anchors.values())
        return f"{name}_{alike + 1}" if alike else name


def texts() -> dict[str, str]:
    """The text of each file, by its path."""
    options = argument_spec(Policy, texts=True)
    guests = {name: options[name] for name in SELECTED}
    found: dict[str, str] = {
        FRAGMENT: HEAD
        + _fragment("DOCUMENTATION", options)
        + "\n"
        + _fragment("GUESTS", {name: _alone(option) for name, option in guests.items()})
    }
    roles = {path: (ROOT / path).read_text(encoding="utf-8") for path in map(_specs_of, ROLES)}

    def write(role: str, mark: str, block: Mapping[str, Any], indent: int = 6) -> None:
        roles[_specs_of(role)] = _with_block(roles[_specs_of(role)], mark, _yaml(block), indent)

    write(
        "balance", BEGIN, {f"balance_{name}": _of_role(option, options) for name, option in options.items()}
    )
    # defaults/main.yml sets them.
    evacuate = {
        f"evacuate_{name}": _renamed(_alone(option), "options") | {"default": {}}
        for name, option in guests.items()
    }
    write("evacuate", BEGIN, evacuate)
    for block in PASSED:
        write(block.role, block.mark, _passed(block), 10 if block.inside else 6)
    plan = "roles/balance/tasks/plan.yml"
    # To empty datastores has a variable of its own, which the role joins with the policy.
    joined = {"storage": "storage_used"}
    lines = (f'{name}: "{{{{ balance_{joined.get(name, name)} | default(omit) }}}}"' for name in options)
    tasks = _with_block((ROOT / plan).read_text(encoding="utf-8"), BEGIN, "\n".join(lines), 4)
    return found | roles | {plan: tasks}


def _specs_of(role: str) -> str:
    return f"roles/{role}/meta/argument_specs.yml"


def documented_options(module: str) -> dict[str, Any]:
    """The options of a module as ansible-doc shows them, those of its fragments among them."""
    found = yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.{module}").DOCUMENTATION)
    result: dict[str, Any] = {}
    for name in found.get("extends_documentation_fragment", []):
        _namespace, _collection, file, *part = name.split(".")
        fragments = importlib.import_module(f"{PLUGINS}.doc_fragments.{file}").ModuleDocFragment
        text = getattr(fragments, part[0].upper() if part else "DOCUMENTATION")
        result |= yaml.safe_load(text).get("options", {})
    result |= found.get("options", {})
    return result


def _passed(block: Passed) -> dict[str, Any]:
    module = documented_options(block.module)
    found = {}
    for name in block.names:
        option = _of_role(_as_spec(module[name]), module, block.prefix)
        _mark_secrets(option, _SPECS.get(name, {}))
        if "fallback" in _SPECS.get(name, {}):
            option.pop("required", None)
        # Variables have one name.
        option.pop("aliases", None)
        found[name if block.inside else block.prefix + name] = option
    return found


def _mark_secrets(option: dict[str, Any], spec: Mapping[str, Any]) -> None:
    if "no_log" in spec:
        option["no_log"] = spec["no_log"]
    for name, inner in option.get("options", {}).items():
        _mark_secrets(inner, spec.get("options", {}).get(name, {}))


def _as_spec(option: Mapping[str, Any]) -> dict[str, Any]:
    """A documented option as argument_spec() has it with texts."""
    text = option["description"]
    found = dict(option) | {"description": [text] if isinstance(text, str) else text}
    if "suboptions" in option:
        found["options"] = {name: _as_spec(item) for name, item in found.pop("suboptions").items()}
    return found


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


def _of_role(option: Mapping[str, Any], options: Iterable[str], prefix: str = "balance_") -> dict[str, Any]:
    """The option of a module as one of a role: what it refers to bears the role's names."""
    names = "|".join(options)

    def renamed(text: str) -> str:
        text = re.sub(rf"O\(({names})\b", rf"O({prefix}\1", text)
        return re.sub(r"RV\((?=[^#]*?\))", "C(", text)

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


def _shared(value: Any, seen: dict[str, Any]) -> Any:
    """The value with one object for all suboptions that are equal, which the dumper then writes once."""
    if not isinstance(value, dict):
        return value
    found = {key: _shared(item, seen) for key, item in value.items()}
    for key in ("options", "suboptions"):
        if isinstance(found.get(key), dict) and len(found[key]) > 1:
            found[key] = seen.setdefault(repr(found[key]), found[key])
    return found


def _yaml(value: object) -> str:
    text: str = yaml.dump(_shared(value, {}), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return text.rstrip("\n")


def _with_block(text: str, mark: str, block: str, indent: int) -> str:
    """The file with other lines between its marks."""
    before, begin, rest = text.partition(f"{mark}\n")
    margin = " " * indent
    lines = "".join(f"{margin}{line}\n" if line else "\n" for line in block.splitlines())
    _old, end, after = rest.partition(f"{margin}{END}\n")
    assert begin, f"no mark {mark}"
    assert end, f"no end of the block {mark}"
    return before + begin + lines + end + after


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
