# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module metrics_export with promtool, a Prometheus and a Pushgateway."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import ModuleOfTest, failure, result
from ansible_collections.evenkeel.cluster.tests.support.notified import http_server
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.prometheus import program, running

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "extensions" / "prometheus"
RULES = FOLDER / "rules" / "evenkeel.rules.yml"
PUSHGATEWAY = Path(sys.prefix, "pushgateway", "usr", "bin", "prometheus-pushgateway")
CLUSTER = generate_storage(StorageShape(datastores=5, disks=40, seed=3, fill=0.65)).to_json()
# A guest that can't be migrated, disks that can't be moved, and a privilege that is missing.
CLUSTER["guests"][0] |= {"blockers": ["iso_mounted"], "migratable": False}
for disk in CLUSTER["guests"][0]["disks"]:
    disk["blockers"] = ["snapshot_chain"]
CLUSTER["notices"] = [{"text": "the rules of HA can't be read", "hides": ["rules"]}]
SUMMARY = {
    "status": "done",
    "by_kind": {"balance": {"migrated": 2}},
    "migration_seconds": 3.5,
    "memory_bytes": 100,
    "in_band": True,
    "seconds": 4.0,
    "spread_before": {"cpu": 20.0, "memory": 33.0},
    "spread_after": {"cpu": 10.0, "memory": 12.0},
    "disk_moves_by_kind": {"space": {"migrated": 2}},
    "disk_move_seconds": 60.0,
    "bytes_copied": 1000,
    "left_behind": 1,
    "datastores_after": {"ds01": 74.0},
}
POLICY = {"storage": {"utilisation": 75, "latency": 10}}


def plan_json() -> dict[str, Any]:
    from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot

    return plan(Snapshot.from_json(CLUSTER), Policy.from_json(POLICY)).to_json()


RUN: Mapping[str, Any] = {"plan": plan_json(), "snapshot": CLUSTER, "summaries": [SUMMARY]}


def export(monkeypatch: pytest.MonkeyPatch, home: Path, **options: Any) -> tuple[Any, list[str]]:
    """The result, and the warnings."""
    warnings: list[str] = []
    monkeypatch.setattr(ModuleOfTest, "warn", lambda _self, text: warnings.append(text))
    monkeypatch.setenv("HOME", str(home))
    options = {"cluster": "prod", **options}
    return result("metrics_export", options, monkeypatch, check_mode=False), warnings


def value_of(file: Path, series: str) -> float:
    [line] = [line for line in file.read_text().splitlines() if line.startswith(f"{series} ")]
    return float(line.rpartition(" ")[2])


def promtool(*words: str | Path, stdin: str = "") -> str:
    done = subprocess.run(
        [program("promtool"), *map(str, words)], input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_has_nothing_to_say_about_the_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    got, warnings = export(monkeypatch, tmp_path, **RUN, textfile_path=str(tmp_path))
    file = tmp_path / "evenkeel-prod.prom"
    assert (got["exported"], warnings) == ([str(file)], [])
    assert file.stat().st_mode & 0o777 == 0o644
    assert promtool("check", "metrics", stdin=file.read_text()) == ""
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_promtool_accepts_the_rules_and_their_tests() -> None:
    assert "SUCCESS" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", FOLDER / "tests" / "evenkeel.test.yml")


def test_a_failed_run_counts_on_and_keeps_the_last_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "evenkeel-prod.prom"
    export(monkeypatch, tmp_path, **RUN, textfile_path=str(tmp_path))
    good = value_of(file, 'evenkeel_last_good_run_timestamp_seconds{cluster="prod"}')
    export(monkeypatch, tmp_path, error="pve1 did not answer", textfile_path=str(tmp_path))
    assert value_of(file, 'evenkeel_last_run_success{cluster="prod"}') == 0
    assert value_of(file, 'evenkeel_last_good_run_timestamp_seconds{cluster="prod"}') == good
    assert value_of(file, 'evenkeel_migrations_total{cluster="prod",kind="balance",result="migrated"}') == 2
    # What is there is no text of Prometheus: the counters begin anew, and a warning says so.
    file.write_text("no metrics {")
    _got, warnings = export(monkeypatch, tmp_path, **RUN, textfile_path=str(tmp_path))
    assert len(warnings) == 1
    assert warnings[0].startswith(f"The counters begin at 0, because {file} can't be used: ")
    assert value_of(file, 'evenkeel_migrations_total{cluster="prod",kind="balance",result="migrated"}') == 2
    got, _warnings = export(monkeypatch, tmp_path, state="absent", textfile_path=str(tmp_path))
    assert (got["changed"], file.exists()) == (True, False)
    got, _warnings = export(monkeypatch, tmp_path, state="absent", textfile_path=str(tmp_path))
    assert got["changed"] is False


@contextmanager
def pushgateway(folder: Path) -> Iterator[str]:
    """A real one on a free port of the loopback."""
    with http_server() as probe:
        port = probe.port
    with (folder / "pushgateway.log").open("wb") as log:
        process = subprocess.Popen(
            [PUSHGATEWAY, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: fetched(f"{url}/-/ready") is not None, process)
        yield url
    finally:
        process.kill()
        process.wait()


def fetched(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return None


def until(true: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert process is None or process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_pushgateway_holds_a_group_for_each_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not PUSHGATEWAY.exists():
        pytest.skip("there is no Pushgateway here")
    with pushgateway(tmp_path) as url:
        place = {"url": url, "timeout": "600"}
        for name in ("prod", "a/b é"):
            for _run in range(2):
                got, warnings = export(monkeypatch, tmp_path, **RUN, cluster=name, pushgateway=place)
                assert (got["exported"], warnings) == ([url], [])
        held = fetched(f"{url}/metrics") or ""
        # The counters are kept where there is no folder of a collector.
        for name in ("prod", "a/b é"):
            series = (
                rf'evenkeel_migrations_total{{cluster="{name}",instance="",job="evenkeel",'
                r'kind="balance",result="migrated"} 4'
            )
            assert series in held
        _got, warnings = export(monkeypatch, tmp_path, cluster="prod", state="absent", pushgateway=place)
        assert warnings == []
        held = fetched(f"{url}/metrics") or ""
        assert 'evenkeel_in_band{cluster="prod"' not in held
        assert 'evenkeel_in_band{cluster="a/b é"' in held


def test_a_place_that_fails_is_a_warning_without_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_server() as server:
        login = {"username": "evenkeel", "password": "top-secret", "timeout": "600"}
        server.status, server.answer = 401, b"go away"
        got, warnings = export(
            monkeypatch, tmp_path, **RUN, textfile_path="/proc", pushgateway={"url": server.url, **login}
        )
        assert server.got[0].headers["Authorization"].startswith("Basic ")
        assert (server.got[0].method, server.got[0].path) == ("PUT", "/metrics/job/evenkeel/cluster/prod")
    assert [failed["place"] for failed in got["failed_exports"]] == ["/proc/evenkeel-prod.prom", server.url]
    assert "textfile_path: /proc/evenkeel-prod.prom can't be written" in warnings[0]
    assert f"pushgateway: {server.url} answered 401 Unauthorized: 'go away'" in warnings[1]
    # It is away now.
    got, more = export(monkeypatch, tmp_path, **RUN, pushgateway={"url": server.url, **login})
    assert f"pushgateway: {server.url} can't be reached: [Errno 111] Connection refused" in more[0]
    assert "top-secret" not in json.dumps([got, warnings, more])


def test_places_are_checked_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    got, _warnings = export(monkeypatch, tmp_path, only_check=True, textfile_path=str(tmp_path))
    assert (got["exported"], list(tmp_path.iterdir())) == ([], [])
    options = {"cluster": "prod", "only_check": True, "textfile_path": f"{tmp_path}/gone"}
    said = failure("metrics_export", options, monkeypatch, {})
    assert said == (
        f"textfile_path: {tmp_path}/gone can't be used: there is no such folder."
        " Set it to the folder in --collector.textfile.directory of node_exporter"
    )


def test_every_query_of_the_dashboard_and_every_rule_finds_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of what is exported stands in for node_exporter."""
    dashboard = json.loads((FOLDER / "dashboards" / "evenkeel.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(queries) > 25
    unresolved = json.loads(json.dumps(RUN["plan"]))
    unresolved["unresolved"] = [{"what": "x", "why": "y", "code": "no_target_host"}]
    with http_server() as server:
        text = tmp_path / "evenkeel-prod.prom"
        export(monkeypatch, tmp_path, **{**RUN, "plan": unresolved}, textfile_path=str(tmp_path))
        server.answer = text.read_bytes()
        with running([], time.time(), targets=[f"127.0.0.1:{server.port}"], rules=RULES) as prometheus:
            until(lambda: _found(prometheus.url, "up == 1"))
            # Counters rise.
            export(monkeypatch, tmp_path, **{**RUN, "plan": unresolved}, textfile_path=str(tmp_path))
            server.answer = text.read_bytes()
            until(lambda: _found(prometheus.url, 'evenkeel_runs_total{result="good"} == 2'))
            until(lambda: _found(prometheus.url, "increase(evenkeel_runs_total[1d]) > 0"))
            empty = [
                query for query in queries if not _found(prometheus.url, query.replace("$cluster", ".*"))
            ]
            assert empty == []
            names = re.findall(r"record: (\S+)", RULES.read_text())
            assert names
            for name in names:
                until(lambda name=name: _found(prometheus.url, name))  # type: ignore[misc]
            rules = json.loads(fetched(f"{prometheus.url}/api/v1/rules") or "{}")["data"]["groups"]
            assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}


def _found(url: str, query: str) -> bool:
    answer = json.loads(fetched(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}") or "{}")
    return bool(answer.get("data", {}).get("result"))


def test_the_dashboard_names_only_metrics_that_are_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(monkeypatch, tmp_path, **RUN, textfile_path=str(tmp_path))
    exported = set(re.findall(r"^# TYPE (\S+)", (tmp_path / "evenkeel-prod.prom").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bevenkeel_\w+", (FOLDER / "dashboards" / "evenkeel.json").read_text()))
    ruled = set(re.findall(r"(?<!:)\bevenkeel_[a-z_]+(?=[ {)[])", RULES.read_text()))
    assert (named | ruled) - exported == {"evenkeel_plan_unresolved"}
