# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a section of the variables file of awx_setup: every value has a type, and no key is unknown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..._model.errors import InputError
from ..._model.text.nearest import nearest
from ..section import KeyedSection

_T = TypeVar("_T")
_MAX_NAME = 512


@dataclass(slots=True)
class Section(KeyedSection):
    """One dictionary of the file."""

    def has(self, key: str) -> bool:
        return self.get(key) is not None

    def text(self, key: str, default: str = "") -> str:
        """Returns a text of one line."""
        if not self.has(key):
            return default
        value = self.values[key]
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise InputError(self.at(key), value, "a text of one line")
        return str(value).strip()

    def required(self, key: str, expected: str, hint: str = "") -> str:
        if not self.has(key):
            raise InputError.required(self.at(key), expected=expected, hint=hint)
        return self.text(key)

    def name(self, key: str, default: str = "") -> str:
        """Returns the name of an object. AWX looks names up, so that some characters are not possible."""
        value = self.text(key, default)
        if not value:
            raise InputError.required(self.at(key), expected="the name of an object in AWX")
        if "," in value or "++" in value or re.fullmatch(r"[+-]?\d+", value) or len(value) > _MAX_NAME:
            expected = f"a name of at most {_MAX_NAME} characters, without commas and ++, and not a number"
            raise InputError(self.at(key), value, expected)
        return value

    def flag(self, key: str, default: bool) -> bool:
        return self.boolean(key, ("true", "yes"), ("false", "no")) if self.has(key) else default

    def whole(self, key: str, default: int | None, least: int, most: int | None = None) -> int | None:
        if not self.has(key):
            return default
        value = self.values[key]
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        limit = f" and at most {most}" if most is not None else ""
        if (
            not isinstance(number, int)
            or isinstance(number, bool)
            or number < least
            or number > (number if most is None else most)
        ):
            raise InputError(self.at(key), value, f"a whole number of at least {least}{limit}")
        return number

    def choice(self, key: str, choices: Sequence[str], default: str = "") -> str:
        if not self.has(key) and not default:
            raise InputError.required(self.at(key), expected=f"one of {', '.join(choices)}")
        value = self.text(key, default)
        return self.one_of(key, value, choices, meant(value, choices, ""))

    def words(self, key: str, choices: Sequence[str], default: Sequence[str]) -> list[str]:
        """Returns a list of texts, each of them one of the choices."""
        if not self.has(key):
            return list(default)
        value = self.values[key]
        if not isinstance(value, list | tuple):
            raise InputError(
                self.at(key), value, f"a list of {', '.join(choices)}" if choices else "an empty list"
            )
        for index, word in enumerate(value):
            if word not in choices:
                path = f"{self.at(key)}[{index}]"
                expected = f"one of {', '.join(choices)}" if choices else "possible, because there is none"
                raise InputError(path, word, expected, hint=meant(str(word), choices, ""))
        return [str(word) for word in dict.fromkeys(value)]

    def mapping(self, key: str) -> dict[str, object]:
        """Returns a dictionary whose keys are not checked here. No message shows its values."""
        if not self.has(key):
            return {}
        value = self.values[key]
        if not isinstance(value, Mapping):
            raise InputError(self.at(key), None, "a dictionary", statement=" is not a dictionary")
        return {str(name): entry for name, entry in value.items()}

    def section(self, key: str) -> Section:
        return Section(self.at(key), self.mapping(key))

    def entries(self, key: str, read: Callable[[Section], _T]) -> list[_T]:
        """Reads a list of dictionaries, all of whose keys have to be known."""
        if not self.has(key):
            return []
        value = self.values[key]
        if not isinstance(value, list | tuple):
            raise InputError(self.at(key), None, "a list", statement=" is not a list")
        found = []
        for index, entry in enumerate(value):
            path = f"{self.at(key)}[{index}]"
            if not isinstance(entry, Mapping):
                raise InputError(path, None, "a dictionary", statement=" is not a dictionary")
            section = Section(path, {str(name): one for name, one in entry.items()})
            found.append(read(section))
            section.end()
        return found

    def end(self, aside: Sequence[str] = ()) -> None:
        """Refuses keys that nothing has asked for."""
        for key in self.unread():
            if key not in aside:
                raise unknown(self.at(key), key, sorted(self.asked), self.path)


def unknown(path: str, key: str, known: Sequence[str], parent: str = "") -> InputError:
    """Returns the error of a key that does not exist, with the nearest one that does."""
    hint = meant(key, known, parent) or f"Known: {', '.join(known)}"
    return InputError(path, key, "known", statement=" is not known", hint=hint)


def meant(word: str, known: Sequence[str], parent: str) -> str:
    near = nearest(word, known)
    return f"Did you mean {f'{parent}.' if parent else ''}{near}?" if near is not None else ""
