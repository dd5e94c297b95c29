# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of an execution environment, by ansible-builder as far as it goes without containers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[3]
EXAMPLE: Final = ROOT / "extensions" / "execution-environment"
BUILDER: Final = Path(sys.executable).with_name("ansible-builder")


def builder(*arguments: str | Path) -> str:
    return subprocess.run([BUILDER, *arguments], check=True, capture_output=True, text=True).stdout


def lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]


def test_the_example_is_accepted_and_names_the_collection(tmp_path: Path) -> None:
    context = tmp_path / "context"
    example = EXAMPLE / "execution-environment.yml"
    builder("create", "--output-filename", "Containerfile", "--file", example, "--context", context)
    image = yaml.safe_load(example.read_text())["images"]["base_image"]["name"]
    recipe = (context / "Containerfile").read_text()
    assert f'ARG EE_BASE_IMAGE="{image}"' in recipe
    assert (
        "ansible-galaxy collection install $ANSIBLE_GALAXY_CLI_COLLECTION_OPTS -r requirements.yml" in recipe
    )
    # The build asks the installed collection what it requires.
    assert "introspect.py introspect" in recipe
    wanted: dict[str, Any] = yaml.safe_load((context / "_build" / "requirements.yml").read_text())
    assert wanted == {"collections": [{"name": "evenkeel.cluster", "version": ">=1.0.0,<2.0.0"}]}


def test_the_build_takes_the_packages_and_programs_of_the_collection(tmp_path: Path) -> None:
    installed = tmp_path / "ansible_collections" / "evenkeel"
    installed.mkdir(parents=True)
    (installed / "cluster").symlink_to(ROOT)
    found = yaml.safe_load(builder("introspect", tmp_path))
    origin = "  # from collection evenkeel.cluster"
    for kind, file in (("python", "ee-requirements.txt"), ("system", "ee-bindep.txt")):
        assert found[kind] == [line + origin for line in lines(ROOT / "meta" / file)]
    # A program for each family of systems.
    programs = " ".join(found["system"])
    assert all(f"[platform:{family}]" in programs for family in ("dpkg", "rpm"))
