# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a guest from being restarted on another host, which is not what keeps it from being migrated.

A restart needs no snapshot to be moved, no process to be copied and no image to be read at both ends. But it
needs the disks: what only the failed host has can't be copied from there any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ..._model.loads import local_storage
from ..._model.snapshot import Guest, Host
from ..._model.text.wording import listed
from ..model.capacity import HostRoles
from ..model.eligibility import HostRequirements
from ..model.snapshot_index import Mask, SnapshotIndex
from ..placement.feasibility import Reason

# Blockers that tie a guest to its host even when it is off.
_TIED: Final[Mapping[str, str]] = {
    "bind_mount": "it mounts a folder of its host",
    "host_device": "it uses a device of its host",
    "inaccessible": "its files can't be read",
    "invalid": "its configuration is not valid",
    "orphaned": "its host does not know it any more",
    "passthrough_device": "it uses a device of its host",
}
# Blockers that a restart may meet too, depending on the platform and its settings.
_LOOK_AT: Final[Mapping[str, str]] = {
    "ha_error": "HA has given it up: repair it there",
    "host_graphics": "it needs a graphics card on its host",
    "iso_mounted": "an image that other hosts do not have is in its drive: eject it",
    "not_readable": "the platform does not show all of its configuration",
    "scsi_bus_sharing": "it shares its SCSI bus with another guest",
    "usb_device": "it starts without the USB device of its host",
}
# Requirements of a migration that a restart does not have.
_OF_MIGRATION: Final = ("local datastore ", "a refusal by the platform ")
MAX_NAMES: Final = 3


def must_run(guest: Guest) -> bool:
    """Whether somebody would miss the guest: it runs, and not for the platform's own sake."""
    return guest.is_on_host and not guest.platform_managed and "vsphere_pod" not in guest.blockers


def tied(guest: Guest, host: Host) -> str | None:
    """Why the guest can't be started on any other host; None where it could."""
    local = sorted(local_storage(guest, host))
    if local and not _replicated(guest):
        return f"its disks are on {', '.join(local)} of {host.name}, which no other host can read"
    return next((_TIED[blocker] for blocker in guest.blockers if blocker in _TIED), None)


def _replicated(guest: Guest) -> bool:
    """Whether its local disks have a replica on the hosts that it may go to."""
    return guest.targets is not None and "local_disk" not in guest.blockers


def look_at(guests: Sequence[Guest]) -> Iterator[str]:
    """What may still keep guests from being started, and which."""
    for blocker, why in _LOOK_AT.items():
        names = [guest.name for guest in guests if blocker in guest.blockers]
        if names:
            yield f"{listed(names, MAX_NAMES)}: {why}"


class RestartHosts:
    """By guest, why each host can't start it, whatever else runs there."""

    def __init__(self, index: SnapshotIndex, roles: HostRoles, requirements: HostRequirements) -> None:
        self._index, self._roles, self._requirements = index, roles, requirements
        self._known: dict[tuple[tuple[str, Mask], ...], list[Reason | None]] = {}

    def refusals(self, guest: int, failed: int) -> list[Reason | None]:
        """By host; `failed` is the one that the guest was on."""
        wanted = tuple(
            (name, mask)
            for name, mask in self._requirements.of(guest).items()
            if not name.startswith(_OF_MIGRATION)
        )
        if wanted not in self._known:
            self._known[wanted] = [
                self._roles.closed[host] or _lacking(wanted, host) for host in range(len(self._index.hosts))
            ]
        found = list(self._known[wanted])
        found[failed] = FAILED
        return found


FAILED: Final[Reason] = ("failed", "it is the host that fails")


def _lacking(wanted: Sequence[tuple[str, Mask]], host: int) -> Reason | None:
    return next(((name, f"it does not meet {name}") for name, mask in wanted if not mask >> host & 1), None)
