# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of the service for Prometheus. They are read from the database, so that every service that shares
it reports the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._state.database import Database, now
from .._state.library import sa
from .._state.tables import SERVICE_DELIVERIES, SERVICE_REQUESTS
from .library import prometheus, require
from .request import WORK

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is in the database. Ages in seconds, 0 where nothing waits."""

    requests: Mapping[tuple[str, str], int]
    "by kind and status"
    tries: Mapping[str, int]
    "by kind"
    waiting: int
    running: int
    oldest_waiting: float
    deliveries: Mapping[tuple[str, str, str], int]
    "by channel, receiver and status"
    oldest_delivery: float


def figures(database: Database) -> Figures:
    """Raises StateError when the database does not answer."""
    return database.read(_figures)


def exposition(found: Figures | None) -> tuple[bytes, str]:
    """The text of the metrics and its content type; None for a database that does not answer.

    Raises ServiceLibraryMissing.
    """
    require(prometheus, "prometheus-client", "http.metrics")
    # One of its own for each text: what is in the library's own registry is about this process.
    registry = prometheus.CollectorRegistry()
    registry.register(_Collector(found))
    return prometheus.generate_latest(registry), prometheus.CONTENT_TYPE_LATEST


class _Collector:
    def __init__(self, found: Figures | None) -> None:
        self._found = found

    def collect(self) -> Iterator[Any]:
        found = self._found
        yield _gauge("database_up", "Whether the database answers", {(): int(found is not None)})
        if found is None:
            return
        yield _gauge(
            "requests", "Requests that are remembered, by kind and status", found.requests, "kind", "status"
        )
        yield _gauge("request_tries", "Tries of the requests that are remembered", found.tries, "kind")
        yield _gauge("requests_waiting", "Requests that no playbook works on", {(): found.waiting})
        yield _gauge("requests_running", "Requests that a playbook works on", {(): found.running})
        yield _gauge(
            "oldest_waiting_seconds", "Age of the oldest request that waits", {(): found.oldest_waiting}
        )
        yield _gauge(
            "deliveries", "Call-backs and dead letters that are remembered", found.deliveries,
            "channel", "receiver", "status",
        )  # fmt: skip
        yield _gauge(
            "oldest_delivery_seconds", "Age of the oldest call-back that waits", {(): found.oldest_delivery}
        )


def _gauge(name: str, text: str, values: Mapping[Any, float], *labels: str) -> Any:
    family = prometheus.metrics_core.GaugeMetricFamily(f"evenkeel_service_{name}", text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric((key,) if isinstance(key, str) else key, value)
    return family


def _figures(connection: Connection) -> Figures:
    rows, sent = SERVICE_REQUESTS.c, SERVICE_DELIVERIES.c
    moment = now(connection)
    # A body begins with its kind, as `ParsedRequest.text` writes it.
    kind = sa.case(*((rows.body.like(f'{{"kind":"{name}"%'), name) for name in WORK), else_="other").label(
        "kind"
    )
    requests: dict[tuple[str, str], int] = {}
    tries: dict[str, int] = {}
    counted = sa.select(kind, rows.status, sa.func.count(), sa.func.sum(rows.tries))
    for name, status, count, tried in connection.execute(counted.group_by(kind, rows.status)):
        requests[name, status] = count
        tries[name] = tries.get(name, 0) + int(tried)
    open_ = rows.ended_at.is_(None)
    waiting = connection.execute(
        sa.select(sa.func.count(), sa.func.min(rows.received_at)).where(open_, rows.begun_at.is_(None))
    ).one()
    running = connection.execute(
        sa.select(sa.func.count()).where(open_, rows.begun_at.is_not(None))
    ).scalar_one()
    deliveries = connection.execute(
        sa.select(sent.channel, sent.receiver, sent.status, sa.func.count()).group_by(
            sent.channel, sent.receiver, sent.status
        )
    )
    oldest = connection.execute(sa.select(sa.func.min(sent.created_at)).where(sent.ended_at.is_(None)))
    return Figures(
        requests=requests,
        tries=tries,
        waiting=waiting[0],
        running=running,
        oldest_waiting=_age(waiting[1], moment),
        deliveries={(one[0], one[1], one[2]): one[3] for one in deliveries},
        oldest_delivery=_age(oldest.scalar(), moment),
    )


def _age(since: float | None, moment: float) -> float:
    return 0.0 if since is None else max(0.0, moment - since)
