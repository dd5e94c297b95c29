# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hypervisor's /proc tells: new and old kernels, ZFS, other architectures, and no /proc at all."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._hypervisor.proc import read_load
from ansible_collections.evenkeel.cluster.plugins.module_utils._loads.host_load import HostLoad
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import ProcError
from ansible_collections.evenkeel.cluster.tests.support.proc_tree import GIB, V3, Kernel, write


def test_this_machine() -> None:
    load = read_load("/proc")
    assert load["memory"]["total"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < load["memory"]["used"] < load["memory"]["total"]
    assert load["cpu"]["threads"] == os.sysconf("SC_NPROCESSORS_ONLN")
    HostLoad.from_json(load, "load")


def test_a_hypervisor_with_pressure_and_without_zfs(tmp_path: Path) -> None:
    load = HostLoad.from_json(read_load(str(write(tmp_path, Kernel()))), "load")
    assert (load.loadavg.load1, load.loadavg.load5, load.loadavg.load15) == (1.0, 2.0, 3.0)
    assert load.pressure.cpu is not None
    assert load.pressure.cpu.some is not None
    assert (load.pressure.cpu.some.avg10, load.pressure.cpu.some.avg60) == (1.0, 2.0)
    assert load.memory.used == 16 * GIB
    assert load.zfs_arc is None
    assert (load.cpu.sockets, load.cpu.cores, load.cpu.threads) == (2, 8, 16)
    assert (load.cpu.model, load.cpu.level) == ("Example CPU @ 2.40GHz", "x86-64-v3")


@pytest.mark.parametrize(
    ("arc", "used"),
    [
        # Above its least size it is given back when somebody wants the memory.
        ((20 * GIB, 2 * GIB, 32 * GIB), (64 - 30 - 18) * GIB),
        ((2 * GIB, 2 * GIB, 32 * GIB), 34 * GIB),
        # It may be below it: then nothing is given back, and nothing taken.
        ((1 * GIB, 2 * GIB, 32 * GIB), 34 * GIB),
        # Larger than what is in use is nonsense, but never less than nothing.
        ((63 * GIB, 0, 64 * GIB), 0),
    ],
)
def test_the_arc_counts_as_free_above_its_least_size(
    tmp_path: Path, arc: tuple[int, int, int], used: int
) -> None:
    load = read_load(str(write(tmp_path, Kernel(available=30 * GIB, arc=arc))))
    assert load["memory"]["used"] == used
    assert load["zfs_arc"]["reclaimable"] == max(0, arc[0] - arc[1])


def test_a_kernel_without_pressure_is_null_not_0(tmp_path: Path) -> None:
    load = read_load(str(write(tmp_path, Kernel(pressure=None))))
    assert load["pressure"] == {"cpu": None, "memory": None, "io": None}


def test_a_kernel_that_leaves_the_estimate_of_memory_to_others(tmp_path: Path) -> None:
    load = read_load(str(write(tmp_path, Kernel(available=None))))
    assert load["memory"]["available"] == 16 * GIB + 4 * GIB + 8 * GIB


def test_a_machine_that_is_no_x86(tmp_path: Path) -> None:
    write(tmp_path, Kernel())
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nBogoMIPS\t: 50.00\n\nprocessor\t: 1\nBogoMIPS\t: 50.00\n"
    )
    assert read_load(str(tmp_path))["cpu"] == {
        "sockets": None,
        "cores": None,
        "threads": 2,
        "model": None,
        "level": None,
    }


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("fpu cx8", None),
        ("cx8 cmov fxsr mmx sse sse2 lm", "x86-64-v1"),
        (V3.replace(" bmi2", ""), "x86-64-v2"),
        (f"{V3} avx512bw avx512cd avx512dq avx512f avx512vl", "x86-64-v4"),
    ],
)
def test_levels_of_the_cpu(tmp_path: Path, flags: str, level: str | None) -> None:
    assert read_load(str(write(tmp_path, replace(Kernel(), flags=flags))))["cpu"]["level"] == level


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("loadavg", "here be dragons", r"loadavg: 'here be dragons' is not three load averages"),
        ("loadavg", "1.0", r"'1\.0' is not three load averages"),
        ("meminfo", "MemTotal: 12 kB\n", r"meminfo: \['MemTotal'\] is not the field 'MemFree'"),
        ("pressure/io", "some avg10=zero\n", r"io: 'some avg10=zero' is not a line of pressure"),
    ],
)
def test_nonsense_names_its_file(tmp_path: Path, name: str, text: str, says: str) -> None:
    write(tmp_path, Kernel())
    (tmp_path / name).write_text(text)
    with pytest.raises(ProcError, match=says):
        read_load(str(tmp_path))


def test_no_proc_at_all(tmp_path: Path) -> None:
    with pytest.raises(ProcError, match=r"can't be read: No such file.*The host must run Linux"):
        read_load(str(tmp_path / "nowhere"))
