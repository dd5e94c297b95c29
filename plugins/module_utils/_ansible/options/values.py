# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what Ansible passes as an option to the JSON that the model reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._model.errors import InputError


def without_none(value: Any) -> Any:
    """The same without suboptions that are left out, which Ansible passes as None, at every depth."""
    if isinstance(value, Mapping):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_none(item) for item in value]
    return value


def only_given(params: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The validated options without those that have their default only because they are not `given`, at
    every depth. A preset may have other defaults.
    """
    return {
        name: _only_given(value, given[name])
        for name, value in params.items()
        if value is not None and given.get(name) is not None
    }


def _only_given(value: Any, given: Any) -> Any:
    if isinstance(value, Mapping):
        if isinstance(given, str):
            # Only a task passes a text here, and so Ansible is there.
            from ansible.module_utils.common.validation import check_type_dict

            given = check_type_dict(given)
        return only_given(value, given)
    if isinstance(value, list) and isinstance(given, list):
        return [_only_given(item, one) for item, one in zip(value, given, strict=True)]
    return value


def numbers(value: Any, option: str) -> Any:
    """A number, or one for each metric; the command line and surveys pass them as texts."""
    if isinstance(value, Mapping):
        return {metric: _number(number, f"{option}.{metric}", "a number") for metric, number in value.items()}
    return _number(value, option, "a number, or a dictionary with one for each metric")


def _number(value: Any, option: str, expected: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        raise InputError(option, value, expected) from None


def at_least(options: object, least: float, *names: str, unit: str = "") -> None:
    """Raises InputError for the first of the options that is set, and below `least` or no number at all."""
    for name in names:
        value = getattr(options, name)
        if value is not None and not value >= least:
            raise InputError(name, value, f"a number{unit and ' of '}{unit} of at least {least:g}")
