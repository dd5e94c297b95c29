# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb of prometheus_load: ask a Prometheus and put its answers into a snapshot."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from ansible.module_utils.basic import env_fallback

from ..._loads.asking import ask
from ..._loads.from_prometheus import merge
from ..._loads.prometheus import Prometheus, PrometheusConnection
from ..._loads.settings import Settings
from ..options.values import at_least, numbers
from ..reports.missing_loads import missing_report
from ..snapshots import snapshot_of, snapshot_result

METRICS = ("cpu", "memory", "network_io", "disk_io", "pressure_cpu", "pressure_memory", "pressure_io")
SETTINGS = ("exporters", "queries", "selector", "metrics", "range", "step", "rate_window", "on_missing")


def _from_environment(variable: str) -> tuple[Any, list[str]]:
    return (env_fallback, [variable])


PROMETHEUS_ARGUMENTS: dict[str, Any] = {
    "url": {"type": "str", "required": True, "fallback": _from_environment("PROMETHEUS_URL")},
    "username": {"type": "str", "fallback": _from_environment("PROMETHEUS_USERNAME")},
    "password": {"type": "str", "no_log": True, "fallback": _from_environment("PROMETHEUS_PASSWORD")},
    "bearer_token": {"type": "str", "no_log": True, "fallback": _from_environment("PROMETHEUS_TOKEN")},
    "headers": {"type": "dict", "default": {}},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path", "fallback": _from_environment("PROMETHEUS_CA_PATH")},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "timeout": {"type": "int", "default": 30},
    "exporters": {
        "type": "list",
        "elements": "str",
        "choices": ["pve", "node", "vmware"],
        "default": [],
    },
    "queries": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "of": {"type": "str", "choices": ["guest", "host"], "required": True},
            "metric": {"type": "str", "choices": list(METRICS), "required": True},
            "query": {"type": "str", "required": True},
            "label": {"type": "str", "required": True},
            "pattern": {"type": "str", "default": ".+"},
        },
    },
    "selector": {"type": "str", "default": ""},
    "metrics": {
        "type": "list",
        "elements": "str",
        "choices": list(METRICS),
        "default": ["cpu", "memory"],
    },
    "range": {"type": "int", "default": 3600},
    "step": {"type": "int", "default": 60},
    "rate_window": {"type": "int", "default": 300},
    "percentile": {"type": "raw", "default": 95},
    "on_missing": {"type": "str", "choices": ["platform", "exclude", "fail"], "default": "platform"},
}


def run_prometheus_load(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask for the loads as they were when the snapshot was taken, and put them into it."""
    settings = Settings.from_json(
        {
            **{name: params[name] for name in SETTINGS},
            "percentile": numbers(params["percentile"], "percentile"),
        }
    )
    snapshot = snapshot_of(params)
    with closing(Prometheus(_connection(params))) as prometheus:
        answers = ask(prometheus, snapshot, settings)
    merged = merge(snapshot, answers, settings.on_missing)
    return {
        "changed": False,
        **snapshot_result(params, merged.snapshot),
        "guests": dict(merged.guests),
        "hosts": dict(merged.hosts),
        "missing": [
            {"kind": item.kind, "id": item.id, "name": item.name, "metric": item.metric, "why": item.why}
            for item in merged.missing
        ],
        "warnings": [*answers.notices, *missing_report(merged.missing, settings.on_missing)],
    }


def _connection(params: dict[str, Any]) -> PrometheusConnection:
    at_least(params, 1, "timeout", unit="seconds")
    return PrometheusConnection(
        url=params["url"],
        username=params["username"],
        password=params["password"],
        bearer_token=params["bearer_token"],
        headers={name: str(value) for name, value in params["headers"].items()},
        validate_certs=params["validate_certs"],
        ca_path=params["ca_path"],
        client_cert=params["client_cert"],
        client_key=params["client_key"],
        timeout=params["timeout"],
    )
