# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a dictionary of settings key by key, so that a key that nothing reads is noticed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .._model.errors import InputError


@dataclass(slots=True)
class KeyedSection:
    """One dictionary of a file at `path`, and the keys that were read."""

    path: str
    values: Mapping[str, object]
    asked: set[str] = field(default_factory=set, init=False)

    def at(self, key: str) -> str:
        """Returns the name of a key as messages show it."""
        return f"{self.path}.{key}" if self.path else key

    def get(self, key: str) -> object:
        """Returns the raw value, or None."""
        self.asked.add(key)
        return self.values.get(key)

    def unread(self) -> list[str]:
        return [key for key in self.values if key not in self.asked]

    def boolean(self, key: str, yes: Sequence[str], no: Sequence[str]) -> bool:
        """Returns the value of a key that is set, whether typed or one of the words."""
        value = self.get(key)
        word = str(value).strip().lower()
        if word not in yes and word not in no:
            raise InputError(self.at(key), value, "true or false")
        return word in yes

    def one_of(self, key: str, value: str, choices: Sequence[str], hint: str = "") -> str:
        if value not in choices:
            raise InputError(self.at(key), value, f"one of {', '.join(choices)}", hint=hint)
        return value
