# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an API method refuses: the status, and the text that Proxmox VE puts into the reason phrase."""

from __future__ import annotations

from collections.abc import Mapping


class ApiError(Exception):
    """A refusal. `body` false: the answer has no JSON body, as for a request that never reached a method."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: Mapping[str, str] | None = None,
        *,
        body: bool = True,
        delayed: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.body = body
        self.delayed = delayed


def died(message: str) -> ApiError:
    """A method gave up: Perl's `die`."""
    return ApiError(500, message)


def bad_parameters(**errors: str) -> ApiError:
    """Parameters that the method's schema, or the method itself, refuses."""
    return ApiError(
        400, "Parameter verification failed.", {name.replace("_", "-"): why for name, why in errors.items()}
    )
