# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests a text that is typed into the filter selects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.where import GUEST, true_of

WHERE = "where "


def guests_matching(guests: Sequence[Guest], text: str, hosts: Mapping[str, str]) -> list[Guest]:
    """Guests that have all words of the text in their name, id, host or a tag; a word may be for one of them
    only, such as tag:prod or host:pve1. After `where` stands a JMESPath expression as in selectors. `hosts`
    are names by id. Raises EvenKeelError for a wrong expression.
    """
    text = text.strip()
    if text.lower().startswith(WHERE):
        return list(true_of(guests, text[len(WHERE) :].strip(), "where", GUEST))
    words = [_word(word) for word in text.lower().split()]
    return [guest for guest in guests if all(holds(guest, hosts) for holds in words)]


def _word(word: str) -> Callable[[Guest, Mapping[str, str]], bool]:
    field, colon, value = word.partition(":")
    read = _FIELDS.get(field)
    if colon and read is not None:
        exact = field in ("host", "state", "id")
        return lambda guest, hosts: any(
            value == text.lower() if exact and value else value in text.lower() for text in read(guest, hosts)
        )
    return lambda guest, hosts: any(word in text.lower() for text in _everything(guest, hosts))


def _everything(guest: Guest, hosts: Mapping[str, str]) -> tuple[str, ...]:
    return (guest.name, guest.id, hosts.get(guest.host, guest.host), *guest.tags)


_FIELDS: Mapping[str, Callable[[Guest, Mapping[str, str]], tuple[str, ...]]] = {
    "name": lambda guest, _hosts: (guest.name,),
    "id": lambda guest, _hosts: (guest.id,),
    "tag": lambda guest, _hosts: guest.tags,
    "host": lambda guest, hosts: (hosts.get(guest.host, guest.host), guest.host),
    "pool": lambda guest, _hosts: (guest.pool or "",),
    "state": lambda guest, _hosts: (guest.power, guest.run_state or guest.power),
}
