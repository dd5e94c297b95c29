# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where roles send notifications and metrics after a run: what is wrong with it is said before the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model.errors import InputError
from .._model.quantities import in_plain_numbers
from .actions.metrics_export import PushgatewayOptions
from .errors import LibraryMissing
from .metrics import textfile
from .metrics.library import require as require_metrics
from .metrics.pushgateway import Pushgateway
from .notifications.receivers import receiver_of


def refuse_useless_reports(values: Mapping[str, Any], cluster: str, *, own_python: bool) -> None:
    """Raises an EvenKeelError for a receiver that Apprise does not accept, and for a place that can't take
    metrics. Whether libraries are installed is known where `own_python` is the Python of the modules.
    """
    urls = (values.get("balance_notify") or {}).get("urls") or []
    folder, gateway = values.get("balance_textfile_path"), values.get("balance_pushgateway")
    try:
        for index, url in enumerate(urls):
            try:
                receiver_of(str(url), index)
            except InputError as error:
                raise error.under("balance_notify") from None
        if folder or gateway:
            require_metrics("balance_textfile_path" if folder else "balance_pushgateway")
    except LibraryMissing:
        if own_python:
            raise
    if folder:
        textfile.check(folder, cluster, "balance_textfile_path")
    if gateway:
        given = {name: value for name, value in gateway.items() if value is not None}
        Pushgateway(**in_plain_numbers(PushgatewayOptions, given, "balance_pushgateway")).check(
            "balance_pushgateway"
        )
