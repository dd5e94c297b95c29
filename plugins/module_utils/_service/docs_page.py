# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page of an OpenAPI document, which needs nothing but itself: no script, no font, no other server."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .library import jinja2, require

_REFERENCE = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Page:
    """The text, and the Content-Security-Policy that it can be shown under."""

    html: str
    policy: str


@dataclass(frozen=True, slots=True)
class _Word:
    """A part of the words for a type; a schema of the document where it names one."""

    text: str
    schema: str | None = None


def docs_page(document: Mapping[str, Any]) -> Page:
    """Raises ServiceLibraryMissing without Jinja2, which Ansible requires anyway."""
    require(jinja2, "jinja2", "http")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["words"] = lambda schema: [*_words(schema)]
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
    environment.filters["named"] = lambda schema: schema.get("$ref", "").removeprefix(_REFERENCE)
    html = environment.from_string(_TEMPLATE).render(document=document, style=_STYLE)
    # The template writes the style as it is; everything else is escaped.
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
    return Page(html, policy)


def _words(schema: Mapping[str, Any]) -> Iterator[_Word]:
    """What a value may be."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REFERENCE)
        yield _Word(name, name)
    elif "anyOf" in schema or "oneOf" in schema:
        for index, option in enumerate(schema.get("anyOf") or schema["oneOf"]):
            if index:
                yield _Word(" or ")
            yield from _words(option)
    elif "enum" in schema:
        yield _Word(", ".join(str(value) for value in schema["enum"]))
    elif "const" in schema:
        yield _Word(str(schema["const"]))
    elif schema.get("type") == "array":
        yield _Word("list of ")
        yield from _words(schema.get("items", {}))
    elif isinstance(schema.get("type"), list):
        yield _Word(" or ".join(schema["type"]))
    else:
        yield from _plain_words(schema)


def _plain_words(schema: Mapping[str, Any]) -> Iterator[_Word]:
    kind = {"string": "text", "boolean": "true or false"}.get(
        schema.get("type", ""), schema.get("type", "any value")
    )
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        kind += f" from {least:g} to {most:g}"
    elif least is not None:
        kind += f" of at least {least:g}"
    said = schema.get("description", "")
    yield _Word(f"{kind} {said}" if said.startswith("such as ") else kind)
    if isinstance(schema.get("additionalProperties"), dict):
        yield _Word(" of ")
        yield from _words(schema["additionalProperties"])


_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --mark: #06c; }
@media (prefers-color-scheme: dark) { :root { --mark: #6bf; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem 1.5rem 4rem; }
h1 { margin-bottom: 0; }
h2 { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: 1.5rem; }
h3 { margin-bottom: .3rem; }
a { color: var(--mark); }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); border-radius: 4px; overflow-x: auto; padding: .7rem 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; }
th, td { text-align: left; vertical-align: top; }
td:first-child { white-space: nowrap; }
.method { background: var(--mark); border-radius: 4px; color: Canvas; padding: .1rem .5rem; }
.quiet { opacity: .75; }
"""

_TEMPLATE = """\
{% macro type(schema) %}
{% for word in schema | words %}
{%- if word.schema %}<a href="#{{ word.schema }}">{{ word.text }}</a>{% else %}{{ word.text }}{% endif -%}
{% endfor %}
{% endmacro %}
{% macro fields(schema) %}
<table>
<tr><th>field</th><th>value</th><th></th></tr>
{% for name, field in schema.properties.items() %}
<tr><td><code>{{ name }}</code>
{% if name in schema.required %}<span class="quiet">required</span>{% endif %}</td>
<td>{{ type(field) }}</td><td>{{ field.description or "" }}</td></tr>
{% endfor %}
</table>
{% endmacro %}
{% macro media(content) %}
{% for kind, one in content.items() %}
{% for name, example in (one.examples or {}).items() %}
<p class="quiet">{{ name }}</p>
<pre>{{ example.value | pretty }}</pre>
{% endfor %}
{% if one.example is defined %}
<pre>{{ one.example | pretty }}</pre>
{% endif %}
{% endfor %}
{% endmacro %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ document.info.title }}: HTTP interface</title>
<style>{{ style | safe }}</style>
</head>
<body>
<header>
<h1>{{ document.info.title }}</h1>
<p class="quiet">HTTP interface {{ document.info.version }} · <a href="openapi.json">openapi.json</a></p>
<p>{{ document.info.description }}</p>
<p>Requests that require a token are sent with the header <code>Authorization: Bearer TOKEN</code>.</p>
<table>
{% for path, methods in document.paths.items() %}
{% for method, one in methods.items() %}
<tr><td><a href="#{{ one.operationId }}"><code>{{ method | upper }} {{ path }}</code></a></td>
<td>{{ one.summary or "" }}</td><td class="quiet">{{ "token" if one.security else "open" }}</td></tr>
{% endfor %}
{% endfor %}
</table>
</header>
<main>
{% for path, methods in document.paths.items() %}
{% for method, one in methods.items() %}
<section>
<h2 id="{{ one.operationId }}"><span class="method">{{ method | upper }}</span> <code>{{ path }}</code></h2>
<p>{{ one.summary or "" }}{{ "." if one.summary }} {{ one.description or "" }}</p>
<p class="quiet">{{ "Requires a token." if one.security else "Requires no token." }}</p>
{% if one.parameters %}
<h3>Parameters</h3>
<table>
{% for parameter in one.parameters %}
<tr><td><code>{{ parameter.name }}</code></td><td class="quiet">{{ parameter.in }}</td>
<td>{{ type(parameter.schema) }}</td><td>{{ parameter.description or "" }}</td></tr>
{% endfor %}
</table>
{% endif %}
{% if one.requestBody %}
<h3>Body</h3>
{% for kind, content in one.requestBody.content.items() %}
<p><code>{{ kind }}</code>: {{ type(content.schema) }}</p>
{% endfor %}
{{ media(one.requestBody.content) }}
{% endif %}
<h3>Answers</h3>
<table>
{% for status, answer in one.responses.items() %}
<tr><td><code>{{ status }}</code></td><td>{{ answer.description }}
{% for kind, content in (answer.content or {}).items() %}
<br><span class="quiet"><code>{{ kind }}</code> {{ type(content.schema) }}</span>
{% endfor %}
</td></tr>
{% endfor %}
</table>
{% for status, answer in one.responses.items() %}
{% if status[0] == "2" %}{{ media(answer.content or {}) }}{% endif %}
{% endfor %}
</section>
{% endfor %}
{% endfor %}
<h2>Values</h2>
{% for name, schema in document.components.schemas.items() %}
<section>
<h3 id="{{ name }}">{{ name }}</h3>
{% if schema.description %}<p>{{ schema.description }}</p>{% endif %}
{% if schema.properties %}
{{ fields(schema) }}
{% else %}
<p>{{ type(schema) }}</p>
{% endif %}
</section>
{% endfor %}
</main>
</body>
</html>
"""
