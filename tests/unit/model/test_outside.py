# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes from outside as text: JSON, regular expressions, sizes, URLs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import (
    EvenKeelError,
    InputError,
    UrlError,
    shortened,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text import regexes
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.regexes import (
    check_regex,
    compiled,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.sizes import size_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.urls import parsed_url
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import (
    is_storable,
    parsed_json,
)

HIDDEN = "pa55word"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, '{"a":' * 50_000, "9" * 5000, b"\xff\xfe", "1e", '"\\u"', "\0", b"\0\0\0"],
)
def test_what_is_no_json(text: str | bytes) -> None:
    with pytest.raises(InputError, match=r"^body: 'the text' is not JSON"):
        parsed_json(text, "body")


@pytest.mark.parametrize(
    "regex",
    ["a{99999999999}", "(" * 5000, "(" * 600, "[", "*", "(?P<a>x)(?P<a>y)", "a" * 1001, "\\", "(?i", "a{2,1}",
     "((a{1000}){1000}){1000}(b{1000}){1000}("],
)  # fmt: skip
def test_what_is_no_regular_expression(regex: str) -> None:
    with pytest.raises(InputError, match=r"^policy.evacuate.regex: "):
        Policy.from_json({"goal": "evacuate", "evacuate": {"regex": regex}})


EXPONENTIAL = ["(a+)+b", "(a|aa)+b", "(a|a)*b", "(?:a?){40}a{40}b", "(.*)*b", ".*.*.*.*.*b",
               "((a{1,9}){1,9}){1,9}b"]  # fmt: skip
HARMLESS = [r"^web-\d+$", r"(\d{1,3}\.){3}\d{1,3}", "^(web|db|cache)[0-9]*-.*$", "(?!test).*", "a{2,4}b*c+",
            r"^(?P<app>[a-z]+)-[0-9]+\.example\.com$", "(?i)WEB", ""]  # fmt: skip


@pytest.mark.parametrize("regex", EXPONENTIAL)
def test_an_exponential_expression_is_matched_in_linear_time(regex: str) -> None:
    pytest.importorskip("re2")
    assert compiled(regex).match("a" * 5000) is None
    assert compiled(regex).search("x" + "a" * 40 + "b")


@pytest.mark.parametrize("regex", EXPONENTIAL)
def test_without_a_linear_engine_it_is_refused(regex: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regexes, "re2", None)
    compiled.cache_clear()
    with pytest.raises(InputError, match=r"^f: .* is not a regular expression that always .* google-re2$"):
        check_regex(regex, "f")


@pytest.mark.parametrize("regex", HARMLESS)
def test_a_harmless_expression_is_python_s_own(regex: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regexes, "re2", None)
    compiled.cache_clear()
    check_regex(regex, "f")
    assert type(compiled(regex)).__module__ == "re"


@pytest.mark.parametrize("size", ["9" * 400 + ".5", "9" * 5000, "-1", "1e9", "½G", "\ud800", "\0"])
def test_what_is_no_size(size: str) -> None:
    with pytest.raises(InputError, match=r"^memory: "):
        size_of(size, "memory")


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a\udfffb"])
def test_a_text_that_nothing_can_keep(name: str) -> None:
    assert not is_storable(name)
    wrong = r"^policy.evacuate.names\[0\]: .* is not a text without NUL"
    with pytest.raises(InputError, match=wrong) as refusal:
        Policy.from_json({"evacuate": {"names": [name]}})
    str(refusal.value).encode()
    with pytest.raises(InputError) as refusal:
        Policy.from_json({name: 1, name * 300: 2})
    assert "\0" not in str(refusal.value)
    str(refusal.value).encode()


def test_a_message_stays_short() -> None:
    with pytest.raises(InputError) as refusal:
        Policy.from_json({"k" * 1_000_000: 1})
    assert len(str(refusal.value)) < 3000
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    assert shortened(deep) == "a deeply nested list"
    assert shortened(10**5000) == "a very large int"
    assert str(EvenKeelError("\ud800\0", where="x")) == "x: \\ud800\\x00"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://me:{HIDDEN}/x@db/evenkeel",
        f"postgresql://me:{HIDDEN}#x@db/evenkeel",
        f"postgresql://me:{HIDDEN}?x@db/evenkeel",
        f"postgresql://me:/{HIDDEN}@x@db/evenkeel",
        f"postgresql://me:{HIDDEN} x@db/evenkeel",
        f"postgresql://me:{HIDDEN}",
        f"postgresql://me:x@{HIDDEN}:{HIDDEN}/",
        f"{HIDDEN}@db",
        f"http://[{HIDDEN}",
        f"amqp://guest:{HIDDEN}\n@host/",
    ],
)
def test_what_can_t_be_parsed_is_not_shown(text: str) -> None:
    with pytest.raises(UrlError, match=r"^state_url: the URL can't be used: ") as refusal:
        parsed_url(text, "state_url", "https://USER:PASSWORD@HOST/")
    assert HIDDEN not in str(refusal.value)
    assert HIDDEN not in repr(refusal.value)


@pytest.mark.parametrize("password", ["a@b", "a:b", "@@::", "p%40q", "p%2Fq", "äöü", "p%zz"])
def test_a_password_with_signs_in_it(password: str) -> None:
    url = parsed_url(f"postgresql://me:{password}@db.example.com:5432/evenkeel?sslmode=require", "u", "e")
    assert (url.user, url.host, url.port, url.path) == ("me", "db.example.com", 5432, "evenkeel")
    assert url.password is not None
    for shown in (str(url), repr(url), url.hidden(f"no: {password} {url.password}")):
        assert url.password not in shown
    assert str(url) == "postgresql://me:***@db.example.com:5432/evenkeel"
    assert parsed_url(url.with_password(), "u", "e") == url


def test_other_urls() -> None:
    assert parsed_url("sqlite:////var/lib/even keel/a@b.db", "u", "e").path == "/var/lib/even keel/a@b.db"
    assert parsed_url("amqp://[::1]:5672/%2F", "u", "e").host == "::1"
    assert parsed_url("amqp://host/%2F", "u", "e").path == "/"
    assert parsed_url("amqps://u@host", "u", "e").with_password() == "amqps://u@host/"
    assert json.loads(json.dumps(parsed_url("https://h/a?b=c", "u", "e").options)) == {"b": "c"}
