# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts or guests are meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Hosts or guests that match any of its parts; names are ids, names or shell patterns of names.
    Conditions that must all hold are one expression.
    """

    names: Annotated[tuple[str, ...], "Ids, names, or shell patterns of names, such as V(web*)."] = ()
    regex: Annotated[str | None, "Regular expression that must match a name from its start."] = None
    tags: Annotated[tuple[str, ...], "Shell patterns of tags. Hosts have no tags."] = ()
    pools: Annotated[tuple[str, ...], "Names or shell patterns of pools."] = ()
    labels: Annotated[
        Mapping[str, str], "Labels with their values, all of which must be present. Guests have no labels."
    ] = field(default_factory=dict)
    kinds: Annotated[tuple[Literal["vm", "container"], ...], "Kinds of guests. Hosts have no kind."] = ()
    where: Annotated[
        str | None,
        "JMESPath expression that is true for the guest or host, such as "
        "V(tags[?@ == 'prod'] && power == 'running'). It is evaluated with the fields that a snapshot has. "
        "Requires the Python library C(jmespath).",
    ] = None
