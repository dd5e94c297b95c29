# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console as a process of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, MutableMapping, Sequence
from importlib.util import find_spec

from ansible.errors import AnsibleError

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError, printable

from .arguments import NAME, ConsoleCLI, Start, taken_over
from .inventory import FoundCluster, find_clusters
from .playbook import PlaybookRun
from .runs import LiveRun
from .session import Session

_WAIT_SECONDS = 0.2


def main(arguments: Sequence[str], environment: MutableMapping[str, str]) -> int:
    """Show the console until it is closed. Returns the exit code."""
    handed = taken_over(environment)
    given, secrets = ([NAME, *arguments[1:]], None) if handed is None else ([NAME, *handed[0]], handed[1])
    try:
        start = ConsoleCLI(given).start(secrets)
        if start.options.check:
            return _check(_found(start))
        serves = bool(start.options.serve) and handed is None
        _require(serves)
        clusters = _found(start)
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
        Session(
            cluster.name,
            cluster.settings,
            error=cluster.error,
            read_only=cluster.read_only,
            refresh=refresh,
        )
        for cluster in clusters
    ]


def _found(start: Start) -> Sequence[FoundCluster]:
    return find_clusters(start.loader, start.inventory, start.variables, start.options.subset)


def _check(clusters: Sequence[FoundCluster]) -> int:
    for cluster in clusters:
        sys.stdout.write(printable(f"{cluster.name}: {cluster.error or 'ok'}") + "\n")
    return 1 if any(cluster.error for cluster in clusters) else 0


def _show(start: Start, clusters: Sequence[FoundCluster]) -> int:
    from .app import ConsoleApp

    app = ConsoleApp(
        sessions_of(clusters, start.options.refresh),
        start,
        read_only=start.options.read_only,
    )
    app.run()
    wait_for(app.runs.under_way(), app.playbooks.values())
    code = app.return_code or 0
    if any(session.status.reading for session in app.sessions):
        # Python would wait for the threads that ask a platform, however long that does not answer.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def wait_for(runs: Sequence[LiveRun], playbooks: Iterable[PlaybookRun]) -> None:
    """Wait for what is under way when the console has been closed. Ctrl-C stops it as soon as possible."""
    for run in runs:
        sys.stdout.write(
            printable(f"Waiting for the end of the run on {run.session.name}. Ctrl-C stops it.") + "\n"
        )
    sys.stdout.flush()
    while [run for run in runs if not run.ended]:
        try:
            time.sleep(_WAIT_SECONDS)
        except KeyboardInterrupt:
            for run in runs:
                run.stop()
    for playbook in playbooks:
        playbook.leave()


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
