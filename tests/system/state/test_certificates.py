# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL whose certificate is not what it should be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import now, open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.errors import StateUnavailable
from ansible_collections.evenkeel.cluster.tests.support.certificates import WRONG, Authority
from ansible_collections.evenkeel.cluster.tests.support.postgresql import PASSWORD, PostgreSQL, running


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with running() as found:
        yield found


def test_without_tls(server: PostgreSQL) -> None:
    with pytest.raises(StateUnavailable, match=r"does not support SSL.*set another sslmode in state_url"):
        open_database(f"{server.new_database()}?sslmode=require")


@pytest.mark.parametrize("what", ["right", *WRONG])
def test_certificates_of_the_server(server: PostgreSQL, tmp_path: Path, what: str) -> None:
    authority = Authority(tmp_path)
    server.stop()
    server.certify(authority.issue(what))
    server.start()
    url = f"{server.new_database()}?sslmode=verify-full&sslrootcert={authority.path}"
    if what == "right":
        with open_database(url) as database:
            assert database.read(now) > 0
        return
    with pytest.raises(StateUnavailable) as refused:
        open_database(url)
    said = str(refused.value)
    assert said.startswith("postgresql+psycopg://evenkeel:***@127.0.0.1:")
    assert "certificate" in said
    assert WRONG[what] in said
    assert "sslmode=verify-full&sslrootcert=" in said
    assert PASSWORD not in said
    assert "pass%2Fw0rd" not in said


def test_an_authority_that_is_not_there(server: PostgreSQL, tmp_path: Path) -> None:
    url = f"{server.new_database()}?sslmode=verify-full&sslrootcert={tmp_path}/nowhere.pem"
    with pytest.raises(StateUnavailable, match=r'"/.*nowhere.pem" does not exist.*authority in sslrootcert'):
        open_database(url)
