# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of objects, filtered where the platform can, and always whole."""

from __future__ import annotations

from ...errors import Refused, UnexpectedAnswer
from ...values import Row, row, rows
from .filters import Where, matching, query
from .session import Session
from .values import whole

CLUSTERS = "vm/v3/cluster"
# Conditions in one call: a URL must not become too long.
MAX_CONDITIONS = 50
# From this number of conditions on the whole list costs less.
MIN_WHOLE_LIST = 500


class Lists:
    """Remembers which filters this platform does not take: there the whole list is read and filtered here."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._unfiltered: set[tuple[str, tuple[str, ...]]] = set()

    def whole(self, path: str) -> list[Row]:
        return self._pages(path, "")

    def find(self, path: str, where: Where) -> list[Row]:
        """The objects that match any of the conditions."""
        if not where:
            return []
        kind = path, tuple(sorted({field for condition in where for field in condition}))
        if kind not in self._unfiltered and len(where) <= MIN_WHOLE_LIST:
            try:
                found = [
                    item
                    for start in range(0, len(where), MAX_CONDITIONS)
                    for item in self._pages(path, query(where[start : start + MAX_CONDITIONS]))
                ]
            except Refused:
                # Some platforms answer some filters with an error.
                self._unfiltered.add(kind)
            else:
                return matching(found, where)
        return matching(self.whole(path), where)

    def _pages(self, path: str, filtered: str) -> list[Row]:
        """All of them, whether the platform returns them at once or part by part."""
        found, size = self._page(path, filtered)
        known = {str(item.get("id")) for item in found}
        while len(found) < size:
            limit = f"limit={len(found)},{max(len(found), 1)}"
            more, _size = self._page(path, f"{filtered}&{limit}" if filtered else limit)
            new = [item for item in more if str(item.get("id")) not in known]
            if not new:
                raise UnexpectedAnswer(
                    f"the list shows {len(found)} of {size} objects, and not the others", where=f"GET {path}"
                )
            found += new
            known.update(str(item.get("id")) for item in new)
        return found

    def _page(self, path: str, asked: str) -> tuple[list[Row], int]:
        call = f"GET {path}"
        answer = row(self._session.get(path, asked), call)
        listed = rows(answer.get("list"), call)
        return listed, whole(answer.get("size")) or len(listed)
