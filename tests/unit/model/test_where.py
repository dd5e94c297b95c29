# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions that select guests and hosts: what they select, and what is said of those that cannot."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError, LibraryMissing
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text import expressions
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.where import (
    GUEST,
    HOST,
    facts_read,
    true_of,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

GIB = 1024**3
CLUSTER = generate(Shape(hosts=3, guests=3, seed=1))
ONE, TWO, THREE = CLUSTER.guests
GUESTS = (
    replace(
        ONE, id="1", name="web1", tags=("prod", "web"), used={"cpu": 1.0, "memory": 9 * GIB}, pool="gold"
    ),
    replace(TWO, id="2", name="web2", tags=(), used={"cpu": None, "memory": None}, kind="container"),
    replace(
        THREE,
        id="3",
        name="db",
        tags=("prod",),
        used={"cpu": 2.0, "memory": 2 * GIB},
        assigned={"cpu": 4, "memory": 4 * GIB},
        disks=(Disk(datastore="san", size=2048 * GIB), Disk(datastore="nfs", size=None)),
        run_state="paused",
    ),
)


def selected(where: str) -> list[str]:
    return [guest.name for guest in true_of(GUESTS, where, "where", GUEST)]


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("tags[?@=='prod']", ["web1", "db"]),
        ("contains(tags, 'prod') && used.memory > bytes('8G')", ["web1"]),
        ("used.memory > `2147483647` && used.memory <= bytes('2G')", ["db"]),
        # What is not measured is null, and no condition on it is true.
        ("used.memory < bytes('1P')", ["web1", "db"]),
        ("used.memory == `null`", ["web2"]),
        ("percent.cpu == `50`", ["db"]),
        ("kind != 'container'", ["web1", "db"]),
        ("like(name, 'web*')", ["web1", "web2"]),
        ("like(pool, 'g*')", ["web1"]),
        ("matches(name, 'w.b[2-9]')", ["web2"]),
        ("not_null(pool, '') == 'gold'", ["web1"]),
        # A field that snapshots leave out has its default.
        ("run_state", ["db"]),
        ("platform_managed", []),
        ("contains(cpu_features, 'avx')", []),
        ("disks[?size > bytes('1T') && datastore == 'san']", ["db"]),
        ("disks[].size | max(@) > bytes('1T')", ["db"]),
        ("{tag: tags[0], disks: disks[].datastore}.disks[?@=='nfs']", ["db"]),
        ("contains(['web2', 'db'], name)", ["web2", "db"]),
        ("sort_by(disks, &datastore)[0].datastore == 'nfs'", ["db"]),
        ("\"name\" == 'db'", ["db"]),
        ("!tags", ["web2"]),
        # 0 is true in JMESPath.
        ("`0`", ["web1", "web2", "db"]),
        ("@.name == 'db'", ["db"]),
    ],
)
def test_guests_for_which_an_expression_is_true(where: str, names: list[str]) -> None:
    assert selected(where) == names


def test_hosts_for_which_an_expression_is_true() -> None:
    host = replace(
        CLUSTER.hosts[0],
        capacity={"cpu": 10.0, "memory": 100.0},
        used={"cpu": 9.5, "memory": None},
        labels={"rack": "a"},
    )
    for where, expected in (
        ("percent.cpu > `90`", True),
        ("percent.memory", False),
        ("labels.rack == 'a' && !maintenance", True),
        ("datastores.san.shared", True),
        ("datastores.*.closed_because", False),
        ("starts_with(not_null(cpu_model, ''), 'x86')", False),
    ):
        assert bool(list(true_of([host], where, "where", HOST))) is expected, where


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("tags[?@='prod']", "is not a JMESPath expression: column 8: unknown =. Compare with =="),
        (
            'tags[?@=="prod"]',
            "is not an expression that can select a guest: column 10: a text has no field prod. Write a text "
            "as 'prod'",
        ),
        (
            "name && tgas",
            "not an expression that can select a guest: column 9: there is no field tgas. Did you mean tags?",
        ),
        (
            "used.mem > `1`",
            "column 6: 'mem' is not a resource: cpu, memory, network_io, disk_io, storage, or one of your "
            "own that starts with x_",
        ),
        (
            "used.memory > 8",
            "column 15: unexpected 8. Write a number between backquotes, such as `8`, and a size as "
            "bytes('8G')",
        ),
        ("used.memory > '8G'", "column 6: a number and a text are compared. Write a number between"),
        ("name and tags", "column 6: unexpected and. Write && for and"),
        ("(name", "column 6: it ends too early. Complete it, and close each bracket and quote"),
        ("name == 'x", "column 9: the ' is not closed. Close it with another '"),
        ("foo(name)", "column 1: unknown function foo(). Known are abs, avg, bytes, "),
        ("tags && length()", "column 9: length() takes 1 argument, not 0"),
        ("kind == 'vms'", "column 1: 'vms' is not one of vm, container"),
        ("disks.size", "column 7: size is asked of a list. Write [].size, or [?…] with a condition"),
        ("tags == 'x'", "column 1: a list and a single value are compared. Use contains(LIST, VALUE)"),
        ("size < bytes('8X')", "column 8: in bytes(), '8X' is not a size of at least 0, such as 96G"),
        ("matches(name, '(')", "column 1: in matches(), '(' is not a regular expression: missing )"),
        ("", "is not a JMESPath expression: it is empty. Write one such as contains(tags, 'prod')"),
        ("a" * 1001, "is not an expression of at most 1000 characters"),
        ("!" * 500 + "name", "it is nested "),
        ("(" * 900, "it "),
    ],
)  # fmt: skip
def test_a_wrong_expression_is_refused_with_its_column(where: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Policy.from_json({"exclude": {"guests": {"where": where}}})
    assert str(caught.value).startswith("policy.exclude.guests.where: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            "starts_with(pool, 'x')",
            "is not an expression that works for guest web2 (2): starts_with() does not accept null. Replace "
            "null first, such as in not_null(pool, '')",
        ),
        ("tags[::0]", "works for guest web1 (1): slice step cannot be zero"),
        # A few characters that would take until the end of time.
        ("[@,@]|" * 60 + "[@,@] == [@]", "works for guest web1 (1): it takes more than 5000 steps. Simplify"),
        ("|".join(["[@,@][]"] * 60), "it takes more than 5000 steps"),
        ("|".join(["map(&`[1,2]`,@)[]"] * 50).replace("@", "tags", 1), "it takes more than 5000 steps"),
        ("|".join(["to_array(to_string(@))"] * 40), "it takes more than 5000 steps"),
        ("name|" + "|".join(["join(@,`[\"\",\"\",\"\",\"\"]`)"] * 30), "it takes more than 5000 steps"),
    ],
)  # fmt: skip
def test_an_expression_that_fails_names_the_guest(where: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        selected(where)
    assert str(caught.value).startswith("where: ")
    assert message in str(caught.value)


PARTS = (
    *("name", "tags", "used", "memory", "disks", "size", "id", "1", "-1", "`1`", "'a'", "\\", "é"),
    *(*"@*[](){}.,:|!<>&'\"`", "[?", "[]", "||", "&&", "==", "[0]", "[*]", "[::2]", "[::0]"),
    *("length(", "contains(", "sort_by(", "map(", "to_string(", "bytes(", "matches(", "join(", "keys("),
)


@given(st.lists(st.sampled_from(PARTS), max_size=25).map(" ".join))
def test_any_text_is_either_an_expression_or_refused(where: str) -> None:
    """No other error than the one for wrong input ends it."""
    with suppress(InputError):
        selected(where)


def test_without_the_library_an_expression_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "jmespath", None)
    with pytest.raises(
        LibraryMissing, match=r"policy.rules\[0\].guests.where: the Python library jmespath is"
    ):
        Policy.from_json(
            {
                "rules": [
                    {"by": "guests", "kind": "affinity", "guests": {"where": "name == 'not read before'"}}
                ]
            }
        )


def test_the_facts_that_an_expression_reads() -> None:
    assert dict(facts_read("tags[?@=='x'] || pool == 'a' || disks[?size > `1`] || name == 'x'", GUEST)) == {
        "tags": "tags",
        "pool": "pools",
        "disks": "datastores",
    }
    assert dict(facts_read("percent.cpu > `1` && pressure.cpu > `1`", HOST)) == {
        "percent": "loads",
        "pressure": "loads",
    }
    # The whole guest.
    assert len(dict(facts_read("to_string(@)", GUEST))) == 10
