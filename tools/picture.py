# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw docs/images/dry-run.svg: what the dry run of the example cluster prints, as a terminal shows it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from .package import EXAMPLE, inventory_of
from .run import ROOT

PICTURE = ROOT / "docs" / "images" / "dry-run.svg"
COMMAND = ("ansible-playbook", "evenkeel.cluster.balance", "-i", "clusters.yml", "--check", "--diff")
WIDTH = 142
# The font of whoever looks: a picture that fetches one from a server is not shown by every site.
FONT_FACE = re.compile(r"\s*@font-face \{.*?\}|\s*<!-- .*? -->", re.DOTALL)


def dry_run() -> str:
    """The report that the dry run of the example cluster prints, from its headline to its last line.
    Where clusters do not wait for each other, Ansible prints the name of the task after it.
    """
    with tempfile.TemporaryDirectory() as folder:
        cluster = Path(folder, "cluster.json")
        shutil.copy2(ROOT / EXAMPLE, cluster)
        Path(folder, "clusters.yml").write_text(inventory_of(cluster))
        printed = subprocess.run(
            [str(Path(sys.executable).with_name(COMMAND[0])), *COMMAND[1:]],
            cwd=folder,
            env={**os.environ, "EVENKEEL_STATE_URL": "sqlite://", "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout
    report = re.search(r"^cluster .*?(?=^TASK |^ok: )", printed, re.MULTILINE | re.DOTALL)
    if report is None:
        raise SystemExit(f"error: the dry run prints no report:\n{printed}")
    return report.group().rstrip()


def draw(report: str) -> str:
    """The SVG of a terminal in which COMMAND was typed and `report` was printed."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(Text(f"$ {' '.join(COMMAND)}", style="bold"))
        text = Text(report, no_wrap=True, overflow="crop")
        text.highlight_regex(r"^cluster [^:]*", "bold cyan")
        text.highlight_regex(r"(?m)^(?:wave \d+|broken rules now)$", "bold")
        text.highlight_regex(r"(?m)^  (?:host  |spread) .*$", "bold")
        text.highlight_regex(r"\S+ → \S+", "green")
        console.print(text)
    svg = console.export_svg(title="A dry run: nothing is changed", unique_id="dry-run")
    return FONT_FACE.sub("", svg).replace("Fira Code", "ui-monospace, Menlo, Consolas")


def main() -> None:
    """Write the picture."""
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(dry_run()) + "\n", "utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
