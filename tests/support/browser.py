# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Chromium for tests of what people see, driven by Playwright."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from .patience import PATIENCE_SECONDS

CHROMIUM: Final = "/usr/bin/chromium"
SCREENSHOTS: Final = Path(__file__).parents[2] / ".cache" / "screenshots"
# Phone, laptop and screen.
SIZES: Final = ((390, 844), (1280, 800), (1920, 1080))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, that is closed at the end. As root it has no sandbox."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=arguments, timeout=1000 * PATIENCE_SECONDS
        )
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page whose console and requests are kept: `errors` are messages of the console and of scripts that
    failed, `requests` are URLs besides that of the page itself.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(1000 * PATIENCE_SECONDS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _asked(self, request: Request) -> None:
        if request.url != self.page.url and not request.is_navigation_request():
            self.requests.append(request.url)

    def require_quiet(self) -> None:
        """Nothing was written to the console, and nothing was loaded."""
        assert self.errors == []
        assert self.requests == []


def keep_screenshot(page: Page, name: str, *, full: bool = True) -> Path:
    """A picture of the page, kept for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=full)
    return path
