# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the API refuses."""

from __future__ import annotations

from collections.abc import Mapping


class ApiError(Exception):
    """An error in the body; `status` None: that of the switch `error_status`."""

    def __init__(
        self, code: int, message: str, *, status: int | None = None, value: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.value = dict(value or {})

    def body(self) -> dict[str, object]:
        return {"error": {"code": self.code, "msg": self.message, "value": self.value}}


class Silent(Exception):
    """A status without an answer of the API: that of a web server before it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def unauthorized() -> ApiError:
    return ApiError(3001, "Unauthorized", status=401)


def not_found(what: str, number: int) -> ApiError:
    return ApiError(3002, f"{what} not found", value={"id": number})
