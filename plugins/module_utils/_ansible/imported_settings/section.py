# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the settings of another balancer: one section at a time, and nothing is lost silently."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import urlsplit

from ..._model.errors import InputError
from ..._model.text.nearest import nearest
from ..section import KeyedSection

_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


@dataclass(frozen=True, slots=True)
class NotCarriedOver:
    """A setting that has no variable here, and the reason."""

    setting: str
    why: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The variables of each cluster, by the name of its inventory host. Secrets are by the name of the
    vault variable that the variables refer to.
    """

    source: str
    hosts: Mapping[str, Mapping[str, object]]
    secrets: Mapping[str, str]
    not_carried_over: tuple[NotCarriedOver, ...]


@dataclass(slots=True)
class Section(KeyedSection):
    """The settings of one section. Values may be text, as in an .env file, or typed, as in YAML."""

    left: list[NotCarriedOver]

    def __post_init__(self) -> None:
        for key in self.values:
            _plain(key, self.path or "the file")

    def get(self, key: str) -> object:
        """Returns the raw value, or None if the setting is missing or empty."""
        value = KeyedSection.get(self, key)
        return None if isinstance(value, str) and not value.strip() else value

    def leave(self, key: str, why: str) -> None:
        """Records that a setting is not carried over, if the file has it."""
        if self.get(key) is not None:
            self.left.append(NotCarriedOver(self.at(key), why))

    def text(self, key: str) -> str | None:
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float | None):
            raise InputError(self.at(key), value, "a text")
        return None if value is None else _plain(str(value).strip(), self.at(key))

    def secret(self, key: str) -> str | None:
        """Returns a text that no message shows."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float | None):
            raise InputError(self.at(key), None, "a text", statement=" is not a text")
        return None if value is None else str(value)

    def number(self, key: str, least: float = 0.0) -> float | None:
        value = self.get(key)
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(str(value))
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < least:
            raise InputError(self.at(key), value, f"a number of at least {least:g}")
        return int(number) if number.is_integer() else number

    def whole(self, key: str, least: int = 0) -> int | None:
        number = self.number(key, least)
        if number is not None and not isinstance(number, int):
            raise InputError(self.at(key), self.get(key), "a whole number")
        return number

    def flag(self, key: str) -> bool | None:
        return None if self.get(key) is None else self.boolean(key, _TRUE, _FALSE)

    def choice(self, key: str, choices: Sequence[str]) -> str | None:
        value = self.text(key)
        return None if value is None else self.one_of(key, value, choices)

    def words(self, key: str) -> list[str]:
        """Returns a list, which text separates by commas."""
        value = self.get(key)
        if value is None:
            return []
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list) or not all(
            isinstance(part, str | int) and not isinstance(part, bool) for part in parts
        ):
            raise InputError(self.at(key), value, "a list of names")
        words = [_plain(str(part).strip(), self.at(key)) for part in parts]
        return [word for word in words if word]

    def section(self, key: str) -> Section:
        """Returns a section inside this one, which is empty if it is missing."""
        value = self.get(key)
        if value is not None and not isinstance(value, Mapping):
            raise InputError(self.at(key), value, "a section with settings")
        inner = {str(name): entry for name, entry in (value or {}).items()}
        return Section(self.at(key), inner, self.left)

    def leave_the_rest(self, system: str) -> None:
        """Records every setting that was not asked for: the system does not have it."""
        for key in self.unread():
            near = nearest(key, self.asked)
            hint = f". Is {self.at(near)} meant?" if near is not None else ""
            self.left.append(NotCarriedOver(self.at(key), f"{system} has no such setting{hint}"))


def _plain(text: str, path: str) -> str:
    """Returns a text that an inventory takes as it is: one line, and nothing that Ansible would evaluate."""
    if not text.isprintable() or any(mark in text for mark in ("{{", "{%", "{#")):
        raise InputError(path, text, "a text of one line without {{, {% and {#")
    return text


def endpoint(text: str, path: str) -> tuple[str, int | None]:
    """Returns the name or address of a server and its port, from an address with or without scheme."""
    if "://" in text and not text.startswith("https://"):
        raise InputError(path, text if "@" not in text else "a URL with a user", "an address or an https URL")
    bare = text.removeprefix("https://").rstrip("/")
    try:
        return str(IPv6Address(bare)), None
    except AddressValueError:
        pass
    try:
        parts = urlsplit(f"//{bare}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or parts.username is not None or parts.path or parts.query:
        shown = "a URL with a user" if "@" in text else text
        raise InputError(path, shown, "the name or address of a server, with or without a port")
    return host, port
