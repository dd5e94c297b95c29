# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many simulated clusters, several to a process, and what must be true after they have been balanced."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import ClusterRef
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.modules import connection_options

KINDS = 10
"""So many different clusters; the others are like them, so that the mean of 10 is that of 300."""
SILENT, REFUSING = "a-silent", "a-refusing"
"""Dead platforms. By name they are the first ones, which could delay most."""


@dataclass(frozen=True)
class Fleet:
    """Running simulators by the name of their cluster."""

    clusters: Mapping[str, launch.Simulator]

    @property
    def processes(self) -> frozenset[int]:
        return frozenset(simulator.connection.pid for simulator in self.clusters.values())

    def states(self) -> dict[str, dict[str, Any]]:
        """What each simulator has seen."""
        return {name: simulator.state() for name, simulator in self.clusters.items()}

    def inventory(
        self, dead: Mapping[str, Mapping[str, object]] | None = None, **options: object
    ) -> dict[str, Any]:
        """As AWX hands it to a job: groups, and the variables of each host. `dead`: platforms besides."""
        hosts = {
            name: {
                **{
                    f"balance_{option}": value
                    for option, value in connection_options(simulator.connection).items()
                },
                **options,
            }
            for name, simulator in self.clusters.items()
        }
        hosts.update({name: {**about, **options} for name, about in (dead or {}).items()})
        return {"clusters": {"hosts": sorted(hosts)}, "_meta": {"hostvars": hosts}}


@contextmanager
def running(
    folder: Path, count: int, shape: Shape, *, processes: int = 1, migration_seconds: float = 0.2
) -> Iterator[Fleet]:
    """This number of Proxmox VE clusters of this shape; the seeds go round."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [generate(replace(shape, seed=shape.seed + number)) for number in range(min(KINDS, count))]
    names = [f"c{number:03d}" for number in range(1, count + 1)]
    for number, name in enumerate(names):
        snapshot = replace(kinds[number % KINDS], cluster=ClusterRef(id=name, name=name))
        (folder / f"{name}.json").write_text(json.dumps(snapshot.to_json()))
    clusters: dict[str, launch.Simulator] = {}
    with ExitStack() as stack:
        for process in range(min(processes, count)):
            mine = names[process::processes]
            served = launch.start_each(
                "proxmox",
                [folder / f"{name}.json" for name in mine],
                folder / f"simulators-{process + 1}",
                options=["--migration-seconds", str(migration_seconds)],
            )
            stack.callback(served[0].stop)
            clusters.update(zip(mine, served, strict=True))
        yield Fleet(dict(sorted(clusters.items())))


@dataclass(frozen=True)
class DeadPlatforms:
    """Connections, as variables of the role balance, to one that accepts and never answers, and to one that
    refuses.
    """

    hosts: Mapping[str, Mapping[str, object]]
    _silent: socket.socket

    def end(self) -> None:
        """From now on the silent one refuses too."""
        self._silent.close()


@contextmanager
def dead_platforms(ca_path: str) -> Iterator[DeadPlatforms]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as silent, socket.socket() as refusing:
        # Bound, so that nobody else takes the port, and not listening.
        refusing.bind(("127.0.0.1", 0))
        hosts = {
            name: {
                "balance_platform": "proxmox",
                "balance_api_host": ["127.0.0.1"],
                "balance_api_port": port.getsockname()[1],
                "balance_api_user": "root@pam",
                "balance_api_password": "secret",
                "balance_ca_path": ca_path,
            }
            for name, port in ((SILENT, silent), (REFUSING, refusing))
        }
        yield DeadPlatforms(hosts, silent)


def faults(states: Mapping[str, Mapping[str, Any]], results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What must not be: a guest that was migrated twice, a migration that nobody reports or that did not
    happen, a cluster without a result. `results` as the role publishes them, `states` before any other run.
    """
    found = []
    for name, state in states.items():
        moved = Counter(
            str(migration["guest"]) for migration in state["migrations"] if migration["state"] == "done"
        )
        twice = sorted(guest for guest, times in moved.items() if times > 1)
        if twice:
            found.append(f"{name}: migrated more than once: {', '.join(twice)}")
        result = results.get(name)
        if result is None:
            found.append(f"{name}: no result")
            continue
        if result["status"] not in ("done", "balanced"):
            found.append(f"{name}: {result['status']}: {result['error']}")
        reported = (result["outcome"] or {}).get("migrated", 0)
        if reported != moved.total():
            found.append(f"{name}: {reported} migrations are reported, the platform has seen {moved.total()}")
    return found
