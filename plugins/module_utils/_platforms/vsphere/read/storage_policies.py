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
from typing import Final

from ...errors import PermissionMissing, Refused, UnexpectedAnswer, Unreachable
from ...storage_protocol import DiskMoveRequest, breach_of
from ..api.collector import Found
from ..api.errors import localized
from ..api.library import pbm
from ..api.session import Session
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
    """The policies by disk. `unknown` are the disks whose policies the service did not report, and why;
    `trouble` is why none were read at all.
    """

    of: Mapping[Subject, Policy] = field(default_factory=dict)
    unknown: Mapping[Subject, str] = field(default_factory=dict)
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
    chosen, unknown = _chosen(session, subjects)
    wanted = _wanted(chosen)
    names = _names(session, wanted)
    known: dict[str, Policy] = {}
    refused: dict[str, str] = {}
    for policy in wanted:
        name = names.get(policy, policy)
        try:
            known[policy] = Policy(name, _complying(session, policy, datastores))
        except Refused as error:
            # The others may be answered all the same.
            refused[policy] = f"storage policy {name}: {error.what}"
    found: dict[Subject, Policy] = {}
    for subject, policies in chosen.items():
        why = [refused[policy] for policy in policies if policy in refused]
        if why:
            unknown[subject] = ", ".join(why)
        else:
            found[subject] = _joined([known[policy] for policy in policies])
    return StoragePolicies(of=found, unknown=unknown)


def breach(session: Session, request: DiskMoveRequest, target: str) -> str | None:
    """Why the target, by reference, does not comply with the policies of the disks; None where it does. That
    is a call for the disks, and one a policy. Raises Refused where a policy can't be read, unless another one
    is broken.
    """
    chosen, unknown = _chosen(session, [(request.guest, disk) for disk in request.disks])
    wanted = _wanted(chosen)
    broken = [policy for policy in wanted if target not in _complying(session, policy, [target])]
    if broken:
        names = _names_if_any(session, broken)
        return breach_of(
            request,
            [
                (names.get(policy, policy), disk)
                for (_guest, disk), policies in sorted(chosen.items())
                for policy in policies
                if policy in broken
            ],
        )
    for (_guest, disk), why in sorted(unknown.items()):
        raise Refused(
            f"vCenter did not report the storage policy of disk {disk} ({why})",
            where=f"guest {request.guest}",
            hint="Check the storage policies of the VM in vCenter",
        )
    return None


def _wanted(chosen: Mapping[Subject, Sequence[str]]) -> list[str]:
    return sorted({policy for policies in chosen.values() for policy in policies})


def _joined(policies: Sequence[Policy]) -> Policy:
    """All of them hold."""
    return Policy(
        ", ".join(policy.name for policy in policies),
        frozenset.intersection(*(policy.datastores for policy in policies)),
    )


def _chosen(
    session: Session, subjects: Sequence[Subject]
) -> tuple[dict[Subject, list[str]], dict[Subject, str]]:
    """The ids of the policies of each disk that has one, and why nothing is known about others."""
    manager = session.policy_manager("profileManager")
    answers: dict[tuple[str, str], list[str] | None] = {}
    faults: dict[tuple[str, str], str] = {}
    for start in range(0, len(subjects), _SUBJECTS):
        asked = [
            pbm.ServerObjectRef(objectType=kind, key=key)
            for kind, key in map(_key, subjects[start : start + _SUBJECTS])
        ]
        answer = session.call(manager, "PbmQueryAssociatedProfiles", asked)
        for entry in find_all(answer, "returnval"):
            key = (text(entry, "object/objectType") or "", text(entry, "object/key") or "")
            fault = find(entry, "fault")
            if fault is None:
                answers[key] = [text(profile, "uniqueId") or "" for profile in find_all(entry, "profileId")]
            else:
                answers[key], faults[key] = None, localized(fault)
    chosen, unknown = judged(subjects, answers)
    return chosen, {subject: faults.get(_key(subject), "left out of its answer") for subject in unknown}


def judged(
    subjects: Sequence[Subject], answers: Mapping[tuple[str, str], Sequence[str] | None]
) -> tuple[dict[Subject, list[str]], frozenset[Subject]]:
    """What the answers of the service, None for a fault, say of these disks: the ids of the policies of each
    disk that has one, and the disks about which nothing is known.

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


def _names(session: Session, policies: Sequence[str]) -> dict[str, str]:
    if not policies:
        return {}
    manager = session.policy_manager("profileManager")
    answer = session.call(
        manager, "PbmRetrieveContent", [pbm.profile.ProfileId(uniqueId=policy) for policy in policies]
    )
    return {
        text(entry, "profileId/uniqueId") or "": text(entry, "name") or ""
        for entry in find_all(answer, "returnval")
    }


def _names_if_any(session: Session, policies: Sequence[str]) -> dict[str, str]:
    """Those of policies that are broken in any case: without names their ids stand for them."""
    try:
        return _names(session, policies)
    except (PermissionMissing, Refused, UnexpectedAnswer, Unreachable):
        return {}


def _complying(session: Session, policy: str, datastores: Collection[str]) -> frozenset[str]:
    """Those without an error; one that the answer leaves out does not comply."""
    hubs = [pbm.placement.PlacementHub(hubType="Datastore", hubId=store) for store in sorted(datastores)]
    if not hubs:
        return frozenset()
    requirement = pbm.placement.CapabilityProfileRequirement(profileId=pbm.profile.ProfileId(uniqueId=policy))
    solver = session.policy_manager("placementSolver")
    answer = session.call(solver, "PbmCheckRequirements", hubs, None, [requirement])
    return frozenset(
        text(entry, "hub/hubId") or ""
        for entry in find_all(answer, "returnval")
        if find(entry, "error") is None
    )
