# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that may come from environment variables instead, as AWX credentials inject them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from ..._model.errors import InputError
from .platform import PlatformOptions
from .variables import VARIABLES

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_Options = TypeVar("_Options", bound=PlatformOptions)


def with_environment(options: _Options, environment: Mapping[str, str]) -> _Options:
    """The options, those left out taken from the environment variables of their platform."""
    found = {
        option: _typed(option, variable, environment[variable])
        for option, variable in VARIABLES[options.platform].items()
        if getattr(options, option) in (None, []) and environment.get(variable)
    }
    return replace(options, **found)


def missing(platform: str, option: str, *, when: str = "", instead: str = "") -> InputError:
    """The error for a required option that neither the task nor the environment sets."""
    variable = VARIABLES[platform].get(option)
    ways = [f"the environment variable {variable}"] if variable else []
    ways += [instead] if instead else []
    hint = f"Set it, or {', or '.join(ways)}" if ways else ""
    return InputError.required(option, when=when or f"platform is {platform}", hint=hint)


def _typed(option: str, variable: str, text: str) -> Any:
    if option in ("port", "api_port", "proxy_port", "vmmanager_port"):
        if not text.isdecimal() or len(text) > 5:
            raise InputError(f"environment variable {variable}", text, "a port number")
        return int(text)
    if option == "validate_certs":
        if text.lower() not in _TRUE | _FALSE:
            raise InputError(f"environment variable {variable}", text, "true or false")
        return text.lower() in _TRUE
    if option == "api_host":
        return [host.strip() for host in text.split(",") if host.strip()]
    return text
