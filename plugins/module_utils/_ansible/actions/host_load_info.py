# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_load_info: measure the host that the module runs on.

It and all that it imports run on hypervisors, with Python 3.8.
"""

from __future__ import annotations

from typing import Any

from ..._hypervisor.proc import read_load


def run_host_load_info(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """The load that the kernel reports at this moment."""
    return {"changed": False, "load": read_load(params["proc"])}
