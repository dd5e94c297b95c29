# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VMmanager 6, as far as a balancer sees it, by public material alone."""
