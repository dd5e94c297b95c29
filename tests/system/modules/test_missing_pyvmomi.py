# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapter of vSphere where pyVmomi is not installed."""

from __future__ import annotations

import subprocess
import sys


def test_without_pyvmomi_the_error_names_the_package_to_install() -> None:
    program = """
import sys
sys.modules["pyVmomi"] = None
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import MissingLibrary
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.connection import (
    VSphereConnection,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
    VSpherePlatform,
)
try:
    VSpherePlatform(VSphereConnection(hostname="h", username="u", password="p"))
except MissingLibrary as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install pyvmomi" in done.stdout
