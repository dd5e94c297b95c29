# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publish the JSON Schemas of what modules exchange: docs/schemas/*.json, from the dataclasses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..plugins.module_utils._model.headroom import Headroom
from ..plugins.module_utils._model.outcome import Outcome
from ..plugins.module_utils._model.overrides import Overrides
from ..plugins.module_utils._model.placement import Placement
from ..plugins.module_utils._model.placement_request import PlacementRequest
from ..plugins.module_utils._model.plan import Plan
from ..plugins.module_utils._model.policy.policy import Policy
from ..plugins.module_utils._model.schema import json_schema
from ..plugins.module_utils._model.snapshot import Snapshot
from ..plugins.module_utils._service.config import Http, ServiceConfig
from ..plugins.module_utils._service.endpoints.tables import ROUTES
from ..plugins.module_utils._service.openapi import openapi_document
from ..plugins.module_utils._service.schema import request_schema
from .run import ROOT

FOLDER = ROOT / "docs" / "schemas"
PUBLISHED: dict[str, type | Callable[[str], dict[str, Any]]] = {
    # A dataclass, or what makes the schema.
    "snapshot": Snapshot,
    "policy": Policy,
    "what_if": Overrides,
    "plan": Plan,
    "outcome": Outcome,
    "placement_request": PlacementRequest,
    "placement": Placement,
    "headroom": Headroom,
    "service_config": ServiceConfig,
    "service_request": request_schema,
    "openapi": lambda _title: openapi_document(ROUTES, Http()),
}


def texts() -> dict[str, str]:
    """The text of each file, by its name without suffix."""
    return {name: json.dumps(_schema(name), indent=2) + "\n" for name in PUBLISHED}


def _schema(name: str) -> dict[str, Any]:
    made_of, title = PUBLISHED[name], f"evenkeel.cluster {name}"
    return json_schema(made_of, title) if isinstance(made_of, type) else made_of(title)


def main() -> None:
    """Write the files anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"docs/schemas/{name}.json")


if __name__ == "__main__":
    main()
