# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the settings of another balancer to the variables of an inventory."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..._model.errors import EvenKeelError, InputError
from . import proxlb, prs, vm_balancer
from .section import Imported

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FILES = "the .env file of vm-balancer, prs.conf of PRS, or proxlb.yaml of ProxLB"


def import_settings(text: str, name: str, parse_yaml: Callable[[str], object]) -> Imported:
    """Returns what the text means here. The system is recognised by what its file must contain.

    parse_yaml raises ValueError, with a message that quotes nothing of the text.
    """
    text = text.removeprefix("\ufeff")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise EvenKeelError("The file is not UTF-8", hint="Save it as UTF-8")
    if not _NAME.fullmatch(name):
        raise InputError("name", name, "the name of an inventory host: letters, digits, and . _ -")
    if re.search(r"(?m)^\s*\[[\w-]+\]\s*$", text):
        return prs.imported(text, name)
    if re.search(rf"(?m)^\s*{proxlb.MARK}\s*:", text):
        try:
            document = parse_yaml(text)
        except ValueError as error:
            raise EvenKeelError(f"The file is not valid YAML: {error}") from None
        return proxlb.imported(document, name)
    if re.search(r"(?m)^\s*(?:export\s+)?VMMANAGER_[A-Z]+\s*=", text):
        return vm_balancer.imported(text, name)
    empty = (
        "it is empty" if not text.strip() else "it has neither VMMANAGER_HOST nor [proxmox] nor proxmox_api"
    )
    raise EvenKeelError(f"The file is not from a balancer that is supported: {empty}", hint=f"Use {_FILES}")


def as_settings(found: Imported) -> dict[str, Any]:
    """Returns everything except the secrets."""
    return {
        "source": found.source,
        "inventory": {"clusters": {"hosts": {name: dict(values) for name, values in found.hosts.items()}}},
        "secret_names": sorted(found.secrets),
        "not_carried_over": [
            {"setting": entry.setting, "why": entry.why} for entry in found.not_carried_over
        ],
    }
