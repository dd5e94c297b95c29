# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running machine of Proxmox VE needs of its host's CPU."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.cpu import (
    AMD,
    INTEL,
    cpu_needs,
    features_of,
)

OLD = frozenset("cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 aes pclmulqdq vmx".split()) | {INTEL}  # noqa: SIM905
NEW = OLD | frozenset(
    {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave", "avx512f", "pdpe1gb"}
)


@pytest.mark.parametrize(
    ("setting", "on_new", "same_model"),
    [
        (None, set(), False),
        ("kvm64", set(), False),
        ("qemu64,flags=+aes", {"aes"}, False),
        ("x86-64-v2-AES", OLD - {INTEL, "pclmulqdq", "vmx"}, False),
        ("x86-64-v3", NEW - {INTEL, "pclmulqdq", "vmx", "avx512f", "pdpe1gb"}, False),
        ("cputype=x86-64-v4", NEW - {INTEL, "pclmulqdq", "vmx", "pdpe1gb"}, False),
        ("kvm64,flags=+pdpe1gb;+nested-virt;-aes", {"pdpe1gb", "vmx"}, False),
        ("x86-64-v2-AES,flags=-aes", OLD - {INTEL, "pclmulqdq", "vmx", "aes"}, False),
        ("kvm64,flags=+sse4.1;+hv-tlbflush", {"sse4_1"}, False),
        ("host", set(), True),
        ("host,flags=+pdpe1gb", {"pdpe1gb"}, True),
        ("max", set(), True),
        # A model of the user's own, or one that came after ours: only the same CPU is sure to have it.
        ("custom-web", set(), True),
        ("ZhaoxinKaisheng", set(), True),
    ],
)
def test_a_setting_says_which_features_a_host_must_have(
    setting: str | None, on_new: set[str], same_model: bool
) -> None:
    needs = cpu_needs(setting)
    assert (needs.of(NEW), needs.same_model) == (on_new, same_model)


@pytest.mark.parametrize(
    ("model", "has", "lacks"),
    [
        ("Skylake-Server-IBRS", {INTEL, "avx512f", "avx2", "ibrs"}, {"sha_ni"}),
        ("Skylake-Client", {INTEL, "avx2", "rtm"}, {"avx512f"}),
        ("Skylake-Client-noTSX-IBRS", {INTEL, "avx2"}, {"rtm"}),
        ("Skylake-Client-v4", {INTEL, "avx2"}, {"rtm"}),
        ("SandyBridge", {INTEL, "avx", "aes"}, {"avx2"}),
        ("Cascadelake-Server-noTSX", {INTEL, "avx512_vnni"}, {"hle"}),
        ("EPYC", {AMD, "avx2", "sha_ni"}, {"avx512f"}),
        ("EPYC-Rome-v4", {AMD, "avx2", "clwb"}, {"vaes"}),
        ("EPYC-Genoa", {AMD, "avx512f", "avx512_vnni"}, set()),
        ("Opteron_G5", {AMD, "fma", "tbm"}, {"avx2"}),
        ("pentium3", {INTEL}, {"avx"}),
    ],
)
def test_a_named_model_needs_its_generation_and_its_maker(model: str, has: set[str], lacks: set[str]) -> None:
    features = cpu_needs(model).features
    assert has <= features
    assert not lacks & features


def test_what_the_present_host_lacks_the_machine_can_t_be_using() -> None:
    assert cpu_needs("Skylake-Server").of({"avx2", "fpu"}) == {"avx2"}


def test_a_host_has_its_flags_and_its_maker() -> None:
    assert features_of("fpu avx2", "AMD EPYC 7302 16-Core Processor") == {"fpu", "avx2", AMD}
    assert features_of("fpu", "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz") == {"fpu", INTEL}
    assert features_of("fpu", None) == {"fpu"}
    assert features_of("", "Intel") is None
