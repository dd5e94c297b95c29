# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jars that tests run are locked by their hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tools import jars

CONTENT = b"a jar"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def central(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository on this machine."""
    (tmp_path / "central" / "org").mkdir(parents=True)
    (tmp_path / "central" / "org" / "a-1.jar").write_bytes(CONTENT)
    monkeypatch.setattr(jars, "CENTRAL", f"{(tmp_path / 'central').as_uri()}/")
    return tmp_path


def test_all_jars_or_none(central: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed, folder = central / "list.txt", central / "jars"
    listed.write_text(f"# made by hand\n{DIGEST}  org/a-1.jar\n{DIGEST}  org/b-1.jar\n")
    assert jars.main(listed, folder) == 1
    assert "org/b-1.jar: " in capsys.readouterr().err
    assert not folder.exists()
    listed.write_text(f"{DIGEST}  org/a-1.jar\n")
    assert jars.main(listed, folder) == 0
    assert (folder / "a-1.jar").read_bytes() == CONTENT
    # The same list is not downloaded again, another one is.
    (central / "central" / "org" / "a-1.jar").write_bytes(b"another")
    assert jars.main(listed, folder) == 0
    listed.write_text(f"# new\n{DIGEST}  org/a-1.jar\n")
    assert jars.main(listed, folder) == 1
    assert f"not the locked {DIGEST}" in capsys.readouterr().err
    assert (folder / "a-1.jar").read_bytes() == CONTENT


def test_the_list_of_kafka() -> None:
    text = (Path(jars.__file__).parents[1] / "requirements" / "kafka.txt").read_text(encoding="utf-8")
    found = jars.locked(text)
    assert all(len(digest) == 64 and path.endswith(".jar") for path, digest in found.items())
    assert any(path.startswith("org/apache/kafka/kafka_2.13/") for path in found)
