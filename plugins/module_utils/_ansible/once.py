# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task runs in a process of its own for each host. What all of them need is computed by the first one."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def once(folder: Path, name: str, compute: Callable[[], Any]) -> Any:
    """Returns the result of `compute`, which can be written as JSON, from the first caller with this name;
    the others wait for it. It is kept in the folder, which the processes share.
    """
    with (folder / f"{name}.json").open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        if text:
            return json.loads(text)
        result = compute()
        json.dump(result, file)
        return result
