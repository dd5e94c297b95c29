# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job of AWX, run as AWX runs it but for the container: a folder laid out for ansible-runner, credentials
by the injectors of their types, and what the API shows of the job afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import jinja2.sandbox
import yaml

EXTENSION = Path(__file__).parents[2] / "extensions" / "awx"


@dataclass(frozen=True)
class Credential:
    """What somebody filled in for a credential type of `extensions/awx/credential_types`."""

    type: str
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class Launch:
    """What `POST /api/v2/job_templates/N/launch/` is told, and what the template knows by itself."""

    template: str
    extra_vars: Mapping[str, object]
    inventory: Mapping[str, object]
    credentials: Sequence[Credential] = ()
    job_type: str = "run"
    limit: str = ""
    forks: int = 0
    "0: the template has none, and Ansible's own number counts"
    environment: Mapping[str, str] = field(default_factory=dict)


class _Unsafe(str):
    """A text that Ansible must not take for a template, as AWX marks all that a launch gives."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def read(kind: str, name: str) -> dict[str, Any]:
    """A file of `extensions/awx`, as it is posted."""
    answer: dict[str, Any] = json.loads((EXTENSION / kind / f"{name}.json").read_text(encoding="utf-8"))
    return answer


def run(launch: Launch, folder: Path, job: int = 1) -> dict[str, Any]:
    """Run it; gives of `GET /api/v2/jobs/ID/` what tells how it went."""
    template = read("job_templates", launch.template)
    environment = lay_out(launch, template, folder, job)
    done = ansible_runner.run(
        ident=str(job),
        private_data_dir=str(folder),
        playbook=template["playbook"],
        inventory=str(folder / "inventory" / "hosts"),
        envvars=environment,
        quiet=True,
        suppress_env_files=True,
    )
    return shown(job, str(done.status), done.events)


def sliced(inventory: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The inventories of the jobs that a template with this number of job slices becomes: every count-th host
    by name, the first job from the first host on; groups keep those of their hosts.
    """
    names = sorted(inventory["_meta"]["hostvars"])
    parts = [set(names[first::count]) for first in range(count)]
    return [
        {
            **{
                group: {**about, "hosts": [host for host in about.get("hosts", ()) if host in part]}
                for group, about in inventory.items()
                if group != "_meta"
            },
            "_meta": {"hostvars": {host: inventory["_meta"]["hostvars"][host] for host in sorted(part)}},
        }
        for part in parts
    ]


def lay_out(launch: Launch, template: Mapping[str, Any], folder: Path, job: int) -> dict[str, str]:
    """project, inventory/hosts, env/extravars, env/cmdline, files of credentials; gives the environment."""
    shutil.copytree(EXTENSION / "project", folder / "project")
    for name in ("inventory", "env"):
        (folder / name).mkdir(mode=0o700)
    script = folder / "inventory" / "hosts"
    script.write_text(f"#! /usr/bin/env python3\nprint({json.dumps(launch.inventory)!r})\n")
    script.chmod(0o700)
    variables = {**_answers(launch, template), **launch.extra_vars}
    about = {"job_id": job, "job_template_name": template["name"], "user_name": "admin"}
    given = {f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in about.items()}
    text = yaml.dump(_marked({**variables, **given}), Dumper=_Dumper)
    (folder / "env" / "extravars").write_text(text)
    words = ["--diff"] if template["diff_mode"] else []
    words += ["--check"] if launch.job_type == "check" else []
    words += ["-l", launch.limit] if launch.limit else []
    words += [f"--forks={launch.forks}"] if launch.forks else []
    (folder / "env" / "cmdline").write_text(" ".join(words))
    environment = {
        # Where ansible-playbook is; in AWX that is the execution environment.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **launch.environment,
    }
    for credential in launch.credentials:
        environment.update(inject(credential, folder / "env"))
    return environment


def inject(credential: Credential, folder: Path) -> dict[str, str]:
    """The variables of the environment that its type makes of a credential, and its file in the folder."""
    kind = read("credential_types", credential.type)
    missing = [name for name in kind["inputs"]["required"] if not credential.inputs.get(name)]
    if missing:
        raise ValueError(f"credential type {credential.type} wants {', '.join(missing)}")
    jinja = jinja2.sandbox.ImmutableSandboxedEnvironment()
    names: dict[str, object] = dict(credential.inputs)
    if "file" in kind["injectors"]:
        handle, path = tempfile.mkstemp(dir=folder)
        os.close(handle)
        Path(path).write_text(jinja.from_string(kind["injectors"]["file"]["template"]).render(names))
        names["tower"] = {"filename": path}
    return {name: jinja.from_string(text).render(names) for name, text in kind["injectors"]["env"].items()}


def shown(job: int, status: str, events: Any) -> dict[str, Any]:
    """Status, artifacts, and the messages of the tasks that failed, as job events have them."""
    artifacts: dict[str, Any] = {}
    failures = []
    for event in events:
        data = event.get("event_data", {})
        artifacts = data.get("artifact_data") or artifacts
        if event["event"] == "runner_on_failed" and not data.get("ignore_errors"):
            failures.append(data["res"].get("msg", ""))
    return {
        "id": job,
        "status": status,
        "failed": status != "successful",
        "artifacts": artifacts,
        "failures": failures,
    }


def _answers(launch: Launch, template: Mapping[str, Any]) -> dict[str, object]:
    """What the survey has by itself; an answer that is wanted and not given refuses the launch."""
    if not template.get("survey_enabled"):
        return {}
    # A check asks what the balance asks that it shows.
    survey = "balance" if launch.template == "check" else launch.template
    questions = read("surveys", survey)["spec"]
    answers = {one["variable"]: one["default"] for one in questions if one.get("default", "") != ""}
    missing = [
        f"'{one['variable']}' value missing"
        for one in questions
        if one["required"] and one["variable"] not in {**answers, **launch.extra_vars}
    ]
    if missing:
        raise ValueError(json.dumps({"variables_needed_to_start": missing}))
    return answers


def _marked(value: Any) -> Any:
    if isinstance(value, str):
        return _Unsafe(value)
    if isinstance(value, Mapping):
        return {key: _marked(item) for key, item in value.items()}
    return [_marked(item) for item in value] if isinstance(value, list) else value
