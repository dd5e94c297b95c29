# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load that a Linux hypervisor reports in /proc.

This runs on the hypervisor, with the Python that it has: 3.8, and the standard library only. Memory is in
bytes, pressure in percent of time stalled, loads in tasks that run or wait. What a kernel does not report is
None, never 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .._model.errors import ProcError, shortened

KIB = 1024
_STALLS = ("cpu", "memory", "io")

# https://gitlab.com/x86-psABIs/x86-64-ABI, "micro-architecture levels", by the names that Linux has for them.
_LEVELS = (
    ("x86-64-v1", {"cx8", "cmov", "fxsr", "mmx", "sse", "sse2", "lm"}),
    ("x86-64-v2", {"cx16", "lahf_lm", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3"}),
    ("x86-64-v3", {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}),
    ("x86-64-v4", {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}),
)


def read_load(proc: str) -> dict[str, Any]:
    """Load averages, pressure, memory, the ZFS ARC and the CPUs, from a /proc that is mounted at `proc`."""
    folder = Path(proc)
    arc = _arc(_text(folder / "spl/kstat/zfs/arcstats"))
    return {
        "loadavg": _loadavg(folder / "loadavg"),
        "pressure": {name: _pressure(folder / "pressure" / name) for name in _STALLS},
        "memory": _memory(folder / "meminfo", 0 if arc is None else arc["reclaimable"]),
        "zfs_arc": arc,
        "cpu": _cpu(_needed(folder / "cpuinfo")),
    }


def _loadavg(path: Path) -> dict[str, float]:
    words = _needed(path).split()
    try:
        return dict(zip(("load1", "load5", "load15"), [float(words[index]) for index in range(3)]))
    except (IndexError, ValueError):
        raise _unknown(path, " ".join(words), "three load averages") from None


def _pressure(path: Path) -> dict[str, Any] | None:
    """`some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same with `full` where the kernel has it."""
    text = _text(path)
    if text is None:
        return None
    found: dict[str, Any] = {"some": None, "full": None}
    for line in text.splitlines():
        kind, _space, rest = line.partition(" ")
        values = dict(pair.partition("=")[::2] for pair in rest.split())
        try:
            found[kind] = {name: float(values[name]) for name in ("avg10", "avg60", "avg300")}
        except (KeyError, ValueError):
            raise _unknown(path, line, "a line of pressure stall information") from None
    return found


def _memory(path: Path, reclaimable: int) -> dict[str, Any]:
    """`used` is what is out of reach for a new guest: caches are not, the ARC's least size is."""
    sizes = _sizes(_needed(path))
    try:
        total, free = sizes["MemTotal"], sizes["MemFree"]
        # Kernels before 3.14 leave the estimate to others.
        cached = free + sizes.get("Buffers", 0) + sizes.get("Cached", 0)
        available = sizes.get("MemAvailable", cached)
    except KeyError as error:
        raise _unknown(path, sorted(sizes), f"the field {error}") from None
    return {
        "total": total,
        "free": free,
        "available": available,
        "used": max(0, total - available - reclaimable),
        "swap_total": sizes.get("SwapTotal"),
        "swap_free": sizes.get("SwapFree"),
    }


def _sizes(text: str) -> dict[str, int]:
    """`MemTotal:  16384 kB` as bytes; lines without a unit count pages, and are left out."""
    sizes = {}
    for line in text.splitlines():
        name, _colon, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[0].isdigit() and words[1] == "kB":
            sizes[name] = int(words[0]) * KIB
    return sizes


def _arc(text: str | None) -> dict[str, int] | None:
    """The kernel counts the ARC as used, but ZFS gives back on demand what is above its least size."""
    if text is None:
        return None
    rows = [line.split() for line in text.splitlines()]
    values = {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[2].isdigit()}
    if not {"size", "c_min", "c_max"} <= set(values):
        return None
    return {
        "size": values["size"],
        "minimum": values["c_min"],
        "maximum": values["c_max"],
        "reclaimable": max(0, values["size"] - values["c_min"]),
    }


def _cpu(text: str) -> dict[str, Any]:
    """Sockets and cores are reported on x86 only, where each logical CPU names its own."""
    blocks = [_fields(block) for block in text.split("\n\n")]
    threads = [block for block in blocks if "processor" in block]
    sockets = {block["physical id"] for block in threads if "physical id" in block}
    cores = {(block["physical id"], block["core id"]) for block in threads if "core id" in block}
    first = threads[0] if threads else {}
    return {
        "sockets": len(sockets) or None,
        "cores": len(cores) or None,
        "threads": len(threads) or None,
        "model": first.get("model name"),
        "level": _level(first.get("flags", "").split()),
    }


def _fields(block: str) -> dict[str, str]:
    pairs = [line.partition(":") for line in block.splitlines()]
    return {name.strip(): value.strip() for name, _colon, value in pairs}


def _level(flags: list[str]) -> str | None:
    """The highest x86-64 level all of whose features, and those of the levels below, are there."""
    result = None
    for name, wanted in _LEVELS:
        if not wanted <= set(flags):
            break
        result = name
    return result


def _needed(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ProcError(
            f"can't be read: {error.strerror}",
            where=str(path),
            hint="The host must run Linux, and proc must name where its /proc is mounted",
        ) from None


def _text(path: Path) -> str | None:
    """None for what this kernel does not have, has switched off, or keeps to itself."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _unknown(path: Path, found: object, expected: str) -> ProcError:
    return ProcError(f"{shortened(found)} is not {expected}", where=str(path))
