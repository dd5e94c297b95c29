# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ansible-rulebook serves what the process serves: two of the tests of `test_service.py`, with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.evenkeel.cluster.tests.system.service.test_service import (
    Site,
    running,
    test_submit_and_poll,
)
from ansible_collections.evenkeel.cluster.tests.system.service.test_service import (
    test_killed_in_between as killed_in_between,
)

__all__ = ["test_submit_and_poll"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site"), rulebook=True) as found:
        yield found


def test_killed_with_its_playbooks(site: Site) -> None:
    killed_in_between(site, True, "after")
