# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many readings of one node in one call, where the account may make it.

Proxmox VE has no list of configurations or histories. It has a call that runs others on a node, one after
the other, and answers them all: `nodes/{node}/execute`, only for root@pam with its password. Where it fails,
as for every account with fewer rights, the readings are made one by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ...errors import PlatformError
from .connection import ProxmoxConnection
from .errors import NodeUnresponsive, error_of
from .notices import ONE_CALL
from .session import Session

ROOT = "root@pam"
# A node has half a minute for a call, and reads a configuration or an hour's history in milliseconds.
_MAX = 100


class Getter(Protocol):
    """The source of a reading: the session, or its cached answers."""

    @property
    def major(self) -> int: ...

    def get(self, path: str, **params: object) -> Any: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """One GET: its path below that of the node, and its parameters."""

    path: str
    params: Mapping[str, object]


_Key = tuple[str, str]


class BatchedAnswers:
    """A session, and what it has answered in batches."""

    def __init__(self, session: Session, connection: ProxmoxConnection) -> None:
        self._session = session
        self._may = connection.api_user == ROOT and not connection.api_token_id
        self._answers: dict[_Key, Mapping[str, Any] | PlatformError] = {}

    @property
    def major(self) -> int:
        return self._session.major

    def get(self, path: str, **params: object) -> Any:
        answer = self._answers.pop(_key(path, params), None)
        if answer is None:
            return self._session.get(path, **params)
        if isinstance(answer, PlatformError):
            raise answer
        if answer.get("status") == 200:
            return answer.get("data")
        text = str(answer.get("message") or "")
        raise error_of(int(answer.get("status") or 500), text, answer.get("errors"), f"GET {path}")

    def ask_each(self, paths: Iterable[str]) -> None:
        """Makes these readings one by one; a failure is kept for the caller."""

        def one(path: str) -> Any:
            try:
                return self._session.get(path)
            except ONE_CALL as error:
                return error

        all_paths = list(paths)
        for path, answer in zip(all_paths, self._session.concurrently(one, all_paths), strict=True):
            self._answers[_key(path, {})] = (
                answer
                if isinstance(answer, PlatformError)
                else {
                    "status": 200,
                    "data": answer,
                }
            )

    def answers(self, path: str) -> bool:
        """Whether a reading that was made one by one was answered, be it with a refusal."""
        return not isinstance(self._answers.get(_key(path, {})), NodeUnresponsive)

    def ask(self, wanted: Mapping[str, Iterable[Reading]]) -> None:
        """Make these readings, by node, of nodes that are known to answer."""
        if not self._may:
            return
        batches = []
        for node, readings in wanted.items():
            all_of_node = list(readings)
            batches += [
                (node, all_of_node[first : first + _MAX]) for first in range(0, len(all_of_node), _MAX)
            ]
        for (node, readings), answers in zip(
            batches, self._session.concurrently(lambda each: self._batch(*each), batches), strict=True
        ):
            for reading, answer in zip(readings, answers, strict=False):
                self._answers[_key(f"nodes/{node}/{reading.path}", reading.params)] = answer

    def _batch(self, node: str, readings: list[Reading]) -> list[Mapping[str, Any]]:
        """The answers, none where the batch fails: then each reading is made on its own."""
        commands = [
            {"path": reading.path, "method": "GET", "args": dict(reading.params)} for reading in readings
        ]
        try:
            answers = self._session.post(f"nodes/{node}/execute", {"commands": json.dumps(commands)})
        except PlatformError:
            return []
        whole = isinstance(answers, list) and len(answers) == len(readings)
        return answers if whole and all(isinstance(answer, dict) for answer in answers) else []


def _key(path: str, params: Mapping[str, object]) -> _Key:
    return path, json.dumps({name: str(value) for name, value in params.items()}, sort_keys=True)
