# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Prometheus of the tests' own, with series that they have made, on a free port; gone afterwards.

    prometheus.py start --workdir DIR --series SERIES.json --until SECONDS
    prometheus.py stop --workdir DIR

SERIES.json is a list of the fields of Line. `start` writes DIR/prometheus.json when it is ready: url, pid.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.cluster.tests.support import detached
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

# Where tools/setup.bash unpacks it where the system has none.
UNPACKED = Path(sys.prefix, "prometheus", "usr", "bin")
USER, PASSWORD = "evenkeel", "pass/w0rd"
# Of PASSWORD, by bcrypt.
HASH = "$2b$05$abcdefghijklmnopqrstuuHUlTAkgHUg7HwZA/TVPSC2TANFvnx4."
CLIENTS = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: {}\n"


@dataclass(frozen=True)
class Line:
    """A made series: a value every `step` seconds, the last one at the moment that the test is about."""

    name: str
    labels: Mapping[str, str]
    values: Sequence[float]
    step: int = 60


@dataclass(frozen=True)
class Running:
    """Where it is, and the file of the authority that its certificate is by, where it has one."""

    url: str
    ca_path: Path | None = None


@dataclass(frozen=True)
class Tls:
    """Files of a server certificate and of the authority that it is by; `client_ca` where clients must show
    one, too.
    """

    certificate: Path
    key: Path
    ca_path: Path
    client_ca: Path | None = None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--series", type=Path)
    parser.add_argument("--until", type=float)
    return detached.main(__file__, parser, "prometheus.json", _serve)


@contextmanager
def _serve(options: argparse.Namespace) -> Iterator[detached.Server]:
    lines = [Line(**line) for line in json.loads(options.series.read_text())]
    with running(lines, options.until) as place:
        yield {"url": place.url}, signal.pause


@contextmanager
def running(
    lines: Iterable[Line],
    until: float,
    *,
    tls: Tls | None = None,
    targets: Sequence[str] = (),
    rules: Path | None = None,
) -> Iterator[Running]:
    """A Prometheus that holds these series, which end at `until`, in seconds since 1970. Every second it
    scrapes `targets`, each a host with its port, and evaluates the file `rules`.

    With `tls` it speaks HTTPS and wants USER and PASSWORD.
    """
    with tempfile.TemporaryDirectory(prefix="evenkeel-prometheus-") as temporary:
        folder = Path(temporary)
        (folder / "made.txt").write_text(_open_metrics(lines, until))
        _run(
            program("promtool"),
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            folder / "made.txt",
            folder / "data",
        )
        interval = "1s" if targets else "1m"
        config = {
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "rule_files": [str(rules)] if rules is not None else [],
            "scrape_configs": [
                {"job_name": "tests", "honor_labels": True, "static_configs": [{"targets": [*targets]}]}
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        port = _free_port()
        command = [
            program("prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        if tls is not None:
            (folder / "web.yml").write_text(
                f"tls_server_config:\n  cert_file: {tls.certificate}\n  key_file: {tls.key}\n"
                + ("" if tls.client_ca is None else CLIENTS.format(tls.client_ca))
                + f"basic_auth_users:\n  {USER}: {HASH}\n"
            )
            command.append(f"--web.config.file={folder}/web.yml")
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log)
        place = Running(f"{'https' if tls else 'http'}://127.0.0.1:{port}", tls.ca_path if tls else None)
        try:
            _await(place, tls, server, folder / "log")
            yield place
        finally:
            server.terminate()
            server.wait()


def _open_metrics(lines: Iterable[Line], until: float) -> str:
    """Samples of a metric stand together, and the samples of a series in their order."""
    by_name: dict[str, list[Line]] = {}
    for line in lines:
        by_name.setdefault(line.name, []).append(line)
    text = []
    for name, same in sorted(by_name.items()):
        text.append(
            f"# TYPE {name.removesuffix('_total')} {'counter' if name.endswith('_total') else 'gauge'}"
        )
        for line in same:
            labels = ",".join(f'{key}="{value}"' for key, value in line.labels.items())
            for index, value in enumerate(line.values):
                moment = until - (len(line.values) - 1 - index) * line.step
                text.append(f"{name}{{{labels}}} {value} {moment:.0f}")
    return "\n".join([*text, "# EOF", ""])


def program(name: str) -> str:
    """The path of prometheus or promtool."""
    unpacked = UNPACKED / name
    found = str(unpacked) if unpacked.exists() else shutil.which(name)
    if found is None:
        raise RuntimeError(f"there is no {name} here: apt-get install prometheus")
    return found


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")


def _await(place: Running, tls: Tls | None, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers queries, which is later than it listens."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    request = urllib.request.Request(f"{place.url}/-/ready")
    context = None
    if tls is not None:
        context = ssl.create_default_context(cafile=str(tls.ca_path))
        context.load_cert_chain(tls.certificate, tls.key)
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
    while True:
        try:
            urllib.request.urlopen(request, timeout=5, context=context).close()
        except OSError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Prometheus does not start: {error} {log.read_text()[-2000:]}") from None
            time.sleep(0.1)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
