# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between us and a vCenter is told by name, without a secret; what can be mended is."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError, InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    AuthenticationFailed,
    CertificateRefused,
    PermissionMissing,
    Refused,
    SessionLost,
    UnexpectedAnswer,
    Unreachable,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.connection import (
    VSphereConnection,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.https import (
    AnswerLost,
    Endpoint,
    Https,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
    VSpherePlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vsphere_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulators import launch

SECRET = "correct horse"


@pytest.fixture
def served(simulator: Simulate) -> launch.Simulator:
    return simulator("vcenter", clusters.small())


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def closed() -> int:
    """A port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def somewhere(port: int, hostname: str = "127.0.0.1") -> VSphereConnection:
    return VSphereConnection(hostname=hostname, port=port, username="u", password=SECRET, timeout=0.3)


def failure(connection: VSphereConnection) -> EvenKeelError:
    with pytest.raises(EvenKeelError) as caught:
        VSpherePlatform(connection)
    return caught.value


def test_a_wrong_password_is_refused_and_not_told(served: launch.Simulator) -> None:
    error = failure(clusters.connection(served, password=SECRET))
    assert isinstance(error, AuthenticationFailed)
    assert str(served.port) in str(error)
    assert SECRET not in str(error)


def test_the_password_is_in_no_representation(served: launch.Simulator) -> None:
    connection = clusters.connection(served)
    assert served.password not in repr(connection)


@pytest.mark.parametrize("hostname", ["127.0.0.1", "localhost"])
def test_a_certificate_of_an_unknown_authority_is_refused(hostname: str, served: launch.Simulator) -> None:
    """The local machine is no exception, though pyvmomi would make it one."""
    error = failure(clusters.connection(served, hostname=hostname, ca_path=None))
    assert isinstance(error, CertificateRefused)
    assert f"{hostname}:{served.port}" in str(error)
    assert "ca_path" in str(error)


def test_a_certificate_for_another_name_is_refused(served: launch.Simulator) -> None:
    error = failure(clusters.connection(served, hostname="127.1"))
    assert isinstance(error, CertificateRefused)
    assert "127.1" in str(error)


def test_certificates_are_not_looked_at_when_told_so(served: launch.Simulator) -> None:
    platform = clusters.connect(served, ca_path=None, validate_certs=False)
    assert len(platform.read().guests) == 3
    assert platform.read().notices == ()
    platform.close()


def test_a_missing_ca_file_is_named(served: launch.Simulator) -> None:
    error = failure(clusters.connection(served, ca_path="/nowhere/ca.pem"))
    assert isinstance(error, InputError)
    assert "/nowhere/ca.pem" in str(error)


def test_nobody_listens(closed: int) -> None:
    error = failure(somewhere(closed))
    assert isinstance(error, Unreachable)
    assert f"127.0.0.1:{closed}: no connection: connection refused" in str(error)


def test_a_name_that_does_not_exist() -> None:
    error = failure(somewhere(443, "vcenter.invalid"))
    assert isinstance(error, Unreachable)
    assert "vcenter.invalid:443: no connection: the name can't be resolved" in str(error)


def test_a_server_that_never_answers(deaf: int) -> None:
    error = failure(somewhere(deaf))
    assert isinstance(error, Unreachable)
    assert "silence for 0.3 seconds" in str(error)


def test_a_proxy_that_is_not_there_is_named(served: launch.Simulator, closed: int) -> None:
    error = failure(clusters.connection(served, proxy_host="127.0.0.1", proxy_port=closed))
    assert isinstance(error, Unreachable)
    assert f"through the proxy 127.0.0.1:{closed}" in str(error)


@pytest.mark.parametrize(
    ("half", "missing"), [({"proxy_host": "p"}, "proxy_port"), ({"proxy_port": 8080}, "proxy_host")]
)
def test_half_a_proxy_is_refused(half: dict[str, object], missing: str, served: launch.Simulator) -> None:
    error = failure(clusters.connection(served, **half))
    assert isinstance(error, InputError)
    assert error.path == missing


def test_a_way_through_a_proxy(served: launch.Simulator) -> None:
    with Tunnel() as proxy:
        platform = clusters.connect(served, proxy_host="127.0.0.1", proxy_port=proxy.port)
        assert len(platform.read().guests) == 3
        platform.close()
    assert proxy.asked_for == {f"{served.host}:{served.port}"}


def test_something_else_than_a_vcenter(served: launch.Simulator) -> None:
    served.switches(fail_calls=[{"call": "GET /sdk/vimServiceVersions.xml", "error": 404}])
    error = failure(clusters.connection(served))
    assert isinstance(error, UnexpectedAnswer)
    assert "Is this the address of a vCenter?" in str(error)


def test_a_vcenter_that_is_starting(served: launch.Simulator) -> None:
    served.switches(fail_calls=[{"call": "GET /sdk/vimServiceVersions.xml", "error": 503}])
    assert isinstance(failure(clusters.connection(served)), Unreachable)


def test_an_expired_session_is_renewed(served: launch.Simulator) -> None:
    platform = clusters.connect(served)
    first = platform.read()
    served.expire_sessions()
    assert platform.look(["vm-one"]).guests["vm-one"].host == "host-a"
    served.expire_sessions()
    assert platform.read().guests == first.guests
    assert clusters.calls(served)["Login"] == 3
    platform.close()


@pytest.mark.parametrize("identity", ["host-b", "vm-two"])
def test_what_the_account_may_not_see_is_noticed_before_planning(
    identity: str, served: launch.Simulator
) -> None:
    platform = clusters.connect(served)
    served.switches(hidden=[identity])
    with pytest.raises(
        PermissionMissing, match=rf"lacks System.*System.View on (host|guest) {identity}\..*Read-only"
    ):
        platform.read()


@pytest.mark.parametrize("call", ["RetrievePropertiesEx", "QueryPerf", "HasPrivilegeOnEntities"])
def test_a_session_that_ends_in_the_middle_of_a_read(call: str, served: launch.Simulator) -> None:
    platform = clusters.connect(served)
    served.switches(fail_calls=[{"call": call, "error": "NotAuthenticated", "count": 1}])
    assert len(platform.read().guests) == 3
    platform.close()


def test_a_session_that_ends_again_and_again_is_an_error(served: launch.Simulator) -> None:
    platform = clusters.connect(served)
    served.switches(fail_calls=[{"call": "RetrievePropertiesEx", "error": "NotAuthenticated"}])
    with pytest.raises(SessionLost, match="right after a new login"):
        platform.read()


def test_a_password_that_was_changed_meanwhile(served: launch.Simulator) -> None:
    platform = clusters.connect(served)
    served.expire_sessions()
    served.switches(fail_calls=[{"call": "Login", "error": "InvalidLogin"}])
    with pytest.raises(AuthenticationFailed):
        platform.read()


def test_a_connection_that_breaks_is_made_again(served: launch.Simulator) -> None:
    platform = clusters.connect(served)
    served.switches(drop_connection=[{"call": "RetrievePropertiesEx", "count": 1}])
    assert len(platform.read().guests) == 3
    platform.close()


def test_a_kept_connection_that_breaks_is_made_again_at_once_but_silence_is_not_waited_for_twice(
    served: launch.Simulator,
) -> None:
    context = ssl.create_default_context(cafile=served.ca_path)
    https = Https(Endpoint(hostname=served.host, port=served.port, context=context, timeout=1))
    path = "/sdk/vimServiceVersions.xml"
    assert https.request("GET", path, repeatable=True).status == 200
    served.switches(drop_connection=[{"call": f"GET {path}", "count": 1}])
    assert https.request("GET", path, repeatable=True).status == 200
    assert https.sent == 3
    served.switches(latency_seconds=4)
    with pytest.raises(AnswerLost, match="silence for 1 seconds"):
        https.request("GET", path, repeatable=True)
    assert https.sent == 4


def test_a_connection_that_breaks_again_and_again_is_an_error(served: launch.Simulator) -> None:
    platform = clusters.connect(served)
    served.switches(drop_connection=[{"call": "RetrievePropertiesEx", "count": 9}])
    with pytest.raises(Unreachable, match="the answer did not come"):
        platform.read()


def test_a_privilege_that_is_missing_is_named_with_its_place(served: launch.Simulator) -> None:
    platform = clusters.connect(served)
    served.switches(fail_calls=[{"call": "QueryPerf", "error": "NoPermission"}])
    with pytest.raises(PermissionMissing) as caught:
        platform.read()
    assert "the account lacks" in str(caught.value)


def test_what_the_server_refuses_is_told_in_its_words(served: launch.Simulator) -> None:
    platform = clusters.connect(served)
    fault = {"call": "RetrievePropertiesEx", "error": "NotEnoughLicenses", "message": "No licence for this."}
    served.switches(fail_calls=[fault])
    with pytest.raises(Refused, match=r"Retrieve.*: No licence for this \(NotEnoughLicenses\)"):
        platform.read()


def test_closing_never_raises(served: launch.Simulator) -> None:
    platform = clusters.connect(served)
    served.stop()
    platform.close()


class Tunnel:
    """An HTTP proxy that knows CONNECT."""

    def __init__(self) -> None:
        self.asked_for: set[str] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Tunnel:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            place = head.split()[1].decode()
            self.asked_for.add(place)
            host, port = place.rsplit(":", 1)
            server = socket.create_connection((host, int(port)))
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with source, suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
