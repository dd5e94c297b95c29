# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work beside the screen. A platform that does not answer must not keep the console from being closed."""

from __future__ import annotations

import threading
from collections.abc import Callable

MOST_READINGS = 8


class Background:
    """Threads that end with the process. What must not be cut off is waited for by whoever started it."""

    def __init__(self, most: int = MOST_READINGS) -> None:
        self._places = threading.BoundedSemaphore(most)

    def run(self, work: Callable[[], None], name: str = "work") -> threading.Thread:
        """Run it now, however much else runs."""
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        return thread

    def try_reading(self, work: Callable[[], None], name: str = "reading") -> bool:
        """Run it unless as many readings as allowed run already."""
        if not self._places.acquire(blocking=False):
            return False

        def limited() -> None:
            try:
                work()
            finally:
                self._places.release()

        self.run(limited, name)
        return True
