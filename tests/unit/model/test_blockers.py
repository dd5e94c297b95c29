# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each blocker is one sentence with what can be done."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.blockers import in_words


def test_a_blocker_is_told_with_its_way_out() -> None:
    assert in_words(("cpu_affinity", "x")) == (
        "cpu_affinity (it is bound to CPUs of its host: remove its CPU affinity); x"
    )
    assert in_words(()) == ""
