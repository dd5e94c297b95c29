# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CPU features a running machine needs of its host, in the words of the kernel's /proc/cpuinfo.

Proxmox VE starts a machine only where its host has all that its CPU model shows, on the target of a migration
too, and compares nothing before. A model's list may be generous: what the present host of a running machine
does not have, the machine can't be using.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ..api.values import options

INTEL, AMD = "vendor:GenuineIntel", "vendor:AuthenticAMD"

# What each generation adds to the one before.
_V2 = ("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3")
_V3 = ("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave")
_V4 = ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_PENRYN = ("cx16", "lahf_lm", "pni", "sse4_1", "ssse3")
_NEHALEM = (*_PENRYN, "popcnt", "sse4_2")
_WESTMERE = (*_NEHALEM, "aes", "pclmulqdq")
_SANDY = (*_WESTMERE, "avx", "rdtscp", "tsc_deadline_timer", "x2apic", "xsave", "xsaveopt")
_IVY = (*_SANDY, "erms", "f16c", "fsgsbase", "rdrand", "smep")
_HASWELL = (*_IVY, "abm", "avx2", "bmi1", "bmi2", "fma", "invpcid", "movbe", "pcid")
_BROADWELL = (*_HASWELL, "3dnowprefetch", "adx", "rdseed", "smap")
_SKYLAKE = (*_BROADWELL, "clflushopt", "xgetbv1", "xsavec")
_SKYLAKE_SERVER = (*_SKYLAKE, *_V4, "clwb", "pdpe1gb")
_CASCADE = (*_SKYLAKE_SERVER, "avx512_vnni", "ssbd")
_COOPER = (*_CASCADE, "avx512_bf16", "stibp")
_ICELAKE = (
    *_SKYLAKE_SERVER,
    *("avx512_bitalg", "avx512_vbmi2", "avx512_vnni", "avx512_vpopcntdq", "avx512vbmi", "gfni", "la57"),
    *("rdpid", "ssbd", "umip", "vaes", "vpclmulqdq"),
)
_SAPPHIRE = (
    *_ICELAKE,
    *("amx_bf16", "amx_int8", "amx_tile", "avx512_bf16", "avx512_fp16", "avx_vnni", "serialize", "sha_ni"),
    *("fsrm", "xfd"),
)
_GRANITE = (*_SAPPHIRE, "amx_fp16", "avx512ifma")
_FOREST = (
    *_SKYLAKE,
    *("avx_ifma", "avx_ne_convert", "avx_vnni", "avx_vnni_int8", "cmpccxadd", "gfni", "sha_ni", "vaes"),
)
_BULLDOZER = (*_WESTMERE, "abm", "avx", "fma4", "misalignsse", "sse4a", "xop", "xsave")
_ZEN = (
    *_WESTMERE,
    *_V3,
    *("adx", "clflushopt", "fsgsbase", "misalignsse", "rdrand", "rdseed", "sha_ni", "smap", "smep", "sse4a"),
    *("xgetbv1", "xsavec"),
)
_ROME = (*_ZEN, "clwb", "rdpid", "umip", "wbnoinvd")
_MILAN = (*_ROME, "erms", "fsrm", "invpcid", "pcid", "pku", "vaes", "vpclmulqdq")
_GENOA = (
    *_MILAN,
    *_V4,
    *("avx512_bf16", "avx512_bitalg", "avx512_vbmi2", "avx512_vnni", "avx512_vpopcntdq", "avx512ifma"),
    *("avx512vbmi", "gfni", "la57"),
)
_TURIN = (*_GENOA, "avx512_vp2intersect", "avx_vnni", "movdir64b", "movdiri")

# By the beginning of the model's name: a version or variant after it adds little, which the last table has.
_MODELS: Mapping[str, tuple[str, ...]] = {
    "x86-64-v2": _V2,
    "x86-64-v2-aes": (*_V2, "aes"),
    "x86-64-v3": (*_V2, "aes", *_V3),
    "x86-64-v4": (*_V2, "aes", *_V3, *_V4),
    "conroe": (INTEL, "pni", "ssse3"),
    "core2duo": (INTEL, "pni", "ssse3"),
    "coreduo": (INTEL, "pni"),
    "penryn": (INTEL, *_PENRYN),
    "nehalem": (INTEL, *_NEHALEM),
    "westmere": (INTEL, *_WESTMERE),
    "sandybridge": (INTEL, *_SANDY),
    "ivybridge": (INTEL, *_IVY),
    "haswell": (INTEL, *_HASWELL),
    "broadwell": (INTEL, *_BROADWELL),
    "skylake-client": (INTEL, *_SKYLAKE),
    "skylake-server": (INTEL, *_SKYLAKE_SERVER),
    "cascadelake-server": (INTEL, *_CASCADE),
    "cooperlake": (INTEL, *_COOPER),
    "icelake-client": (INTEL, *_ICELAKE),
    "icelake-server": (INTEL, *_ICELAKE),
    "sapphirerapids": (INTEL, *_SAPPHIRE),
    "graniterapids": (INTEL, *_GRANITE),
    "sierraforest": (INTEL, *_FOREST),
    "clearwaterforest": (INTEL, *_FOREST),
    "knightsmill": (INTEL, *_BROADWELL, "avx512f", "avx512cd"),
    "pentium": (INTEL,),
    "pentium2": (INTEL,),
    "pentium3": (INTEL,),
    "486": (),
    "athlon": (AMD,),
    "phenom": (AMD, "abm", "cx16", "pni", "popcnt", "sse4a"),
    "opteron_g1": (AMD, "pni"),
    "opteron_g2": (AMD, "cx16", "pni"),
    "opteron_g3": (AMD, "abm", "cx16", "pni", "popcnt", "sse4a"),
    "opteron_g4": (AMD, *_BULLDOZER),
    "opteron_g5": (AMD, *_BULLDOZER, "f16c", "fma", "tbm"),
    "epyc": (AMD, *_ZEN),
    "epyc-rome": (AMD, *_ROME),
    "epyc-milan": (AMD, *_MILAN),
    "epyc-genoa": (AMD, *_GENOA),
    "epyc-turin": (AMD, *_TURIN),
    "kvm32": (),
    "kvm64": (),
    "qemu32": (),
    "qemu64": (),
}
_VARIANTS: Mapping[str, tuple[str, ...]] = {"ibrs": ("ibrs", "ibpb"), "ibpb": ("ibpb",)}
# Of the families that began with it, the first version and its variants have it.
_TSX = ("hle", "rtm")
_WITH_TSX = ("haswell", "broadwell", "skylake", "cascadelake", "icelake", "cooperlake", "sapphire", "granite")
# Flags of Proxmox VE and QEMU that the kernel calls otherwise; what has no name there needs nothing.
_FLAGS: Mapping[str, tuple[str, ...]] = {
    "nested-virt": ("vmx", "svm"),
    "spec-ctrl": ("ibrs", "ibpb"),
    "virt-ssbd": ("ssbd", "virt_ssbd"),
    "amd-ssbd": ("ssbd",),
    "amd-no-ssb": (),
    "hv-tlbflush": (),
    "hv-evmcs": ("vmx",),
    "sse3": ("pni",),
    "lzcnt": ("abm",),
}
_SAME_MODEL = frozenset({"host", "max"})


@dataclass(frozen=True, slots=True)
class CpuNeeds:
    """`same_model`: only a host with the same CPU will do, as what the machine has seen is not known."""

    features: frozenset[str] = frozenset()
    same_model: bool = False

    def of(self, host: Collection[str]) -> frozenset[str]:
        """The CPU features that it requires, as its present host has `host`."""
        return self.features.intersection(host)


def cpu_needs(setting: object) -> CpuNeeds:
    """From a configuration's cpu, such as "Skylake-Server-IBRS,flags=+aes;-pcid"; None for the default."""
    parts = options(setting or "", "cputype")
    model = parts.get("cputype", "") or "kvm64"
    wanted, unwanted = _flags(parts.get("flags", ""))
    known = _of_model(model.lower())
    if model.lower() in _SAME_MODEL or known is None:
        return CpuNeeds(frozenset(wanted), same_model=True)
    return CpuNeeds(frozenset((*known, *wanted)).difference(unwanted))


def features_of(flags: str | None, model: str | None) -> frozenset[str] | None:
    """The CPU features of a host, from its cpuinfo; None where that has none."""
    if not flags:
        return None
    found = set(flags.split())
    if re.search(r"\bAMD\b|EPYC|Opteron|Ryzen", model or ""):
        found.add(AMD)
    elif re.search(r"Intel|Xeon", model or ""):
        found.add(INTEL)
    return frozenset(found)


def _of_model(name: str) -> tuple[str, ...] | None:
    """None for a model of the user's own, or one that came after this table."""
    family = max((known for known in _MODELS if _is_of(name, known)), key=len, default=None)
    if family is None:
        return None
    rest = name[len(family) :].strip("-").split("-")
    found = _MODELS[family]
    for variant in rest:
        found = (*found, *_VARIANTS.get(variant, ()))
    if name.startswith(_WITH_TSX) and not any(part == "notsx" or part[:1] == "v" for part in rest):
        found = (*found, *_TSX)
    return found


def _is_of(name: str, family: str) -> bool:
    return name == family or (name.startswith(f"{family}-") and not family.startswith("x86-64"))


def _flags(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that are added, and those that are taken away."""
    named = [part for part in text.split(";") if part[:1] in ("+", "-")]
    return (
        tuple(flag for part in named if part[0] == "+" for flag in _kernel(part[1:])),
        tuple(flag for part in named if part[0] == "-" for flag in _kernel(part[1:])),
    )


def _kernel(flag: str) -> Iterator[str]:
    yield from _FLAGS.get(flag, (re.sub(r"[.-]", "_", flag),))
