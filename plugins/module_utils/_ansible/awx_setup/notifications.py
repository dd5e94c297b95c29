# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notification templates: the configuration of each type, with the defaults that AWX would fill in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ..._model.errors import InputError
from .section import Section, meant

EVENTS = ("started", "success", "error")
APPROVALS = "approvals"


@dataclass(frozen=True, slots=True)
class _Field:
    kind: type
    default: object = None
    secret: bool = False


_TYPES: Mapping[str, Mapping[str, _Field]] = MappingProxyType(
    {
        "email": {
            "host": _Field(str),
            "port": _Field(int),
            "username": _Field(str),
            "password": _Field(str, secret=True),
            "use_tls": _Field(bool),
            "use_ssl": _Field(bool),
            "sender": _Field(str),
            "recipients": _Field(list),
            "timeout": _Field(int, 30),
        },
        "mattermost": {"mattermost_url": _Field(str), "mattermost_no_verify_ssl": _Field(bool)},
        "pagerduty": {
            "subdomain": _Field(str),
            "token": _Field(str, secret=True),
            "service_key": _Field(str),
            "client_name": _Field(str),
        },
        "rocketchat": {"rocketchat_url": _Field(str), "rocketchat_no_verify_ssl": _Field(bool)},
        "slack": {"token": _Field(str, secret=True), "channels": _Field(list)},
        "webhook": {
            "url": _Field(str),
            "http_method": _Field(str, "POST"),
            "disable_ssl_verification": _Field(bool, False),
            "username": _Field(str, ""),
            "password": _Field(str, "", secret=True),
            "headers": _Field(dict),
        },
    }
)
_KINDS = {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "a dictionary"}
# What AWX takes without requiring it.
_OPTIONAL = {
    "mattermost": ("mattermost_username", "mattermost_channel", "mattermost_icon_url"),
    "rocketchat": ("rocketchat_username", "rocketchat_icon_url"),
    "slack": ("hex_color",),
}


@dataclass(frozen=True, slots=True)
class Notification:
    path: str
    name: str
    type: str
    configuration: Mapping[str, object]
    secrets: frozenset[str]
    events: tuple[str, ...]
    targets: tuple[str, ...]


def notification(section: Section, name: str, targets: Sequence[str], workflow: str) -> Notification:
    kind = section.choice("type", sorted(_TYPES))
    given = section.mapping("configuration")
    at = section.at("configuration")
    fields, optional = _TYPES[kind], _OPTIONAL.get(kind, ())
    for key in given:
        if key not in fields and key not in optional:
            known = [*fields, *optional]
            hint = meant(key, known, "") or f"Known: {', '.join(known)}"
            statement = f" is not a field of type {kind}"
            raise InputError(f"{at}.{key}", key, "known", statement=statement, hint=hint)
    configuration: dict[str, object] = {}
    for key, field in fields.items():
        value = given.get(key, field.default)
        if value is None:
            raise InputError.required(f"{at}.{key}", when=f"type is {kind}", expected=_KINDS[field.kind])
        if not isinstance(value, field.kind) or (isinstance(value, bool) and field.kind is not bool):
            expected = _KINDS[field.kind]
            raise InputError(f"{at}.{key}", None, expected, statement=f" is not {expected}")
        if field.kind is list and not value:
            raise InputError(f"{at}.{key}", value, "a list with at least one entry")
        configuration[key] = value
    for key in optional:
        if key in given:
            if not isinstance(given[key], str):
                raise InputError(f"{at}.{key}", None, "a text", statement=" is not a text")
            configuration[key] = given[key]
    if str(configuration.get("http_method", "POST")).upper() not in ("POST", "PUT"):
        raise InputError(f"{at}.http_method", configuration["http_method"], "POST or PUT")
    usual = ("error", APPROVALS) if workflow in targets else ("error",)
    events = section.words("events", (*EVENTS, APPROVALS), usual)
    chosen = section.words("templates", targets, targets)
    if APPROVALS in events and workflow not in chosen:
        raise InputError(
            section.at("events"),
            APPROVALS,
            "possible",
            statement=": approvals are events of the workflow",
            hint=f"Add {workflow} to {section.at('templates')}, or remove approvals",
        )
    title = section.name("name") if section.has("name") else f"{name}: {kind}"
    secrets = frozenset(key for key, field in fields.items() if field.secret and configuration[key])
    return Notification(section.path, title, kind, configuration, secrets, tuple(events), tuple(chosen))
