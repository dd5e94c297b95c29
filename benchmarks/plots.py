# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots of the planner's benchmarks as SVG, without any library: the same figures produce the same file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 320, 60, 30, 52
PLOTTED_SPREAD = 20
COLOURS = ("#b0b7bf", "#7fb2d9", "#1f6fb2", "#333333")
LICENCE = "<!-- Copyright (c) 2026 The Even Keel Authors\nSPDX-License-Identifier: GPL-3.0-or-later -->"


def draw(figures: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Writes one file for each section with figures."""
    if "hbal" in figures:
        series = {"hbal": "hbal", "first plan": "first", "best plan": "best", "lower bound": "bound"}
        # One limit, and no cluster for which a planner has no number: that is in the table.
        rows = [
            row
            for row in figures["hbal"]["rows"]
            if row.get("spread") == PLOTTED_SPREAD and all(row[key] is not None for key in series.values())
        ]
        labels = [f"{row['cluster'].replace('x', ' × ')}, {row['seed']}" for row in rows]
        values = {name: [row[key] for row in rows] for name, key in series.items()}
        text = bars(f"Migrations until every spread is at most {PLOTTED_SPREAD} points", labels, values)
        (folder / "migrations.svg").write_text(text)
    if "scale" in figures:
        rows = figures["scale"]["rows"]
        text = bars(
            "Seconds to plan (reading the snapshot; planning)",
            [row["cluster"] for row in rows],
            {"read": [row["read"] for row in rows], "plan": [row["plan"] for row in rows]},
        )
        (folder / "scale.svg").write_text(text)


def bars(title: str, labels: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """Returns groups of bars, each with its number."""
    most = max((value for values in series.values() for value in values), default=1) or 1
    inner, room = WIDTH - LEFT - 10, HEIGHT - TOP - BOTTOM
    group = inner / max(1, len(labels))
    bar = group * 0.8 / len(series)
    parts = [
        LICENCE,
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
        'font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="16" font-size="13">{title}</text>',
    ]
    for step in range(5):
        y = HEIGHT - BOTTOM - room * step / 4
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - 10}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{most * step / 4:.3g}</text>')
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<rect x="{LEFT + 120 * number}" y="24" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT + 14 + 120 * number}" y="33">{name}</text>')
        for index, value in enumerate(values):
            x = LEFT + group * (index + 0.1) + bar * number
            tall = room * value / most
            top = HEIGHT - BOTTOM - tall
            parts.append(
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{bar:.1f}" height="{tall:.1f}" fill="{colour}"/>'
            )
            parts.append(
                f'<text x="{x + bar / 2:.1f}" y="{top - 3:.1f}" text-anchor="middle">{value:.3g}</text>'
            )
    for index, label in enumerate(labels):
        x, y = LEFT + group * (index + 0.5), HEIGHT - BOTTOM + 18
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{label}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
