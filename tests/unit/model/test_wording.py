# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How texts become sentences."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import counted, sentence


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the bridges could not be read", "The bridges could not be read."),
        ("vCenter refused it.", "vCenter refused it."),
        ("HA is disarmed (mode freeze)", "HA is disarmed (mode freeze)."),
        ("CPU features were not read: no answer. ", "CPU features were not read: no answer."),
    ],
)
def test_a_sentence_has_a_capital_and_a_full_stop(text: str, said: str) -> None:
    assert sentence(text) == said


def test_one_is_no_plural() -> None:
    assert [counted(number, "guest") for number in (0, 1, 2)] == ["0 guests", "1 guest", "2 guests"]
