# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that looks like the /proc of a hypervisor, with the figures that a test wants to find again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

GIB = 1024**3
V3 = (
    "fpu cx8 cmov fxsr mmx sse sse2 lm cx16 lahf_lm pni popcnt sse4_1 sse4_2 ssse3 "
    "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"
)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """Memory in bytes. `pressure`: avg10, avg60 and avg300 by resource, None for a kernel without; `arc`:
    size, least and largest size of the ZFS ARC.
    """

    loads: tuple[float, float, float] = (1.0, 2.0, 3.0)
    pressure: Mapping[str, tuple[float, float, float]] | None = field(
        default_factory=lambda: {"cpu": (1.0, 2.0, 3.0), "memory": (0.0, 0.5, 0.25), "io": (4.0, 5.0, 6.0)}
    )
    total: int = 64 * GIB
    available: int | None = 48 * GIB
    arc: tuple[int, int, int] | None = None
    sockets: int = 2
    cores: int = 4
    threads: int = 2
    "a core"
    flags: str = V3


def write(folder: Path, kernel: Kernel) -> Path:
    """Readable by everyone; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loadavg").write_text("{} {} {} 3/912 41234\n".format(*kernel.loads))
    (folder / "meminfo").write_text(_meminfo(kernel))
    (folder / "cpuinfo").write_text(_cpuinfo(kernel))
    if kernel.pressure is not None:
        (folder / "pressure").mkdir()
        for name, averages in kernel.pressure.items():
            line = "avg10={:.2f} avg60={:.2f} avg300={:.2f} total=81234567".format(*averages)
            (folder / "pressure" / name).write_text(
                f"some {line}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
            )
    if kernel.arc is not None:
        (folder / "spl/kstat/zfs").mkdir(parents=True)
        size, least, most = kernel.arc
        (folder / "spl/kstat/zfs/arcstats").write_text(
            "9 1 0x01 147 39984 4893217 991298312983\n"
            "name                            type data\n"
            "hits                            4    901238912\n"
            f"c                               4    {size}\n"
            f"c_min                           4    {least}\n"
            f"c_max                           4    {most}\n"
            f"size                            4    {size}\n"
        )
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def _meminfo(kernel: Kernel) -> str:
    available = kernel.total // 2 if kernel.available is None else kernel.available
    lines = [("MemTotal", kernel.total), ("MemFree", available // 2)]
    if kernel.available is not None:
        lines.append(("MemAvailable", available))
    lines += [("Buffers", available // 8), ("Cached", available // 4)]
    lines += [("SwapTotal", GIB), ("SwapFree", GIB // 2)]
    sized = [f"{name + ':':<16}{size // 1024:>8} kB" for name, size in lines]
    return "\n".join([*sized, "HugePages_Total:       0", ""])


def _cpuinfo(kernel: Kernel) -> str:
    blocks = []
    for number in range(kernel.sockets * kernel.cores * kernel.threads):
        core = number // kernel.threads
        blocks.append(
            f"processor\t: {number}\n"
            "vendor_id\t: GenuineIntel\n"
            "model name\t: Example CPU @ 2.40GHz\n"
            f"physical id\t: {core // kernel.cores}\n"
            f"core id\t\t: {core % kernel.cores}\n"
            f"flags\t\t: {kernel.flags}\n"
        )
    return "\n".join(blocks) + "\n"
