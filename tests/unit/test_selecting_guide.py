# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions of the guide: YAML reads them as they are meant, and each can select."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.where import GUEST, HOST, true_of
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

TEXT = (Path(__file__).parents[2] / "docs" / "selecting.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
POLICIES = [block for block in BLOCKS if isinstance(block, dict)]
ROWS = re.findall(r"^\| (guests|hosts) [^|]*\| (.*) \|$", TEXT, re.MULTILINE)
CLUSTER = generate(Shape(hosts=3, guests=12, seed=4))


@pytest.mark.parametrize("number", range(len(POLICIES)))
def test_the_policies_are_accepted(number: int) -> None:
    given = {name.removeprefix("balance_"): value for name, value in POLICIES[number].items()}
    policy = Policy.from_json(given)
    selectors = (policy.exclude.guests, policy.exclude.sources, policy.exclude.targets)
    written = [selector.where for selector in selectors if selector.where]
    assert [text for text in written if text in " ".join(TEXT.split())] == written


def test_the_expressions_of_the_table_work() -> None:
    found = [
        (what, double or single)
        for what, cell in ROWS
        for double, single in re.findall(r"`` ?(.+?) ?``|`([^`]+)`", cell)
    ]
    assert len(found) > 18
    for what, where in found:
        if what == "guests":
            list(true_of(CLUSTER.guests, where, what, GUEST))
        else:
            list(true_of(CLUSTER.hosts, where, what, HOST))


def test_the_message_is_the_real_one() -> None:
    with pytest.raises(InputError) as caught:
        Policy.from_json({"exclude": {"guests": {"where": "tgas[?@=='prod']"}}})
    assert str(caught.value).removeprefix("policy.") in TEXT
