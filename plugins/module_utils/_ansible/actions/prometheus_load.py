# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module prometheus_load: merge the loads from a Prometheus into a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from ansible.module_utils.basic import env_fallback

from ..._loads.asking import ask
from ..._loads.fallback import Fallback
from ..._loads.from_prometheus import merge
from ..._loads.prometheus import Prometheus, PrometheusConnection
from ..._loads.settings import Settings
from ..._model.quantities import LONG_TIME, TIME
from ..options.argument_spec import Path, Secret, Spec, argument_spec, options_of
from ..options.values import at_least, numbers
from ..reports.missing_loads import missing_report
from ..snapshots import MergeOptions, snapshot_of, snapshot_result

Metric = Literal["cpu", "memory", "network_io", "disk_io", "pressure_cpu", "pressure_memory", "pressure_io"]
SETTINGS = ("exporters", "queries", "selector", "metrics", "range", "step", "rate_window", "on_missing")


@dataclass(frozen=True, kw_only=True)
class QueryOptions:
    """An entry of queries."""

    of: Literal["guest", "host"]
    metric: Metric
    query: str
    label: str
    pattern: str = ".+"


def _variable(name: str) -> Spec:
    return Spec(fallback=(env_fallback, [name]))


@dataclass(frozen=True, kw_only=True)
class PrometheusOptions:
    """Where Prometheus is, and what it is asked; times in seconds."""

    url: Annotated[str, _variable("PROMETHEUS_URL")]
    username: Annotated[str | None, _variable("PROMETHEUS_USERNAME")] = None
    password: Annotated[Secret | None, _variable("PROMETHEUS_PASSWORD")] = None
    bearer_token: Annotated[Secret | None, _variable("PROMETHEUS_TOKEN")] = None
    headers: Annotated[Mapping[str, Any], Spec(default={})] = field(default_factory=dict)
    validate_certs: bool = True
    ca_path: Annotated[Path | None, _variable("PROMETHEUS_CA_PATH")] = None
    client_cert: Path | None = None
    client_key: Annotated[Path | None, Spec(no_log=False)] = None
    timeout: Annotated[int, TIME] = 30
    exporters: Annotated[Sequence[Literal["pve", "node", "vmware"]], Spec(default=[])] = ()
    queries: Annotated[
        Sequence[Mapping[str, Any]], Spec(options=argument_spec(QueryOptions), default=[])
    ] = ()
    selector: str = ""
    metrics: Sequence[Metric] = ("cpu", "memory")
    range: Annotated[int, LONG_TIME] = 3600
    step: Annotated[int, TIME] = 60
    rate_window: Annotated[int, LONG_TIME] = 300
    percentile: Any = 95
    on_missing: Fallback = "platform"


@dataclass(frozen=True, kw_only=True)
class PrometheusLoadOptions(MergeOptions, PrometheusOptions):
    """The options of prometheus_load."""


PROMETHEUS_ARGUMENTS = argument_spec(PrometheusOptions)


def run_prometheus_load(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Ask for the loads as they were when the snapshot was taken, and put them into it."""
    options = options_of(PrometheusLoadOptions, params)
    settings = Settings.from_json(
        {
            **{name: getattr(options, name) for name in SETTINGS},
            "percentile": numbers(options.percentile, "percentile"),
        }
    )
    snapshot = snapshot_of(options)
    with closing(Prometheus(_connection(options))) as prometheus:
        answers = ask(prometheus, snapshot, settings)
    merged = merge(snapshot, answers, settings.on_missing)
    return {
        "changed": False,
        **snapshot_result(options, merged.snapshot, check_mode=check_mode),
        "guests": dict(merged.guests),
        "hosts": dict(merged.hosts),
        "missing": [
            {"kind": item.kind, "id": item.id, "name": item.name, "metric": item.metric, "why": item.why}
            for item in merged.missing
        ],
        "warnings": [*answers.notices, *missing_report(merged.missing, settings.on_missing)],
    }


def _connection(options: PrometheusOptions) -> PrometheusConnection:
    at_least(options, 1, "timeout", unit="seconds")
    return PrometheusConnection(
        url=options.url,
        username=options.username,
        password=options.password,
        bearer_token=options.bearer_token,
        headers={name: str(value) for name, value in options.headers.items()},
        validate_certs=options.validate_certs,
        ca_path=options.ca_path,
        client_cert=options.client_cert,
        client_key=options.client_key,
        timeout=options.timeout,
    )
