# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module notify against a real mail server, HTTP, and the shape of Telegram's API."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from apprise.plugins.telegram import NotifyTelegram

from ansible_collections.evenkeel.cluster.tests.support.certificates import Authority
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import ModuleOfTest, failure, result
from ansible_collections.evenkeel.cluster.tests.support.notified import (
    PASSWORD,
    USER,
    http_server,
    smtp_server,
)

REPORT = ["cluster prod: done in 83 s", "  host   memory %", "  <esx1>  84.5 → 61.0"]
DONE = {"status": "done", "migrated": 9, "failed": 0, "cancelled": 0, "planned": 0, "in_band": True}
CHANGED = {"cluster": "prod", "outcome": DONE, "report": REPORT}
BOT = "123456789:abcdefghijklmnopqrstuvwxyz"


def send(
    monkeypatch: pytest.MonkeyPatch, *urls: str, check_mode: bool = False, **options: Any
) -> tuple[Any, list[str]]:
    """The result, and the warnings."""
    warnings: list[str] = []
    monkeypatch.setattr(ModuleOfTest, "warn", lambda _self, text: warnings.append(text))
    options = {"urls": [*urls], "runs": [CHANGED], "timeout": "600", **options}
    return result("notify", options, monkeypatch, check_mode=check_mode), warnings


def test_mail_by_starttls_with_a_login_an_html_part_and_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    page = tmp_path / "report.html"
    page.write_text("<h1>prod</h1>")
    with smtp_server(authority.issue("right")) as mailbox:
        place = f"127.0.0.1:{mailbox.port}?from=evenkeel@example.com&to=ops@example.com&mode=starttls"
        got, warnings = send(monkeypatch, f"mailtos://{USER}:{PASSWORD}@{place}", attachments=[str(page)])
        assert (got["failed_receivers"], warnings) == ([], [])
        assert got["sent"] == ["urls[0] (mailtos, 127.0.0.1)"]
        [mail] = mailbox.got
        assert mailbox.logins == ["tls"]
        assert (mail["Subject"], mail["To"]) == ("prod: 9 guests migrated", "ops@example.com")
        html = mail.get_body(("html",))
        plain = mail.get_body(("plain",))
        assert html is not None
        assert plain is not None
        assert (
            "<pre>cluster prod: done in 83 s\n  host   memory %\n  &lt;esx1&gt;"
            in html.get_content().replace("\r", "")
        )
        assert "<esx1>  84.5 → 61.0" in plain.get_content()
        [attached] = mail.iter_attachments()
        assert (attached.get_filename(), attached.get_content().strip()) == ("report.html", "<h1>prod</h1>")
        # The page of the run goes along by itself, once; that of a run not worth a message does not.
        url = "https://files.example.com/report.html"
        runs = [
            {**CHANGED, "page": str(page), "page_url": url},
            {
                "cluster": "lab",
                "outcome": {"in_band": True, "migrated": 0},
                "page": str(tmp_path / "lab.html"),
            },
        ]
        got, warnings = send(
            monkeypatch, f"mailtos://{USER}:{PASSWORD}@{place}", runs=runs, attachments=[str(page)]
        )
        assert (got["failed_receivers"], warnings) == ([], [])
        mail = mailbox.got[1]
        assert [part.get_filename() for part in mail.iter_attachments()] == ["report.html"]
        text = mail.get_body(("plain",))
        assert text is not None
        assert f"Report: {url}" in text.get_content()
        got, warnings = send(monkeypatch, f"mailtos://{USER}:wrong-password@{place}")
        assert got["sent"] == []
        assert len(warnings) == 1
        assert warnings[0].startswith("The notification to urls[0] (mailtos, 127.0.0.1) failed: ")
        assert "wrong-password" not in json.dumps([got, warnings])


def test_pages_that_are_too_large_together_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {name: tmp_path / f"{name}.html" for name in ("one", "two", "three")}
    for page in pages.values():
        page.write_bytes(b"x" * 3 * 2**20)
    runs: list[dict[str, Any]] = [
        {**CHANGED, "cluster": name, "page": str(page)} for name, page in pages.items()
    ]
    runs[2]["error"] = "pve9 did not answer"
    runs.append({**CHANGED, "cluster": "four", "page": str(tmp_path / "gone.html")})
    with smtp_server() as mailbox:
        place = f"127.0.0.1:{mailbox.port}?from=evenkeel@example.com&to=ops@example.com"
        _got, warnings = send(monkeypatch, f"mailto://{place}", runs=runs)
        [mail] = mailbox.got
    assert [part.get_filename() for part in mail.iter_attachments()] == ["three.html", "one.html"]
    assert warnings == [
        f"attachments: {tmp_path / 'gone.html'} can't be read, so the notification has no such attachment",
        f"the page {pages['two']} is not attached, because the pages of all runs would be larger than 6 MiB",
    ]


def test_one_message_about_many_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [
        CHANGED,
        {"cluster": "lab", "outcome": {"in_band": True, "migrated": 0}},
        {
            "cluster": "edge",
            "error": "pve9.example.com did not answer",
            "lock_taken_over": "process 4711 on ctl1",
        },
    ]
    with http_server() as server:
        got, _warnings = send(
            monkeypatch,
            f"json://127.0.0.1:{server.port}/hook",
            runs=runs,
            events=["failed", "lock_taken_over", "changed"],
        )
        [call] = server.got
        body = json.loads(call.body)
        assert (call.path, body["type"]) == ("/hook", "failure")
        assert body["title"] == "3 clusters: 1 failed, 1 took over a lock, 1 changed"
        assert body["message"].startswith(
            "edge: failed, the lock of a killed run was taken over\nprod: 9 guests migrated\n"
            "1 other cluster without anything to report.\n\n"
            "=== edge\nFailed: pve9.example.com did not answer\n"
        )
        assert got["events"][1] == {"cluster": "lab", "events": []}


def test_telegram_gets_columns_and_no_more_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent to https://api.telegram.org, sent to the loopback."""
    with http_server() as server:
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"{server.url}/bot")
        server.answer = b'{"ok": true, "result": {"message_id": 1}}'
        run = {**CHANGED, "report": [f"  host{number:04}  <50.0> → 48.0" for number in range(400)]}
        got, warnings = send(monkeypatch, f"tgram://{BOT}/12345", runs=[run])
        assert warnings == []
        assert got["sent"] == ["urls[0] (tgram)"]
        [call] = server.got
        body = json.loads(call.body)
        assert (call.path, body["chat_id"], body["parse_mode"]) == (f"/bot{BOT}/sendMessage", 12345, "HTML")
        assert "<pre>" in body["text"]
        assert "  host0001  &lt;50.0&gt; → 48.0" in body["text"]
        assert len(body["text"]) <= 4096
        assert "more lines</pre>" in body["text"]
        server.status = 401
        server.answer = b'{"ok": false, "description": "Unauthorized"}'
        got, warnings = send(monkeypatch, f"tgram://{BOT}/12345")
        [failed] = got["failed_receivers"]
        assert failed["receiver"] == "urls[0] (tgram)"
        assert "Unauthorized" in failed["why"]
        assert not any(part in json.dumps([got, warnings]) for part in BOT.split(":"))


def test_a_receiver_that_is_dead_or_hangs_or_is_none_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe, http_server() as server, http_server() as good:
        probe.bind(("127.0.0.1", 0))
        server.hangs = True
        got, warnings = send(
            monkeypatch,
            f"json://user:topsecret@127.0.0.1:{probe.getsockname()[1]}/hidden-path?+X-Key=hidden-key",
            f"json://127.0.0.1:{server.port}/?rto=900",
            "slak://TokenAAAAA/TokenBBBBB/TokenCCCCC",
            f"json://127.0.0.1:{good.port}",
            # Long enough for the receivers that answer or refuse at once, on a busy machine too.
            timeout="20",
        )
        assert [failed["receiver"] for failed in got["failed_receivers"]] == [
            "urls[2]", "urls[0] (json, 127.0.0.1)", "urls[1] (json, 127.0.0.1)",
        ]  # fmt: skip
        whys = [failed["why"] for failed in got["failed_receivers"]]
        assert whys[0] == "urls[2]: Apprise knows no service of the schema slak://. Did you mean slack://?"
        assert whys[2] == "no answer within 20 seconds"
        assert got["sent"] == ["urls[3] (json, 127.0.0.1)"]
        assert len(warnings) == 3
        said = json.dumps([got, warnings])
        assert not any(part in said for part in ("topsecret", "hidden", "Token"))


def test_what_apprise_does_not_accept_is_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_server() as server:
        good = f"json://127.0.0.1:{server.port}"
        got = result("notify", {"urls": [good], "only_check": True}, monkeypatch, check_mode=False)
        assert (got["sent"], server.got) == ([], [])
        for url, message in (
            ("tgram://no-token", "urls[1]: Apprise does not accept this tgram:// URL. Compare it with"),
            ("foo-secret", "urls[1] is not the URL of a notification service: it does not begin with a"),
            ("nftys://secret/", "urls[1]: Apprise knows no service of the schema nftys://. Did you mean"),
        ):
            said = failure("notify", {"urls": [good, url], "only_check": True}, monkeypatch, {})
            assert said.startswith(message)
            assert "secret" not in said
            assert "no-token" not in said


@pytest.mark.parametrize(("events", "sent"), [(["failed", "would_change"], 1), (["failed", "changed"], 0)])
def test_check_mode_only_reports_what_would_be_done(
    monkeypatch: pytest.MonkeyPatch, events: list[str], sent: int
) -> None:
    run = {"cluster": "prod", "outcome": {**DONE, "migrated": 0, "planned": 9}, "error": "not balanced"}
    with http_server() as server:
        got, _warnings = send(
            monkeypatch, f"json://127.0.0.1:{server.port}", check_mode=True, runs=[run], events=events
        )
        assert len(server.got) == sent
        assert got["events"] == [{"cluster": "prod", "events": ["failed", "would_change"]}]
