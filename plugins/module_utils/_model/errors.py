# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root of every error that Even Keel raises."""

from __future__ import annotations

_MAX_PATH = 300


class EvenKeelError(Exception):
    """Something could not be done: `what` failed, `where` it happened, a `hint` of what to do about it."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return printable(f"{text}. {self.hint}" if self.hint else text)


class InputError(EvenKeelError):
    """A value from outside is not what it must be: the field's path, the value, and what was expected."""

    def __init__(self, path: str, value: object, expected: str, *, hint: str = "") -> None:
        self.path = path if len(path) <= _MAX_PATH else f"{path[: _MAX_PATH - 1]}…"
        self.value = value
        self.expected = expected
        super().__init__(f"{shortened(value)} is not {expected}", where=self.path, hint=hint)

    def under(self, parent: str) -> InputError:
        """The same error seen from one level further out."""
        joint = "" if not parent or not self.path or self.path.startswith("[") else "."
        return InputError(f"{parent}{joint}{self.path}", self.value, self.expected, hint=self.hint)


def shortened(value: object, limit: int = 60) -> str:
    """A value as a message shows it: never longer than `limit` characters."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a deeply nested {type(value).__name__}"
    except ValueError:
        # Of a whole number that has more digits than Python writes.
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def printable(text: str) -> str:
    """A text as every terminal, log and header takes it: halves of surrogate pairs and NUL are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
