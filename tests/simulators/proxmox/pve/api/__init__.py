# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API's methods, a file for each part of the tree. Importing this package declares them all."""

from __future__ import annotations

from . import access, cluster, create, disks, guests, ha, migrate, nodes, storage, tasks

PARTS = (access, cluster, create, disks, guests, ha, migrate, nodes, storage, tasks)
