# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rectangles whose areas stand for shares, as square as they can be. script.js lays out the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rectangle:
    """In the units of its picture."""

    x: float
    y: float
    width: float
    height: float


def squarified(sizes: Sequence[float], frame: Rectangle) -> list[Rectangle]:
    """A rectangle for each size, in the same order: together they are the frame. Sizes of 0 get no area."""
    found = [Rectangle(frame.x, frame.y, 0.0, 0.0)] * len(sizes)
    total = sum(sizes)
    if total <= 0 or frame.width <= 0 or frame.height <= 0:
        return found
    scale = frame.width * frame.height / total
    order = sorted((index for index, size in enumerate(sizes) if size > 0), key=lambda i: (-sizes[i], i))
    x, y, width, height = frame.x, frame.y, frame.width, frame.height
    start = 0
    while start < len(order):
        side = min(width, height)
        end, area = start + 1, sizes[order[start]] * scale
        while end < len(order):
            more = area + sizes[order[end]] * scale
            first = sizes[order[start]] * scale
            if _worst(first, sizes[order[end]] * scale, more, side) > _worst(
                first, sizes[order[end - 1]] * scale, area, side
            ):
                break
            area, end = more, end + 1
        depth = area / side
        along = 0.0
        for index in order[start:end]:
            length = sizes[index] * scale / depth
            found[index] = (
                Rectangle(x, y + along, depth, length)
                if width >= height
                else Rectangle(x + along, y, length, depth)
            )
            along += length
        if width >= height:
            x, width = x + depth, max(0.0, width - depth)
        else:
            y, height = y + depth, max(0.0, height - depth)
        start = end
    return found


def _worst(largest: float, smallest: float, area: float, side: float) -> float:
    """The longest proportion of the sides in a row of this area, along this side."""
    squared = side * side
    return max(squared * largest / (area * area), area * area / (squared * smallest))
