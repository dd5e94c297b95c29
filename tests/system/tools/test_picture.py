# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture in the README shows what the dry run prints."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.tools.picture import PICTURE, draw, dry_run


def test_the_picture_of_the_dry_run_is_what_it_prints_now() -> None:
    renew = "python -m ansible_collections.evenkeel.cluster.tools.picture writes it anew"
    assert PICTURE.read_text("utf-8") == draw(dry_run()) + "\n", renew
