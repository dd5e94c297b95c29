# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage policies: which one each disk has, and which datastores comply with it.

The service of storage policies tells both to accounts with the privilege StorageProfile.View. A disk without
a policy may be anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import Refused
from ...storage_protocol import DiskMoveRequest
from ..api.collector import Found
from ..api.library import pbm
from ..api.session import Session
from ..api.soap import returned
from ..api.values import find, find_all, text, type_of
from .disks import HOME

# How many disks one call asks about.
_SUBJECTS: Final = 500

# A guest, by reference, and the id of one of its disks.
Subject = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Policy:
    """A storage policy, and the references of the datastores that comply with it, of those that were asked
    about.
    """

    name: str
    datastores: frozenset[str]


@dataclass(frozen=True, slots=True)
class StoragePolicies:
    """The policies by disk. `unknown` are the disks whose policies the service did not report; `trouble` is
    why none were read at all.
    """

    of: Mapping[Subject, Policy] = field(default_factory=dict)
    unknown: frozenset[Subject] = frozenset()
    trouble: str | None = None


def disks_of(guests: Iterable[Found]) -> list[Subject]:
    """The disks of guests, and their other files."""
    return [
        (guest.id, disk)
        for guest in guests
        if "config.hardware.device" in guest.values
        for disk in (
            *(
                text(device, "key") or ""
                for device in guest.values["config.hardware.device"]
                if type_of(device) == "VirtualDisk"
            ),
            HOME,
        )
    ]


def read_storage_policies(
    session: Session, subjects: Sequence[Subject], datastores: Collection[str]
) -> StoragePolicies:
    """The policies of these disks: a call for 500 disks, one for the names, and one a policy. Datastores by
    their references.
    """
    if not subjects:
        return StoragePolicies()
    content = returned(session.call(pbm.ServiceInstance("ServiceInstance"), "PbmRetrieveServiceContent"))
    manager = pbm.profile.ProfileManager(text(content, "profileManager") or "")
    solver = pbm.placement.PlacementSolver(text(content, "placementSolver") or "")
    chosen, unknown = _chosen(session, manager, subjects)
    wanted = sorted({policy for policies in chosen.values() for policy in policies})
    names = _names(session, manager, wanted)
    known = {
        policy: Policy(names.get(policy, policy), _complying(session, solver, policy, datastores))
        for policy in wanted
    }
    return StoragePolicies(
        of={subject: _joined([known[policy] for policy in policies]) for subject, policies in chosen.items()},
        unknown=unknown,
    )


def breach(session: Session, request: DiskMoveRequest, target: str) -> str | None:
    """Why the target, by reference, does not comply with the policies of the disks; None where it does.
    Raises Refused where a policy can't be read.
    """
    found = read_storage_policies(session, [(request.guest, disk) for disk in request.disks], [target])
    for _guest, disk in sorted(found.unknown):
        raise Refused(f"the storage policy of disk {disk} could not be read", where=f"guest {request.guest}")
    broken = [
        f"storage policy {policy.name} of disk {disk}"
        for (_guest, disk), policy in sorted(found.of.items())
        if target not in policy.datastores
    ]
    return f"datastore {request.target} does not comply with {', '.join(broken)}" if broken else None


def _joined(policies: Sequence[Policy]) -> Policy:
    """All of them hold."""
    return Policy(
        ", ".join(policy.name for policy in policies),
        frozenset.intersection(*(policy.datastores for policy in policies)),
    )


def _chosen(
    session: Session, manager: Any, subjects: Sequence[Subject]
) -> tuple[dict[Subject, list[str]], frozenset[Subject]]:
    """The ids of the policies of each disk that has one, and the disks about which nothing is known."""
    answers: dict[tuple[str, str], list[str] | None] = {}
    for start in range(0, len(subjects), _SUBJECTS):
        asked = [
            pbm.ServerObjectRef(objectType=kind, key=key)
            for kind, key in map(_key, subjects[start : start + _SUBJECTS])
        ]
        answer = session.call(manager, "PbmQueryAssociatedProfiles", asked)
        for entry in find_all(answer, "returnval"):
            key = (text(entry, "object/objectType") or "", text(entry, "object/key") or "")
            profiles = [text(profile, "uniqueId") or "" for profile in find_all(entry, "profileId")]
            answers[key] = None if find(entry, "fault") is not None else profiles
    return judged(subjects, answers)


def judged(
    subjects: Sequence[Subject], answers: Mapping[tuple[str, str], Sequence[str] | None]
) -> tuple[dict[Subject, list[str]], frozenset[Subject]]:
    """What the answers of the service, None for a fault, say of these disks, as `_chosen` returns it.

    The documentation of the API does not say whether a disk without a policy is answered at all. Where one
    is, a disk that was left out is not known; where only disks with a policy are, it has none.
    """
    names_all = any(policies is not None and not policies for policies in answers.values())
    missing: Sequence[str] | None = None if names_all else ()
    found = {subject: answers.get(_key(subject), missing) for subject in subjects}
    return (
        {subject: list(policies) for subject, policies in found.items() if policies},
        frozenset(subject for subject, policies in found.items() if policies is None),
    )


def _key(subject: Subject) -> tuple[str, str]:
    """As the service calls a disk, or the guest's other files: the kind of object and its key."""
    guest, disk = subject
    return ("virtualMachine", guest) if disk == HOME else ("virtualDiskId", f"{guest}:{disk}")


def _names(session: Session, manager: Any, policies: Sequence[str]) -> dict[str, str]:
    if not policies:
        return {}
    answer = session.call(
        manager, "PbmRetrieveContent", [pbm.profile.ProfileId(uniqueId=policy) for policy in policies]
    )
    return {
        text(entry, "profileId/uniqueId") or "": text(entry, "name") or ""
        for entry in find_all(answer, "returnval")
    }


def _complying(session: Session, solver: Any, policy: str, datastores: Collection[str]) -> frozenset[str]:
    """Those without an error; one that the answer leaves out does not comply."""
    hubs = [pbm.placement.PlacementHub(hubType="Datastore", hubId=store) for store in sorted(datastores)]
    if not hubs:
        return frozenset()
    requirement = pbm.placement.CapabilityProfileRequirement(profileId=pbm.profile.ProfileId(uniqueId=policy))
    answer = session.call(solver, "PbmCheckRequirements", hubs, None, [requirement])
    return frozenset(
        text(entry, "hub/hubId") or ""
        for entry in find_all(answer, "returnval")
        if find(entry, "error") is None
    )
