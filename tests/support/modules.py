# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as Ansible runs them, a process each, without the second that Ansible itself takes for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.tests.simulators.launch import Connection
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

MODULES = "ansible_collections.evenkeel.cluster.plugins.modules"


def connection_options(connection: Connection) -> dict[str, Any]:
    """How every module is told where a simulated cluster is."""
    if connection.platform == "vcenter":
        return {
            "platform": "vsphere",
            "hostname": connection.host,
            "port": connection.port,
            "username": connection.user,
            "password": connection.password,
            "ca_path": connection.ca_path,
        }
    if connection.platform == "vmmanager":
        return {
            "platform": "vmmanager",
            "vmmanager_host": connection.host,
            "vmmanager_port": connection.port,
            "vmmanager_username": connection.user,
            "vmmanager_password": connection.password,
            "ca_path": connection.ca_path,
        }
    return {
        "platform": connection.platform,
        "api_host": [connection.host],
        "api_port": connection.port,
        "api_user": connection.user,
        "api_password": connection.password,
        "ca_path": connection.ca_path,
    }


def begin_module(
    name: str, folder: Path, options: Mapping[str, Any], *, check: bool = False
) -> subprocess.Popen[str]:
    """The process of a module; what it remembers is kept in the folder."""
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check}}
    (folder / f"{name}.json").write_text(json.dumps(arguments))
    return subprocess.Popen(
        [sys.executable, "-m", f"{MODULES}.{name}", str(folder / f"{name}.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        text=True,
    )


def run_module(name: str, folder: Path, options: Mapping[str, Any], *, check: bool = False) -> dict[str, Any]:
    """What a module returns."""
    return result_of(begin_module(name, folder, options, check=check))


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a module that was begun returns at its end."""
    printed, _none = process.communicate(timeout=PATIENCE_SECONDS)
    try:
        result: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise AssertionError(f"it printed no result: {printed}") from None
    return result
