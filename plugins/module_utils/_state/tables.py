# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables, as queries see them; migrations.py makes them. Private to the collection."""

from __future__ import annotations

from typing import Any

from .library import sa

# Modules that keep no state import this without SQLAlchemy.
METADATA: Any = None
HISTORY: Any = None
LOCKS: Any = None

if sa is not None:
    METADATA = sa.MetaData()

    # One row a migration that was tried. Moments are texts as in a snapshot.
    HISTORY = sa.Table(
        "migration_history",
        METADATA,
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("guest", sa.Text, primary_key=True),
        sa.Column("ended_at", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text),
    )

    # One row a cluster that someone works on. Moments are seconds since 1970 on the database's own clock.
    LOCKS = sa.Table(
        "cluster_lock",
        METADATA,
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("born", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
