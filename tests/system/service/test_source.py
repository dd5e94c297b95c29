# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source by itself: a configuration that is none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.extensions.eda.plugins.event_source.requests import main
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError


@pytest.mark.parametrize("text", ["[" * 5000, "a: [", "\0", f"a: {'9' * 5000}", "http: {port: x}", "- 1"])
def test_a_configuration_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "service.yml"
    path.write_text(text)
    with pytest.raises(EvenKeelError):
        asyncio.run(main(asyncio.Queue(), {"config": str(path)}))
    with pytest.raises(EvenKeelError):
        asyncio.run(main(asyncio.Queue(), {"config": "/tmp/\0"}))
