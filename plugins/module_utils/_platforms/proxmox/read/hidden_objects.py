# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests and storages that are there, though the account does not see them.

A path on which the account has nothing is not among its privileges, and what is there is not in any list: an
entry NoAccess for one guest hides that guest without a word. So what other lists name is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from ...errors import NotFound, PlatformError, Refused
from ...values import Row
from ..api.notices import ONE_CALL, ReadFailures, in_order, with_names
from ..api.session import Session
from ..api.values import names, rows
from .cluster_facts import ClusterFacts

ACL = "access/acl"
# Of how many ids that are named somewhere it is asked whether a guest has them.
_ASKED = 50


def report_hidden(
    session: Session, facts: ClusterFacts, used_storages: Collection[str], gaps: ReadFailures
) -> None:
    """`used_storages` are those that guests' disks lie on."""
    acl = _acl(session)
    _note_guests(session, facts, acl, gaps)
    named = {*used_storages, *_below(acl, "/storage")} if acl else set(used_storages)
    storages = sorted(named - set(facts.listed_storages) - {""})
    hidden = [name for name in storages if name in used_storages]
    if hidden:
        gaps.add(
            f"the account does not see {with_names('storage', hidden)}, where disks of guests are: guests "
            "with disks there count as guests with local disks. Give the account Datastore.Audit on "
            f"/storage/{hidden[0]}, or remove the ACL entry that takes it away (NoAccess), or the disks of a "
            "storage that was removed",
            hides=("datastores",),
        )
    # The other list of storages does not show one for which the account has Datastore.AllocateSpace alone.
    shown = {str(entry.get("storage")) for entry in facts.resources.storages}
    blind = sorted(name for name in facts.storages if name not in shown)
    if blind and shown:
        gaps.add(
            f"no node is shown to have {with_names('storage', blind)}. Give the account Datastore.Audit on "
            f"/storage/{blind[0]}, unless it is disabled everywhere",
            hides=("datastores",),
        )


def _note_guests(session: Session, facts: ClusterFacts, acl: Collection[str], gaps: ReadFailures) -> None:
    seen = {str(entry.get("vmid")) for entry in facts.resources.guests}
    named = {
        *(str(entry.get("sid")).partition(":")[2] for entry in facts.ha.resources),
        *(sid.partition(":")[2] for entry in facts.ha.rules for sid in names(entry.get("resources"))),
        *(str(task.get("id")) for task in facts.tasks if not task.get("endtime")),
        *_below(acl, "/vms"),
    }
    unknown = in_order(guest for guest in named - seen if re.fullmatch(r"[1-9]\d{2,8}", guest))[:_ASKED]
    hidden = [guest for guest in unknown if _is_there(session, guest)]
    if hidden:
        gaps.add(
            f"the account does not see {with_names('guest', hidden)}: this snapshot does not have it, and "
            f"no rule or limit takes it into account. Give it VM.Audit on /vms/{hidden[0]}, or remove the "
            "ACL entry that takes it away (NoAccess)",
            hides=("guests",),
            guests=hidden,
        )


def _acl(session: Session) -> frozenset[str]:
    """The paths of all entries of the access control list, where the account may see it."""
    try:
        return frozenset(str(entry.get("path")) for entry in _rows(session))
    except ONE_CALL:
        return frozenset()


def _rows(session: Session) -> Iterable[Row]:
    return rows(session.get(ACL), ACL)


def _below(paths: Iterable[str], parent: str) -> set[str]:
    return {path.removeprefix(f"{parent}/") for path in paths if path.startswith(f"{parent}/")}


def _is_there(session: Session, guest: str) -> bool:
    """Whether a guest has this id: asked whether it is free, Proxmox VE refuses one that is taken."""
    try:
        session.get("cluster/nextid", vmid=guest)
    except (Refused, NotFound):
        return True
    except PlatformError:
        # It can't be told; HA or a list of privileges names it, and no list of guests does.
        return True
    return False
