# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment variables of options, and which are secrets. Hypervisors get this, too: Python 3.8."""

from __future__ import annotations

from collections.abc import Mapping

_VSPHERE = {
    "hostname": "VMWARE_HOST",
    "port": "VMWARE_PORT",
    "username": "VMWARE_USER",
    "password": "VMWARE_PASSWORD",
    "validate_certs": "VMWARE_VALIDATE_CERTS",
    "proxy_host": "VMWARE_PROXY_HOST",
    "proxy_port": "VMWARE_PROXY_PORT",
}
_PROXMOX = {
    "api_host": "PROXMOX_HOST",
    "api_port": "PROXMOX_PORT",
    "api_user": "PROXMOX_USER",
    "api_password": "PROXMOX_PASSWORD",
    "api_token_id": "PROXMOX_TOKEN_ID",
    "api_token_secret": "PROXMOX_TOKEN_SECRET",
    "validate_certs": "PROXMOX_VALIDATE_CERTS",
    "ca_path": "PROXMOX_CA_PATH",
}
_VMMANAGER = {
    "vmmanager_host": "VMMANAGER_HOST",
    "vmmanager_port": "VMMANAGER_PORT",
    "vmmanager_username": "VMMANAGER_USERNAME",
    "vmmanager_password": "VMMANAGER_PASSWORD",
    "vmmanager_token": "VMMANAGER_TOKEN",
    "validate_certs": "VMMANAGER_VALIDATE_CERTS",
    "ca_path": "VMMANAGER_CA_PATH",
}
VARIABLES: Mapping[str, Mapping[str, str]] = {
    "vsphere": _VSPHERE,
    "proxmox": _PROXMOX,
    "vmmanager": _VMMANAGER,
    "rehearsal": {},
}
# The database may want a password, and its URL holds it.
STATE_VARIABLE = "EVENKEEL_STATE_URL"
SECRETS = frozenset({"password", "api_password", "api_token_secret", "vmmanager_password", "vmmanager_token"})
