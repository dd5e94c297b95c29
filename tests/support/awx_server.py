# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server with the endpoints of AWX that the playbook awx_setup uses, over HTTP.

It knows the published fields of each endpoint with their types, defaults and choices, which are required and
which are read-only, related objects, associations, surveys, approvals, pages, filters, and what AWX refuses.
In one thing it is stricter than AWX, which ignores unknown fields: this server answers 400. Jobs are not run.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

TOKEN = "token-of-the-tests"
Object = dict[str, Any]
SECRET = "$encrypted$"
_PROMPTS = """
    scm_branch:text? job_type:text? job_tags:text? skip_tags:text? limit:text? diff_mode:bool?
    verbosity:int? execution_environment:>execution_environments? forks:int? job_slice_count:int?
    timeout:int? inventory:>inventories? extra_data:dict
"""
_ASKED = """
    scm_branch diff_mode variables limit tags skip_tags job_type verbosity inventory credential
    execution_environment labels forks job_slice_count timeout instance_groups
"""
_ASKS = " ".join(f"ask_{name}_on_launch:bool" for name in _ASKED.split())
_STATUS = "last_job_run:text?- last_job_failed:bool- next_job_run:text?- status:text-"
# NAME:TYPE and marks: ! required, ? may be null, - read-only, =VALUE default, >ENDPOINT an id, a|b choices.
FIELDS: Mapping[str, str] = {
    "organizations": """
        name:text! description:text max_hosts:int custom_virtualenv:text?-
        default_environment:>execution_environments?
    """,
    "execution_environments": """
        name:text! description:text organization:>organizations? image:text! managed:bool-
        credential:>credentials? pull:|always|missing|never
    """,
    "credential_types": """
        name:text! description:text
        kind:ssh|vault|net|scm|cloud|registry|token|insights|external|kubernetes|galaxy|cryptography!
        namespace:text?- managed:bool- inputs:dict injectors:dict
    """,
    "credentials": """
        name:text! description:text organization:>organizations? credential_type:>credential_types!
        managed:bool- inputs:dict kind:text- cloud:bool- kubernetes:bool- user:>users? team:>teams?
    """,
    "projects": f"""
        name:text! description:text organization:>organizations? local_path:text
        scm_type:|git|svn|insights|archive scm_url:text scm_branch:text scm_refspec:text
        scm_clean:bool scm_track_submodules:bool scm_delete_on_update:bool credential:>credentials?
        timeout:int scm_revision:text- scm_update_on_launch:bool scm_update_cache_timeout:int
        allow_override:bool custom_virtualenv:text?- default_environment:>execution_environments?
        signature_validation_credential:>credentials? {_STATUS}
    """,
    "inventories": """
        name:text! description:text organization:>organizations! kind:|smart|constructed
        host_filter:text? variables:text has_active_failures:bool- total_hosts:int-
        total_groups:int- pending_deletion:bool- prevent_instance_group_fallback:bool
    """,
    "inventory_sources": f"""
        name:text! description:text inventory:>inventories!
        source:|file|constructed|scm|ec2|gce|azure_rm|vmware|satellite6|openstack|rhv|controller|insights|terraform|openshift_virtualization
        source_path:text source_vars:text scm_branch:text credential:>credentials? enabled_var:text
        enabled_value:text host_filter:text overwrite:bool overwrite_vars:bool
        custom_virtualenv:text?- timeout:int verbosity:int=1 limit:text update_on_launch:bool
        update_cache_timeout:int source_project:>projects?
        execution_environment:>execution_environments? {_STATUS}
    """,
    "notification_templates": """
        name:text! description:text organization:>organizations!
        notification_type:awssns|email|grafana|irc|mattermost|pagerduty|rocketchat|slack|twilio|webhook!
        notification_configuration:dict messages:dict?
    """,
    "job_templates": f"""
        name:text! description:text job_type:run|check inventory:>inventories? project:>projects?
        playbook:text scm_branch:text forks:int limit:text verbosity:int extra_vars:text
        job_tags:text force_handlers:bool skip_tags:text start_at_task:text timeout:int
        use_fact_cache:bool organization:>organizations?- host_config_key:text survey_enabled:bool
        become_enabled:bool diff_mode:bool allow_simultaneous:bool custom_virtualenv:text?-
        job_slice_count:int=1 webhook_service:|github|gitlab webhook_credential:>credentials?
        prevent_instance_group_fallback:bool execution_environment:>execution_environments? {_ASKS}
        {_STATUS}
    """,
    "workflow_job_templates": f"""
        name:text! description:text extra_vars:text organization:>organizations? survey_enabled:bool
        allow_simultaneous:bool ask_variables_on_launch:bool inventory:>inventories? limit:text?
        scm_branch:text? ask_inventory_on_launch:bool ask_scm_branch_on_launch:bool
        ask_limit_on_launch:bool webhook_service:|github|gitlab webhook_credential:>credentials?
        ask_labels_on_launch:bool ask_skip_tags_on_launch:bool ask_tags_on_launch:bool
        skip_tags:text? job_tags:text? {_STATUS}
    """,
    "workflow_job_template_nodes": f"""
        type:text- workflow_job_template:>workflow_job_templates!
        unified_job_template:>unified_job_templates? all_parents_must_converge:bool identifier:text
        success_nodes:dict- failure_nodes:dict- always_nodes:dict- {_PROMPTS}
    """,
    "workflow_approval_templates": f"""
        name:text! description:text timeout:int {_STATUS}
    """,
    "schedules": f"""
        name:text! description:text unified_job_template:>unified_job_templates! enabled:bool=true
        rrule:text! dtstart:text?- dtend:text?- next_run:text?- timezone:text- until:text-
        {_PROMPTS}
    """,
    "teams": """
        name:text! description:text organization:>organizations!
    """,
    "users": """
        username:text! is_superuser:bool
    """,
}
_NOTIFIED = (
    "notification_templates_started",
    "notification_templates_success",
    "notification_templates_error",
)
# Associations of an endpoint, and of what.
ASSOCIATIONS: Mapping[str, Mapping[str, str]] = {
    "organizations": {"users": "users"},
    "projects": dict.fromkeys(_NOTIFIED, "notification_templates"),
    "inventory_sources": dict.fromkeys(_NOTIFIED, "notification_templates"),
    "job_templates": {"credentials": "credentials", **dict.fromkeys(_NOTIFIED, "notification_templates")},
    "workflow_job_templates": dict.fromkeys(
        (*_NOTIFIED, "notification_templates_approvals"), "notification_templates"
    ),
    "workflow_job_template_nodes": {
        "credentials": "credentials",
        **dict.fromkeys(("success_nodes", "failure_nodes", "always_nodes"), "workflow_job_template_nodes"),
    },
    "schedules": {"credentials": "credentials"},
}
RUNNABLE = ("projects", "inventory_sources", "job_templates", "workflow_job_templates")
_UNIQUE: Mapping[str, tuple[str, ...]] = {
    "credentials": ("organization", "name", "credential_type"),
    "credential_types": ("name", "kind"),
    "inventory_sources": ("inventory", "name"),
    "schedules": ("unified_job_template", "name"),
    "workflow_job_template_nodes": ("workflow_job_template", "identifier"),
    "organizations": ("name",),
    "workflow_approval_templates": ("id",),
    "users": ("username",),
}
# What cannot be changed after the creation; AWX ignores it.
_FIXED = {"inventory_sources": ("inventory",), "workflow_job_template_nodes": ("workflow_job_template",)}
NOTIFICATIONS: Mapping[str, Mapping[str, tuple[type, Any]]] = {
    "email": {
        "host": (str, ...),
        "port": (int, ...),
        "username": (str, ...),
        "password": (str, ...),
        "use_tls": (bool, ...),
        "use_ssl": (bool, ...),
        "sender": (str, ...),
        "recipients": (list, ...),
        "timeout": (int, 30),
    },
    "mattermost": {"mattermost_url": (str, ...), "mattermost_no_verify_ssl": (bool, ...)},
    "pagerduty": {
        "subdomain": (str, ...),
        "token": (str, ...),
        "service_key": (str, ...),
        "client_name": (str, ...),
    },
    "rocketchat": {"rocketchat_url": (str, ...), "rocketchat_no_verify_ssl": (bool, ...)},
    "slack": {"token": (str, ...), "channels": (list, ...)},
    "webhook": {
        "url": (str, ...),
        "http_method": (str, "POST"),
        "disable_ssl_verification": (bool, False),
        "username": (str, ""),
        "password": (str, ""),
        "headers": (dict, ...),
    },
}
_PASSWORDS = ("password", "token")
_KINDS: Mapping[str, tuple[type, Any]] = {
    "text": (str, ""),
    "bool": (bool, False),
    "int": (int, 0),
    "dict": (dict, {}),
}


class Refused(Exception):
    """An answer of 400 or another error."""

    def __init__(self, answer: object, status: int = 400) -> None:
        self.answer, self.status = answer, status
        super().__init__(str(answer))


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    required: bool
    null: bool
    read_only: bool
    default: Any
    choices: tuple[str, ...]
    to: str

    @classmethod
    def parse(cls, word: str) -> Field:
        name, rest = word.split(":", 1)
        rest, _, default = rest.partition("=")
        marks = rest[len(rest.rstrip("!?-")) :]
        kind = rest.rstrip("!?-")
        choices = tuple(kind.split("|")) if "|" in kind else ()
        to = kind.removeprefix(">") if kind.startswith(">") else ""
        value: Any = None
        if "?" not in marks and not to:
            value = choices[0] if choices else _KINDS[kind][1]
        if default:
            value = json.loads(default)
        return cls(name, kind, "!" in marks, "?" in marks, "-" in marks, value, choices, to)

    def check(self, value: Any, exists: Callable[[str, Any], bool]) -> None:
        if value is None:
            if self.null:
                return
            raise Refused({self.name: ["This field may not be null."]})
        if self.to:
            if isinstance(value, bool) or not isinstance(value, int) or not exists(self.to, value):
                raise Refused({self.name: [f'Invalid pk "{value}" - object does not exist.']})
        elif self.choices:
            if value not in self.choices:
                raise Refused({self.name: [f'"{value}" is not a valid choice.']})
        elif not isinstance(value, _KINDS[self.kind][0]) or (self.kind == "int" and isinstance(value, bool)):
            raise Refused({self.name: [f"Not a valid {self.kind}."]})
        elif self.required and value == "":
            raise Refused({self.name: ["This field may not be blank."]})


TABLE: Mapping[str, Mapping[str, Field]] = {
    endpoint: {one.name: one for one in map(Field.parse, words.split())} for endpoint, words in FIELDS.items()
}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass
class Awx:
    """What the server has. `repositories` are the playbooks of each URL."""

    repositories: Mapping[str, list[str]]
    page_size: int = 3
    objects: dict[str, dict[int, Object]] = field(default_factory=lambda: {name: {} for name in FIELDS})
    surveys: dict[tuple[str, int], Object] = field(default_factory=dict)
    links: dict[tuple[str, int, str], list[int]] = field(default_factory=dict)
    updates: dict[int, str] = field(default_factory=dict)
    secrets: dict[tuple[str, int], Object] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    deleting: dict[int, int] = field(default_factory=dict)
    _last: int = 10

    def __post_init__(self) -> None:
        fields = [{"id": name, "type": "string"} for name in ("host", "username")]
        inputs = {"fields": [*fields, {"id": "password", "type": "string", "secret": True}]}
        self.add("credential_types", name="VMware vCenter", kind="cloud", inputs=inputs, managed=True)

    # What tests look at and change behind the playbook's back.

    def add(self, endpoint: str, **values: Any) -> Object:
        self._last += 1
        defaults = {one.name: json.loads(json.dumps(one.default)) for one in TABLE[endpoint].values()}
        made: Object = {**defaults, **values, "id": self._last}
        if endpoint == "workflow_job_template_nodes":
            made["identifier"] = made["identifier"] or f"node-{self._last}"
        self.objects[endpoint][self._last] = made
        return made

    def named(self, endpoint: str, name: str) -> Object:
        key = "identifier" if endpoint == "workflow_job_template_nodes" else "name"
        return next(one for one in self.objects[endpoint].values() if one[key] == name)

    def names(self, endpoint: str) -> list[str]:
        key = "identifier" if endpoint == "workflow_job_template_nodes" else "name"
        return sorted(one[key] for one in self.objects[endpoint].values())

    def linked(self, endpoint: str, name: str, association: str) -> list[str]:
        found = self.links.get((endpoint, self.named(endpoint, name)["id"], association), [])
        to = ASSOCIATIONS[endpoint][association]
        return sorted(
            self.objects[to][one].get("name") or self.objects[to][one]["identifier"] for one in found
        )

    def writes(self) -> list[Request]:
        return [one for one in self.requests if one.writes]

    # What it answers.

    def answer(self, method: str, path: str, query: list[tuple[str, str]], body: Any) -> tuple[int, Any]:
        words = path.removeprefix("/api/v2/").strip("/").split("/")
        self._delete_inventories()
        if words[0] == "project_updates":
            number = int(words[1])
            answer = {"id": number, "type": "project_update", "status": self.updates[number], "failed": False}
            self.updates[number] = "successful"
            return 200, answer
        if words == ["me"]:
            me = {"id": 1, "type": "user", "username": "admin", "is_superuser": True}
            return 200, {"count": 1, "next": None, "previous": None, "results": [me]}
        endpoint = words[0]
        if endpoint not in TABLE and endpoint != "unified_job_templates":
            raise Refused({"detail": "The requested resource could not be found."}, 404)
        if len(words) == 1:
            return self._list(method, endpoint, query, body)
        one = self._get(endpoint, int(words[1])) if words[1].isdecimal() else None
        if one is None:
            raise Refused({"detail": "Not found."}, 404)
        if len(words) == 2:
            return self._detail(method, endpoint, one, body)
        return self._below(method, endpoint, one, words[2], query, body)

    def _list(self, method: str, endpoint: str, query: list[tuple[str, str]], body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, self._page(endpoint, self._all(endpoint), query)
        if method != "POST" or endpoint in ("unified_job_templates", "workflow_approval_templates", "users"):
            raise Refused({"detail": f'Method "{method}" not allowed.'}, 405)
        return 201, self._create(endpoint, body)

    def _detail(self, method: str, endpoint: str, one: Object, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, self.shown(endpoint, one)
        if method == "PATCH":
            self._update(endpoint, one, body)
            return 200, self.shown(endpoint, one)
        if method == "DELETE":
            return self._delete(endpoint, one)
        raise Refused({"detail": f'Method "{method}" not allowed.'}, 405)

    def _below(
        self, method: str, endpoint: str, one: Object, what: str, query: list[tuple[str, str]], body: Any
    ) -> tuple[int, Any]:
        if what == "survey_spec" and endpoint in ("job_templates", "workflow_job_templates"):
            return self._survey(method, endpoint, one, body)
        if (
            what == "create_approval_template"
            and endpoint == "workflow_job_template_nodes"
            and method == "POST"
        ):
            values = self._checked("workflow_approval_templates", body, {})
            made = self.add("workflow_approval_templates", **values)
            one["unified_job_template"] = made["id"]
            return 201, self.shown("workflow_approval_templates", made)
        to = ASSOCIATIONS.get(endpoint, {}).get(what)
        if to is None:
            raise Refused({"detail": "The requested resource could not be found."}, 404)
        linked = self.links.setdefault((endpoint, one["id"], what), [])
        if method == "GET":
            return 200, self._page(to, [self.objects[to][number] for number in linked], query)
        number = body.get("id") if isinstance(body, dict) else None
        if (
            set(body) - {"id", "disassociate"}
            or not isinstance(number, int)
            or number not in self.objects[to]
        ):
            raise Refused({"msg": '"id" field must be an integer.'})
        if body.get("disassociate"):
            linked.remove(number)
        elif number not in linked:
            self._check_link(endpoint, what, linked, number)
            linked.append(number)
        return 204, None

    def _check_link(self, endpoint: str, what: str, linked: list[int], number: int) -> None:
        if what == "credentials":
            kinds = {self.objects["credentials"][other]["credential_type"] for other in linked}
            kind = self.objects["credentials"][number]["credential_type"]
            if kind in kinds:
                name = self.objects["credential_types"][kind]["name"]
                raise Refused({"error": f"Cannot assign multiple {name} credentials."})

    def _survey(self, method: str, endpoint: str, one: Object, body: Any) -> tuple[int, Any]:
        key = (endpoint, one["id"])
        if method == "GET":
            return 200, self.surveys.get(key, {})
        if method == "DELETE":
            self.surveys.pop(key, None)
            return 200, None
        _check_survey(body)
        self.surveys[key] = body
        return 200, None

    # Objects.

    def _get(self, endpoint: str, number: int) -> Object | None:
        if endpoint == "unified_job_templates":
            return next(
                (self.objects[name][number] for name in RUNNABLE if number in self.objects[name]), None
            )
        return self.objects[endpoint].get(number)

    def _exists(self, endpoint: str, number: Any) -> bool:
        if endpoint == "unified_job_templates":
            places: tuple[str, ...] = (*RUNNABLE, "workflow_approval_templates")
        else:
            places = (endpoint,)
        return any(number in self.objects[place] for place in places)

    def _place(self, number: int) -> str:
        return next(
            name for name in (*RUNNABLE, "workflow_approval_templates") if number in self.objects[name]
        )

    def _all(self, endpoint: str) -> list[Object]:
        places = RUNNABLE if endpoint == "unified_job_templates" else (endpoint,)
        return [one for place in places for one in self.objects[place].values()]

    def _checked(self, endpoint: str, body: Any, before: Object) -> Object:
        fields = TABLE[endpoint]
        if not isinstance(body, dict):
            raise Refused({"detail": "JSON object expected"})
        strangers = sorted(set(body) - set(fields))
        if strangers:
            raise Refused({name: ["Unknown field."] for name in strangers})
        missing = [name for name, one in fields.items() if one.required and name not in body and not before]
        if missing:
            raise Refused({name: ["This field is required."] for name in missing})
        fixed = _FIXED.get(endpoint, ()) if before else ()
        values = {
            name: value for name, value in body.items() if not fields[name].read_only and name not in fixed
        }
        for name, value in values.items():
            fields[name].check(value, self._exists)
        merged = {**{one.name: one.default for one in fields.values()}, **before, **values}
        check = _CHECKS.get(endpoint)
        if check is not None:
            check(self, merged, values, before)
            values = {name: merged[name] for name in {*values, *_FILLED.get(endpoint, ())}}
        keys = _UNIQUE.get(endpoint, ("organization", "name"))
        for other in self.objects[endpoint].values():
            same = all(other.get(key) == merged.get(key) for key in keys)
            if same and other["id"] != before.get("id"):
                raise Refused({"__all__": [f"{endpoint} with this {', '.join(keys)} already exists."]})
        return values

    def _create(self, endpoint: str, body: Any) -> Object:
        made = self.add(endpoint, **self._checked(endpoint, body, {}))
        self._keep_secrets(endpoint, made, {})
        if endpoint == "projects":
            self._start_update(made)
        return self.shown(endpoint, made)

    def _update(self, endpoint: str, one: Object, body: Any) -> None:
        values = self._checked(endpoint, body, one)
        before = dict(one)
        one.update(values)
        self._keep_secrets(endpoint, one, before)
        if endpoint == "projects" and (one["scm_url"], one["scm_branch"]) != (
            before["scm_url"],
            before["scm_branch"],
        ):
            self._start_update(one)

    def _start_update(self, project: Object) -> None:
        if project["scm_type"]:
            self._last += 1
            self.updates[self._last] = "pending"
            project["current_update"] = self._last

    def _keep_secrets(self, endpoint: str, one: Object, before: Object) -> None:
        name = {"credentials": "inputs", "notification_templates": "notification_configuration"}.get(endpoint)
        if name is None:
            return
        kept = self.secrets.setdefault((endpoint, one["id"]), {})
        shown = {}
        for key, value in one[name].items():
            secret = key in self._secret_names(endpoint, one) and value not in ("", None)
            if secret and value != SECRET:
                kept[key] = value
            shown[key] = SECRET if secret else value
        one[name] = shown

    def _secret_names(self, endpoint: str, one: Object) -> Iterable[str]:
        if endpoint == "notification_templates":
            return _PASSWORDS
        fields = self.objects["credential_types"][one["credential_type"]]["inputs"]["fields"]
        return [entry["id"] for entry in fields if entry.get("secret")]

    def _delete(self, endpoint: str, one: Object) -> tuple[int, Any]:
        if endpoint == "credential_types":
            used = any(
                other["credential_type"] == one["id"] for other in self.objects["credentials"].values()
            )
            if used or one["managed"]:
                raise Refused({"detail": "Credential types that are in use cannot be deleted"}, 403)
        if endpoint == "inventories":
            if one["pending_deletion"]:
                raise Refused({"error": "Inventory is already pending deletion."})
            one["pending_deletion"] = True
            # AWX deletes inventories in the background.
            self.deleting[one["id"]] = 3
            return 202, {}
        self._remove(endpoint, one["id"])
        return 204, None

    def _delete_inventories(self) -> None:
        for number in list(self.deleting):
            self.deleting[number] -= 1
            if self.deleting[number] <= 0:
                del self.deleting[number]
                self._remove("inventories", number)

    def _remove(self, endpoint: str, number: int) -> None:
        """Related objects go, or lose their relation, as in AWX."""
        removed = self.objects[endpoint].pop(number, None)
        if removed is None:
            return
        for key in [key for key in self.links if key[:2] == (endpoint, number)]:
            del self.links[key]
        for (place, _number, what), linked in self.links.items():
            if ASSOCIATIONS[place][what] == endpoint and number in linked:
                linked.remove(number)
        approval = removed.get("unified_job_template")
        if (
            endpoint == "workflow_job_template_nodes"
            and approval in self.objects["workflow_approval_templates"]
        ):
            self._remove("workflow_approval_templates", approval)
        goes = {
            "organizations": ("organization",),
            "inventories": ("inventory_sources.inventory",),
            "projects": ("inventory_sources.source_project", "schedules.unified_job_template"),
            "job_templates": ("schedules.unified_job_template",),
            "inventory_sources": ("schedules.unified_job_template",),
            "workflow_job_templates": (
                "schedules.unified_job_template",
                "workflow_job_template_nodes.workflow_job_template",
            ),
        }.get(endpoint, ())
        for place, found in self.objects.items():
            for other in list(found.values()):
                for one in TABLE[place].values():
                    if one.name not in other or other[one.name] != number or not self._points(one, endpoint):
                        continue
                    if f"{place}.{one.name}" in goes or one.name in goes:
                        self._remove(place, other["id"])
                    else:
                        other[one.name] = None

    def _points(self, one: Field, endpoint: str) -> bool:
        return one.to == endpoint or (one.to == "unified_job_templates" and endpoint in RUNNABLE)

    # What is shown.

    def shown(self, endpoint: str, one: Object) -> Object:
        place = self._place(one["id"]) if endpoint == "unified_job_templates" else endpoint
        url = f"/api/v2/{place}/{one['id']}/"
        related, summary = {}, {}
        answer = {
            name: one[name]
            for name, entry in TABLE[place].items()
            if name in one and name not in ("user", "team")
        }
        for name, entry in TABLE[place].items():
            number = one.get(name)
            if not entry.to or number is None:
                continue
            to = self._place(number) if entry.to == "unified_job_templates" else entry.to
            other = self.objects[to][number]
            related[name] = f"/api/v2/{to}/{number}/"
            summary[name] = {
                "id": number,
                "name": other.get("name", ""),
                "description": other.get("description", ""),
            }
            if entry.to == "unified_job_templates":
                kinds = {"job_templates": "job", "workflow_approval_templates": "workflow_approval"}
                summary[name]["unified_job_type"] = kinds.get(to, to)
        if place == "job_templates":
            project = self.objects["projects"].get(one["project"])
            answer["organization"] = project["organization"] if project else None
        if place in ("job_templates", "workflow_job_templates"):
            related["survey_spec"] = f"{url}survey_spec/"
        if place == "workflow_job_template_nodes":
            for what in ("success_nodes", "failure_nodes", "always_nodes"):
                answer[what] = self.links.get((place, one["id"], what), [])
        if place == "projects" and one.get("current_update"):
            summary["current_update"] = {
                "id": one["current_update"],
                "status": self.updates[one["current_update"]],
            }
            related["update"] = f"{url}update/"
        kind = place.removesuffix("s") if place != "inventories" else "inventory"
        return {
            **answer,
            "id": one["id"],
            "type": kind,
            "url": url,
            "related": related,
            "summary_fields": summary,
        }

    def _page(self, endpoint: str, found: list[Object], query: list[tuple[str, str]]) -> Object:
        asked = dict(query)
        page, size = int(asked.pop("page", 1)), min(int(asked.pop("page_size", self.page_size)), 200)
        shown = [self.shown(endpoint, one) for one in found]
        filters = [(key, value) for key, value in query if key not in ("page", "page_size", "order_by")]
        either = [(key.removeprefix("or__"), value) for key, value in filters if key.startswith("or__")]
        every = [(key, value) for key, value in filters if not key.startswith("or__")]
        places = RUNNABLE if endpoint == "unified_job_templates" else (endpoint,)
        for key, _value in [*either, *every]:
            first = key.split("__")[0]
            if first not in ("id", "type", "name") and not any(first in TABLE[place] for place in places):
                raise Refused({"detail": f"{endpoint} has no field named '{first}'"})
        chosen = [
            one
            for one in shown
            if all(self._fits(endpoint, one, key, value) for key, value in every)
            and (not either or any(self._fits(endpoint, one, key, value) for key, value in either))
        ]
        part = chosen[(page - 1) * size : page * size]
        rest = [(key, value) for key, value in query if key != "page"]
        following = None
        if page * size < len(chosen):
            following = f"/api/v2/{endpoint}/?{urlencode([*rest, ('page', page + 1)])}"
        return {"count": len(chosen), "next": following, "previous": None, "results": part}

    def _fits(self, endpoint: str, one: Object, key: str, value: str) -> bool:
        words = key.split("__")
        lookup = words.pop() if words[-1] in ("in", "icontains", "exact", "startswith") else "exact"
        place = endpoint
        current: Any = one
        for index, word in enumerate(words):
            current = current.get(word) if current else None
            if index < len(words) - 1:
                places = RUNNABLE if place == "unified_job_templates" else (place,)
                entry = next(TABLE[name][word] for name in places if word in TABLE[name])
                place = entry.to
                current = self._get(place, current) if current is not None else None
        text = "" if current is None else str(current)
        return {
            "in": lambda: text in value.split(","),
            "icontains": lambda: value.lower() in text.lower(),
            "startswith": lambda: text.startswith(value),
            "exact": lambda: text == value,
        }[lookup]()


def _check_survey(body: Any) -> None:
    if not isinstance(body, dict) or set(body) != {"name", "description", "spec"} or not body["spec"]:
        raise Refused({"error": "Field 'name', 'description' or 'spec' is missing from survey spec."})
    known = {
        "type",
        "variable",
        "question_name",
        "question_description",
        "required",
        "default",
        "min",
        "max",
        "choices",
    }
    kinds = {
        "text": str,
        "textarea": str,
        "password": str,
        "integer": int,
        "float": float,
        "multiplechoice": str,
    }
    seen = set()
    for index, one in enumerate(body["spec"]):
        if set(one) - known or not {"type", "variable", "question_name", "required"} <= set(one):
            raise Refused(
                {"error": f"survey question {index} lacks a field or has an unknown one: {sorted(one)}"}
            )
        if one["type"] not in kinds or not isinstance(one["required"], bool) or one["variable"] in seen:
            raise Refused({"error": f"survey question {index} is wrong"})
        seen.add(one["variable"])
        if one.get("default", "") != "" and not isinstance(one["default"], kinds[one["type"]]):
            raise Refused({"error": f"Default value {one['default']} in survey question {index}"})
        if one["type"] == "multiplechoice" and one.get("default") not in one["choices"]:
            raise Refused({"error": "Default choice must be answered from the choices listed."})
        if any(not isinstance(one.get(limit), int | None) for limit in ("min", "max")):
            raise Refused({"error": f"The limit in survey question {index} expected to be integer."})


def _check_type(awx: Awx, merged: Object, values: Object, before: Object) -> None:
    if before.get("managed"):
        raise Refused({"detail": "Modifications not allowed for managed credential types"}, 403)
    used = any(one["credential_type"] == before.get("id") for one in awx.objects["credentials"].values())
    if used and merged["inputs"] != before["inputs"]:
        raise Refused(
            {"detail": "Modifications to inputs are not allowed for credential types that are in use"}, 403
        )
    if merged["kind"] not in ("cloud", "net"):
        raise Refused({"kind": [f"Must be 'cloud' or 'net', not {merged['kind']}"]})
    known = {"id", "type", "label", "help_text", "secret", "multiline", "format", "choices", "default"}
    for one in merged["inputs"].get("fields", []):
        wrong = (
            set(one) - known
            or not {"id", "type", "label"} <= set(one)
            or one["type"] not in ("string", "boolean")
        )
        if wrong or (one.get("secret") and "default" in one):
            raise Refused({"inputs": [f"{one} is not valid"]})
    if set(merged["inputs"]) - {"fields", "required"} or set(merged["injectors"]) - {
        "env",
        "file",
        "extra_vars",
    }:
        raise Refused({"inputs": ["Additional properties are not allowed"]})


def _check_credential(awx: Awx, merged: Object, values: Object, before: Object) -> None:
    owners = [name for name in ("organization", "user", "team") if merged.get(name)]
    if len(owners) != 1:
        raise Refused({"detail": "Missing 'user', 'team', or 'organization'."})
    kind = awx.objects["credential_types"][merged["credential_type"]]
    known = {one["id"]: one for one in kind["inputs"].get("fields", [])}
    for name, value in merged["inputs"].items():
        if name not in known:
            raise Refused({"inputs": [f"Additional properties are not allowed ('{name}' was unexpected)"]})
        if not isinstance(value, str) or "REFUSED" in value:
            raise Refused({"inputs": {name: [f"'{value}' is not of type 'string'"]}})
        if value == SECRET and not before:
            raise Refused({"inputs": [f"$encrypted$ is a reserved keyword, and cannot be used for {name}."]})


def _check_project(awx: Awx, merged: Object, values: Object, before: Object) -> None:
    if merged["scm_type"] and not merged["scm_url"]:
        raise Refused({"scm_url": ["SCM URL is required."]})


def _check_source(awx: Awx, merged: Object, values: Object, before: Object) -> None:
    if merged["source"] == "scm" and merged["source_project"] is None:
        raise Refused({"source_project": ["Project required for scm type sources."]})


def _check_job_template(awx: Awx, merged: Object, values: Object, before: Object) -> None:
    project = awx.objects["projects"].get(merged["project"])
    if project is None:
        raise Refused({"project": ["This field is required."]})
    if merged["inventory"] is None and not merged["ask_inventory_on_launch"]:
        raise Refused({"inventory": ["You must either set a default value or ask to prompt on launch."]})
    update = project.get("current_update")
    have = (
        awx.repositories.get(project["scm_url"], []) if update and awx.updates[update] == "successful" else []
    )
    if merged["playbook"] not in have:
        raise Refused({"playbook": ["Playbook not found for project."]})
    _check_variables("extra_vars", merged["extra_vars"])
    merged["organization"] = project["organization"]


def _check_variables(name: str, text: str) -> None:
    if text and not isinstance(json.loads(text), dict):
        raise Refused({name: ["Must be a dictionary."]})


def _check_notification(awx: Awx, merged: Object, values: Object, before: Object) -> None:
    configuration = dict(merged["notification_configuration"])
    errors = []
    for name, (kind, default) in NOTIFICATIONS[merged["notification_type"]].items():
        if name not in configuration and default is not ...:
            configuration[name] = default
        if name not in configuration:
            errors.append(f"Missing required fields for Notification Configuration: {[name]}.")
        elif type(configuration[name]) is not kind:
            errors.append(f"Configuration field '{name}' incorrect type, expected {kind.__name__}.")
        elif kind is list and not configuration[name]:
            errors.append(f"No values specified for field '{name}'")
    if errors:
        raise Refused(errors)
    merged["notification_configuration"] = configuration


def _check_schedule(awx: Awx, merged: Object, values: Object, before: Object) -> None:
    rule = merged["rrule"]
    if (
        not re.search(r"DTSTART(;TZID=[^:]+)?:\d{8}T\d{6}", rule)
        or "RRULE:" not in rule
        or "INTERVAL=" not in rule
    ):
        raise Refused({"rrule": ["Valid DTSTART required in rrule."]})
    number = merged["unified_job_template"]
    place = awx._place(number)
    template = awx.objects[place][number]
    questions = awx.surveys.get((place, number), {}).get("spec", []) if template.get("survey_enabled") else []
    missing = [
        f"'{one['variable']}' value missing"
        for one in questions
        if one["required"] and one["variable"] not in merged["extra_data"]
    ]
    if missing:
        raise Refused({"variables_needed_to_start": missing})
    left = set(merged["extra_data"]) - {one["variable"] for one in questions}
    if left and not template.get("ask_variables_on_launch"):
        raise Refused({"extra_data": [f"Variables {', '.join(sorted(left))} are not allowed on launch."]})


_CHECKS: Mapping[str, Callable[[Awx, Object, Object, Object], None]] = {
    "credential_types": _check_type,
    "credentials": _check_credential,
    "projects": _check_project,
    "inventory_sources": _check_source,
    "job_templates": _check_job_template,
    "notification_templates": _check_notification,
    "schedules": _check_schedule,
}
# What a check fills in.
_FILLED = {"notification_templates": ("notification_configuration",), "job_templates": ("organization",)}


def _handler(awx: Awx, lock: threading.Lock) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Callable[[], None]:
            if not name.startswith("do_"):
                raise AttributeError(name)
            return self._serve

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            parts = urlsplit(self.path)
            path = unquote(parts.path)
            query = parse_qsl(parts.query, keep_blank_values=True)
            with lock:
                try:
                    body = json.loads(text) if text else None
                    awx.requests.append(Request(self.command, self.path, body))
                    status, answer = self._answered(path, query, body)
                except Refused as refused:
                    status, answer = refused.status, refused.answer
            self._send(status, answer)

        def _answered(self, path: str, query: list[tuple[str, str]], body: Any) -> tuple[int, Any]:
            given = self.headers.get("Authorization", "")
            if given != f"Bearer {TOKEN}":
                raise Refused({"detail": "Authentication credentials were not provided."}, 401)
            if not path.startswith("/api/v2/") or not path.endswith("/"):
                raise Refused({"detail": "The requested resource could not be found."}, 404)
            return awx.answer(self.command, path, query, body)

        def _send(self, status: int, answer: Any) -> None:
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", "24.6.1")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_words: object) -> None:
            pass

    return Handler


@contextmanager
def serving(awx: Awx) -> Iterator[str]:
    """Serves it on the loopback interface; yields the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(awx, threading.Lock()))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
