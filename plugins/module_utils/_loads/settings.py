# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which loads to take from a Prometheus, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from .._model.codec import Bounds, decode
from .._model.errors import InputError
from .._model.text.regexes import check_regex
from .fallback import Fallback
from .queries import PRESSURES, READY, Exporter, Metric, Of, Query

YEAR = 366 * 86_400
Percent = Annotated[float, Bounds(0, 100)]
DEFAULT_PERCENTILE = 95.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`range` and `step`, in seconds: how far back, and how far apart the values that percentiles are taken
    of. `rate_window`: over how many seconds counters are rated. `selector`: label matchers for all queries.
    """

    exporters: tuple[Exporter, ...] = ()
    queries: tuple[Query, ...] = ()
    selector: str = ""
    metrics: tuple[Metric, ...] = ("cpu", "memory")
    range: Annotated[int, Bounds(1, YEAR)] = 3600
    step: Annotated[int, Bounds(1, YEAR)] = 60
    rate_window: Annotated[int, Bounds(1, YEAR)] = 300
    percentile: Percent | Mapping[Metric, Percent] = DEFAULT_PERCENTILE
    on_missing: Fallback = "platform"

    @classmethod
    def from_json(cls, value: object) -> Settings:
        """Raises InputError with the first field that is wrong or contradicts another."""
        settings = decode(cls, value, "prometheus")
        if not settings.exporters and not settings.queries:
            raise InputError.required("exporters", when="queries is empty", expected="at least one exporter")
        if not settings.metrics:
            raise InputError.required("metrics", expected="at least one metric")
        if settings.step > settings.range:
            raise InputError.exceeds("step", settings.step, "range", settings.range, unit=" s")
        for index, query in enumerate(settings.queries):
            _check(query, f"queries[{index}]")
        given = {query.metric for query in settings.chosen().values()}
        for metric in settings.metrics:
            if metric not in given:
                raise InputError(
                    "metrics",
                    metric,
                    f"a metric of any query ({', '.join(sorted(given)) or 'none'})",
                    hint="Add a query for it to queries, or an exporter that reports it",
                )
        return settings

    def chosen(self) -> dict[tuple[Of, Metric], Query]:
        """One query for each metric that is wanted: those of a later exporter win, and the user's own over
        all.
        """
        queries = [query for exporter in self.exporters for query in READY[exporter]]
        return {
            (query.of, query.metric): query
            for query in (*queries, *self.queries)
            if query.metric in self.metrics
        }

    def quantile(self, metric: Metric) -> float:
        """From 0 to 1."""
        if isinstance(self.percentile, Mapping):
            return self.percentile.get(metric, DEFAULT_PERCENTILE) / 100
        return self.percentile / 100

    def present(self, promql: str) -> str:
        """A query with its variables replaced."""
        return promql.replace("$selector", self.selector).replace("$rate", f"{self.rate_window}s")

    def over(self, query: Query, seconds: int) -> str:
        """The percentile of what a query gave in the last seconds."""
        values = f"({self.present(query.query)})[{seconds}s:{self.step}s]"
        return f"quantile_over_time({self.quantile(query.metric):g}, {values})"


def _check(query: Query, path: str) -> None:
    if query.of == "guest" and query.metric in PRESSURES:
        raise InputError(f"{path}.metric", query.metric, "a metric of guests; pressure is one of hosts")
    check_regex(query.pattern, f"{path}.pattern")
