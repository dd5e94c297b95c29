# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON files that modules exchange."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from .._model.errors import InputError
from .._model.text.wording import parsed_json
from .errors import FileError


def read_json(path: str, option: str) -> object:
    """Parsed JSON of the file that an option names. What is no number there is NaN or infinite, so that
    whoever reads on can name the field that it stands in.
    """
    try:
        text = _named(path, option).read_text(encoding="utf-8")
        if not text.strip():
            raise FileError(f"{path} is empty", where=option)
        return parsed_json(text, option)
    except OSError as error:
        raise FileError(f"{path} can't be read: {error.strerror}", where=option) from None
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not JSON: {error}", where=option) from None
    except InputError as error:
        raise FileError(f"{path} is not {error.expected}", where=option) from None
    except ValueError:
        raise FileError(f"{path!r} is not a path", where=option) from None
    except MemoryError:
        raise FileError(f"{path} is too large for the available memory", where=option) from None


def write_json(path: str, value: object, option: str) -> None:
    """Write a file whole or not at all; missing folders are made. Only the owner may read it."""
    write_text(path, json.dumps(value, separators=(",", ":")), option)


def is_kept(path: str | None, value: object, option: str, *, check_mode: bool) -> bool:
    """Whether a result is in the file that an option names, where it is written now. In check mode nothing is
    written; only whether it could be is checked.
    """
    if path is None:
        return False
    if check_mode:
        require_writable(path, option)
        return False
    write_json(path, value, option)
    return True


def write_text(path: str, text: str, option: str, *, mode: int = 0o600) -> None:
    """As `write_json`, for a text, and for others to read as far as `mode` lets them."""
    # Where a link leads is written, so that the link stays; and nothing but a file is ever replaced.
    try:
        target = Path(os.path.realpath(_named(path, option)))
        if target.exists() and not target.is_file():
            raise FileError(f"{path} can't be written: it is not a regular file", where=option)
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fchmod(descriptor, mode)
                os.fsync(stream.fileno())
            os.replace(name, target)
        except (OSError, ValueError):
            Path(name).unlink(missing_ok=True)
            raise
    except (FileExistsError, NotADirectoryError):
        raise FileError(f"{path} can't be written: a folder of its path is a file", where=option) from None
    except OSError as error:
        raise FileError(f"{path} can't be written: {error.strerror}", where=option) from None
    except ValueError:
        # A NUL in the path, or half of a surrogate pair in the path or the text.
        raise FileError(f"{path!r} can't be written: a character in it can't be used", where=option) from None


def require_writable(path: str, option: str, *, folders: bool = True) -> None:
    """Raises FileError when the file could not be written later. It is tried with a file that has no name, or
    is gone at once. With `folders` missing folders are made when it is written.
    """
    target = Path(os.path.realpath(_named(path, option)))
    if target.is_dir():
        raise FileError(f"{path} can't be written: it is a folder", where=option)
    folder = target.parent
    while folders and not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError):
        raise FileError(f"{path} can't be written: a folder of its path is a file", where=option) from None
    except OSError as error:
        raise FileError(f"{path} can't be written: {error.strerror}", where=option) from None


def _named(path: str, option: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise FileError(f"{path} can't be found: there is no such user", where=option) from None
