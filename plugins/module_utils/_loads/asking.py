# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a Prometheus for the loads of a cluster: one query for all guests, or all hosts, at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._model.snapshot import Snapshot
from .._model.text.moments import read_moment
from .errors import PrometheusError
from .prometheus import Prometheus
from .queries import PRESSURES, PVE_CLUSTERS, Metric
from .series import Found, Names, assign
from .settings import Settings

SAMPLE_STRANGERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers of Prometheus, by metric: percentiles of guests, percentiles of hosts, and what
    hosts use now. A metric that was not asked for is not there.

    `notices`: what was not asked for, and why.
    """

    guests: Mapping[Metric, Found]
    hosts: Mapping[Metric, Found]
    hosts_now: Mapping[Metric, Found]
    notices: Sequence[str] = ()


def ask(prometheus: Prometheus, snapshot: Snapshot, settings: Settings) -> Answers:
    """Everything that the settings want, as it was when the snapshot was taken.

    Raises PrometheusError, also when nothing at all is known of this cluster.
    """
    at = read_moment(snapshot.taken_at).timestamp()
    if "pve" in settings.exporters:
        _demand_this_cluster(prometheus, snapshot, settings, at)
    names = {of: Names.of(snapshot, of) for of in ("guest", "host")}
    quiet = _quiet_seconds(snapshot)
    history = settings.range if quiet is None else min(settings.range, quiet)
    settled = history >= min(settings.range, settings.rate_window + settings.step)
    guests: dict[Metric, Found] = {}
    hosts: dict[Metric, Found] = {}
    hosts_now: dict[Metric, Found] = {}
    for (of, metric), query in settings.chosen().items():
        what = f"the {metric} of {of}s"
        if of == "guest":
            promql = settings.over(query, settings.range)
            guests[metric] = assign(prometheus.instant(promql, at, what), query, names["guest"])
        elif settled:
            promql = settings.over(query, history)
            hosts[metric] = assign(prometheus.instant(promql, at, what), query, names["host"])
            if metric not in PRESSURES:
                promql = settings.present(query.query)
                hosts_now[metric] = assign(prometheus.instant(promql, at, what), query, names["host"])
    _demand_something([*guests.values(), *hosts.values()], prometheus)
    notices = list(prometheus.notices)
    if not settled and any(of == "host" for of, _metric in settings.chosen()):
        notices.append(
            f"a guest was migrated {quiet} s ago: the values of hosts in Prometheus still include guests"
            " that have left since, so the platform's own values of hosts are used"
        )
    return Answers(guests=guests, hosts=hosts, hosts_now=hosts_now, notices=notices)


def _quiet_seconds(snapshot: Snapshot) -> int | None:
    """How long ago the last migration was that the snapshot knows of; None when it knows of none."""
    last = max((guest.last_migrated_at for guest in snapshot.guests if guest.last_migrated_at), default=None)
    if last is None:
        return None
    return max(0, round((read_moment(snapshot.taken_at) - read_moment(last)).total_seconds()))


def _demand_this_cluster(prometheus: Prometheus, snapshot: Snapshot, settings: Settings, at: float) -> None:
    """Guests of every Proxmox VE cluster are numbered from 100: another one's would be taken for ours."""
    found = prometheus.instant(settings.present(PVE_CLUSTERS), at, "the clusters of pve_exporter")
    clusters = sorted(item.labels.get("id", "").removeprefix("cluster/") for item in found)
    if len(clusters) > 1:
        raise PrometheusError(
            f"it has series of {len(clusters)} clusters: {', '.join(clusters)}",
            where="pve_cluster_info",
            hint='Set selector to matchers that only one of them has, such as job="pve-production"',
        )
    if clusters and snapshot.platform == "proxmox" and clusters != [snapshot.cluster.name]:
        raise PrometheusError(
            f"it has series of cluster {clusters[0]}, but the snapshot is of cluster {snapshot.cluster.name}",
            where="pve_cluster_info",
            hint="Set selector to matchers that this cluster has",
        )


def _demand_something(found: Sequence[Found], prometheus: Prometheus) -> None:
    if not found or any(item.values or item.troubles for item in found):
        return
    strangers = [stranger for item in found for stranger in item.strangers]
    if strangers:
        some = ", ".join(strangers[:SAMPLE_STRANGERS])
        hint = f"Series are of {some}. Set label and pattern of the query so that they match this cluster"
    else:
        hint = "Prometheus has no such series. Check exporters and selector"
    raise PrometheusError(
        "no series matches a guest or host of this cluster", where=prometheus.url, hint=hint
    )
