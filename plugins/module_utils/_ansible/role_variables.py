# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of roles: which exist, and what is wrong with those that are set."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load

from .._model.errors import InputError
from .._model.text.nearest import nearest
from .._model.text.wording import listed
from .json_files import require_writable

PREFIXES: Mapping[str, Sequence[str]] = {
    "balance": ("balance_",),
    "evacuate": ("evacuate_", "balance_"),
    "host_load": ("host_load_",),
    "lease": ("lease_",),
    "notify": ("notify_",),
    "place": ("place_", "balance_"),
    "report": ("report_", "balance_"),
    "schedule": ("schedule_",),
    "service_setup": ("service_setup_",),
}
"""The prefixes of the variables that a role reads."""

OF_PLAYBOOKS: Mapping[str, Mapping[str, Any]] = {
    "balance_clusters": {"type": "raw"},
    "balance_strategy": {"type": "str"},
    "history_state_url": {"type": "str", "no_log": True},
    "history_clusters": {"type": "list", "elements": "str"},
    "history_guest": {"type": "str"},
    "history_days": {"type": "int"},
    "history_since": {"type": "str"},
    "history_until": {"type": "str"},
    "pipeline_keep_lease": {"type": "bool"},
    "reap_state_url": {"type": "str", "no_log": True},
    "reap_gone_owners": {"type": "list", "elements": "str"},
    "reap_living_owners": {"type": "list", "elements": "str"},
    "reap_living_tasks": {"type": "str"},
    "reap_cleanup_tasks": {"type": "str"},
    "reap_grace": {"type": "float"},
    "schedule_hosts": {"type": "raw"},
    "service_setup_hosts": {"type": "raw"},
}
"""Variables of the playbooks themselves."""

# What the roles and playbooks name for themselves: variables of tasks, facts and results.
INTERNAL = frozenset(
    {
        "balance_again",
        "balance_block",
        "balance_disks_earlier",
        "balance_disks_now",
        "balance_disks_of_run",
        "balance_disk_refusals",
        "balance_disks_refused",
        "balance_earlier",
        "balance_empties_all",
        "balance_digest_later",
        "balance_digest_of",
        "balance_digests",
        "balance_error",
        "balance_exported",
        "balance_exports",
        "balance_failure",
        "balance_is_stale",
        "balance_keeps_files",
        "balance_loaded",
        "balance_lock_of_run",
        "balance_migrated",
        "balance_missing",
        "balance_moved_earlier",
        "balance_newly_refused",
        "balance_plan_moves",
        "balance_no_plan",
        "balance_not_started",
        "balance_not_left",
        "balance_not_empty",
        "balance_not_emptied",
        "balance_notified",
        "balance_notifies",
        "balance_page",
        "balance_page_lines",
        "balance_page_url",
        "balance_partial_option",
        "balance_past",
        "balance_plan_used",
        "balance_planned",
        "balance_ran",
        "balance_refusals",
        "balance_refused",
        "balance_report_cluster",
        "balance_report_days",
        "balance_report_notes",
        "balance_report_rounds",
        "balance_report_snapshot",
        "balance_report_snapshot_path",
        "balance_report_title",
        "balance_reported",
        "balance_reports",
        "balance_round",
        "balance_run",
        "balance_run_now",
        "balance_shown",
        "balance_snapshots",
        "balance_storage_used",
        "balance_stay",
        "balance_summaries",
        "balance_summary",
        "balance_to_empty",
        "balance_unbalanced",
        "balance_unresolved",
        "balance_unshown",
        "evacuate_bad_hosts",
        "evacuate_block",
        "evacuate_by_hand",
        "evacuate_by_hand_only",
        "evacuate_check",
        "evacuate_check_error",
        "evacuate_failure",
        "evacuate_line",
        "evacuate_listed",
        "evacuate_mode",
        "evacuate_no_ha_manager",
        "evacuate_no_ssh",
        "evacuate_page_lines",
        "evacuate_planned",
        "evacuate_refusal",
        "evacuate_report",
        "evacuate_returned",
        "evacuate_returning",
        "evacuate_ssh",
        "evacuate_ssh_problem",
        "evacuate_ssh_said",
        "evacuate_stays",
        "evacuate_switched",
        "evacuate_this",
        "host_load_by_address",
        "host_load_hosts",
        "host_load_inventory_name",
        "host_load_known",
        "host_load_measured",
        "host_load_measured_by_id",
        "host_load_merged",
        "host_load_target",
        "lease_answer",
        "lease_env_file",
        "lease_failure",
        "lease_file_line",
        "lease_got",
        "lease_leased",
        "notify_sent",
        "place_all",
        "place_by_name",
        "place_causes",
        "place_checks_left",
        "place_chosen",
        "place_differences",
        "place_existing",
        "place_failure",
        "place_failures",
        "place_found",
        "place_located",
        "place_of",
        "place_message",
        "place_misplaced",
        "place_names_policies",
        "place_new",
        "place_page_lines",
        "place_page_url",
        "place_read",
        "place_report_causes",
        "place_report_error",
        "place_report_host",
        "place_report_late",
        "place_reported",
        "place_result",
        "place_room",
        "place_same",
        "place_tasks_absolute",
        "place_tasks_file",
        "place_tasks_here",
        "place_tasks_problem",
        "place_twice",
        "place_vm",
        "place_why",
        "place_would_create",
        "report_error",
        "report_failure",
        "report_lines",
        "schedule_done",
        "service_setup_done",
    }
)
# A file that two clusters write holds only the second one.
FILES = (
    "balance_journal_path",
    "balance_outcome_path",
    "balance_plan_path",
    "balance_report_path",
    "balance_snapshot_path",
    "evacuate_report_path",
    "place_snapshot_path",
    "report_path",
)
WRITTEN = (*FILES, "lease_env_path", "place_answer_path", "place_report_path")
# Where runs are reported.
REPORTS = ("balance_notify", "balance_pushgateway", "balance_textfile_path")
# Modules make the folders of their files; this one is written by ansible.builtin.copy.
_WITHOUT_FOLDERS = ("lease_env_path",)
_MISSING = "missing required arguments: "
_KINDS: Mapping[str, str] = {
    "bool": "true or false",
    "dict": "a dictionary",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "path": "a path",
    "str": "a text",
}
_MAX_NAMED = 4


def specs_of(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """The options of the entry points `main` below the folder with the roles, by role."""
    found = {}
    for role in PREFIXES:
        text = (folder / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
        found[role] = yaml_load(text)["argument_specs"]["main"]["options"]
    return found


def refuse_strangers(
    role: str, specs: Mapping[str, Mapping[str, Any]], names: Iterable[str], own: Container[str]
) -> None:
    """Raises InputError for a name with a prefix of the role that no role or playbook has; `own` are names of
    facts and results.
    """
    known = {name for options in specs.values() for name in options} | set(OF_PLAYBOOKS)
    strangers = (name for name in sorted(names) if name not in known | INTERNAL and name not in own)
    for name in strangers:
        for prefix in filter(name.startswith, PREFIXES[role]):
            # What all of them begin with would make any two of them alike.
            ends = {one.removeprefix(prefix): one for one in sorted(known) if one.startswith(prefix)}
            near = ends.get(nearest(name.removeprefix(prefix), ends) or "")
            raise InputError(
                name,
                name,
                "a variable of a role",
                statement=f" is not a variable of the role {role}",
                hint=f"Did you mean {near}?" if near else "Remove or rename it",
            )


def refuse_values(role: str, options: Mapping[str, Any], values: Mapping[str, Any], inside: str = "") -> None:
    """Raises InputError for required variables that are not set, for values that are not possible, and for
    unknown keys; `inside` is the path of the dictionary that the values are in.
    """
    parent = f"{inside}." if inside else ""
    unknown = sorted(map(str, set(values) - set(options))) if inside else []
    if unknown:
        near = nearest(unknown[0], sorted(options))
        raise InputError(
            f"{parent}{unknown[0]}",
            unknown[0],
            "a key",
            statement=f" is not a key of {inside}",
            hint=(f"Did you mean {near}? " if near else "") + f"Its keys: {', '.join(sorted(options))}",
        )
    # Ansible's own check of what is inside of a dictionary takes for granted that it is one.
    flat = {name: {**option, "options": None} for name, option in options.items()}
    checked = ArgumentSpecValidator(flat).validate(dict(values))
    if checked.error_messages:
        raise _wrong(role, options, values, checked.error_messages[0].rstrip("."), parent)
    for name, option in options.items():
        value = checked.validated_parameters.get(name)
        if option.get("options") and value is not None:
            for index, item in enumerate(value if isinstance(value, list) else [value]):
                at = f"{parent}{name}[{index}]" if isinstance(value, list) else f"{parent}{name}"
                refuse_values(role, option["options"], item, at)


def _wrong(
    role: str, options: Mapping[str, Any], values: Mapping[str, Any], message: str, parent: str
) -> InputError:
    """The error for what Ansible says of the first value that it does not accept."""
    if message.startswith(_MISSING):
        names = ", ".join(f"{parent}{name}" for name in message.removeprefix(_MISSING).split(", "))
        hint = "" if parent else "Set it for the cluster in the inventory, or with -e"
        verb = "are" if "," in names else "is"
        return InputError(names, None, "set", statement=f" {verb} required by the role {role}", hint=hint)
    for name, option in options.items():
        if name not in values:
            continue
        if message.startswith(f"value of {name} must be"):
            near = nearest(str(values[name]), map(str, option["choices"]))
            expected = f"one of: {', '.join(map(str, option['choices']))}"
            return _refused(
                option, parent + name, values[name], expected, f"Did you mean {near}?" if near else ""
            )
        if re.match(rf"argument '{name}' is of type", message):
            return _refused(option, parent + name, values[name], _KINDS[option.get("type", "str")])
        if re.match(rf"Elements value for option '{name}' is of type", message):
            each = _KINDS[option["elements"]]
            return _refused(option, parent + name, values[name], f"a list of which each entry is {each}")
    return InputError(f"role {role}", None, "possible", statement=f": {message}")


def _refused(
    option: Mapping[str, Any], path: str, value: object, expected: str, hint: str = ""
) -> InputError:
    """The error, without the value where it may hold a secret."""
    hidden = option.get("no_log") or isinstance(value, (dict, list))
    return InputError(path, value, expected, hint=hint, statement=f" is not {expected}" if hidden else "")


def users_of_files(files: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, list[str]]]:
    """The clusters that use a file, by variable and path; `files` are those of each cluster by variable."""
    found: dict[str, dict[str, list[str]]] = {}
    for cluster, own in files.items():
        for name, path in own.items():
            if isinstance(path, str) and path:
                found.setdefault(name, {}).setdefault(os.path.realpath(path), []).append(cluster)
    return found


def refuse_shared_files(
    cluster: str, own: Mapping[str, object], users: Mapping[str, Mapping[str, Sequence[str]]]
) -> None:
    """Raises InputError when another cluster uses a file of this one; `users` by `users_of_files`."""
    for name, path in own.items():
        if not isinstance(path, str) or not path:
            continue
        same = [user for user in users.get(name, {}).get(os.path.realpath(path), ()) if user != cluster]
        if same:
            raise InputError(
                name,
                path,
                "a file of one cluster",
                statement=f" is {path} for {listed(same, _MAX_NAMED)} too,"
                " and each cluster needs a file of its own",
                hint=f'Use the name of the cluster in it: {name}: "{_example(path)}"',
            )


def _example(path: str) -> str:
    stem, dot = os.path.splitext(os.path.basename(path))
    return os.path.join(os.path.dirname(path), f"{stem}-{{{{ inventory_hostname }}}}{dot}")


def refuse_unwritable_files(values: Mapping[str, Any], *, plans: bool) -> None:
    """Raises FileError for a file that the role could not write later, but for plans that are only read."""
    for name in WRITTEN:
        path = values.get(name)
        if isinstance(path, str) and path and (plans or name != "balance_plan_path"):
            require_writable(path, name, folders=name not in _WITHOUT_FOLDERS)


def files_of(values: Mapping[str, Any], resolve: Callable[[Any], Any]) -> Mapping[str, object]:
    """The values of FILES that are set, resolved."""
    return {name: resolve(values[name]) for name in FILES if name in values}
