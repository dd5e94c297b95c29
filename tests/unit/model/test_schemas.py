# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published schemas say what the dataclasses accept, and are the newest."""

from __future__ import annotations

import json

import jsonschema
import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tools.schemas import FOLDER, PUBLISHED, texts


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_schema_is_the_newest(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == texts()[name], (
        "run: .venv/bin/python -m ansible_collections.evenkeel.cluster.tools.schemas"
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_schema_is_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(texts()[name]))


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(texts()[name]))


def test_what_is_encoded_fits_the_schema() -> None:
    validator("snapshot").validate(generate(Shape(mixed=True, maintenance=1)).to_json())
    validator("policy").validate(Policy.from_json({"max_spread": {"cpu": 5}}).to_json())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("hosts", 0, "status"), "sleeping"),
        (("hosts", 0, "capacity", "cpu"), -1),
        (("hosts", 0, "capacity", "furlongs"), 1),
        (("guests", 0, "id"), ""),
        (("guests", 0, "migratable"), "yes"),
        (("guests", 0, "pressure"), {"cpu": 101}),
        (("taken_at",), "yesterday"),
        (("surprise",), 1),
    ],
)
def test_schema_and_decoder_refuse_the_same(place: tuple[str | int, ...], value: object) -> None:
    from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError

    document = generate(Shape(hosts=3, guests=10)).to_json()
    target: object = document
    for part in place[:-1]:
        target = target[part]  # type: ignore[index]
    target[place[-1]] = value  # type: ignore[index]
    assert not validator("snapshot").is_valid(document)
    with pytest.raises(InputError, match=r"^snapshot\."):
        Snapshot.from_json(document)
