# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requested objects that exist in AWX: those that must stay, and those that check mode can try."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .wanted import APPROVAL_NODE, Item

Read = Mapping[str, Sequence[Mapping[str, Any]]]
_WORDS = {
    "organizations": "organization",
    "execution_environments": "execution environment",
    "credential_types": "credential type",
    "credentials": "credential",
    "projects": "project",
    "inventories": "inventory",
    "inventory_sources": "inventory source",
    "notification_templates": "notification template",
    "job_templates": "job template",
    "workflow_job_templates": "workflow",
    "workflow_job_template_nodes": "workflow node",
    "schedules": "schedule",
}
# The modules look these up by their name alone, whatever the organization is.
_BY_NAME = ("execution_environments", "credentials", "inventories", "notification_templates")
_ORGANIZED = ("projects", "credentials", "inventories", "notification_templates", "job_templates")
_ALSO_ORGANIZED = ("workflow_job_templates",)


def compare(wanted: Mapping[str, Any], read: Read) -> dict[str, Any]:
    """Returns the items with what AWX has of them, and why nothing may be started."""
    return _Comparison(wanted, read).result()


class _Comparison:
    def __init__(self, wanted: Mapping[str, Any], read: Read) -> None:
        self.wanted, self.read = wanted, read
        found = read.get("organizations", ())
        self.organization = found[0]["id"] if found else None

    def result(self) -> dict[str, Any]:
        items: dict[str, list[Item]] = self.wanted["items"]
        answered = {
            endpoint: [self.with_state(item) for item in found if not self.is_left_alone(item)]
            for endpoint, found in items.items()
        }
        missing = [item for found in answered.values() for item in found if not item["ready"]]
        return {
            "refused": [
                *(text for found in items.values() for item in found for text in self.objections(item)),
                *self.missing_helpers(),
                *self.clashes(),
            ],
            "items": answered,
            "later": [f"{_WORDS[item['endpoint']]} {item['name']}" for item in missing],
            "broken_nodes": self.broken_nodes(),
        }

    def is_left_alone(self, item: Item) -> bool:
        """Whether it was there before this playbook, which then only uses it."""
        if item["existing"]:
            return True
        there = self.matches(item)
        return item["endpoint"] == "organizations" and bool(there) and not self.is_ours(there[0])

    def with_state(self, item: Item) -> Item:
        there = self.matches(item)
        missing = [need for need in item["needs"] if not self.is_there(*need)]
        if item["endpoint"] == "workflow_job_template_nodes":
            missing += [[item["endpoint"], name] for name in item["fields"]["success"] if not self.node(name)]
        answered = {**item, "exists": bool(there), "ready": not missing}
        if item["endpoint"] == "notification_templates" and there:
            configuration = self.changed_configuration(item, there[0])
            answered["fields"] = {**item["fields"], "configuration": configuration}
        return answered

    def changed_configuration(self, item: Item, there: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """AWX does not show secrets: None if everything else is as it should be."""
        new, old = item["fields"]["configuration"], there["notification_configuration"]
        secrets = item["fields"]["secrets"]
        visible = {key: value for key, value in new.items() if key not in secrets}
        shown = {key: value for key, value in old.items() if key not in secrets}
        same = visible == shown and all(old.get(key) for key in secrets)
        return None if same and not self.wanted["update_secrets"] else new

    def matches(self, item: Item) -> list[Mapping[str, Any]]:
        endpoint = item["endpoint"]
        if endpoint == "workflow_job_template_nodes":
            return [node] if (node := self.node(item["name"])) else []
        found = [one for one in self.read.get(endpoint, ()) if one["name"] == item["name"]]
        if endpoint == "inventory_sources":
            return [one for one in found if _related(one, "inventory") == item["fields"]["inventory"]]
        if endpoint == "schedules":
            target = item["fields"]["template"]
            return [one for one in found if _related(one, "unified_job_template") == target]
        if endpoint in (*_ORGANIZED, *_ALSO_ORGANIZED):
            return [one for one in found if one["organization"] == self.organization]
        return found

    def is_there(self, endpoint: str, name: str) -> bool:
        found = [one for one in self.read.get(endpoint, ()) if one["name"] == name]
        if endpoint in (*_ORGANIZED, *_ALSO_ORGANIZED):
            found = [one for one in found if one["organization"] in (self.organization, None)]
        return bool(found)

    def node(self, identifier: str) -> Mapping[str, Any] | None:
        nodes = self.read.get("workflow_job_template_nodes", ())
        return next((one for one in nodes if one["identifier"] == identifier), None)

    def is_ours(self, there: Mapping[str, Any]) -> bool:
        description = there.get("description") or ""
        return self.wanted["mark"] in description or self.wanted["shared_mark"] in description

    def objections(self, item: Item) -> Iterable[str]:
        endpoint, name, word = item["endpoint"], item["name"], _WORDS[item["endpoint"]]
        if endpoint == "workflow_job_template_nodes":
            return
        there = self.matches(item)
        everywhere = [one for one in self.read.get(endpoint, ()) if one["name"] == name]
        alone = len(everywhere) <= (1 if there or item["existing"] else 0)
        if endpoint in _BY_NAME and not alone:
            yield (
                f"{item['field']}: AWX has another {word} {name!r}, and awx.awx looks for the name only. "
                f"Choose another name."
            )
        elif item["existing"] and not everywhere:
            yield f"{item['field']}: AWX has no {word} named {name!r}. Create it first, or correct the name."
        elif item["existing"] and not there and endpoint in _ORGANIZED:
            organization = self.wanted["organization"]
            yield (
                f"{item['field']}: the {word} {name!r} is in another organization than {organization!r}. "
                f"Set awx_organization to its organization."
            )
        elif there and there[0].get("pending_deletion"):
            yield f"{item['field']}: the {word} {name!r} is being deleted by AWX. Try again in a minute."
        elif (
            there
            and not item["existing"]
            and endpoint != "organizations"
            and not self.wanted["adopt"]
            and not self.is_ours(there[0])
        ):
            yield (
                f"{item['field']}: the {word} {name!r} exists already, and this playbook did not create it. "
                f"Choose another name, or set awx_adopt: true to take it over."
            )

    def missing_helpers(self) -> Iterable[str]:
        """Credentials of the project and of the execution environment are only referred to."""
        ours = {item["name"] for item in self.wanted["items"]["credentials"]}
        for endpoint in ("projects", "execution_environments"):
            for item in self.wanted["items"][endpoint]:
                name = item["fields"].get("credential")
                field = item["field"].removesuffix("name") + "credential"
                if name in ours:
                    yield f"{field}: {name!r} is one of awx_credentials, none of which fits here."
                elif name and name not in [one["name"] for one in self.read.get("credentials", ())]:
                    yield f"{field}: AWX has no credential named {name!r}. Create it, or correct the name."

    def clashes(self) -> Iterable[str]:
        """Schedules and workflows find what they run by its name, whether it is a template or a project."""
        kinds = {
            "awx_project.name": "project",
            "awx_inventory.name": "inventory_source",
            "awx_workflow.name": "workflow_job_template",
        }
        for field, name in self.wanted["runnable"]:
            kind = kinds.get(field, "job_template")
            for one in self.read.get("unified_job_templates", ()):
                same = one["name"] == name and one.get("organization") == self.organization
                if same and self.organization is not None and one["type"] != kind:
                    word = one["type"].replace("_", " ")
                    yield f"{field}: {name!r} is the name of a {word} in the organization. Choose another."

    def broken_nodes(self) -> list[str]:
        """An approval node that runs something else now cannot be changed back, only replaced."""
        node = self.node(APPROVAL_NODE)
        if node is None or node.get("unified_job_template") is None:
            return []
        kind = (node.get("summary_fields") or {}).get("unified_job_template", {}).get("unified_job_type")
        return [] if kind == "workflow_approval" else [APPROVAL_NODE]


def _related(there: Mapping[str, Any], name: str) -> Any:
    return ((there.get("summary_fields") or {}).get(name) or {}).get("name")
