# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switches of VMmanager 6, besides those that every simulator has."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.cluster.tests.simulators.kit.faults import Faults


class Switches(Faults):
    """Every switch by its name. Where it is not known how a real platform behaves, there is one for each way
    that somebody has reported, or that a client should survive.
    """

    def __init__(self, migration_seconds: float = 0.2) -> None:
        super().__init__(migration_seconds)
        self.asleep_requests = 0
        self.token_seconds = 3600.0
        self.needs_cookie = True
        self.roles: list[str] = ["@admin"]
        self.whoami = True
        self.disk_owners = True
        self.error_status = 400
        self.shape = 2026
        self.extras = True
        self.fail_word = "fail"
        self.abort_word = "aborted"
        self.listing_seconds = 0.0
        self.defer_seconds = 0.0
        self.page = 0
        self.filters = True
        self.unsuitable: dict[str, list[Any]] = {}
        self.metrics = True
        self.balancer: str | None = None
        self.consul_text = False
        self.task_names: dict[str, str] = {}
        self.sets_cookie = True
        self.skew_seconds = 0.0
        self.zone_hours = 0.0
        self.tells_date = True
        self.history_params = True
        self.hidden: dict[str, list[str]] = {}
        self.stale_tasks = False
        self.series_minutes = 60
        self.series_age_seconds = 0.0
        self.redirect: str | None = None
