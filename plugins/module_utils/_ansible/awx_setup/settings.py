# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables file of awx_setup as typed data. Everything in it is checked before the first request."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..._model.errors import InputError
from .files import BUILT_IN_TYPES, CHECK, RUN, Files
from .notifications import Notification, notification
from .rrule import check_rrule
from .section import Section, meant

WORKFLOW = "workflow"
# What AWX itself gives to a job, for a run of this playbook as a job.
_FROM_AWX = re.compile(
    r"awx_(job|user|schedule|workflow_job|parent_job|inventory)_\w+|awx_project_(revision|scm_branch)"
    r"|awx_(execution_node|webhook_\w+)"
)
_PULL = ("always", "missing", "never")
CheckVars = Callable[[str, Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Project:
    name: str
    existing: bool
    scm_url: str
    scm_branch: str
    credential: str
    folder: str
    update_on_launch: bool


@dataclass(frozen=True, slots=True)
class Environment:
    name: str
    existing: bool
    image: str
    pull: str
    credential: str


@dataclass(frozen=True, slots=True)
class Credential:
    path: str
    name: str
    type: str
    existing: bool
    inputs: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Inventory:
    name: str
    existing: bool
    source_path: str
    variables: Mapping[str, object]
    update_on_launch: bool
    cache_timeout: int


@dataclass(frozen=True, slots=True)
class Template:
    key: str
    name: str
    extra_vars: Mapping[str, object]
    credentials: tuple[str, ...]
    limit: str
    forks: int
    timeout: int
    verbosity: int
    slices: int
    survey: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Workflow:
    name: str
    approval_timeout: int


@dataclass(frozen=True, slots=True)
class Schedule:
    path: str
    name: str
    template: str
    rrule: str
    enabled: bool
    extra_vars: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Settings:
    state: str
    adopt: bool
    update_secrets: bool
    name: str
    organization: str
    project: Project
    environment: Environment | None
    credentials: tuple[Credential, ...] | None
    inventory: Inventory
    templates: tuple[Template, ...]
    workflow: Workflow | None
    schedules: tuple[Schedule, ...]
    notifications: tuple[Notification, ...] | None


def read_settings(values: Mapping[str, object], files: Files, check_vars: CheckVars) -> Settings:
    """Returns the settings, or raises InputError with the field, its value and what was expected."""
    top = Section("", {key: value for key, value in values.items() if not _FROM_AWX.fullmatch(key)})
    top.text("awx_host")
    if top.has("awx_token") and not isinstance(values["awx_token"], str):
        raise InputError("awx_token", None, "a text", statement=" is not a text")
    top.whole("awx_request_timeout", None, 1)
    top.flag("awx_validate_certs", True)
    state = top.choice("awx_state", ("present", "absent"), "present")
    adopt, update_secrets = top.flag("awx_adopt", False), top.flag("awx_update_secrets", False)
    name, organization = top.name("awx_name", "Even Keel"), top.name("awx_organization", "Even Keel")
    project = _project(top.section("awx_project"), name)
    environment = None
    if top.has("awx_execution_environment"):
        environment = _environment(top.section("awx_execution_environment"), name)
    credentials = None
    if top.has("awx_credentials"):
        credentials = tuple(top.entries("awx_credentials", lambda entry: _credential(entry, files)))
        _distinct([(entry.path, entry.name) for entry in credentials])
    inventory = _inventory(top.section("awx_inventory"), name)
    templates = _templates(top, name, credentials or (), files, check_vars)
    workflow = _workflow(top, name, [template.key for template in templates])
    targets = [*(template.key for template in templates), *([WORKFLOW] if workflow else [])]
    schedules = tuple(
        top.entries("awx_schedules", lambda entry: _schedule(entry, name, targets, templates, check_vars))
    )
    _distinct([(entry.path, entry.name) for entry in schedules])
    notifications = None
    if top.has("awx_notifications"):
        notifications = tuple(
            top.entries("awx_notifications", lambda entry: notification(entry, name, targets, WORKFLOW))
        )
        _distinct([(entry.path, entry.name) for entry in notifications])
    top.end()
    settings = Settings(
        state,
        adopt,
        update_secrets,
        name,
        organization,
        project,
        environment,
        credentials,
        inventory,
        templates,
        workflow,
        schedules,
        notifications,
    )
    _distinct(runnable_names(settings))
    return settings


def runnable_names(settings: Settings) -> list[tuple[str, str]]:
    """Returns what AWX looks up among all that can be run: where it is in the file, and its name."""
    names = [("awx_project.name", settings.project.name)]
    if settings.inventory.source_path:
        names.append(("awx_inventory.name", source_name(settings.inventory)))
    names += [(f"awx_templates.{template.key}.name", template.name) for template in settings.templates]
    if settings.workflow:
        names.append(("awx_workflow.name", settings.workflow.name))
    return names


def source_name(inventory: Inventory) -> str:
    return f"{inventory.name}: {inventory.source_path}".replace(",", " ")


def _distinct(names: Sequence[tuple[str, str]]) -> None:
    first: dict[str, str] = {}
    for path, name in names:
        if name in first:
            path = path if path.endswith(".name") else f"{path}.name"
            raise InputError(path, name, f"different from the name of {first[name].removesuffix('.name')}")
        first[name] = path


def _project(section: Section, name: str) -> Project:
    existing = section.flag("existing", False)
    if not section.values:
        hint = "Set scm_url to the repository with the playbooks, or name a project with existing: true"
        raise InputError.required("awx_project", hint=hint)
    folder = section.text("folder").strip("/")
    if ".." in folder.split("/"):
        raise InputError(section.at("folder"), folder, "a folder inside the project")
    url = section.text("scm_url")
    if existing and url:
        raise InputError.conflict(section.at("scm_url"), section.at("existing"))
    if not existing and not url:
        hint = "An existing project needs existing: true instead"
        raise InputError.required(section.at("scm_url"), expected="the URL of a git repository", hint=hint)
    if url and not re.fullmatch(r"(https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+", url):
        expected = "the URL of a git repository, such as https://… or git@host:path"
        raise InputError(section.at("scm_url"), url, expected)
    if re.match(r"\w+://[^/@]*:[^/@]*@", url):
        raise InputError(
            section.at("scm_url"),
            None,
            "a URL without a password",
            statement=" contains a password",
            hint="Name a credential of AWX in awx_project.credential instead",
        )
    project = Project(
        section.name("name", name),
        existing,
        url,
        section.text("scm_branch"),
        section.name("credential") if section.has("credential") else "",
        folder,
        section.flag("update_on_launch", False),
    )
    section.end()
    return project


def _environment(section: Section, name: str) -> Environment:
    existing, image = section.flag("existing", False), section.text("image")
    if existing and image:
        raise InputError.conflict(section.at("image"), section.at("existing"))
    if not existing and not image:
        raise InputError.required(section.at("image"), expected="the name of a container image")
    found = Environment(
        section.name("name", name),
        existing,
        image,
        section.choice("pull", _PULL, "missing"),
        section.name("credential") if section.has("credential") else "",
    )
    section.end()
    return found


def _credential(section: Section, files: Files) -> Credential:
    kind = section.choice("type", sorted([*files.credential_types, *BUILT_IN_TYPES]))
    inputs, existing = section.mapping("inputs"), section.flag("existing", False)
    known, required = files.inputs_of(kind)
    if existing and inputs:
        raise InputError.conflict(section.at("inputs"), section.at("existing"))
    at = section.at("inputs")
    for key, value in inputs.items():
        if key not in known:
            hint = meant(key, known, "") or f"Known: {', '.join(known)}"
            statement = f" is not an input of type {kind}"
            raise InputError(f"{at}.{key}", key, "known", statement=statement, hint=hint)
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise InputError(f"{at}.{key}", None, "a text", statement=" is not a text")
    for key in required:
        if not existing and inputs.get(key) in (None, ""):
            raise InputError.required(f"{at}.{key}", when=f"type is {kind}")
    texts = {key: str(value) for key, value in inputs.items() if value not in (None, "")}
    return Credential(section.path, section.name("name"), kind, existing, texts)


def _inventory(section: Section, name: str) -> Inventory:
    if not section.values:
        hint = "Set source_path to an inventory file of the project, or name an inventory with existing: true"
        raise InputError.required("awx_inventory", hint=hint)
    existing, path = section.flag("existing", False), section.text("source_path")
    for key in ("source_path", "variables", "update_on_launch", "cache_timeout"):
        if existing and section.has(key):
            raise InputError.conflict(section.at(key), section.at("existing"))
    if not existing and not path:
        expected = "an inventory file of the project, such as vcenter.evenkeel.yml"
        raise InputError.required(section.at("source_path"), expected=expected)
    if path and not re.search(r"evenkeel\.ya?ml$", path):
        expected = "a file of the inventory plugin evenkeel.cluster.clusters, whose name ends in evenkeel.yml"
        raise InputError(section.at("source_path"), path, expected)
    found = Inventory(
        section.name("name", name),
        existing,
        path,
        section.mapping("variables"),
        section.flag("update_on_launch", True),
        section.whole("cache_timeout", 0, 0) or 0,
    )
    section.end()
    return found


def _templates(
    top: Section, name: str, credentials: Sequence[Credential], files: Files, check_vars: CheckVars
) -> tuple[Template, ...]:
    given = top.section("awx_templates")
    found = [
        _template(key, given, name, credentials, files, check_vars)
        for key in files.job_templates
        if not given.has(key) or given.values[key] is not False
    ]
    given.end()
    if not found:
        raise InputError("awx_templates", None, "at least one template", statement=" disables all templates")
    return tuple(found)


def _template(
    key: str,
    given: Section,
    name: str,
    credentials: Sequence[Credential],
    files: Files,
    check_vars: CheckVars,
) -> Template:
    section = given.section(key) if given.values.get(key) is not True else Section(given.at(key), {})
    # The workflow runs what the check has shown: both have the same variables.
    shared = given.section(RUN) if key == CHECK and isinstance(given.values.get(RUN), Mapping) else None
    source = shared if shared is not None and not section.has("extra_vars") else section
    extra_vars = source.mapping("extra_vars")
    check_vars(source.at("extra_vars"), extra_vars)
    names = section.words("credentials", [one.name for one in credentials], [one.name for one in credentials])
    used = [one for one in credentials if one.name in names]
    for kind, count in Counter(one.type for one in used).items():
        if count > 1:
            same = ", ".join(one.name for one in used if one.type == kind)
            raise InputError(
                section.at("credentials"),
                names,
                "one credential of each type",
                statement=f": {count} credentials are of type {kind} ({same})",
                hint="A job template of AWX takes one of each type. Choose one, or use a variables file "
                "with another awx_name for each",
            )
    template = Template(
        key,
        section.name("name", f"{name}: {files.job_templates[key]['name']}"),
        extra_vars,
        tuple(names),
        section.text("limit"),
        section.whole("forks", 0, 0) or 0,
        section.whole("timeout", 0, 0) or 0,
        section.whole("verbosity", 0, 0, 5) or 0,
        section.whole("slices", 1, 1) or 1,
        files.survey(key, extra_vars) if section.flag("survey", True) else None,
    )
    section.end()
    return template


def _workflow(top: Section, name: str, keys: Sequence[str]) -> Workflow | None:
    if top.has("awx_workflow") and top.values["awx_workflow"] is False:
        return None
    usual = top.values.get("awx_workflow") is True
    section = Section("awx_workflow", {}) if usual else top.section("awx_workflow")
    missing = [key for key in (CHECK, RUN) if key not in keys]
    if missing:
        if not top.has("awx_workflow"):
            return None
        raise InputError(
            "awx_workflow",
            None,
            "possible",
            statement=f" needs awx_templates.{missing[0]}, which is false",
            hint="Set awx_workflow: false, too",
        )
    found = Workflow(
        section.name("name", f"{name}: Check and balance"), section.whole("approval_timeout", 0, 0) or 0
    )
    section.end()
    return found


def _schedule(
    section: Section,
    name: str,
    targets: Sequence[str],
    templates: Sequence[Template],
    check_vars: CheckVars,
) -> Schedule:
    target = section.choice("template", targets)
    rrule = section.required("rrule", "a rule such as DTSTART:20300101T020000Z RRULE:FREQ=DAILY;INTERVAL=1")
    check_rrule(section.at("rrule"), rrule)
    extra_vars = section.mapping("extra_vars")
    check_vars(section.at("extra_vars"), extra_vars)
    key = RUN if target == WORKFLOW else target
    survey = next((template.survey for template in templates if template.key == key), None)
    answers = _answers(section.at("extra_vars"), survey, extra_vars)
    title = section.name("name") if section.has("name") else f"{name}: {target}"
    extra_data = {**answers, **extra_vars}
    return Schedule(section.path, title, target, rrule, section.flag("enabled", True), extra_data)


def _answers(path: str, survey: Mapping[str, Any] | None, given: Mapping[str, object]) -> dict[str, object]:
    """AWX starts a schedule only if it answers every required question, those with a default too."""
    answers = {}
    for question in survey["spec"] if survey else []:
        variable = question["variable"]
        if variable in given or not question["required"]:
            continue
        if question.get("default", "") == "":
            hint = "It is a question of the template's survey, and nobody answers a schedule"
            raise InputError.required(f"{path}.{variable}", hint=hint)
        answers[variable] = question["default"]
    return answers
