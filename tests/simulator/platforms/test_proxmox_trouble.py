# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between us and a Proxmox VE is named, and mended where that is safe."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms import errors
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api import session
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.connection import (
    ProxmoxConnection,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.errors import (
    NodeUnresponsive,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.session import Session
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_clusters import request
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

SECRET = "e1c2a7b0-0000-4000-8000-5ec2e7000000"
TOKEN = f"keel@pve!balance={SECRET}"
READING = ["Sys.Audit", "VM.Audit", "Datastore.Audit", "SDN.Audit"]


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def by_token(served: launch.Simulator, **changes: Any) -> ProxmoxPlatform:
    token = {"api_user": "keel@pve", "api_token_id": "balance", "api_token_secret": SECRET}
    return clusters.connect(served, **{"api_password": None, **token, **changes})


def test_a_token_will_do_instead_of_a_password(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), options=("--token", TOKEN), migration_seconds=0)
    platform = by_token(served)
    assert len(platform.read().guests) == 5
    wanted = request(100, "pve1", "pve2")
    prepared = platform.prepare(wanted)
    assert prepared.objection is None
    task = platform.start(prepared)
    assert platform.poll({task: wanted})[task].state == "migrated"
    assert "POST /access/ticket" not in clusters.calls(served)


def test_a_token_that_is_not_accepted_is_named_without_its_secret(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), options=("--token", TOKEN))
    wrong = "ffffffff-0000-4000-8000-5ec2e7000000"
    with pytest.raises(errors.AuthenticationFailed, match="API token keel@pve!balance is not") as caught:
        by_token(served, api_token_secret=wrong)
    assert wrong not in str(caught.value)


def test_a_wrong_password_is_said_without_the_password(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    with pytest.raises(errors.AuthenticationFailed, match="user root@pam or the password") as caught:
        clusters.connect(served, api_password="open sesame")
    assert "sesame" not in str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    connection = ProxmoxConnection(
        api_hosts=("h",), api_user="u", api_password="sesame", api_token_id="t", api_token_secret=SECRET
    )
    assert "sesame" not in repr(connection)
    assert SECRET not in repr(connection)


def test_a_session_that_ends_while_we_read_is_renewed(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.mixed("9.2"), latency_seconds=0.03)
    platform = clusters.connect(served, workers=2)
    expiry = threading.Timer(0.5, served.expire_sessions)
    expiry.start()
    snapshot = platform.read()
    expiry.join()
    assert len(snapshot.guests) == len(clusters.mixed("9.2").guests)
    assert all("not_readable" not in guest.blockers for guest in snapshot.guests if guest.host != "pve4")
    assert clusters.calls(served)["POST /access/ticket"] == 2


def test_one_expired_ticket_costs_one_login_for_all_threads(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    platform = clusters.connect(served)
    served.expire_sessions()
    assert len(platform.read().guests) == 5
    assert clusters.calls(served)["POST /access/ticket"] == 2


def test_an_expired_session_does_not_start_a_migration_twice(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=0)
    platform = clusters.connect(served)
    wanted = request(100, "pve1", "pve2")
    prepared = platform.prepare(wanted)
    assert prepared.objection is None
    served.expire_sessions()
    task = platform.start(prepared)
    served.expire_sessions()
    assert platform.poll({task: wanted})[task].state == "migrated"
    assert len(served.state()["migrations"]) == 1


def test_a_ticket_that_is_too_old_to_be_exchanged_is_replaced(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    platform = clusters.connect(served)
    served.expire_sessions()
    # As it is after an hour without a call: the library wants to exchange the ticket first.
    platform._session._link.api._backend.auth.birth_time -= 3601
    assert platform.look(["100"]).guests["100"].host == "pve1"


def test_a_session_that_a_new_login_does_not_mend_is_lost(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    platform = clusters.connect(served)
    served.switches(fail_calls=[{"call": "GET /cluster/status", "error": 401}])
    with pytest.raises(errors.SessionLost):
        platform.look(["100"])


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_certificate_that_does_not_verify_is_refused(simulator: Simulate, tmp_path: Path) -> None:
    served = simulator("proxmox", clusters.small())
    with pytest.raises(errors.CertificateRefused, match=r"does not verify.*ca_path"):
        clusters.connect(served, ca_path=None)
    other = launch.make_certificates(tmp_path)
    with pytest.raises(errors.CertificateRefused, match=f"https://127.0.0.1:{served.port}"):
        clusters.connect(served, ca_path=str(other))
    assert clusters.connect(served, ca_path=None, validate_certs=False).read().guests


def test_a_ca_file_that_is_none_is_named(simulator: Simulate, tmp_path: Path) -> None:
    served = simulator("proxmox", clusters.small())
    with pytest.raises(InputError, match=r"ca_path: '/nowhere/ca\.pem' is not .*: no such file"):
        clusters.connect(served, ca_path="/nowhere/ca.pem")
    (tmp_path / "ca.pem").write_text("hello")
    with pytest.raises(InputError, match=r"ca_path: .*: it contains no certificate"):
        clusters.connect(served, ca_path=str(tmp_path / "ca.pem"))


def test_the_next_host_is_taken_when_one_does_not_answer(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    hosts = (f"127.0.0.1:{closed_port()}", f"127.0.0.1:{served.port}")
    assert len(clusters.connect(served, api_hosts=hosts).read().guests) == 5


def test_hosts_that_do_not_answer_are_all_named(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    first, second = f"127.0.0.1:{closed_port()}", "pve.invalid"
    with pytest.raises(errors.Unreachable) as caught:
        clusters.connect(served, api_hosts=(first, second))
    assert f"{first}: connection refused" in str(caught.value)
    assert f"pve.invalid:{served.port}: the name can't be resolved" in str(caught.value)


def test_a_host_that_goes_away_while_we_read_is_replaced_by_the_next(simulator: Simulate) -> None:
    first = simulator("proxmox", clusters.mixed("9.2"), latency_seconds=0.2)
    second = simulator("proxmox", clusters.mixed("9.2"))
    hosts = (f"127.0.0.1:{first.port}", f"127.0.0.1:{second.port}")
    both = Path(first.ca_path).parent / "both.pem"
    both.write_text(Path(first.ca_path).read_text() + Path(second.ca_path).read_text())
    platform = clusters.connect(first, api_hosts=hosts, ca_path=str(both))
    killer = threading.Timer(0.4, first.stop)
    killer.start()
    snapshot = platform.read()
    killer.join()
    assert len(snapshot.guests) == len(clusters.mixed("9.2").guests)
    assert clusters.calls(second)["POST /access/ticket"] == 1


def test_a_connection_that_is_closed_once_is_opened_again(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    platform = clusters.connect(served)
    served.switches(drop_connection=[{"call": "GET /cluster/resources", "count": 1}])
    assert len(platform.read().guests) == 5


def test_silence_ends_at_the_time_limit(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    platform = clusters.connect(served, api_timeout=1)
    before = Counter(clusters.calls(served))
    served.switches(latency_seconds=2.5)
    with pytest.raises(errors.Unreachable, match=r"no answer within 1 s") as caught:
        platform.look(["100"])
    # It was no node that was asked about.
    assert not isinstance(caught.value, NodeUnresponsive)
    # A call counts once its time has passed, answered or not. No call was made twice.
    time.sleep(3)
    assert Counter(clusters.calls(served)) - before == {"GET /cluster/status": 1, "POST /access/ticket": 1}


def test_a_node_that_hangs_is_named_while_the_host_itself_answers(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), hung_nodes=["pve2"], hang_seconds=60)
    talk = Session(clusters.connection(served, api_timeout=1))
    with pytest.raises(NodeUnresponsive, match=r"no answer within 1 s.*") as caught:
        talk.get("nodes/pve2/status")
    assert caught.value.where == "GET nodes/pve2/status"
    assert talk.get("nodes/pve1/status")["uptime"] > 0
    assert clusters.calls(served)["POST /access/ticket"] == 1


def test_a_host_that_takes_no_connection_says_nothing_of_the_node_that_was_asked_about(
    simulator: Simulate,
) -> None:
    served = simulator("proxmox", clusters.small())
    talk = Session(clusters.connection(served))
    assert talk.get("nodes/pve1/status")["uptime"] > 0
    served.stop()
    with pytest.raises(errors.Unreachable, match="no answer: connection refused") as caught:
        talk.get("nodes/pve1/status")
    assert not isinstance(caught.value, NodeUnresponsive)


def test_the_clock_of_the_platform_is_known_from_its_answers(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), options=("--clock-skew", "-10800"))
    talk = Session(clusters.connection(served))
    began = time.time()
    talk.get("cluster/status")
    assert talk.platform_time is not None
    assert -10802 < talk.platform_time - began < -10000


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (503, "Service Unavailable"),
        (500, "ipcc_send_rec[1] failed: Connection refused"),
        (401, "ipcc_send_rec[1] failed: Connection refused"),
        (500, "unable to open file '/etc/pve/nodes' - Transport endpoint is not connected"),
        (595, "Connection refused"),
    ],
)
def test_a_host_that_is_out_of_service_is_replaced_by_the_next(
    status: int, text: str, simulator: Simulate, tmp_path: Path
) -> None:
    first, second = simulator("proxmox", clusters.small()), simulator("proxmox", clusters.small())
    hosts = (f"127.0.0.1:{first.port}", f"127.0.0.1:{second.port}")
    both = tmp_path / "both.pem"
    both.write_text(Path(first.ca_path).read_text() + Path(second.ca_path).read_text())
    talk = Session(clusters.connection(first, api_hosts=hosts, ca_path=str(both)))
    first.switches(fail_calls=[{"call": "GET /cluster/status", "error": status, "message": text}])
    assert talk.get("cluster/status")
    second.switches(fail_calls=[{"call": "GET /cluster/status", "error": status, "message": text}])
    with pytest.raises(errors.Unreachable) as caught:
        talk.get("cluster/status")
    for host in hosts:
        assert f"{host}: {status} {text}" in str(caught.value)
    assert not isinstance(caught.value, NodeUnresponsive)


def test_once_an_answer_was_lost_the_next_host_is_asked(simulator: Simulate, tmp_path: Path) -> None:
    first, second = simulator("proxmox", clusters.small()), simulator("proxmox", clusters.small())
    hosts = (f"127.0.0.1:{first.port}", f"127.0.0.1:{second.port}")
    both = tmp_path / "both.pem"
    both.write_text(Path(first.ca_path).read_text() + Path(second.ca_path).read_text())
    talk = Session(clusters.connection(first, api_hosts=hosts, ca_path=str(both)))
    assert talk.get("cluster/status")
    call = "POST /nodes/{node}/qemu/{vmid}/migrate"
    first.switches(drop_connection=[{"call": call, "when": "after"}])
    with pytest.raises(errors.NoResponse, match="the call may have been run, but no answer came"):
        talk.post("nodes/pve1/qemu/100/migrate", {"target": "pve2", "online": 1})
    assert talk.get("cluster/status")
    assert [clusters.calls(served)["GET /cluster/status"] for served in (first, second)] == [1, 1]
    assert clusters.calls(second).get(call, 0) == 0


def test_the_next_host_is_taken_when_the_certificate_of_one_does_not_verify(simulator: Simulate) -> None:
    strange, good = simulator("proxmox", clusters.small()), simulator("proxmox", clusters.small())
    hosts = (f"127.0.0.1:{strange.port}", f"127.0.0.1:{good.port}")
    assert len(clusters.connect(good, api_hosts=hosts).read().guests) == 5
    assert not any(call.startswith("POST") for call in clusters.calls(strange))
    good.stop()
    with pytest.raises(errors.Unreachable) as caught:
        clusters.connect(good, api_hosts=hosts)
    assert f"{hosts[0]}: the certificate does not verify" in str(caught.value)
    assert f"{hosts[1]}: connection refused" in str(caught.value)
    with pytest.raises(errors.CertificateRefused, match=r"127.*localhost.*ca_path"):
        clusters.connect(good, api_hosts=(hosts[0], f"localhost:{strange.port}"))


@pytest.mark.parametrize(
    ("path", "privilege"),
    [("/", "Sys.Audit"), ("/nodes", "Sys.Audit"), ("/vms", "VM.Audit"), ("/storage", "Datastore.Audit")],
)
def test_a_missing_privilege_is_named_and_nothing_is_read(
    path: str, privilege: str, simulator: Simulate
) -> None:
    grants = {"/": READING, path: [name for name in READING if name != privilege]}
    served = simulator("proxmox", clusters.small(), grants={"root@pam": grants})
    with pytest.raises(errors.PermissionMissing) as caught:
        clusters.connect(served).read()
    assert f"lacks the privilege {privilege} on {path}" in str(caught.value)
    assert "GET /cluster/resources" not in clusters.calls(served)


def test_a_guest_that_the_account_may_not_see_is_named(simulator: Simulate) -> None:
    grants = {"/": READING, "/vms/101": ["VM.Migrate"]}
    served = simulator("proxmox", clusters.small(), grants={"root@pam": grants})
    with pytest.raises(errors.PermissionMissing, match=r"VM\.Audit on /vms/101"):
        clusters.connect(served).read()


def test_bridges_that_the_account_may_not_see_are_found_out(simulator: Simulate) -> None:
    hidden = clusters.cluster(
        tuple(clusters.host(name, networks=()) for name in ("pve1", "pve2")),
        (clusters.guest(100, "pve1"),),
    )
    with pytest.raises(errors.PermissionMissing, match=r"SDN\.Audit on /sdn/zones"):
        clusters.connect(simulator("proxmox", hidden)).read()


def test_a_cluster_without_quorum_is_neither_read_nor_touched(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), quorate=False)
    platform = clusters.connect(served)
    with pytest.raises(errors.NotQuorate, match="'prod' has no quorum"):
        platform.read()
    with pytest.raises(errors.NotQuorate):
        platform.look(["100"])
    with pytest.raises(errors.NotQuorate):
        platform.start(platform.prepare(request(100, "pve1", "pve2")))


def test_another_cluster_than_the_expected_one_is_named(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    assert clusters.connect(served, cluster="prod").read().cluster.name == "prod"
    with pytest.raises(errors.NotFound, match="cluster 'prod', not to 'test'"):
        clusters.connect(served, cluster="test").read()
    with pytest.raises(errors.NotFound):
        clusters.connect(served, cluster="test").look([])


class Stranger(BaseHTTPRequestHandler):
    """A web server that is no Proxmox VE, but answers everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    do_POST = do_GET  # noqa: N815 - http.server looks for this name

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.mark.parametrize("changes", [{}, {"api_token_id": "t", "api_token_secret": SECRET}])
def test_something_else_on_that_port_is_no_traceback(changes: dict[str, str], tmp_path: Path) -> None:
    authority = launch.make_certificates(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        plain = ProxmoxConnection(
            api_hosts=("127.0.0.1",),
            api_port=server.server_port,
            api_user="root@pam",
            api_password="sesame",
            ca_path=str(authority),
            api_timeout=PATIENCE_SECONDS,
        )
        with pytest.raises(errors.UnexpectedAnswer, match="not that of a Proxmox VE"):
            ProxmoxPlatform(replace(plain, **changes))  # type: ignore[arg-type]
        server.shutdown()


class Redirecting(BaseHTTPRequestHandler):
    """Sends everybody elsewhere, and notes who came."""

    heard: ClassVar[list[str]] = []
    elsewhere: ClassVar[str] = ""

    def do_GET(self) -> None:
        self.heard.append(f"{self.command} {self.path}")
        self.send_response(307)
        self.send_header("Location", self.elsewhere)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - http.server looks for this name

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.mark.parametrize("changes", [{}, {"api_token_id": "t", "api_token_secret": SECRET}])
def test_credentials_never_follow_a_redirect(changes: dict[str, str], tmp_path: Path) -> None:
    authority = launch.make_certificates(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    Redirecting.heard.clear()
    with (
        HTTPServer(("127.0.0.1", 0), Redirecting) as first,
        HTTPServer(("127.0.0.1", 0), Redirecting) as second,
    ):
        first.socket = tls.wrap_socket(first.socket, server_side=True)
        Redirecting.elsewhere = f"http://127.0.0.1:{second.server_port}/login"
        for server in (first, second):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        plain = ProxmoxConnection(
            api_hosts=("127.0.0.1",),
            api_port=first.server_port,
            api_user="root@pam",
            api_password="sesame",
            ca_path=str(authority),
            api_timeout=PATIENCE_SECONDS,
        )
        with pytest.raises(errors.Unreachable, match=rf"redirects to {Redirecting.elsewhere}"):
            ProxmoxPlatform(replace(plain, **changes))  # type: ignore[arg-type]
        first.shutdown()
        second.shutdown()
    assert len(Redirecting.heard) == 1


def test_a_call_that_this_version_does_not_know_is_named(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    platform = clusters.connect(served)
    served.switches(
        fail_calls=[
            {"call": "GET /storage", "error": 501, "message": "Method 'GET /storage' not implemented"}
        ]
    )
    with pytest.raises(errors.UnexpectedAnswer, match="not implemented"):
        platform.read()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MISSING", "proxmoxer")
    with pytest.raises(errors.MissingLibrary, match="proxmoxer"):
        ProxmoxPlatform(ProxmoxConnection(api_hosts=("h",), api_user="u", api_password="p"))
