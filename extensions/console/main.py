# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console as a process of its own."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping, Sequence
from importlib.util import find_spec

from ansible.errors import AnsibleError

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError, printable

from .arguments import NAME, ConsoleCLI, Start, taken_over
from .inventory import FoundCluster, find_clusters
from .session import Session


def main(arguments: Sequence[str], environment: MutableMapping[str, str]) -> int:
    """Show the console until it is closed. Returns the exit code."""
    handed = taken_over(environment)
    given, secrets = ([NAME, *arguments[1:]], None) if handed is None else ([NAME, *handed[0]], handed[1])
    try:
        start = ConsoleCLI(given).start(secrets)
        serves = bool(start.options.serve) and handed is None
        _require(serves)
        clusters = find_clusters(start.loader, start.inventory, start.variables, start.options.subset)
        _refuse_all_wrong(clusters)
        return _serve(start) if serves else _show(start, clusters)
    except (AnsibleError, EvenKeelError) as error:
        sys.stderr.write(f"{NAME}: {printable(' '.join(str(error).split()))}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def sessions_of(clusters: Sequence[FoundCluster], refresh: float) -> list[Session]:
    """A session for each cluster."""
    return [
        Session(cluster.name, cluster.settings, error=cluster.error, refresh=refresh) for cluster in clusters
    ]


def _show(start: Start, clusters: Sequence[FoundCluster]) -> int:
    from .app import ConsoleApp

    app = ConsoleApp(
        sessions_of(clusters, start.options.refresh),
        start,
        read_only=start.options.read_only or any(cluster.read_only for cluster in clusters),
    )
    app.run()
    return app.return_code or 0


def _serve(start: Start) -> int:
    from .serve import serve

    return serve(start)


def _refuse_all_wrong(clusters: Sequence[FoundCluster]) -> None:
    """Where no cluster can be used, such as with a wrong vault password, there is nothing to look at."""
    if all(cluster.settings is None for cluster in clusters):
        reasons = dict.fromkeys(f"{cluster.name}: {cluster.error}" for cluster in clusters)
        raise EvenKeelError("; ".join(list(reasons)[:3]), where="inventory")


def _require(serves: bool) -> None:
    """Raises EvenKeelError for a library that is not installed."""
    needed = {"textual": "textual"} | ({"textual_serve": "textual-serve"} if serves else {})
    for module, package in needed.items():
        if find_spec(module) is None:
            raise EvenKeelError(
                f"the Python library {package} is not installed",
                where="--serve" if module == "textual_serve" else "console",
                hint=f"Run {sys.executable} -m pip install {package}",
            )
