# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No more guests fit than have room for their disks, where the policy says something about datastores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.headroom import SizeClass
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Datastore, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.headroom.headroom import headroom

from .storage.test_cases import cluster, disk, guest, place

# Two guests of one size, with 100 GiB on average, on hosts that take 30 or so more each.
GUESTS = [guest("x", disk("a", 80)), guest("y", disk("a", 120), host="h2")]


def sizes(places: list[Datastore], **policy: Any) -> SizeClass:
    (found,) = headroom(cluster(places, GUESTS), Policy.from_json(policy)).sizes
    return found


def test_datastores_do_not_count_unless_the_policy_says_something_about_them() -> None:
    found = sizes([place("a", 250)])
    assert found.fit_on_datastores is None
    assert found.fit > 20


@pytest.mark.parametrize(
    ("places", "storage", "fit"),
    [
        # 800 GiB are the limit of a, of which 200 are taken, and 400 that of b: 6 and 4 guests of 100 GiB.
        ([place("a"), place("b", 500)], {}, 10),
        ([place("a"), place("b", 500)], {"utilisation": 40}, 4),
        ([place("a"), place("b", 500)], {"reserve": 2**30 * 450}, 3),
        ([place("a"), place("b", 500, maintenance=True)], {}, 6),
        ([place("a"), place("b", 500, content=("iso",))], {}, 6),
        ([place("a"), place("b", 500)], {"exclude": {"targets": {"names": ["a"]}}}, 4),
        # Guests of this size are not on datastores of that class, cluster or of unknown size.
        ([place("a"), place("b", 500, kind="gold")], {}, 6),
        ([place("a"), place("b", 500, cluster="other")], {}, 6),
        ([place("a"), place("b", None)], {}, 6),
        ([place("a", 200)], {}, 0),
    ],
)
def test_no_more_fit_than_have_room_for_their_disks(
    places: list[Datastore], storage: dict[str, Any], fit: int
) -> None:
    found = sizes(places, goal="storage", storage=storage)
    assert (found.fit, found.fit_as_used, found.fit_on_datastores) == (fit, fit, fit)
    assert found.fit_with_spare <= fit


def test_disks_of_unknown_size_do_not_count() -> None:
    known: Snapshot = cluster([place("a")], GUESTS)
    unknown = tuple(
        replace(one, disks=tuple(replace(part, size=None) for part in one.disks)) for one in known.guests
    )
    (found,) = headroom(replace(known, guests=unknown), Policy.from_json({"preset": "sdrs"})).sizes
    assert found.fit_on_datastores is None
    assert found.fit > 20
