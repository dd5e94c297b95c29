# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module report, which runs on the controller only."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any, Final, Literal

from ..._model.errors import InputError
from ..._model.outcome import Outcome
from ..._model.overrides import Overrides
from ..._model.placement import Placement
from ..._model.plan import Plan
from ..._model.snapshot import Snapshot
from ..._planning.snapshots.what_if import apply_overrides
from ..._report_page.content import view_of
from ..._report_page.given import Given
from ..._report_page.headroom import headroom_of
from ..._report_page.page import render, section_ids
from ..json_files import read_json, require_writable, write_text
from ..options.argument_spec import Path, Spec, argument_spec, options_of
from ..options.values import at_least
from .balance_plan import what_if_of, with_refusals

_DOCUMENTS: Final = ("snapshot", "plan", "outcome", "placement")


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """The options of report."""

    dest: Path
    title: str = ""
    cluster: str = ""
    metric: str | None = None
    max_parallel: int | None = None
    snapshot: Mapping[str, Any] | None = None
    snapshot_path: Path | None = None
    plan: Mapping[str, Any] | None = None
    plan_path: Path | None = None
    outcome: Mapping[str, Any] | None = None
    outcome_path: Path | None = None
    placement: Mapping[str, Any] | None = None
    placement_path: Path | None = None
    history: Mapping[str, Any] | None = None
    what_if: Mapping[str, Any] | None = None
    refusals: Sequence[Mapping[str, Any]] | None = None
    disk_refusals: Sequence[Mapping[str, Any]] | None = None
    error: str = ""
    notes: Annotated[Sequence[str], Spec(default=[])] = ()
    mode: Literal["0600", "0640", "0644"] = "0600"


REPORT_ARGUMENTS: Final = argument_spec(ReportOptions)
MUTUALLY_EXCLUSIVE: Final = [[name, f"{name}_path"] for name in _DOCUMENTS]
REQUIRED_ONE_OF: Final = [[*_DOCUMENTS, *(f"{name}_path" for name in _DOCUMENTS), "history", "error"]]


def run_report(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Writes the page, where it differs from the file that is there; in check mode all but that."""
    options = options_of(ReportOptions, params)
    at_least(options, 1, "max_parallel")
    given = _given(options)
    _check_metric(given)
    text = render(given)
    was = _present(options.dest)
    will = _State(len(text.encode()), hashlib.sha256(text.encode()).hexdigest()[:12], options.mode)
    changed = was != will
    if changed and check_mode:
        require_writable(options.dest, "dest")
    elif changed:
        write_text(options.dest, text, "dest", mode=int(options.mode, 8))
    return {
        "changed": changed,
        "path": options.dest,
        "bytes": will.size,
        "sections": section_ids(given),
        **_headroom(given),
        "diff": {
            "before_header": options.dest,
            "after_header": options.dest,
            "before": _in_words(was),
            "after": _in_words(will),
        },
    }


def _headroom(given: Given) -> dict[str, Any]:
    """Of the moment that the page is about, where it has a snapshot."""
    rooms = headroom_of(given)
    return {} if rooms is None else {"headroom": rooms[0].found.to_json()}


@dataclass(frozen=True, slots=True)
class _State:
    """A file: its size in bytes, the start of its digest, and who may read it."""

    size: int
    digest: str
    mode: str


def _present(path: str) -> _State | None:
    """None where there is no such file, or none that can be read."""
    try:
        content = FilePath(path).read_bytes()
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return None
    return _State(len(content), hashlib.sha256(content).hexdigest()[:12], f"{mode:04o}")


def _in_words(state: _State | None) -> str:
    if state is None:
        return "no file\n"
    return f"{state.size} bytes, sha256 {state.digest}…, mode {state.mode}\n"


def _given(options: ReportOptions) -> Given:
    snapshot, plan = _document(options, "snapshot"), _document(options, "plan")
    outcome, placement = _document(options, "outcome"), _document(options, "placement")
    return Given(
        snapshot=None if snapshot is None else _as_planned(Snapshot.from_json(snapshot), options),
        plan=None if plan is None else Plan.from_json(plan),
        outcome=None if outcome is None else Outcome.from_json(outcome),
        placement=None if placement is None else Placement.from_json(placement),
        history=options.history,
        error=options.error,
        notes=tuple(options.notes),
        title=options.title,
        cluster=options.cluster,
        metric=options.metric or "",
        max_parallel=options.max_parallel,
    )


def _as_planned(snapshot: Snapshot, options: ReportOptions) -> Snapshot:
    """With what balance_plan was given besides the snapshot, since the plan names the result of both."""
    if options.what_if:
        snapshot = apply_overrides(snapshot, Overrides.from_json(what_if_of(dict(options.what_if))))
    return with_refusals(snapshot, options.refusals or (), options.disk_refusals or ())


def _document(options: ReportOptions, name: str) -> object:
    path: str | None = getattr(options, f"{name}_path")
    return getattr(options, name) if path is None else read_json(path, f"{name}_path")


def _check_metric(given: Given) -> None:
    """Raises InputError for a metric that the page has not."""
    view = view_of(given) if given.metric else None
    names = [metric.name for metric in view.metrics] if view else []
    if given.metric and given.metric not in names:
        expected = f"one of the metrics of the page ({', '.join(names) or 'none'})"
        raise InputError("metric", given.metric, expected)
