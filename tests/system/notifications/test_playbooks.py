# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notifications and metrics of whole playbooks, on rehearsals: whom they reach, and what nobody ever sees."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.notified import HttpServer, http_server
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
SECRETS = ("top-secret", "hidden-path", "hidden-key", "gateway-secret")
DIGEST = [
    {"import_playbook": "evenkeel.cluster.balance"},
    {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "roles": [{
            "role": "evenkeel.cluster.notify",
            "notify_clusters": "{{ groups.clusters }}",
            "notify_urls": "{{ all_urls }}",
        }],
    },
]  # fmt: skip


class Site:
    """Copies of the example cluster, one of which can't be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metrics = folder / "metrics"
        self.metrics.mkdir()
        self.hosts: dict[str, dict[str, Any]] = {}
        for name in ("one", "two"):
            path = folder / f"{name}.json"
            shutil.copy(ROOT / "playbooks" / "files" / "example-cluster.json", path)
            self.hosts[name] = {"balance_platform": "rehearsal", "balance_rehearsal_path": str(path)}

    def play(self, playbook: str, *options: str, **variables: Any) -> tuple[int, str]:
        """The exit code, and all that was shown."""
        programs = Path(sys.executable).parent
        (self.folder / "clusters.json").write_text(json.dumps({"clusters": {"hosts": self.hosts}}))
        (self.folder / "vars.json").write_text(json.dumps(variables))
        done = subprocess.run(
            [
                programs / "ansible-playbook", playbook,
                "-i", self.folder / "clusters.json", "-e", f"@{self.folder / 'vars.json'}", *options,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={
                "PATH": f"{programs}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_SHOW_CUSTOM_STATS": "1",
            },
            check=False,
            timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def metrics_of(self, cluster: str) -> str:
        return (self.metrics / f"evenkeel-{cluster}.prom").read_text()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def urls(server: HttpServer) -> list[str]:
    """One that answers, and one that is away."""
    return [
        f"json://user:top-secret@127.0.0.1:{server.port}/hidden-path?+X-Key=hidden-key",
        "json://user:top-secret@127.0.0.1:1/hidden-path",
    ]


def titles(server: HttpServer) -> list[tuple[str, str]]:
    bodies = [json.loads(call.body) for call in server.got if call.method == "POST"]
    return [(body["title"], body["type"]) for body in bodies]


def test_a_run_that_moves_disks_says_so_in_its_message_and_in_its_metrics(site: Site) -> None:
    path = site.folder / "one.json"
    shutil.copy(ROOT / "playbooks" / "files" / "example-datastores.json", path)
    del site.hosts["two"]
    wanted = {"preset": "sdrs", "effort": 1}
    planned = plan(Snapshot.from_json(json.loads(path.read_text())), Policy.from_json(wanted)).storage
    assert planned is not None
    moves = len(planned.moves)
    # The old copy of one stays where it is.
    fault = {"guest": planned.moves[0].guest.id, "what": "delete"}
    (site.folder / "one.storage.json").write_text(json.dumps({"faults": [fault]}))
    with http_server() as server:
        code, said = site.play(
            "evenkeel.cluster.balance",
            balance_preset="sdrs",
            balance_effort=1,
            balance_notify={"urls": urls(server)[:1], "timeout": 600},
            balance_textfile_path="metrics",
        )
        assert code == 0, said
        [(title, _kind)] = titles(server)
        [message] = [json.loads(call.body)["message"] for call in server.got if call.method == "POST"]
    assert f"{moves} of {moves} moves of disks" in message
    assert title == f"one: 1 copy of disks left behind, {moves} disk moves done"
    assert re.search(rf"^{moves} disk moves done, [1-9][\d.]* GiB copied\.$", message, re.MULTILINE)
    assert "left behind: old copy of" in message
    assert re.search(r"^  nfs1 .* 97\.0 → ", message, re.MULTILINE)
    found = site.metrics_of("one")
    for line in (
        'evenkeel_copies_left_behind_total{cluster="one"} 1.0',
        'evenkeel_datastore_used_max_ratio{cluster="one"} 0.8',
    ):
        assert line in found
    used = re.findall(r'^evenkeel_datastore_used_(\w+){cluster="one",datastore="nfs1"} (\S+)$', found, re.M)
    ratios = {name: float(value) for name, value in used}
    assert round(ratios["before_ratio"], 3) == 0.97
    assert ratios["ratio"] < ratios["before_ratio"]
    done = re.findall(r'^evenkeel_disk_moves_total{.*result="migrated"} (\S+)$', found, re.MULTILINE)
    assert sum(map(float, done)) == moves
    # It is a result of the job, too.
    stats = json.loads(said[said.index("{", said.index("CUSTOM STATS")) :].splitlines()[0])
    outcome = stats["evenkeel_balance"]["one"]["outcome"]
    assert (outcome["disk_moves"]["migrated"], outcome["left_behind"]) == (moves, 1)


def test_a_digest_of_a_play_and_one_of_a_playbook_with_a_cluster_that_fails(site: Site) -> None:
    (site.folder / "two.json").write_text("{")
    (site.folder / "all.yml").write_text(json.dumps(DIGEST))
    with http_server() as server:
        code, said = site.play(
            "all.yml", "-vvv", "--diff",
            all_urls=urls(server),
            balance_notify={"urls": urls(server), "digest": True, "timeout": 600},
            balance_textfile_path="metrics",
            balance_pushgateway={
                "url": server.url, "username": "evenkeel", "password": "gateway-secret", "timeout": 600,
            },
        )  # fmt: skip
        assert titles(server) == [("2 clusters: 1 failed, 1 changed", "failure")] * 2, said
        bodies = [json.loads(call.body)["message"] for call in server.got if call.method == "POST"]
    for body in bodies:
        assert body.startswith("two: failed\none: 10 guests migrated\n")
        assert "two.json: is not JSON" in body
        assert "  spread  66.2 → 13.9  55.1 → 12.9" in body
    assert sorted(call.path for call in server.got if call.method == "PUT") == [
        "/metrics/job/evenkeel/cluster/one",
        "/metrics/job/evenkeel/cluster/two",
    ]
    # The cluster that failed is the only failure, and its reason the last that is shown of it.
    assert code == 2
    assert re.search(r"^two +: .*failed=1 .*ignored=0", said, re.MULTILINE)
    assert re.search(r"^one +: .*failed=0 .*ignored=0", said, re.MULTILINE)
    # Ansible shows the same warning once.
    assert "The notification to urls[1] (json, 127.0.0.1) failed: A Connection error occurred" in said
    assert not [secret for secret in SECRETS if secret in said]
    assert 'evenkeel_last_run_success{cluster="one"} 1.0' in site.metrics_of("one")
    assert 'evenkeel_migrations_total{cluster="one",kind="rule",result="migrated"} 6.0' in site.metrics_of(
        "one"
    )
    assert 'evenkeel_last_run_success{cluster="two"} 0.0' in site.metrics_of("two")
    assert "evenkeel_host_load_ratio" not in site.metrics_of("two")


def test_what_is_wrong_with_receivers_and_places_is_said_before_a_run_begins(site: Site) -> None:
    site.hosts["one"]["balance_notify"] = {"urls": ["json://127.0.0.1", "tgramm://top-secret/1"]}
    site.hosts["two"]["balance_textfile_path"] = "gone"
    code, said = site.play("evenkeel.cluster.balance", "-vvv")
    assert code == 2
    assert (
        "balance_notify.urls[1]: Apprise knows no service of the schema tgramm://. Did you mean tgram://?"
        in said
    )
    assert "balance_textfile_path: gone can't be used: there is no such folder." in said
    assert "Read the cluster" not in said
    assert not [secret for secret in SECRETS if secret in said]


def test_check_mode_and_an_evacuation(site: Site) -> None:
    del site.hosts["two"]
    with http_server() as server:
        notify = {"urls": urls(server)[:1], "events": ["failed", "changed", "would_change"], "timeout": 600}
        options = {"balance_notify": notify, "balance_textfile_path": str(site.metrics)}
        pages = {
            "balance_report_path": "{{ inventory_hostname }}.html",
            "balance_report_url": "https://files.example.com",
        }
        code, said = site.play("evenkeel.cluster.balance", "--check", **options, **pages)
        assert (code, titles(server)) == (0, [("one: 10 guests would be migrated", "info")]), said
        body = json.loads(server.got[0].body)
        assert "Report: https://files.example.com/one.html" in body["message"]
        [attached] = body["attachments"]
        assert attached["filename"] == "one.html"
        assert base64.b64decode(attached["base64"]) == (site.folder / "one.html").read_bytes()
        assert not (site.folder / ".local").exists()
        assert list(site.metrics.iterdir()) == []
        notify["attach_report"] = False
        code, said = site.play(
            "evenkeel.cluster.evacuate",
            **options,
            evacuate_hosts=["host01"],
            evacuate_report_path="gone.html",
        )
        assert (code, titles(server)[1:]) == (0, [("one: 5 guests migrated", "success")]), said
        assert json.loads(server.got[1].body)["message"].endswith("maintenance mode of host01: on")
        assert json.loads(server.got[1].body)["attachments"] == []
        assert "maintenance mode of host01: on" in (site.folder / "gone.html").read_text()
        assert 'kind="evacuate",result="migrated"} 5.0' in site.metrics_of("one")
        code, said = site.play("evenkeel.cluster.evacuate", **options, evacuate_hosts=["host0*"])
        assert (code, titles(server)[2:]) == (2, [("one: failed", "failure")]), said
        assert 'evenkeel_runs_total{cluster="one",result="failed"} 1.0' in site.metrics_of("one")
