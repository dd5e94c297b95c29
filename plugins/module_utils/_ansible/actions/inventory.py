# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters and their hypervisors as hosts of an Ansible inventory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from ..._model.errors import EvenKeelError, InputError
from ..._model.snapshot import Snapshot
from ..errors import NameTaken
from ..options.environment import with_environment
from ..options.platform import PLATFORM_ARGUMENTS, PlatformOptions
from ..options.variables import SECRETS
from ..platforms import open_platform
from .cluster_facts import summary

CLUSTERS = "clusters"
HYPERVISORS = "hypervisors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An inventory host: its groups, and its variables."""

    name: str
    groups: tuple[str, ...]
    variables: Mapping[str, Any]


def read_clusters(
    given: PlatformOptions, wanted: Sequence[str], environment: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Every cluster that is wanted, all that there are unless any is named, and what could not be found out.

    What is given is plain JSON without secrets, which may be kept: `option` (what the option cluster names it
    by), `summary` and `hosts`. Guests are only counted.
    """
    if wanted and given.cluster:
        raise InputError.conflict("clusters", "cluster")
    given = with_environment(given, environment)
    named = list(wanted) or ([given.cluster] if given.cluster else _all(given))
    found, notices = [], []
    for option in named:
        with closing(open_platform(replace(given, cluster=option))) as platform:
            snapshot = platform.read()
            notices += [f"cluster {snapshot.cluster.name}: {notice.text}" for notice in snapshot.notices]
        found.append(_kept(snapshot, option))
    _demand_different(found)
    return found, notices


def entries(
    clusters: Sequence[Mapping[str, Any]],
    options: PlatformOptions,
    cluster_prefix: str,
    host_prefix: str,
) -> list[Entry]:
    """An inventory host for each cluster and for each of its hypervisors.

    Raises NameTaken where two would have the same name, or two clusters the same group.
    """
    connection = {
        f"balance_{option}": getattr(options, option)
        for option, spec in PLATFORM_ARGUMENTS.items()
        if option not in SECRETS
        and option != "cluster"
        and getattr(options, option) not in (None, spec.get("default"))
    }
    titles = Counter(cluster["summary"]["cluster"]["name"] for cluster in clusters)
    result = []
    for cluster in clusters:
        title = cluster["summary"]["cluster"]["name"]
        name = cluster_prefix + (title if titles[title] == 1 else str(cluster["option"]))
        result += _cluster(cluster, name, host_prefix, {**connection, "balance_cluster": cluster["option"]})
    _demand_names(result)
    return result


def _all(given: PlatformOptions) -> list[str]:
    with closing(open_platform(given)) as platform:
        found = list(platform.clusters())
    if not found:
        raise EvenKeelError(
            "the account sees no cluster", where=f"platform {given.platform}", hint="Does it lack a right?"
        )
    return found


def _kept(snapshot: Snapshot, option: str) -> dict[str, Any]:
    hosts = []
    for host in snapshot.to_json()["hosts"]:  # type: ignore[attr-defined]
        # With all that is known of each, many hosts with many datastores make an inventory very long.
        hosts.append({**host, "datastores": sorted(host["datastores"])})
    short = {key: value for key, value in summary(snapshot, None).items() if key != "snapshot_path"}
    return {"option": option, "summary": short, "hosts": hosts}


def _demand_different(found: Sequence[Mapping[str, Any]]) -> None:
    ids = Counter(cluster["summary"]["cluster"]["id"] for cluster in found)
    for cluster in found:
        if ids[cluster["summary"]["cluster"]["id"]] > 1:
            raise InputError(
                "clusters", cluster["option"], "named once: it is the same cluster as another one of the list"
            )


def _cluster(
    cluster: Mapping[str, Any], name: str, host_prefix: str, connection: Mapping[str, Any]
) -> list[Entry]:
    short = cluster["summary"]
    common = (f"cluster_{safe(name)}", f"platform_{safe(short['platform'])}")
    reference = {**short["cluster"], "platform": short["platform"], "inventory_hostname": name}
    names = _unique(cluster["hosts"])
    result = [
        Entry(
            name=name,
            groups=(CLUSTERS, *common),
            variables={
                **connection,
                # What is done to a cluster is done through its API, from here.
                "ansible_connection": "local",
                "evenkeel_cluster": reference,
                "evenkeel_summary": short,
                "evenkeel_hypervisors": [host_prefix + names[host["id"]] for host in cluster["hosts"]],
            },
        )
    ]
    for host in cluster["hosts"]:
        groups = [HYPERVISORS, *common, f"status_{'maintenance' if host['maintenance'] else host['status']}"]
        if host["pool"]:
            groups.append(f"pool_{safe(host['pool'])}")
        address = {"ansible_host": host["address"]} if host["address"] else {}
        result.append(
            Entry(
                name=host_prefix + names[host["id"]],
                groups=tuple(groups),
                variables={**connection, **address, "evenkeel_cluster": reference, "evenkeel_host": host},
            )
        )
    return result


def _unique(hosts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By id, the name; with the id where several have it."""
    names = Counter(host["name"] for host in hosts)
    return {
        host["id"]: host["name"] if names[host["name"]] == 1 else f"{host['name']}-{host['id']}"
        for host in hosts
    }


def _demand_names(found: Sequence[Entry]) -> None:
    seen: dict[str, Entry] = {}
    for entry in found:
        if entry.name in seen:
            raise NameTaken(
                f"{_what(seen[entry.name])} and {_what(entry)} would be the same inventory host",
                where=entry.name,
                hint="Set cluster_prefix or host_prefix",
            )
        seen[entry.name] = entry
    groups: dict[str, str] = {}
    for entry in found:
        for group in entry.groups:
            cluster = entry.variables["evenkeel_cluster"]["inventory_hostname"]
            if group.startswith("cluster_") and groups.setdefault(group, cluster) != cluster:
                raise NameTaken(
                    f"clusters {groups[group]} and {cluster} would be the same group",
                    where=group,
                    hint="Give them inventories of their own, with different values of cluster_prefix",
                )


def _what(entry: Entry) -> str:
    cluster = entry.variables["evenkeel_cluster"]["name"]
    return f"cluster {cluster}" if CLUSTERS in entry.groups else f"a host of cluster {cluster}"


def safe(name: str) -> str:
    """A name that Ansible accepts for a group."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)
