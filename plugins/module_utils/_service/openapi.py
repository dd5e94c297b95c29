# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenAPI document of the service, from its routes and from the schemas of what they take and return."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .config import Http
from .schema import request_schema

if TYPE_CHECKING:
    from .endpoints.routes import Route

VERSION = "1.1.0"
_DESCRIPTION = (
    "Places VMs and leases capacity on clusters of Proxmox VE, vSphere and VMmanager. A request is in the"
    " database when it was accepted; poll its URL for the result, or name receivers of a call-back."
)
_PARAMETER = re.compile(r"\{(\w+)\}")
_KINDS = {
    "place": "PlaceRequest",
    "spare": "SpareRequest",
    "lease": "LeaseRequest",
    "renew": "RenewRequest",
    "release": "ReleaseRequest",
}
_MOMENT = {"type": ["string", "null"], "description": "moment, as 2026-01-31T22:00:00Z"}
_STATUS = {"enum": ["processing", "completed", "failed"]}


def openapi_document(routes: Sequence[Route], http: Http) -> dict[str, Any]:
    """OpenAPI 3.1, in which the configuration decides what requires a token. Routes without an `operation`
    are left out.
    """
    paths: dict[str, Any] = {}
    for route in routes:
        if route.operation:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, http)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Even Keel",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of the tokens that http.token_env or http.token_file name",
                }
            },
        },
    }


def reference(name: str) -> dict[str, str]:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_answer(description: str, schema: Mapping[str, Any], example: object = None) -> dict[str, Any]:
    """An answer of an operation."""
    media: dict[str, Any] = {"schema": dict(schema)}
    if example is not None:
        media["example"] = example
    return {"description": description, "content": {"application/json": media}}


def error_answer(description: str, kind: str, message: str, **more: str) -> dict[str, Any]:
    """An answer that is an error."""
    return json_answer(description, reference("Error"), {"error": {"type": kind, "message": message, **more}})


def _operation(route: Route, http: Http) -> dict[str, Any]:
    found = dict(route.operation)
    open_ = route.access(http) == "open"
    answers = {str(status): answer for status, answer in found.pop("responses", {}).items()}
    common = {} if open_ else {"401": _UNAUTHORIZED}
    common |= {"500": _INTERNAL, "503": _UNAVAILABLE}
    if route.method == "POST":
        common["413"] = _TOO_LARGE
    parameters = found.pop("parameters", [])
    named = {one["name"] for one in parameters}
    parameters += [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
        if name not in named
    ]
    return {
        "operationId": found.pop("operationId", re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}")),
        **found,
        **({"parameters": parameters} if parameters else {}),
        "security": [] if open_ else [{"token": []}],
        "responses": dict(sorted({**common, **answers}.items())),
    }


_UNAUTHORIZED = error_answer(
    "The token is missing or wrong", "Unauthorized", "a bearer token of the service is required"
)
_INTERNAL = error_answer(
    "An error of the service; the reason is in its log. A request may have been accepted: poll it, or send it"
    " again with its id",
    "InternalError",
    "Internal error of the service; the reason is in its log",
)
_UNAVAILABLE = {
    "description": "The database does not answer, or there are too many connections. Nothing was accepted;"
    " send it again after the seconds in Retry-After",
    "headers": {"Retry-After": {"schema": {"type": "integer"}}},
}
_TOO_LARGE = error_answer(
    "The request is larger than http.most_bytes", "TooLarge", "the request is too large"
)


def _schemas() -> dict[str, Any]:
    request = request_schema("Request")
    schemas: dict[str, Any] = {}
    mapping = {}
    for one in request["oneOf"]:
        kind = one["properties"]["kind"]["const"]
        name = _KINDS.get(kind, f"{kind.replace('_', ' ').title().replace(' ', '')}Request")
        schemas[name] = one
        mapping[kind] = reference(name)["$ref"]
    schemas["Request"] = {
        "description": "What is wanted, by its kind. Sizes and times have a unit, such as 8G and 2h, or count"
        " bytes and seconds",
        "oneOf": [{"$ref": target} for target in mapping.values()],
        "discriminator": {"propertyName": "kind", "mapping": mapping},
    }
    schemas |= request["$defs"]
    schemas |= _answers([*mapping])
    moved = json.dumps(schemas).replace("#/$defs/", "#/components/schemas/")
    return dict(sorted(json.loads(moved).items()))


def _answers(kinds: Sequence[str]) -> dict[str, Any]:
    name = {"type": "string", "description": "id of the request"}
    kind = {"enum": [*kinds]}
    error = _object(
        {
            "type": {"type": "string", "description": "what kind of error it is, such as NoRoom"},
            "message": {"type": "string", "description": "words for people"},
        }
    )
    report = {
        "id": name,
        # The removal of a spare VM is requested by the service itself.
        "kind": {"enum": [*kinds, "remove"]},
        "status": _STATUS,
        "received_at": _MOMENT,
        "ended_at": _MOMENT,
        "tries": {"type": "integer", "minimum": 0, "description": "tries of the request so far"},
        "result": {
            "type": ["object", "null"],
            "description": "lease, and for a placement status, cluster and vms; null before the end",
        },
        "error": {
            "anyOf": [error, {"type": "null"}],
            "description": "error of the last try; of the request when it has failed",
        },
        "callbacks": {"type": "array", "items": reference("Callback")},
        "removal": {
            "type": ["object", "null"],
            "description": "of a spare VM: id of the request that removes it, and its status, or"
            " waiting for the end of the lease",
        },
    }
    return {
        "Accepted": _object({"id": name, "kind": kind, "status": _STATUS}),
        "Report": _object(report, required=[field for field in report if field != "removal"]),
        "Callback": _object(
            {
                "id": {"type": "string", "description": "the same at each try"},
                "channel": {"enum": ["callback", "dead_letter"]},
                "receiver": {"type": "string", "description": "name of the receiver"},
                "status": {"enum": ["pending", "delivered", "failed"]},
                "tries": {"type": "integer", "minimum": 0},
                "error": {"type": ["string", "null"], "description": "error of the last try"},
                "ended_at": _MOMENT,
            }
        ),
        "Error": _object(
            {
                "error": _object(
                    {
                        **error["properties"],
                        "field": {"type": "string", "description": "path of the field that is wrong"},
                        "value": {"type": "string", "description": "its value, shortened"},
                        "expected": {"type": "string", "description": "what the value should be"},
                    },
                    required=("type", "message"),
                )
            }
        ),
        "Health": _object({"status": {"const": "ok"}}),
    }


def _object(properties: Mapping[str, Any], required: Sequence[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [*(properties if required is None else required)],
        "additionalProperties": False,
    }
