# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the cluster that a few calls report, at any size."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ...._model.native_balancer import NativeBalancer
from ...errors import NotFound, NotQuorate, UnexpectedAnswer
from ...values import Row
from ..api.notices import ONE_CALL
from ..api.session import Session
from ..api.values import amount, flag, options, rows, whole

REBALANCE = "ha-auto-rebalance"
# The schedulers that look at loads.
SCHEDULERS: Mapping[str, Literal["static", "dynamic"]] = {"static": "static", "dynamic": "dynamic"}


@dataclass(frozen=True, slots=True)
class Membership:
    """The cluster's name and its nodes' addresses, from /cluster/status; `local` is the node that answers."""

    name: str
    quorate: bool
    addresses: Mapping[str, str]
    local: str | None = None

    @classmethod
    def read(cls, session: Session) -> Membership:
        entries = rows(session.get("cluster/status"), "cluster/status")
        nodes = [entry for entry in entries if entry.get("type") == "node"]
        cluster = next((entry for entry in entries if entry.get("type") == "cluster"), None)
        if cluster is None and len(nodes) != 1:
            raise UnexpectedAnswer("neither a cluster nor a single node", where="GET cluster/status")
        return cls(
            # A node that never joined a cluster goes by its own name.
            name=str((cluster or nodes[0]).get("name")),
            quorate=cluster is None or flag(cluster.get("quorate")),
            addresses={str(node.get("name")): str(node["ip"]) for node in nodes if node.get("ip")},
            local=next((str(node.get("name")) for node in nodes if flag(node.get("local"))), None),
        )

    def require_name(self, expected: str | None) -> None:
        """Raises NotFound when this is another cluster, NotQuorate when too few nodes see each other."""
        if expected not in (None, self.name):
            raise NotFound(
                f"the API hosts belong to the cluster {self.name!r}, not to {expected!r}",
                where="platform proxmox",
                hint="Check cluster and api_host",
            )
        if not self.quorate:
            raise NotQuorate(
                f"the cluster {self.name!r} has no quorum: what it shows may be old, nothing may be started",
                where="GET cluster/status",
                hint="Bring enough nodes back first (pvecm status)",
            )


@dataclass(frozen=True, slots=True)
class Resources:
    """/cluster/resources, sorted out."""

    nodes: tuple[Row, ...]
    guests: tuple[Row, ...]
    storages: tuple[Row, ...]

    @classmethod
    def read(cls, session: Session) -> Resources:
        return cls.of(rows(session.get("cluster/resources"), "cluster/resources"))

    @classmethod
    def of(cls, entries: Iterable[Row]) -> Resources:
        kinds: dict[object, list[Row]] = {}
        for entry in entries:
            kinds.setdefault(entry.get("type"), []).append(entry)
        guests = kinds.get("qemu", []) + kinds.get("lxc", [])
        return cls(tuple(kinds.get("node", [])), tuple(guests), tuple(kinds.get("storage", [])))


def other_balancers(datacenter: Row) -> tuple[str, ...]:
    """Proxmox VE 9.2 can move HA guests for balance by itself (crs: ha-auto-rebalance=1), which it only does
    where its scheduler looks at loads.
    """
    crs = datacenter.get("crs")
    settings = crs if isinstance(crs, Mapping) else options(crs or "")
    acts = flag(settings.get(REBALANCE)) and settings.get("ha") in SCHEDULERS
    return (f"Proxmox VE crs {REBALANCE}",) if acts else ()


def native_balancer(datacenter: Row, version: str, resources: Iterable[Row]) -> NativeBalancer | None:
    """Returns the automatic rebalancing of HA with its settings, or None before Proxmox VE 9.2."""
    numbers = [int(part) for part in re.findall(r"\d+", version)[:2]]
    if numbers < [9, 2]:
        return None
    crs = datacenter.get("crs")
    settings = crs if isinstance(crs, Mapping) else options(crs or "")
    usual = NativeBalancer(enabled=False)
    rounds = whole(settings.get(f"{REBALANCE}-hold-duration"))
    return NativeBalancer(
        enabled=bool(other_balancers(datacenter)),
        scheduler=SCHEDULERS.get(str(settings.get("ha")), "basic"),
        threshold=_share(settings.get(f"{REBALANCE}-threshold"), usual.threshold),
        margin=_share(settings.get(f"{REBALANCE}-margin"), usual.margin),
        hold_rounds=usual.hold_rounds if rounds is None else rounds,
        method="topsis" if settings.get(f"{REBALANCE}-method") == "topsis" else "bruteforce",
        guests=tuple(sorted(_rebalanced(resources))),
    )


def _rebalanced(resources: Iterable[Row]) -> Iterator[str]:
    """The guests that HA runs and may migrate for balance, which each resource can forbid."""
    for entry in resources:
        runs = str(entry.get("state", "started")) in ("started", "enabled")
        if runs and flag(entry.get("auto-rebalance", 1)):
            yield str(entry.get("sid")).partition(":")[2]


def _share(value: object, default: float) -> float:
    """A share, or a percentage from 1 on."""
    number = amount(value)
    if number is None:
        return default
    return min(number if number < 1 else number / 100, 1.0)


def instance(session: Session, membership: Membership) -> str | None:
    """The fingerprint of the cluster's own certificate authority, which is made with the cluster and the same
    on all of its nodes: names of clusters are not unique. None where it can't be read.
    """
    if membership.local is None:
        return None
    path = f"nodes/{membership.local}/certificates/info"
    try:
        certificates = rows(session.get(path), path)
    except ONE_CALL:
        return None
    found = next(
        (
            str(entry.get("fingerprint") or "")
            for entry in certificates
            if str(entry.get("filename")).endswith("pve-root-ca.pem")
        ),
        "",
    )
    digits = found.replace(":", "").lower()
    return f"ca:{digits[:32]}" if digits else None
