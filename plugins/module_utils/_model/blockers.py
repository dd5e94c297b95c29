# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blockers of migrations and of moves of disks, each in one sentence with the remedy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

_SENTENCES: Final[Mapping[str, str]] = {
    "agent": "the platform runs it for its own sake, and moves it or shuts it down itself",
    "balancing_disabled": "balancing is disabled for it on the platform: enable it there",
    "base_image": "linked clones are based on it: make full clones of them",
    "being_migrated": "it is being migrated, it is not known where to: wait until it has arrived",
    "bind_mount": "it mounts a folder of its node: remove the mount, or move the guest by hand",
    "cdrom": "it is an image in a drive: eject it",
    "cloud_init": "it is the cloud-init image of a running guest: shut the guest down to move it",
    "container_restart": "a container is restarted by a migration: allow container_restart where that may be",
    "cpu_affinity": "it is bound to CPUs of its host: remove its CPU affinity",
    "disabled": "it is disabled on the platform: enable it there",
    "disconnected": "its host does not answer: reconnect the host",
    "encrypted_memory": "its memory is encrypted: shut it down to move it",
    "fault_tolerance": "it is fault-tolerant: turn Fault Tolerance off to move its disks",
    "fault_tolerance_unprotected": (
        "its fault-tolerant pair is incomplete: wait until the secondary runs, or turn Fault Tolerance off"
    ),
    "ha_error": "HA has it in the state error, fence or recovery: repair it, then disable and start it in HA",
    "host_cpu": "it uses the very CPU of its host: choose a CPU model that all hosts have, and restart it",
    "host_device": "it uses a device of its host: disconnect the device",
    "host_graphics": "it renders on the graphics card of its host: set its 3D renderer to automatic",
    "inaccessible": "its files can't be read: make its datastore accessible again",
    "independent_disk": "snapshots leave it out: allow independent_disk where it is persistent",
    "invalid": "its configuration is not valid: repair it, or register it anew",
    "iso_mounted": "an image that other hosts do not have is in its drive: eject the image",
    "latency_sensitive": "its latency sensitivity is high: allow latency_sensitive where a pause may be",
    "linked_clone": "it is a linked clone, or a disk of it is: make a full clone of it",
    "local_disk": "a disk is on a datastore that no other host has: move the disk to a shared one",
    "locked": "the platform or a backup has locked it: wait until the task ends, or release the lock",
    "maintenance_window": "its host is in a maintenance window of the policy: wait until that is over",
    "nested_virtualization": "nested virtualization is on: switch it off, and restart the guest",
    "not_readable": "the platform does not show all of its configuration: look at it there",
    "orphaned": "its host does not know it any more: remove it from the inventory, or register it anew",
    "passthrough_device": "it uses a device of its host: remove it, or shut the guest down to move it",
    "paused": "it is paused: resume it, or shut it down",
    "raw_device": "it is a whole device, which the platform does not copy: copy it by hand",
    "replicated": "a replication job copies it: remove the job, move the disk, and create the job again",
    "rescue_mode": "it is in rescue mode: end that",
    "running_container": "volumes of a running container are not moved: shut the container down",
    "scsi_bus_sharing": "it shares its SCSI bus with another guest: move both by hand",
    "shared_disk": "another guest has it too: move it by hand",
    "snapshot": "it has snapshots, which stay where they are: delete them",
    "snapshot_chain": "it has snapshots, which stay where they are: delete them",
    "storage_not_copied": "the platform copies no disk from the kind of storage that it uses: move the disk",
    "storage_policy_unknown": (
        "its storage policy could not be read, and a warning of the run says why: correct that, or allow "
        "storage_policy_unknown"
    ),
    "template": "it is a template",
    "tpm_state": "it is the TPM state of a running guest: shut the guest down to move it",
    "unknown_size": "its size is not reported: rescan the disks of the guest on the platform",
    "unknown_state": "its state is not known: bring it to running or stopped",
    "unused": "no guest uses it: attach it, or delete it",
    "usb_device": "a USB device of its host is connected: disconnect the device",
    "vsphere_pod": "it is a pod of a Supervisor, which only Kubernetes moves: drain it there",
}


def in_words(blockers: Collection[str]) -> str:
    """Blockers as a message names them: each with its sentence, where there is one."""
    return "; ".join(
        f"{blocker} ({_SENTENCES[blocker]})" if blocker in _SENTENCES else blocker for blocker in blockers
    )
