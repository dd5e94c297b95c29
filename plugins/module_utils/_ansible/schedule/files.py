# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as they are and as they are to be: compared, written all or none, and removed without a trace."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FileError

_OPTION = "entries"


@dataclass(frozen=True)
class Item:
    """A file, a link or a folder, with its owner. `secret`: no diff shows its content."""

    kind: str = "file"
    content: str = ""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    secret: bool = False

    @property
    def shown(self) -> str:
        if self.kind == "folder":
            return f"folder, mode {self.mode:04o}\n"
        if self.kind == "link":
            return f"link to {self.content}\n"
        return f"(not shown, mode {self.mode:04o})\n" if self.secret else self.content


def on_disk(root: str, path: str) -> Path:
    """A path of a machine whose root is a folder here."""
    return Path(root, path.lstrip("/"))


def own_ids() -> tuple[int, int]:
    """The user and the group that files are of, where they are not another user's."""
    return (0, 0) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def found_at(path: Path) -> Item | None:
    """What is there, or None. Raises FileError where it can't be read, or is something else."""
    try:
        status = path.lstat()
        mode, owner = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
        if stat.S_ISLNK(status.st_mode):
            return Item("link", os.readlink(path))
        if stat.S_ISDIR(status.st_mode):
            return Item("folder", "", mode, *owner)
        if stat.S_ISREG(status.st_mode):
            # Others may not read it, and so may not read it in a diff, whatever it was once written for.
            return Item("file", path.read_text(encoding="utf-8"), mode, *owner, secret=not mode & 0o077)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        raise FileError(
            f"{path} exists and is not a text", where=_OPTION, hint="Remove or rename it"
        ) from None
    except OSError as error:
        raise FileError(f"{path} can't be read: {error.strerror}", where=_OPTION) from None
    raise FileError(f"{path} exists and is not a file", where=_OPTION, hint="Remove or rename it")


@dataclass(frozen=True)
class Change:
    """What happens to one path."""

    path: Path
    before: Item | None
    after: Item | None

    def diff(self) -> dict[str, str]:
        sides = {"before": self.before, "after": self.after}
        secret = any(item is not None and item.secret for item in sides.values())
        texts = {}
        for side, item in sides.items():
            text = "" if item is None else item.shown
            if secret and item is not None and item.kind == "file":
                # Of two that differ both sides differ.
                text = f"(content {side} the change is not shown)\n"
            texts[side] = text
            texts[f"{side}_header"] = str(self.path)
        return texts


def changes_between(wanted: Mapping[Path, Item], owned: Sequence[Path]) -> list[Change]:
    """The changes that lead to `wanted`, where of `owned` paths those that are not wanted go. Folders come
    before what is in them, and go after it.
    """
    written = []
    for path in sorted(wanted):
        before, after = found_at(path), wanted[path]
        if before is None or _comparable(before) != _comparable(after):
            written.append(Change(path, before, after))
    removed = []
    for path in sorted(set(owned) - set(wanted), reverse=True):
        before = found_at(path)
        if before is not None:
            removed.append(Change(path, before, None))
    secrets = {path for path, item in wanted.items() if item.secret}
    return [*removed, *(_marked(change, change.path in secrets) for change in written)]


def _comparable(item: Item) -> tuple[object, ...]:
    # The mode of a link counts for nothing.
    return (item.kind, item.content, *((item.mode, item.uid, item.gid) if item.kind != "link" else ()))


def _marked(change: Change, secret: bool) -> Change:
    if not secret or change.before is None:
        return change
    before = change.before
    return Change(
        change.path, Item(before.kind, "", before.mode, before.uid, before.gid, secret=True), change.after
    )


@dataclass
class Transaction:
    """Changes that are taken back where one of them, or what follows them, fails."""

    _undo: list[tuple[Path, Item | None]] = field(default_factory=list)
    _folders: list[Path] = field(default_factory=list)

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            try:
                self._apply(change)
            except OSError as error:
                self.roll_back()
                hint = "Run with --become, or set scope: user" if isinstance(error, PermissionError) else ""
                raise FileError(
                    f"{change.path} can't be written: {error.strerror}; nothing was changed",
                    where=_OPTION,
                    hint=hint,
                ) from None

    def _apply(self, change: Change) -> None:
        before = found_at(change.path)
        if change.after is not None:
            for folder in reversed(change.path.parents):
                if not folder.exists():
                    folder.mkdir()
                    # The umask of root may be such that the user of a schedule could not enter it.
                    folder.chmod(0o755)
                    self._folders.append(folder)
        self._undo.append((change.path, before))
        _put(change.path, before, change.after)

    def roll_back(self) -> None:
        for path, item in reversed(self._undo):
            with suppress(OSError, FileError):
                _put(path, found_at(path), item)
        for folder in reversed(self._folders):
            with suppress(OSError):
                folder.rmdir()


def _put(path: Path, before: Item | None, after: Item | None) -> None:
    if before is not None and (after is None or before.kind != after.kind):
        if before.kind == "folder":
            path.rmdir()
        else:
            path.unlink()
    if after is None:
        return
    if after.kind == "folder":
        path.mkdir(mode=0o700, exist_ok=True)
        _own(path, after)
        return
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    if after.kind == "link":
        new.symlink_to(after.content)
    else:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(after.content)
            stream.flush()
            os.fsync(descriptor)
        _own(new, after)
    os.replace(new, path)


def _own(path: Path, item: Item) -> None:
    status = path.stat()
    if (status.st_uid, status.st_gid) != (item.uid, item.gid):
        shutil.chown(path, item.uid, item.gid)
    path.chmod(item.mode)
