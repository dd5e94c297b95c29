# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of `extensions/awx`: credential types, job templates and surveys."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CHECK, RUN = "check", "balance"
_ORDER = (CHECK, RUN, "evacuate", "place", "lease", "reap", "create_vms", "report")
# A survey that belongs to another template as well.
_SURVEYS = {CHECK: RUN}
# Questions that set a variable of a role.
_SETS = {
    "request_goal": "balance_goal",
    "request_max_migrations": "balance_max_migrations",
    "request_datastores": "balance_evacuate_datastores",
    "request_hosts": "evacuate_hosts",
    "request_vcpus": "lease_vcpus",
    "request_memory": "lease_memory",
    "request_hours": "lease_lifetime",
    "request_wait": "lease_wait",
}
BUILT_IN_TYPES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "vsphere": ("VMware vCenter", ("host", "username", "password")),
}
"""Types that AWX has by itself: name and inputs, all of which are required."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files by name, as they are posted to AWX."""

    credential_types: Mapping[str, Mapping[str, Any]]
    job_templates: Mapping[str, Mapping[str, Any]]
    surveys: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Files:
        templates = found["job_templates"]
        rank = {key: index for index, key in enumerate(_ORDER)}
        ordered = sorted(templates, key=lambda key: rank.get(key, len(rank)))
        return cls(found["credential_types"], {key: templates[key] for key in ordered}, found["surveys"])

    def survey(self, key: str, fixed: Container[str] = ()) -> Mapping[str, Any] | None:
        """Returns the survey of a template, without questions on variables that the template fixes."""
        survey = self.surveys.get(_SURVEYS.get(key, key))
        if survey is None:
            return None
        questions = [
            one for one in survey["spec"] if _SETS.get(one["variable"], one["variable"]) not in fixed
        ]
        return {**survey, "spec": questions} if questions else None

    def type_name(self, kind: str) -> str:
        return BUILT_IN_TYPES[kind][0] if kind in BUILT_IN_TYPES else str(self.credential_types[kind]["name"])

    def inputs_of(self, kind: str) -> tuple[Sequence[str], Sequence[str]]:
        """Returns all inputs of a type, and those that are required."""
        if kind in BUILT_IN_TYPES:
            names = BUILT_IN_TYPES[kind][1]
            return names, names
        inputs = self.credential_types[kind]["inputs"]
        return [field["id"] for field in inputs["fields"]], inputs["required"]

    def secrets_of(self, kind: str) -> frozenset[str]:
        if kind in BUILT_IN_TYPES:
            return frozenset({"password"})
        fields = self.credential_types[kind]["inputs"]["fields"]
        return frozenset(field["id"] for field in fields if field.get("secret"))
