# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the account sees and may do what is needed.

Proxmox VE leaves out what an account may not see instead of failing: facts would be partial without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...values import Row
from .errors import permission_missing
from .values import flag

# Where the privilege must hold, and on everything below.
TO_READ = (
    ("/", "Sys.Audit"),
    ("/nodes", "Sys.Audit"),
    ("/vms", "VM.Audit"),
    ("/storage", "Datastore.Audit"),
)
TO_MIGRATE = "VM.Migrate"
DISKS = "VM.Config.Disk"
SPACE = "Datastore.AllocateSpace"
POWER = "VM.PowerMgmt"
POOLS = ("/pool", "Pool.Audit")
# The answer names these whatever is granted where, and leaves out one on which nothing is.
_ALWAYS_NAMED = frozenset({"/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"})


class Privileges:
    """The account's effective privileges, by path: 1 when they hold for what is below too, else 0."""

    def __init__(self, answer: Row) -> None:
        self._paths: dict[str, Mapping[str, object]] = {
            path: privileges for path, privileges in answer.items() if isinstance(privileges, Mapping)
        }

    def require_read(self) -> None:
        """Raises PermissionMissing for the first privilege that a full reading lacks."""
        for path, privilege in TO_READ:
            self._require(path, privilege)
            if path != "/":
                for below in self._below(path):
                    self._require(below, privilege)

    def hiding_pools(self) -> tuple[str, ...]:
        """Where Pool.Audit is missing: Proxmox VE then shows guests as if they were in no pool."""
        path, privilege = POOLS
        if not self._has(path, privilege):
            return (path,)
        return tuple(below for below in self._below(path) if not self._has(below, privilege))

    def require_migrate(self, guest: str, storages: Collection[str] = ()) -> None:
        """Raises PermissionMissing for what a migration of it lacks; `storages` are those that a map names
        for its local disks.
        """
        self._require(f"/vms/{guest}", TO_MIGRATE)
        if storages:
            self._require(f"/vms/{guest}", DISKS)
        for storage in sorted(storages):
            self._require(f"/storage/{storage}", SPACE)

    def sees_disks(self, guest: str) -> bool:
        """Whether it is told what the disks of a guest take on their storages."""
        return self._has(f"/vms/{guest}", DISKS)

    def require_disk_move(self, guest: str, storage: str) -> None:
        """Raises PermissionMissing for what a move of its disks to this storage lacks."""
        self._require(f"/vms/{guest}", DISKS)
        self._require(f"/storage/{storage}", SPACE)

    def require_power(self, guest: str) -> None:
        """Raises PermissionMissing where it may not be shut down and started."""
        self._require(f"/vms/{guest}", POWER)

    def _below(self, path: str) -> list[str]:
        return sorted(below for below in self._paths if below.startswith(f"{path}/"))

    def _require(self, path: str, privilege: str) -> None:
        if not self._has(path, privilege):
            raise permission_missing(privilege, path, "GET access/permissions")

    def _has(self, path: str, privilege: str) -> bool:
        if path in self._paths:
            # Value 0: good for the path itself alone, enough for one guest but not for all of them.
            alone = path.count("/") > 1 or path == "/"
            return privilege in self._paths[path] and (alone or flag(self._paths[path][privilege]))
        if path in _ALWAYS_NAMED and not self._paths.keys().isdisjoint(_ALWAYS_NAMED - {"/"}):
            return False
        parent = path
        while parent != "/":
            parent = parent.rpartition("/")[0] or "/"
            if parent in self._paths:
                return flag(self._paths[parent].get(privilege, 0))
        return False
