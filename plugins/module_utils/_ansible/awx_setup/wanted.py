# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that AWX should have, in the order of their creation, as the tasks of awx_setup take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .files import BUILT_IN_TYPES, CHECK, RUN, Files
from .notifications import APPROVALS, EVENTS, Notification
from .settings import WORKFLOW, Settings, Template, runnable_names, source_name

Item = dict[str, Any]
_ASK = (
    "variables",
    "limit",
    "job_type",
    "diff_mode",
    "tags",
    "skip_tags",
    "verbosity",
    "inventory",
    "credential",
)
_MARK = "evenkeel.cluster.awx_setup"
CHECK_NODE, APPROVAL_NODE, RUN_NODE = "evenkeel-check", "evenkeel-approval", "evenkeel-run"


def wanted_objects(settings: Settings, files: Files) -> dict[str, Any]:
    """Returns the objects by endpoint of the API, what to ask AWX for, and the marks of what is ours."""
    return _Objects(settings, files).all()


class _Objects:
    """Builds the objects of one variables file."""

    def __init__(self, settings: Settings, files: Files) -> None:
        self.settings, self.files = settings, files
        self.mark = f"[{_MARK}: {settings.name} in {settings.organization}]"
        self.shared_mark = f"[{_MARK}]"
        self.organization = ("organizations", settings.organization)
        self.inventory = ("inventories", settings.inventory.name)

    def all(self) -> dict[str, Any]:
        items: dict[str, list[Item]] = {
            "organizations": [self.item("organizations", "awx_organization", self.settings.organization, "")],
            "execution_environments": self.environments(),
            "credential_types": self.credential_types(),
            "credentials": self.credentials(),
            "projects": [self.project()],
            "inventories": [self.inventory_item()],
            "inventory_sources": self.inventory_sources(),
            "notification_templates": [self.notification(one) for one in self.settings.notifications or ()],
            "job_templates": [self.job_template(one) for one in self.settings.templates],
            "workflow_job_templates": self.workflows(),
            "workflow_job_template_nodes": self.nodes(),
            "schedules": self.schedules(),
        }
        return {
            "state": self.settings.state,
            "adopt": self.settings.adopt,
            "update_secrets": self.settings.update_secrets,
            "organization": self.settings.organization,
            "mark": self.mark,
            "shared_mark": self.shared_mark,
            "runnable": [list(one) for one in runnable_names(self.settings)],
            "queries": self.queries(items),
            "items": items,
        }

    def item(
        self,
        endpoint: str,
        field: str,
        name: str,
        what: str,
        needs: Sequence[tuple[str, str]] = (),
        *,
        existing: bool = False,
        **fields: Any,
    ) -> Item:
        mark = self.shared_mark if endpoint == "credential_types" else self.mark
        return {
            "endpoint": endpoint,
            "field": field,
            "name": name,
            "existing": existing,
            "description": f"{what} {mark}".strip(),
            "needs": [list(need) for need in needs],
            "fields": fields,
        }

    def queries(self, items: Mapping[str, Sequence[Item]]) -> dict[str, dict[str, str]]:
        """Names of a related object are looked up as well, for what is only referred to."""
        names = {endpoint: {item["name"] for item in found} for endpoint, found in items.items()}
        names["credentials"] |= {one for one in self.helpers() if one}
        names["unified_job_templates"] = {name for _field, name in runnable_names(self.settings)}
        nodes = names.pop("workflow_job_template_nodes")
        asked = {
            endpoint: {"name__in": ",".join(sorted(found))} for endpoint, found in names.items() if found
        }
        if nodes and self.settings.workflow:
            asked["workflow_job_template_nodes"] = {
                "identifier__in": ",".join(sorted(nodes)),
                "workflow_job_template__name": self.settings.workflow.name,
                "workflow_job_template__organization__name": self.settings.organization,
            }
        return asked

    def helpers(self) -> list[str]:
        environment = self.settings.environment
        return [self.settings.project.credential, environment.credential if environment else ""]

    def environments(self) -> list[Item]:
        one = self.settings.environment
        if one is None:
            return []
        fields = {"image": one.image, "pull": one.pull, "credential": one.credential or None}
        return [
            self.item(
                "execution_environments",
                "awx_execution_environment.name",
                one.name,
                "Runs the jobs of Even Keel.",
                [self.organization, *([("credentials", one.credential)] if one.credential else [])],
                existing=one.existing,
                **fields,
            )
        ]

    def credential_types(self) -> list[Item]:
        kinds = sorted({one.type for one in self.settings.credentials or () if not one.existing})
        found = []
        for kind in kinds:
            name, existing = self.files.type_name(kind), kind in BUILT_IN_TYPES
            file = {} if existing else self.files.credential_types[kind]
            fields = {key: file[key] for key in ("kind", "inputs", "injectors") if key in file}
            field = "awx_credentials"
            found.append(self.item("credential_types", field, name, "", existing=existing, **fields))
        return found

    def credentials(self) -> list[Item]:
        found = []
        for one in self.settings.credentials or ():
            kind = self.files.type_name(one.type)
            secrets = sorted(self.files.secrets_of(one.type) & set(one.inputs))
            found.append(
                self.item(
                    "credentials",
                    f"{one.path}.name",
                    one.name,
                    "",
                    [self.organization, ("credential_types", kind)],
                    existing=one.existing,
                    credential_type=kind,
                    inputs=dict(one.inputs),
                    secrets=secrets,
                )
            )
        return found

    def project(self) -> Item:
        one = self.settings.project
        return self.item(
            "projects",
            "awx_project.name",
            one.name,
            "Playbooks and inventory files.",
            [self.organization, *([("credentials", one.credential)] if one.credential else [])],
            existing=one.existing,
            scm_url=one.scm_url,
            scm_branch=one.scm_branch,
            credential=one.credential or None,
            update_on_launch=one.update_on_launch,
        )

    def inventory_item(self) -> Item:
        one = self.settings.inventory
        return self.item(
            "inventories",
            "awx_inventory.name",
            one.name,
            "An inventory host is a cluster.",
            [self.organization],
            existing=one.existing,
            variables=dict(one.variables),
        )

    def inventory_sources(self) -> list[Item]:
        one, project = self.settings.inventory, self.settings.project.name
        if not one.source_path:
            return []
        environment = self.settings.environment.name if self.settings.environment else None
        # An inventory source takes one credential: that of the platform.
        platform = [c.name for c in self.settings.credentials or () if c.type not in ("state", "prometheus")]
        credential = platform[0] if len(platform) == 1 else None
        needs = [self.organization, self.inventory, ("projects", project)]
        if environment:
            needs.append(("execution_environments", environment))
        if credential:
            needs.append(("credentials", credential))
        return [
            self.item(
                "inventory_sources",
                "awx_inventory.name",
                source_name(one),
                "Reads the clusters from their platform.",
                needs,
                inventory=one.name,
                source_project=project,
                source_path=one.source_path,
                update_on_launch=one.update_on_launch,
                update_cache_timeout=one.cache_timeout,
                credential=credential,
                execution_environment=environment,
            )
        ]

    def notification(self, one: Notification) -> Item:
        return self.item(
            "notification_templates",
            f"{one.path}.name",
            one.name,
            "Reports jobs of Even Keel.",
            [self.organization],
            notification_type=one.type,
            configuration=dict(one.configuration),
            secrets=sorted(one.secrets),
        )

    def notified(self, target: str) -> dict[str, list[str] | None]:
        """Returns the notification templates by event. None leaves those that AWX has as they are."""
        given = self.settings.notifications
        events = (*EVENTS, APPROVALS) if target == WORKFLOW else EVENTS
        if given is None:
            return dict.fromkeys(events)
        return {
            event: [one.name for one in given if target in one.targets and event in one.events]
            for event in events
        }

    def job_template(self, one: Template) -> Item:
        file = dict(self.files.job_templates[one.key])
        settings, survey = self.settings, one.survey or {}
        project, folder = settings.project.name, settings.project.folder
        credentials = list(one.credentials) if settings.credentials is not None else None
        environment = settings.environment.name if settings.environment else None
        notified = self.notified(one.key)
        needs = [self.organization, ("projects", project), self.inventory]
        needs += [("credentials", name) for name in credentials or ()]
        needs += [("execution_environments", environment)] if environment else []
        needs += [("notification_templates", name) for names in notified.values() for name in names or ()]
        asked = {key: value for key, value in file.items() if key.startswith("ask_")}
        return self.item(
            "job_templates",
            f"awx_templates.{one.key}.name",
            one.name,
            file["description"],
            needs,
            job_type=file["job_type"],
            playbook=f"{folder}/{file['playbook']}" if folder else file["playbook"],
            project=project,
            inventory=settings.inventory.name,
            credentials=credentials,
            execution_environment=environment,
            extra_vars=dict(one.extra_vars),
            limit=one.limit,
            forks=one.forks,
            timeout=one.timeout,
            verbosity=one.verbosity,
            slices=one.slices,
            diff_mode=file["diff_mode"],
            allow_simultaneous=file["allow_simultaneous"],
            ask={f"ask_{name}_on_launch": asked.get(f"ask_{name}_on_launch", False) for name in _ASK},
            survey_enabled=bool(survey),
            survey=survey,
            notified=notified,
        )

    def named(self, key: str) -> Template:
        return next(one for one in self.settings.templates if one.key == key)

    def workflows(self) -> list[Item]:
        one = self.settings.workflow
        if one is None:
            return []
        notified, survey = self.notified(WORKFLOW), self.named(RUN).survey or {}
        needs = [self.organization]
        needs += [("notification_templates", name) for names in notified.values() for name in names or ()]
        return [
            self.item(
                "workflow_job_templates",
                "awx_workflow.name",
                one.name,
                "Shows the migrations, waits for an approval, and runs them.",
                needs,
                survey_enabled=bool(survey),
                survey=survey,
                notified=notified,
            )
        ]

    def nodes(self) -> list[Item]:
        one = self.settings.workflow
        if one is None:
            return []
        workflow = ("workflow_job_templates", one.name)

        def node(identifier: str, template: Template | None, after: list[str]) -> Item:
            needs = [self.organization, workflow, *([("job_templates", template.name)] if template else [])]
            approval = {
                "name": f"{one.name}: approval",
                "description": "The output of the job before is the plan. Approve to run it.",
                "timeout": one.approval_timeout,
            }
            return self.item(
                "workflow_job_template_nodes",
                "awx_workflow",
                identifier,
                "",
                needs,
                workflow=one.name,
                template=template.name if template else None,
                approval=None if template else approval,
                success=after,
            )

        return [
            node(CHECK_NODE, self.named(CHECK), [APPROVAL_NODE]),
            node(APPROVAL_NODE, None, [RUN_NODE]),
            node(RUN_NODE, self.named(RUN), []),
        ]

    def schedules(self) -> list[Item]:
        found = []
        for one in self.settings.schedules:
            workflow = self.settings.workflow
            if one.template == WORKFLOW and workflow is not None:
                target = ("workflow_job_templates", workflow.name)
            else:
                target = ("job_templates", self.named(one.template).name)
            found.append(
                self.item(
                    "schedules",
                    f"{one.path}.name",
                    one.name,
                    "",
                    [self.organization, target],
                    template=target[1],
                    rrule=one.rrule,
                    enabled=one.enabled,
                    extra_data=dict(one.extra_vars),
                )
            )
        return found
