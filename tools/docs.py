# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build docs/build/html: the guides, and a page for every module, role and plugin."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .run import ROOT, Shell, StepFailed, counted

BUILD = ROOT / "docs" / "build"
PLUGIN_KINDS = ("action", "callback", "filter", "inventory", "lookup", "test")


def expected_pages() -> list[str]:
    """The name of the page of every module, role and documented plugin."""
    kinds = {"module": "modules", **{kind: kind for kind in PLUGIN_KINDS}}
    pages = [
        f"{file.stem}_{kind}"
        for kind, folder in kinds.items()
        for file in sorted((ROOT / "plugins" / folder).glob("*.py"))
        if kind != "action"  # documented by the module of the same name
    ]
    # What only other roles depend on has no options to document.
    roles = sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))
    return pages + [f"{specs.parents[1].name}_role" for specs in roles]


def without_contents(page: Path) -> None:
    """Take the list of sections out of a generated page: the theme shows one beside the text."""
    text = page.read_text("utf-8")
    page.write_text(re.sub(r"^\.\. contents::.*\n(?: +:.*\n)*", "", text, flags=re.MULTILINE), "utf-8")


def build(shell: Shell) -> str:
    """Pass when the docs of the code are valid, nothing lacks a page and no link leads nowhere."""
    if not (ROOT / "plugins" / "modules").is_dir():
        raise StepFailed("plugins/modules holds no module")
    shell.home.mkdir(parents=True, exist_ok=True)
    antsibull = ("env", f"HOME={shell.home}", "antsibull-docs")  # it keeps a log in its home
    shell.run(*antsibull, "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "self", ".")
    source = BUILD / "source"
    shutil.rmtree(BUILD, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("build"))
    reference = source / "reference"
    reference.mkdir(mode=0o755)
    shell.run(
        *antsibull,
        "collection",
        "--use-current",
        "--squash-hierarchy",
        "--fail-on-error",
        "--dest-dir",
        reference,
        "evenkeel.cluster",
    )
    for page in reference.rglob("*.rst"):
        without_contents(page)
    missing = [page for page in expected_pages() if not (reference / f"{page}.rst").is_file()]
    if missing:
        raise StepFailed(f"no page for {', '.join(missing)}")
    shell.run("sphinx-build", "--fail-on-warning", "--keep-going", "-q", source, BUILD / "html")
    return counted(list((BUILD / "html").rglob("*.html")), "page") + " in docs/build/html"
