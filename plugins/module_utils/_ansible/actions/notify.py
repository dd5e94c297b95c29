# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module notify."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from ..._model.errors import EvenKeelError, InputError
from ..._model.quantities import TIME
from ..errors import LibraryMissing
from ..notifications.events import EVENTS, Event, Run, events_of, worth_a_message
from ..notifications.host_results import NOT_RUN
from ..notifications.message import Message, message_of
from ..notifications.receivers import Failure, Receiver, notify_all, receiver_of
from ..options.argument_spec import Path, Spec, argument_spec, options_of
from ..options.values import at_least, without_none

# Pages of runs are attached up to this size together: mail servers take at least 10 MB, and a mail is a third
# larger than what it carries.
MAX_PAGES = 6 * 1024**2


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """An entry of runs."""

    cluster: str
    plan: Mapping[str, Any] | None = None
    outcome: Mapping[str, Any] | None = None
    unresolved: Sequence[str] | None = None
    report: Sequence[str] | None = None
    error: str | None = None
    lock_taken_over: str | None = None
    page: Path | None = None
    page_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class NotifyOptions:
    """The options of notify; the timeout in seconds."""

    urls: Annotated[Sequence[str], Spec(no_log=True, required=True)] = ()
    events: Sequence[Event] = ("failed", "unresolved", "lock_taken_over", "changed")
    runs: Annotated[Sequence[Mapping[str, Any]], Spec(options=argument_spec(RunOptions), default=[])] = ()
    not_run: Annotated[Sequence[str], Spec(default=[])] = ()
    title: str | None = None
    body: str | None = None
    attachments: Annotated[Sequence[Path], Spec(default=[])] = ()
    timeout: Annotated[float, TIME] = 30
    only_check: bool = False


def run_notify(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Sends one message about all runs that are worth it. A receiver that fails is a warning."""
    options = options_of(NotifyOptions, params)
    at_least(options, 1, "timeout", unit="seconds")
    if options.only_check:
        for index, url in enumerate(options.urls):
            receiver_of(url, index)
        return {
            "changed": False,
            "events": [],
            "sent": [],
            "failed_receivers": [],
            "title": "",
            "message": [],
        }
    events, message, worth = _message(options, check_mode)
    result: dict[str, Any] = {
        "changed": False,
        "events": events,
        "title": message.title if message else "",
        "message": [*message.lines, *message.tables] if message else [],
    }
    found = {event for item in events for event in item["events"]}
    worst: Event = next((event for event in EVENTS if event in found), "changed")
    pages, too_large = _pages(worth)
    wanted = list(dict.fromkeys([*options.attachments, *pages]))
    missing = [path for path in wanted if not os.access(path, os.R_OK)]
    failures: list[Failure] = []
    sent: list[str] = []
    if message is not None:
        attachments = [path for path in wanted if path not in missing]
        receivers, failures = _receivers(options.urls)
        failures += notify_all(receivers, message, worst, attachments, options.timeout)
        failed = {failure.receiver for failure in failures}
        sent = [receiver.name for receiver in receivers if receiver.name not in failed]
    return {
        **result,
        "sent": sent,
        "failed_receivers": [failure.to_json() for failure in failures],
        "warnings": [
            *(f"The notification to {failure.receiver} failed: {failure.why}" for failure in failures),
            *(
                f"attachments: {path} can't be read, so the notification has no such attachment"
                for path in (missing if message else ())
            ),
            *(
                f"the page {path} is not attached, because the pages of all runs would be larger than"
                f" {MAX_PAGES // 1024**2} MiB"
                for path in too_large
            ),
        ],
    }


def _pages(runs: Sequence[Run]) -> tuple[list[str], list[str]]:
    """The pages of the runs that the message is about, as far as they are not too large together, and the
    others.
    """
    fitting: list[str] = []
    others: list[str] = []
    left = MAX_PAGES
    for run in runs:
        if run.page:
            try:
                size = os.path.getsize(run.page)
            except OSError:
                # That it can't be read is said of all attachments.
                size = 0
            (fitting if size <= left else others).append(run.page)
            left -= size if size <= left else 0
    return fitting, others


def _message(
    options: NotifyOptions, check_mode: bool
) -> tuple[list[dict[str, Any]], Message | None, list[Run]]:
    """What happened on each cluster, the message about what is worth one, and the runs that it is about."""
    if options.title is not None or options.body is not None:
        if options.runs:
            raise InputError.conflict("title" if options.title is not None else "body", "runs")
        lines = (options.body or "").splitlines()
        own = None if check_mode else Message(title=options.title or "Even Keel", lines=lines)
        return [], own, []
    runs = [Run(**without_none(run)) for run in options.runs]
    runs += [Run(cluster=name, error=NOT_RUN) for name in options.not_run]
    events, worth = [], []
    for run in runs:
        happened = events_of(run, check_mode=check_mode)
        events.append({"cluster": run.cluster, "events": list(happened)})
        wanted = worth_a_message(happened, options.events, check_mode=check_mode)
        if wanted:
            worth.append((run, wanted))
    message = message_of(worth, silent=len(runs) - len(worth)) if worth else None
    worst_first = sorted(worth, key=lambda item: EVENTS.index(item[1][0]))
    return events, message, [run for run, _wanted in worst_first]


def _receivers(urls: Sequence[str]) -> tuple[list[Receiver], list[Failure]]:
    receivers, failures = [], []
    for index, url in enumerate(urls):
        try:
            receivers.append(receiver_of(url, index))
        except LibraryMissing as error:
            return [], [Failure(receiver="urls", why=str(error))]
        except EvenKeelError as error:
            failures.append(Failure(receiver=f"urls[{index}]", why=str(error)))
    return receivers, failures
