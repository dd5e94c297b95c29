# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress as JSON lines in a file."""

from __future__ import annotations

import json
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from ..._execution.progress import Progress
from ..._model.codec import encode
from ..errors import FileError


class ProgressFile:
    """One line for each change; without a path nothing is written."""

    def __init__(self, path: str | None) -> None:
        self._last = ""
        self._stream: TextIOWrapper | None = None
        if path is None:
            return
        try:
            self._stream = Path(path).expanduser().open("w", encoding="utf-8")
        except (OSError, RuntimeError) as error:
            said = error.strerror if isinstance(error, OSError) else "there is no such user"
            raise FileError(f"{path} can't be written: {said}", where="progress_path") from None

    def write(self, progress: Progress) -> None:
        """Nobody may be watching any more: a write that fails ends the watching, not the run."""
        line = json.dumps(encode(progress), separators=(",", ":"))
        if self._stream is None or line == self._last:
            return
        self._last = line
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except OSError:
            self.close()

    def close(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            # What could not be written is tried once more, and fails again.
            with suppress(OSError):
                stream.close()
