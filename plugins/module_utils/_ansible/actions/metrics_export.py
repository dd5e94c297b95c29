# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module metrics_export."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from ..._model.errors import EvenKeelError
from ..._model.plan import Plan
from ..._model.quantities import TIME, in_plain_numbers
from ..._model.snapshot import Snapshot
from ..json_files import read_json, require_writable, write_text
from ..metrics import textfile
from ..metrics.families import RunMetrics, registry_of, text_of
from ..metrics.library import require
from ..metrics.pushgateway import Pushgateway
from ..metrics.totals import Totals, added, counts_of, totals_of
from ..options.argument_spec import Path, Secret, Spec, argument_spec, options_of
from ..options.values import without_none
from ..state_folder import state_folder


@dataclass(frozen=True, kw_only=True)
class PushgatewayOptions:
    """The options of pushgateway; the timeout in seconds."""

    url: str
    username: str | None = None
    password: Secret | None = None
    bearer_token: Secret | None = None
    validate_certs: bool = True
    ca_path: Path | None = None
    timeout: Annotated[float, TIME] = 10


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The options of metrics_export."""

    cluster: str
    state: Literal["present", "absent"] = "present"
    plan: Mapping[str, Any] | None = None
    plan_path: Path | None = None
    snapshot: Mapping[str, Any] | None = None
    snapshot_path: Path | None = None
    summaries: Annotated[Sequence[Mapping[str, Any]], Spec(default=[])] = ()
    error: str = ""
    textfile_path: Path | None = None
    pushgateway: Annotated[Mapping[str, Any] | None, Spec(options=argument_spec(PushgatewayOptions))] = None
    totals_path: Path | None = None
    only_check: bool = False


@dataclass
class _Exports:
    """What was exported and what could not be."""

    done: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def attempt(self, place: str, action: Callable[[], bool]) -> bool:
        """Whether something has changed. A place that fails is a warning."""
        try:
            changed = action()
        except EvenKeelError as error:
            self.failed.append({"place": place, "why": str(error)})
            self.warnings.append(f"The metrics were not exported: {error}")
            return False
        if changed:
            self.done.append(place)
        return changed


def run_metrics_export(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Writes the metrics of a run where they are to be collected, or removes those of a cluster. A place that
    fails is a warning.
    """
    options = options_of(ExportOptions, params)
    gateway = _gateway(options)
    if options.only_check:
        _check(options, gateway)
        return _result(_Exports(), {}, changed=False)
    exports = _Exports()
    if options.state == "absent":
        changed = _remove(options, gateway, exports, check_mode)
        return _result(exports, {}, changed=changed)
    try:
        require("metrics_export")
        run = _run(options, exports, time.time())
    except EvenKeelError as error:
        exports.failed.append({"place": "metrics", "why": str(error)})
        exports.warnings.append(f"The metrics were not exported: {error}")
        return _result(exports, {}, changed=False)
    text = text_of(run)
    if not check_mode:
        _write(options, gateway, exports, run, text)
    return _result(exports, {"metrics": text} if check_mode else {}, changed=False)


def _result(exports: _Exports, more: Mapping[str, Any], *, changed: bool) -> dict[str, Any]:
    return {
        "changed": changed,
        **more,
        "exported": exports.done,
        "failed_exports": exports.failed,
        "warnings": exports.warnings,
    }


def _gateway(options: ExportOptions) -> Pushgateway | None:
    if options.pushgateway is None:
        return None
    given = in_plain_numbers(PushgatewayOptions, without_none(options.pushgateway), "pushgateway")
    return Pushgateway(**given)


def _check(options: ExportOptions, gateway: Pushgateway | None) -> None:
    """Raises what is wrong with the places. A Pushgateway that is away may be back later."""
    require("textfile_path" if options.textfile_path else "pushgateway")
    if options.textfile_path is not None:
        textfile.check(options.textfile_path, options.cluster)
    if gateway is not None:
        gateway.check()
    totals = _totals_file(options)
    if totals is not None and options.textfile_path is None:
        require_writable(str(totals), "totals_path")


def _totals_file(options: ExportOptions) -> FilePath | None:
    """The file that the counters are continued from: that of the collector where there is one."""
    if options.totals_path is not None:
        return FilePath(options.totals_path).expanduser()
    if options.textfile_path is not None:
        return textfile.file_of(options.textfile_path, options.cluster)
    folder = state_folder(os.environ)
    return None if folder is None else textfile.file_of(f"{folder}/metrics", options.cluster)


def _run(options: ExportOptions, exports: _Exports, now: float) -> RunMetrics:
    plan = _read(options.plan, options.plan_path, "plan_path", Plan.from_json)
    snapshot = _read(options.snapshot, options.snapshot_path, "snapshot_path", Snapshot.from_json)
    counts = counts_of(options.summaries)
    good = not options.error
    return RunMetrics(
        cluster=options.cluster,
        plan=plan,
        snapshot=snapshot,
        summaries=options.summaries,
        counts=counts,
        totals=added(_earlier(options, exports), counts, good=good, now=now),
        good=good,
        ended_at=now,
    )


def _read(
    value: Mapping[str, Any] | None, path: str | None, option: str, parse: Callable[[object], Any]
) -> Any:
    if path is not None:
        return parse(read_json(path, option))
    return None if value is None else parse(value)


def _earlier(options: ExportOptions, exports: _Exports) -> Totals:
    file = _totals_file(options)
    if file is None:
        return Totals()
    try:
        text = textfile.read(file, "totals_path")
        return Totals() if text is None else totals_of(text, options.cluster)
    except (EvenKeelError, ValueError, KeyError) as error:
        exports.warnings.append(f"The counters begin at 0, because {file} can't be used: {error}")
        return Totals()


def _write(
    options: ExportOptions, gateway: Pushgateway | None, exports: _Exports, run: RunMetrics, text: str
) -> None:
    if options.textfile_path is not None:
        folder = options.textfile_path

        def collect() -> bool:
            textfile.write(folder, options.cluster, text)
            return True

        exports.attempt(str(textfile.file_of(folder, options.cluster)), collect)
    if gateway is not None:
        pushed = gateway

        def push() -> bool:
            pushed.push(registry_of(run), options.cluster)
            return True

        exports.attempt(pushed.url, push)
    file = _totals_file(options)
    if file is not None and (options.textfile_path is None or options.totals_path is not None):

        def keep() -> bool:
            write_text(str(file), text, "totals_path")
            return False

        exports.attempt(str(file), keep)


def _remove(options: ExportOptions, gateway: Pushgateway | None, exports: _Exports, check_mode: bool) -> bool:
    """Whether there was anything. A Pushgateway does not say."""
    files = [_totals_file(options)]
    if options.textfile_path is not None:
        files.append(textfile.file_of(options.textfile_path, options.cluster))
    changed = False
    for file in dict.fromkeys(file for file in files if file is not None):
        if check_mode:
            changed |= file.exists()
        else:
            changed |= exports.attempt(str(file), lambda file=file: textfile.remove(file))  # type: ignore[misc]
    if gateway is not None and not check_mode:
        require("pushgateway")
        pushed = gateway

        def delete() -> bool:
            pushed.delete(options.cluster)
            return True

        exports.attempt(pushed.url, delete)
    return changed
