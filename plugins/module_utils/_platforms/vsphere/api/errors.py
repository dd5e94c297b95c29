# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of vCenter's faults."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from ...errors import AuthenticationFailed, NotFound, PermissionMissing, PlatformError, Refused, SessionLost
from .library import vim
from .values import find, text, type_of


class Gone(NotFound):
    """An object that was named in a call does not exist (any more). `id` is its reference."""

    def __init__(self, identity: str, *, where: str) -> None:
        self.id = identity
        super().__init__(f"{identity or 'the object'} does not exist", where=where)


class Unsupported(Refused):
    """This server does not have this call."""


class InvalidArgument(Refused):
    """The server does not accept an argument."""


class Fault(Refused):
    """The server refused a call with the fault of that `name`."""

    def __init__(self, name: str, message: str, *, where: str) -> None:
        self.name = name
        super().__init__(described(name, message), where=where)

    @property
    def objects(self) -> bool:
        """Whether the server objects to what it was asked to do, and has not merely failed to do it."""
        return getattr(vim.fault, self.name, None) is not None

    @property
    def passes(self) -> bool:
        """Whether it is no lasting fact of the VM and the host."""
        return self.name in _PASSING

    @property
    def way_out(self) -> str:
        """The remedy; empty where there is only the server's own message."""
        return _WAYS_OUT.get(self.name, "")


def error_of(fault: Element | None, message: str, where: str) -> PlatformError:
    """The error for a fault as it stands in an answer: typed by xsi:type, its fields inside."""
    name = type_of(fault) or "Fault"
    if name == "NoPermission":
        return missing_permission(fault, where)
    if name == "NotAuthenticated":
        return SessionLost("the session has ended", where=where)
    if name == "InvalidLogin":
        return AuthenticationFailed(
            "the user name or the password is not accepted",
            where=where,
            hint="Check username and password; the user name usually reads user@domain",
        )
    if name == "ManagedObjectNotFound":
        return Gone(text(fault, "obj") or "", where=where)
    if name in ("MethodNotFound", "NotSupported", "NotImplemented"):
        return Unsupported(f"this server can't do that ({name})", where=where)
    if name in ("InvalidArgument", "InvalidRequest"):
        field = text(fault, "invalidProperty")
        return InvalidArgument(f"{described(name, message)}{f': {field}' if field else ''}", where=where)
    return Fault(name, message, where=where)


class Lacking(PermissionMissing):
    """The account lacks a privilege on the object of that `kind` and reference `id`."""

    def __init__(self, privilege: str, kind: str, identity: str, *, where: str, name: str = "") -> None:
        self.privilege = privilege
        self.kind = kind
        self.id = identity
        on = f" on {name or f'{kind} {identity}'}" if identity else ""
        super().__init__(
            f"the account lacks {privilege}{on}",
            where=where,
            hint="Give it a role with this privilege there, propagated to the children",
        )


def missing_permission(fault: Element | None, where: str) -> PermissionMissing:
    place = find(fault, "object")
    return Lacking(
        text(fault, "privilegeId") or "an unnamed privilege",
        place.get("type", "object") if place is not None else "",
        (place.text or "") if place is not None else "",
        where=where,
    )


def described(name: str, message: str | None) -> str:
    """A fault in one line: what the server says, and the fault's name, under which documents explain it."""
    sentence = " ".join((message or "").split()).rstrip(".")
    return f"{sentence} ({name})" if sentence and sentence != name else name


# What an operator can do about a refusal, by the fault's name.
_WAYS_OUT = {
    "AffinityConfigured": "Remove the CPU affinity of the VM",
    "CannotAccessVmDevice": "Disconnect the device, or make what is behind it available on the target host",
    "CannotAccessVmDisk": "Mount the datastore on the target host",
    "CannotAccessNetwork": "Add the network to the target host",
    "CpuIncompatible": "Enable EVC on the cluster, or restart the VM with fewer CPU features",
    "DisallowedMigrationDeviceAttached": "Remove the device from the VM",
    "DisallowedMigrationDeviceAttachedFault": "Remove the device from the VM",
    "FaultToleranceAntiAffinityViolated": "Choose a host without the other VM of the pair",
    "FeatureRequirementsNotMet": "Enable EVC on the cluster, or restart the VM with fewer CPU features",
    "HostNotConnected": "Reconnect the host",
    "InsufficientFailoverResourcesFault": "Free resources, or lower the admission control of vSphere HA",
    "InsufficientHostMemoryCapacityFault": "Free memory on the target host, or lower the VM's reservation",
    "InsufficientMemoryResourcesFault": "Free memory on the target host, or lower the VM's reservation",
    "InsufficientCpuResourcesFault": "Free CPU on the target host, or lower the VM's reservation",
    "InaccessibleDatastore": "Make the datastore accessible to the host again",
    "InsufficientStorageSpace": "Free space on the datastore, or choose another one",
    "InvalidDatastoreState": "Wait until the datastore has left maintenance mode",
    "InvalidHostState": "Wait until the host has left maintenance mode",
    "MigrationDisabled": "Find out what has disabled migration of the VM",
    "MismatchedVMotionNetworkNames": "Give the vMotion networks of both hosts the same name",
    "NoDiskSpace": "Free space on the datastore, or choose another one",
    "RDMNotPreserved": "Convert the raw disk, or migrate the VM by hand",
    "ToolsInstallationInProgress": "End the installation of VMware Tools",
    "VMotionLinkDown": "Repair the link of the vMotion network",
    "VMotionLinkCapacityLow": "Give the vMotion network a faster link",
    "VMotionNotConfigured": "Enable vMotion on a VMkernel adapter of the host",
    "VMotionNotLicensed": "License vMotion for the host",
    "VMotionNotSupported": "Use a host that supports vMotion",
}


# Refusals that may be over in a moment, or that the next snapshot shows: states, tasks under way, and what is
# free just now.
_PASSING = frozenset(
    {
        "ConcurrentAccess",
        "FileLocked",
        "FtIssuesOnHost",
        "HAErrorsAtDest",
        "HostCommunication",
        "HostConnectFault",
        "HostNotConnected",
        "HostNotReachable",
        "InaccessibleDatastore",
        "InsufficientCpuResourcesFault",
        "InsufficientFailoverResourcesFault",
        "InsufficientHostCapacityFault",
        "InsufficientHostCpuCapacityFault",
        "InsufficientHostMemoryCapacityFault",
        "InsufficientMemoryResourcesFault",
        "InsufficientResourcesFault",
        "InsufficientStorageSpace",
        "InvalidDatastoreState",
        "InvalidHostConnectionState",
        "InvalidHostState",
        "InvalidPowerState",
        "InvalidState",
        "MethodDisabled",
        "MigrationNotReady",
        "NoActiveHostInCluster",
        "NoDiskSpace",
        "QuarantineModeFault",
        "RequestCanceled",
        "ResourceInUse",
        "ResourceNotAvailable",
        "SystemError",
        "TaskInProgress",
        "Timedout",
        "ToolsInstallationInProgress",
        "VAppTaskInProgress",
    }
)


def passes(error: Element | None) -> bool:
    """Whether a LocalizedMethodFault is no lasting fact of the VM and the host."""
    return type_of(find(error, "fault")) in _PASSING


def way_out(error: Element | None) -> str:
    """The remedy for a LocalizedMethodFault; empty where there is only vCenter's own message."""
    return _WAYS_OUT.get(type_of(find(error, "fault")), "")


def localized(error: Element | None) -> str:
    """A LocalizedMethodFault in one line, with what it says is the cause."""
    fault = find(error, "fault")
    return described(type_of(fault) or "Fault", text(error, "localizedMessage"))
