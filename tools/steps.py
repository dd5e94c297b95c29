# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ./check runs. Targets and scenarios are found by their folders; none at all is a failure."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from . import core, docs, importer, layers, package
from .ansible_test import ansible_test
from .run import ROOT, Shell, StepFailed, cores, counted
from .tree import collection_copy

COLLECTION = "ansible_collections.evenkeel.cluster"
PLUGINS = ("action", "doc_fragments", "inventory", "module_utils", "modules")
TYPED = (
    *(f"plugins.{kind}" for kind in PLUGINS),
    "extensions.eda.plugins",
    "extensions.console",
    "tools",
    "tests.support",
)


@dataclass(frozen=True)
class Step:
    """One line of ./check: its run returns a few words about what passed, or raises StepFailed."""

    name: str
    does: str
    run: Callable[[Shell], str]
    waits: bool = False
    "whether it mostly waits, so that it takes no lane"
    telling: str = ""
    "a pattern of the lines that tell what failed; all of them do where there is none"
    asked_for: bool = False
    "whether it runs only when it is named"


def steps() -> list[Step]:
    """Every step: first those of a few seconds, then the longest, so that no long one is left for the end."""
    return [
        Step("layers", "imports run only downwards", _layers),
        Step("ruff", "style and likely mistakes", _ruff),
        Step("mypy", "types, strictly", _mypy),
        Step("reuse", "every file has its licence", _reuse),
        Step("changelog", "changelog fragments", _changelog),
        *_go_steps(),
        *_test_steps(),
        *_integration_steps(),
        Step("sanity", "ansible-test sanity, nothing ignored", _sanity, telling=r"ERROR|FATAL"),
        Step("lint", "ansible-lint, production profile", _lint),
        Step("docs", "a page for every module, role and guide", docs.build),
        *_molecule_steps(),
        *_core_steps(),
        Step("importer", "Galaxy's own importer takes the tarball", importer.import_collection),
        Step("package", "built, installed elsewhere, run by its full name", package.build_install_run),
    ]


def _layers(_shell: Shell) -> str:
    found = layers.violations(ROOT)
    if found:
        raise StepFailed("\n    ".join(found))
    return counted(list((ROOT / "plugins").rglob("*.py")), "file")


def _ruff(shell: Shell) -> str:
    shell.run("ruff", "check", "--no-fix", ".")
    return "nothing found"


def _mypy(shell: Shell) -> str:
    packages = [word for name in TYPED for word in ("-p", f"{COLLECTION}.{name}")]
    return shell.run("mypy", *packages).strip().splitlines()[-1]


def _reuse(shell: Shell) -> str:
    # A copy: other steps make and remove files in the checkout while this one reads it.
    with collection_copy() as copy:
        return shell.run("reuse", "--root", copy, "lint").strip().splitlines()[-1]


def _changelog(shell: Shell) -> str:
    shell.run("antsibull-changelog", "lint")
    return counted(list((ROOT / "changelogs" / "fragments").glob("*.y*ml")), "fragment")


def _test_steps() -> list[Step]:
    def suite(name: str, does: str, folder: str, workers: int, *options: str, waits: bool = False) -> Step:
        count = ("-n", str(workers * cores()))
        return Step(name, does, partial(_tests, (f"tests/{folder}", *count, *options)), waits)

    return [
        suite(
            "system", "playbooks, sshd, databases and brokers", "system", 2,
            # Neighbours stay with one worker: they need the same servers.
            "--dist", "worksteal",
        ),
        suite("units", "tests without sockets, processes and sleep", "unit", 1),
        suite("simulator", "adapters and modules against the simulators", "simulator", 2),
        suite(
            "faults", "runs on platforms that fail, and runs that are killed", "fault_injection", 3,
            # Neighbours stay with one worker: they need the same simulator.
            "--dist", "worksteal", waits=True,
        ),
    ]  # fmt: skip


def _tests(arguments: tuple[str, ...], shell: Shell) -> str:
    printed = shell.run("pytest", "-q", *arguments)
    return printed.strip().splitlines()[-1].strip("= ")


def _go_steps() -> list[Step]:
    modules = [file.parent for file in sorted(ROOT.glob("tests/simulators/*/go.mod"))]
    if not modules:
        return [_missing("go", "tests/simulators holds no simulator in Go")]
    return [Step(f"go:{module.name}", "vet and unit tests", partial(_go, module)) for module in modules]


def _go(module: Path, shell: Shell) -> str:
    gofmt = Path(shell.run("go", "env", "GOROOT", cwd=module).strip(), "bin", "gofmt")
    unformatted = shell.run(gofmt, "-l", ".", cwd=module).split()
    if unformatted:
        raise StepFailed(f"gofmt would change {', '.join(unformatted)}")
    # Tests that want the simulator meanwhile wait for this build instead of compiling the same once more.
    shell.run(sys.executable, ROOT / "tests" / "simulators" / "go_build.py", module)
    # As it builds: what is compiled there serves here.
    alike = {"CGO_ENABLED": "0"}
    shell.run("go", "vet", "-trimpath", "./...", cwd=module, env=alike)
    tested = shell.run("go", "test", "-trimpath", "./...", cwd=module, env=alike)
    return counted(re.findall(r"(?m)^ok\s", tested), "package")


def _sanity(shell: Shell) -> str:
    ignored = sorted((ROOT / "tests" / "sanity").glob("ignore-*.txt"))
    if any(file.read_text().strip() for file in ignored):
        raise StepFailed(f"ignore entries in {', '.join(file.name for file in ignored)}")
    with package.installed(shell) as collection:
        printed = ansible_test(shell, collection, "sanity")
    return counted(re.findall(r"(?m)^Running sanity test", printed), "test")


def _lint(shell: Shell) -> str:
    shell.run("ansible-lint", "--offline", "--profile", "production", "--nocolor", "--strict")
    return "nothing found"


def _integration_steps() -> list[Step]:
    found = ROOT.glob("tests/integration/targets/*/tasks/main.y*ml")
    # The size of its tasks says roughly how long a target takes.
    sizes = {file.parent.parent.name: sum(map(_size, file.parent.glob("*.y*ml"))) for file in found}
    targets = sorted(sizes, key=lambda name: -sizes[name])
    if not targets:
        return [_missing("integration", "tests/integration/targets holds no target")]
    return [Step(f"integration:{name}", "through ansible-test", partial(_target, name)) for name in targets]


def _size(file: Path) -> int:
    return file.stat().st_size


def _target(name: str, shell: Shell) -> str:
    with collection_copy() as copy:
        return _recap(ansible_test(shell, copy, "integration", name))


def _molecule_steps() -> list[Step]:
    scenarios = sorted(file.parent.name for file in ROOT.glob("extensions/molecule/*/molecule.yml"))
    if not scenarios:
        return [_missing("molecule", "extensions/molecule holds no scenario")]
    return [Step(f"molecule:{name}", "molecule test", partial(_scenario, name)) for name in scenarios]


def _scenario(name: str, shell: Shell) -> str:
    return _recap(shell.run("molecule", "test", "--scenario-name", name))


def _core_steps() -> list[Step]:
    """The newest version briefly in every run; each of them thoroughly when it is named."""
    *_older, newest = core.versions()
    brief = Step(
        "core:brief", f"installed with ansible-core {newest}", partial(core.run_with_core, newest, False)
    )
    return [
        brief,
        *(
            Step(
                f"core:{version}",
                f"the same with ansible-core {version}, and a target of ansible-test",
                partial(core.run_with_core, version, True),
                asked_for=True,
            )
            for version in core.versions()
        ),
    ]


def _recap(printed: str) -> str:
    oks = re.findall(r"\bok=(\d+)", printed)
    if not oks:
        raise StepFailed("no task ran")
    return f"{sum(map(int, oks))} tasks"


def _missing(name: str, what: str) -> Step:
    def run(_shell: Shell) -> str:
        raise StepFailed(what)

    return Step(name, "is there anything to test", run)
