# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between us and a VMmanager 6 is named, and mended where that is safe."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms import errors
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.api import session
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.api.connection import (
    VMManagerConnection,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.platform import (
    VMManagerPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vmmanager_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.vmmanager_clusters import request
from ansible_collections.evenkeel.cluster.tests.simulators import launch

TOKEN = "t0k3n-0f-4n-4dm1n"
LOGIN = "POST /auth/v4/public/token"
STARTING = "POST /vm/v3/host/{id}/migrate"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def by_token(served: launch.Simulator, token: str = TOKEN) -> VMManagerPlatform:
    return clusters.connect(served, username=None, password=None, token=token)


def test_a_token_will_do_instead_of_a_password(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), options=("--token", TOKEN), migration_seconds=0)
    platform = by_token(served)
    assert len(platform.read().guests) == 4
    wanted = request(100, 1, 2)
    prepared = platform.prepare(wanted)
    assert prepared.objection is None
    task = platform.start(prepared)
    assert platform.poll({task: wanted})[task].state == "migrated"
    assert LOGIN not in clusters.calls(served)


def test_a_token_that_is_not_accepted_is_named_without_itself(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), options=("--token", TOKEN))
    with pytest.raises(errors.AuthenticationFailed, match=r"token is not accepted: Unauthorized") as caught:
        by_token(served, "wr0ng").read()
    assert "wr0ng" not in str(caught.value)


def test_a_wrong_password_is_said_without_the_password(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    with pytest.raises(
        errors.AuthenticationFailed, match=r"admin@example\.com or the password.*invalid email or password"
    ) as caught:
        clusters.connect(served, password="open sesame")
    assert "sesame" not in str(caught.value)
    assert clusters.calls(served)[LOGIN] == 1


def test_a_wrong_password_that_is_told_with_a_good_status(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    served.switches(fail_calls=[{"call": LOGIN, "error": 200, "message": "no such user"}])
    with pytest.raises(errors.AuthenticationFailed, match="no such user"):
        clusters.connect(served)


def test_secrets_are_in_no_repr() -> None:
    connection = VMManagerConnection(host="h", username="u", password="sesame", token=TOKEN)
    assert "sesame" not in repr(connection)
    assert TOKEN not in repr(connection)


def test_a_session_that_ends_while_we_read_is_renewed(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.mixed(), latency_seconds=0.03)
    platform = clusters.connect(served, workers=2)
    expiry = threading.Timer(0.5, served.expire_sessions)
    expiry.start()
    snapshot = platform.read()
    expiry.join()
    assert [guest.id for guest in snapshot.guests] == [guest.id for guest in clusters.mixed().guests]
    assert not any("not_readable" in guest.blockers for guest in snapshot.guests)
    assert clusters.calls(served)[LOGIN] == 2


def test_a_token_that_runs_out_by_itself_is_replaced(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), token_seconds=1)
    platform = clusters.connect(served, metrics=())
    time.sleep(1.1)
    served.switches(token_seconds=3600)
    assert len(platform.read().guests) == 4
    assert clusters.calls(served)[LOGIN] == 2


def test_one_expired_session_costs_one_login_for_all_threads(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.mixed())
    platform = clusters.connect(served)
    platform.look([])
    served.expire_sessions()
    platform._session.concurrently(lambda _number: platform._session.get("vm/v3/cluster"), range(20))
    assert clusters.calls(served)[LOGIN] == 2


def test_an_expired_session_does_not_start_a_migration_twice(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=0)
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    prepared = platform.prepare(wanted)
    assert prepared.objection is None
    served.expire_sessions()
    task = platform.start(prepared)
    served.expire_sessions()
    assert platform.poll({task: wanted})[task].state == "migrated"
    assert len(served.state()["migrations"]) == 1


def test_a_session_that_a_new_login_does_not_mend_is_lost(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    served.switches(fail_calls=[{"call": "GET /vm/v3/node", "error": 401}])
    with pytest.raises(errors.SessionLost, match="a new login was accepted"):
        platform.look(["100"])


@pytest.mark.parametrize("times", [1, 4, 9])
def test_a_suspended_platform_is_woken_up_by_the_login(times: int, simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), asleep_requests=times)
    assert len(clusters.connect(served).read().guests) == 4


def test_a_platform_that_falls_asleep_while_we_read_is_woken_up(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    served.switches(asleep_requests=5)
    assert len(platform.read().guests) == 4


def test_a_platform_that_sleeps_on_is_not_reached(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), asleep_requests=10_000)
    with pytest.raises(errors.Unreachable, match=r"does not wake up \(503\)"):
        clusters.connect(served)


def test_waking_up_takes_ten_attempts_each_later_than_the_one_before(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), asleep_requests=10_000)
    pauses: list[float] = []
    with pytest.raises(errors.Unreachable):
        VMManagerPlatform(clusters.connection(served), sleep=pauses.append, rng=lambda: 0.0)
    assert pauses == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    with pytest.raises(errors.Unreachable):
        VMManagerPlatform(clusters.connection(served), sleep=pauses.append, rng=lambda: 1.0)
    assert pauses[9:] == pytest.approx([0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.05, 1.2, 1.35])


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_error_in_the_body_is_one_whatever_the_status(status: int, simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    fault = {"call": "GET /vm/v3/disk", "error": status, "message": "internal error"}
    served.switches(fail_calls=[fault])
    with pytest.raises(errors.Refused, match=rf"GET vm/v3/disk: internal error \(code {status}\)"):
        platform.read()


def test_what_an_account_may_not_call_is_named(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    served.switches(fail_calls=[{"call": "GET /vm/v3/node", "error": 403, "message": "forbidden"}])
    with pytest.raises(errors.PermissionMissing, match=r"GET vm/v3/node: forbidden.*@admin"):
        platform.look([])


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_certificate_that_does_not_verify_is_refused(simulator: Simulate, tmp_path: Path) -> None:
    served = simulator("vmmanager", clusters.small())
    with pytest.raises(errors.CertificateRefused, match=r"does not verify.*ca_path"):
        clusters.connect(served, ca_path=None)
    other = launch.make_certificates(tmp_path)
    with pytest.raises(errors.CertificateRefused, match=f"https://127.0.0.1:{served.port}"):
        clusters.connect(served, ca_path=str(other))
    assert clusters.connect(served, ca_path=None, validate_certs=False).read().guests


def test_a_ca_file_of_the_environment_does_not_replace_ours(
    simulator: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = simulator("vmmanager", clusters.small())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(launch.make_certificates(tmp_path)))
    assert clusters.connect(served).read().guests


def test_a_ca_file_that_is_none_is_named(simulator: Simulate, tmp_path: Path) -> None:
    served = simulator("vmmanager", clusters.small())
    (tmp_path / "ca.pem").write_text("hello")
    for path in ("/nowhere/ca.pem", str(tmp_path / "ca.pem")):
        with pytest.raises(InputError, match="ca_path"):
            clusters.connect(served, ca_path=path)


@pytest.mark.parametrize("host", ["127.0.0.1", "vm.invalid", "::1"])
def test_a_platform_that_does_not_answer_is_named(host: str) -> None:
    connection = VMManagerConnection(
        host=host, port=closed_port(), username="u", password="sesame", timeout=5
    )
    with pytest.raises(errors.Unreachable, match="vmmanager_host") as caught:
        VMManagerPlatform(connection)
    assert host in str(caught.value)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_that_stumbles_is_asked_again(status: int, simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    served.switches(fail_calls=[{"call": "GET /vm/v3/node", "error": status, "count": 2}])
    assert len(platform.look([]).hosts) == 3
    served.switches(fail_calls=[{"call": "GET /vm/v3/node", "error": status, "count": 3}])
    with pytest.raises(errors.Unreachable, match=rf"status {status} \w"):
        platform.look([])


def test_a_connection_that_is_closed_once_is_opened_again(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    served.switches(drop_connection=[{"call": "GET /vm/v3/host", "count": 1}])
    assert len(platform.read().guests) == 4


def test_silence_ends_at_the_time_limit_and_is_not_repeated(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = VMManagerPlatform(clusters.connection(served, timeout=1.5))
    platform.look([])
    served.switches(latency_seconds=5.0)
    with pytest.raises(errors.Unreachable, match=r"no answer within 1\.5 s"):
        platform.look(["100"])


class Stranger(BaseHTTPRequestHandler):
    """A web server that is no VMmanager; what it says is the class's."""

    content = b"<html>hello</html>"
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    do_POST = do_GET  # noqa: N815 - http.server looks for this name

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def stranger(folder: Path, content: bytes, status: int) -> Iterator[VMManagerConnection]:
    authority = launch.make_certificates(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem", folder / "server.key")
    handler = type("Handler", (Stranger,), {"content": content, "status": status})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield VMManagerConnection(
            host="127.0.0.1", port=server.server_port, username="u", password="p", ca_path=str(authority)
        )
        server.shutdown()


def test_a_redirect_is_not_followed_and_gets_no_credentials(simulator: Simulate) -> None:
    heard: list[str] = []

    class Thief(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(str(self.headers))
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - http.server looks for this name

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Thief) as thief:
        threading.Thread(target=thief.serve_forever, args=(0.05,), daemon=True).start()
        target = f"http://127.0.0.1:{thief.server_port}/auth/v4/public/token"
        served = simulator("vmmanager", clusters.small())
        platform = clusters.connect(served)
        served.switches(redirect=target)
        why = r"redirect to http://.*not followed.*vmmanager_host"
        with pytest.raises(errors.UnexpectedAnswer, match=why):
            platform.look([])
        with pytest.raises(errors.UnexpectedAnswer, match=why):
            clusters.connect(served)
        thief.shutdown()
    assert heard == []


def test_the_cookie_that_a_login_sets_is_not_sent_beside_ours(simulator: Simulate) -> None:
    """The simulator, as it is by default, wants the header and one cookie."""
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    assert len(platform.read().guests) == 4
    served.expire_sessions()
    assert len(platform.read().guests) == 4
    served.switches(sets_cookie=False)
    served.expire_sessions()
    assert len(platform.read().guests) == 4


def test_an_account_of_netrc_is_not_added(
    simulator: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    served = simulator("vmmanager", clusters.small())
    prepared = clusters.connect(served)._session._http.prepare_request(
        requests.Request("GET", f"https://127.0.0.1:{served.port}/vm/v3/node")
    )
    assert "Authorization" not in prepared.headers


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<html>hello</html>", 200),
        (b"<html>not here</html>", 404),
        (b"", 301),
        (b'{"token": 7}', 201),
        (b'["token"]', 200),
        (b"7", 200),
    ],
)
def test_something_else_on_that_port_is_no_traceback(content: bytes, status: int, tmp_path: Path) -> None:
    with stranger(tmp_path, content, status) as connection, pytest.raises(errors.UnexpectedAnswer):
        VMManagerPlatform(connection)


@pytest.mark.parametrize("content", [b"", b"<html>Internal Server Error</html>"])
def test_a_call_that_ends_with_500_without_a_word_may_have_been_carried_out(
    content: bytes, tmp_path: Path
) -> None:
    with (
        stranger(tmp_path, content, 500) as connection,
        pytest.raises(errors.Unreachable, match="status 500 without a reason"),
    ):
        VMManagerPlatform(connection, sleep=lambda _seconds: None)


@pytest.mark.parametrize(
    "content",
    [
        b'{"token": "t"}',
        b'{"token": "t", "list": {"id": 1}}',
        b'{"token": "t", "list": [7]}',
        b'{"token": "t", "list": null}',
    ],
)
def test_an_answer_of_another_shape_is_no_traceback(content: bytes, tmp_path: Path) -> None:
    with stranger(tmp_path, content, 200) as connection:
        platform = VMManagerPlatform(connection)
        with pytest.raises(errors.UnexpectedAnswer):
            platform.look([])


def test_rows_that_lack_almost_everything_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    content = (
        b'{"token": "t", "roles": ["@admin"], "list": [{"id": 1, "name": null, "cluster": 1, "node": 1,'
        b' "storages": "x", "tags": null, "cpu": 7, "ram_mib": "x"}], "size": "many"}'
    )
    with stranger(tmp_path, content, 200) as connection:
        found = VMManagerPlatform(connection).read()
    assert (found.hosts[0].name, found.hosts[0].status, found.hosts[0].capacity["cpu"]) == (
        "1", "unknown", None,
    )  # fmt: skip
    assert (found.guests[0].power, found.guests[0].migratable) == ("unknown", False)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MISSING", "requests")
    with pytest.raises(errors.MissingLibrary, match="requests"):
        VMManagerPlatform(VMManagerConnection(host="h", token="t"))
