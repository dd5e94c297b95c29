# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console in browsers."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError

from .arguments import Start


def serve(start: Start) -> int:
    """Serve browsers until the process is ended."""
    raise EvenKeelError(f"port {start.options.port} is not served yet", where="--serve")
