# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests are still on a host, which may leave it, and what is known of their loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.goals import Consolidation
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Limits, Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.selector import Selector
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Refusal, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.plan import (
    Exclusions,
    verify_plan,
)

from .test_scenarios import cluster

GIB = 1024**3
EMPTY_H1 = Policy(goal="evacuate", evacuate=Selector(names=("h1",)))
LEVEL = Policy(max_spread=10.0)


def with_guest(snapshot: Snapshot, name: str, **facts: Any) -> Snapshot:
    guests = tuple(replace(guest, **facts) if guest.id == name else guest for guest in snapshot.guests)
    return replace(snapshot, guests=guests)


def with_host(snapshot: Snapshot, name: str, **facts: Any) -> Snapshot:
    hosts = tuple(replace(host, **facts) if host.id == name else host for host in snapshot.hosts)
    return replace(snapshot, hosts=hosts)


def places(result: Plan) -> Mapping[str, str]:
    return {migration.guest.id: migration.target for migration in result.migrations}


def unresolved(result: Plan) -> str:
    return "; ".join(f"{item.what}: {item.why}" for item in result.unresolved)


TWO = cluster({"hosts": {"h1": {}, "h2": {}}, "guests": {"a": {"host": "h1"}, "b": {"host": "h1"}}})


def test_a_paused_guest_leaves_like_a_running_one() -> None:
    result = plan(with_guest(TWO, "a", run_state="paused"), EMPTY_H1)
    assert places(result) == {"a": "h2", "b": "h2"}
    assert result.status == "balanced"


def test_a_guest_in_an_unknown_state_is_still_there_and_is_named() -> None:
    result = plan(with_guest(TWO, "a", power="unknown", run_state="orphaned"), EMPTY_H1)
    assert places(result) == {"b": "h2"}
    assert result.before.hosts["h1"].guests == 2
    assert result.after.hosts["h1"].guests == 1
    assert "a (it is in an unknown state (orphaned))" in unresolved(result)


def test_a_guest_in_an_unknown_state_counts_against_the_limits() -> None:
    full = cluster(
        {
            "hosts": {"h1": {}, "h2": {}, "h3": {}},
            "guests": {"a": {"host": "h1"}, "x": {"host": "h2"}, "y": {"host": "h3"}},
        }
    )
    limits = Limits(max_guests=1)
    policy = replace(EMPTY_H1, limits=limits)
    assert plan(with_guest(full, "x", power="unknown"), policy).migrations == ()
    assert places(plan(with_guest(full, "x", power="stopped"), policy)) == {"a": "h2"}
    fragile = plan(with_guest(full, "x", power="stopped"), policy)
    seen = with_guest(full, "x", power="unknown")
    closed = with_host(seen, "h1", maintenance=True)
    assert "of guests, and 1 is its limit" in verify_plan(closed, policy, (), fragile, Exclusions())[0]


def test_a_host_with_a_guest_in_an_unknown_state_is_not_empty() -> None:
    snapshot = with_guest(
        cluster(
            {"hosts": {"h1": {}, "h2": {}, "h3": {}}, "guests": {"a": {"host": "h1"}, "b": {"host": "h2"}}}
        ),
        "b",
        power="unknown",
    )
    result = plan(snapshot, Policy(goal="consolidate", consolidate=Consolidation()))
    assert result.emptied == ("h1",)
    assert places(result) == {"a": "h2"}


def test_agents_stay_and_do_not_count() -> None:
    agents = with_guest(TWO, "a", platform_managed=True, migratable=False, blockers=("agent",))
    result = plan(agents, replace(EMPTY_H1, allow_blockers=("agent",)))
    assert places(result) == {"b": "h2"}
    assert result.status == "balanced"
    assert result.unresolved == ()
    assert any("a" in notice and "platform" in notice for notice in result.notices)


def test_guests_that_may_stay_stay_on_hosts_to_be_emptied_only() -> None:
    policy = replace(EMPTY_H1, may_stay=Selector(names=("a",)))
    result = plan(TWO, policy)
    assert places(result) == {"b": "h2"}
    assert result.status == "balanced"
    hot = cluster(
        {"hosts": {"h1": {}, "h2": {}}, "guests": {f"g{n}": {"host": "h1", "memory": 20} for n in range(2)}}
    )
    assert len(plan(hot, replace(LEVEL, may_stay=Selector(names=("g*",)))).migrations) == 1


def test_guests_that_are_shut_down_before_maintenance_stay() -> None:
    result = plan(with_host(TWO, "h1", maintenance=True), Policy(shut_down=Selector(names=("b",))))
    assert places(result) == {"a": "h2"}
    assert result.status == "balanced"


HOT = cluster(
    {"hosts": {"h1": {}, "h2": {}}, "guests": {f"g{n}": {"host": "h1", "memory": 20} for n in range(4)}}
)


def fresh(snapshot: Snapshot, *names: str) -> Snapshot:
    """These guests have started a moment ago: nothing of them is in what was measured of their host."""
    for name in names:
        guest = next(guest for guest in snapshot.guests if guest.id == name)
        host = next(host for host in snapshot.hosts if host.id == guest.host)
        used = {key: (host.used[key] or 0) - (guest.used[key] or 0) for key in ("cpu", "memory")}
        snapshot = with_host(snapshot, guest.host, used=used)
        snapshot = with_guest(
            snapshot,
            name,
            used={"cpu": None, "memory": None},
            sources={"cpu": "not_yet_measured", "memory": "not_yet_measured"},
        )
    return snapshot


def test_what_is_not_measured_yet_stays_where_it_is() -> None:
    snapshot = fresh(HOT, "g0", "g1")
    result = plan(snapshot, LEVEL)
    assert set(places(result)) <= {"g2", "g3"}
    assert len(result.migrations) == 1
    assert any("not measured yet" in notice and "g0" in notice for notice in result.notices)


def test_what_is_not_measured_yet_moves_when_its_host_is_emptied_and_needs_what_it_was_given() -> None:
    snapshot = fresh(HOT, "g0")
    assert set(places(plan(snapshot, EMPTY_H1))) == {"g0", "g1", "g2", "g3"}
    tight = with_host(snapshot, "h2", capacity={"cpu": 32.0, "memory": 70 * GIB})
    assert len(plan(tight, EMPTY_H1).migrations) == 3


def test_what_is_not_measured_yet_moves_for_a_strict_rule() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {}},
            "guests": {"a": {"host": "h1"}, "b": {"host": "h1", "blockers": ["snapshot"]}},
            "rules": {"far": {"kind": "anti_affinity", "guests": ["a", "b"]}},
        }
    )
    assert places(plan(fresh(snapshot, "a"), Policy())) == {"a": "h2"}


def test_what_is_not_measured_yet_makes_no_room_when_it_leaves() -> None:
    # h1 is as full as it may be without a, which is not in what was measured.
    snapshot = cluster(
        {
            "hosts": {"h1": {"memory": 40}, "h2": {"memory": 100}},
            "guests": {
                "a": {"host": "h1", "memory": 20},
                "b": {"host": "h1", "memory": 20, "blockers": ["snapshot"]},
                "c": {"host": "h2", "memory": 15},
            },
            "rules": {
                "there": {"kind": "host_affinity", "guests": ["a"], "hosts": ["h2"]},
                "here": {"kind": "host_affinity", "guests": ["c"], "hosts": ["h1"]},
            },
        }
    )
    snapshot = with_host(fresh(snapshot, "a"), "h1", used={"cpu": 1.0, "memory": 30 * GIB})
    assert places(plan(snapshot, Policy(goal="rules"))) == {"a": "h2"}


def test_a_load_that_the_platform_does_not_report_counts_as_assigned() -> None:
    result = plan(with_guest(HOT, "g0", used={"cpu": None, "memory": None}), LEVEL)
    assert len(result.migrations) == 2
    assert any("assigned" in notice and "g0" in notice for notice in result.notices)


def test_present_values_among_averages_are_told() -> None:
    snapshot = replace(with_guest(HOT, "g0", sources={"cpu": "present"}), window_seconds=3600)
    notices = plan(snapshot, LEVEL).notices
    assert any("present" in notice and "g0" in notice for notice in notices), notices


THREE = cluster(
    {"hosts": {"h1": {}, "h2": {}, "h3": {}}, "guests": {"a": {"host": "h1"}, "b": {"host": "h2"}}}
)


def refuses(snapshot: Snapshot, legal: Snapshot, policy: Policy = EMPTY_H1) -> str:
    """What the verifier says of a plan that is legal in one snapshot, in the other."""
    result = plan(legal, policy)
    hosts = tuple(replace(host, maintenance=host.id == "h1") for host in snapshot.hosts)
    return "; ".join(verify_plan(replace(snapshot, hosts=hosts), policy, (), result, Exclusions()))


def test_only_possible_targets_are_targets() -> None:
    only = with_guest(THREE, "a", targets=("h3",))
    assert places(plan(only, EMPTY_H1)) == {"a": "h3"}
    none = with_guest(THREE, "a", targets=("h1",))
    assert "its list of possible targets (h1) leaves it no other host" in unresolved(plan(none, EMPTY_H1))
    assert "none of those that it can be migrated to" in refuses(none, THREE)


def test_cpu_features_that_a_target_lacks() -> None:
    wants = with_guest(THREE, "a", cpu_features=("avx512", "vendor:GenuineIntel"))
    known = with_host(wants, "h2", cpu_features=("avx512", "vendor:AuthenticAMD"))
    known = with_host(known, "h3", cpu_features=("avx512", "vendor:GenuineIntel"))
    assert places(plan(known, EMPTY_H1)) == {"a": "h3"}
    lacking = with_host(known, "h3", cpu_features=("vendor:GenuineIntel",))
    assert "CPU feature avx512 and CPU vendor GenuineIntel leave it no other host" in unresolved(
        plan(lacking, EMPTY_H1)
    ) or "CPU vendor GenuineIntel and CPU feature avx512" in unresolved(plan(lacking, EMPTY_H1))
    assert "CPU feature" in refuses(lacking, known)


def test_hosts_whose_cpu_features_are_not_known_need_the_same_cpu() -> None:
    wants = with_guest(THREE, "a", cpu_features=("avx512",))
    for host, model in (("h1", "x1"), ("h2", "x2"), ("h3", "x1")):
        wants = with_host(wants, host, cpu_model=model)
    assert places(plan(wants, EMPTY_H1)) == {"a": "h3"}
    other = with_host(wants, "h3", cpu_model="x2")
    assert plan(other, EMPTY_H1).migrations == ()
    assert "CPU feature avx512" in refuses(other, wants)


def refusal(guest: str, host: str, at: str = "2025-12-31T23:00:00Z") -> Refusal:
    return Refusal(guest=guest, host=host, why="the device is not compatible", at=at)


def test_what_the_platform_refused_is_planned_around() -> None:
    refused = replace(THREE, refusals=(refusal("a", "h2"),))
    result = plan(refused, EMPTY_H1)
    assert places(result) == {"a": "h3"}
    assert any("a" in notice and "h2" in notice and "not compatible" in notice for notice in result.notices)
    everywhere = replace(THREE, refusals=(refusal("a", "h2"), refusal("a", "h3")))
    assert "a refusal by the platform (h2: the device is not compatible" in unresolved(
        plan(everywhere, EMPTY_H1)
    )
    assert "has refused this" in refuses(everywhere, THREE)


def test_a_refusal_ends() -> None:
    old = replace(
        THREE,
        refusals=(
            refusal("a", "h2", "2025-12-30T23:00:00Z"),
            refusal("a", "h3", "2025-12-30T23:00:00Z"),
        ),
    )
    assert len(plan(old, EMPTY_H1).migrations) == 1
    assert plan(old, replace(EMPTY_H1, retry_refused_after=7 * 86_400)).migrations == ()


def test_a_local_datastore_that_takes_no_new_disks() -> None:
    local = cluster(
        {
            "hosts": {
                name: {"datastores": {"ssd": {"shared": False, "capacity": 100 * GIB, "free": 50 * GIB}}}
                for name in ("h1", "h2", "h3")
            },
            "guests": {"a": {"host": "h1", "disks": [{"datastore": "ssd", "size": GIB}]}},
        }
    )

    def shut(snapshot: Snapshot, name: str) -> Snapshot:
        host = next(host for host in snapshot.hosts if host.id == name)
        place_ = replace(host.datastores["ssd"], closed_because="in maintenance mode")
        return with_host(snapshot, name, datastores={"ssd": place_})

    assert places(plan(shut(local, "h2"), EMPTY_H1)) == {"a": "h3"}
    both = shut(shut(local, "h2"), "h3")
    assert plan(both, EMPTY_H1).migrations == ()
    assert "takes no new disks" in refuses(both, local)
    request = PlacementRequest.from_json(
        {"vms": [{"name": "new", "cpu": 1, "memory": GIB, "disks": [{"size": GIB}]}], "explain": True}
    )
    answer = place([shut(local, "h1")], request).placements[0]
    assert answer.host.id != "h1"
    refusals = answer.search.refusals if answer.search else ()
    assert [item.detail for item in refusals if item.host == "h1"] == [
        "its datastore ssd takes no new disks: in maintenance mode"
    ]


def test_why_no_host_receives_is_told_host_by_host() -> None:
    closed = with_host(TWO, "h2", schedulable=False, closed_because="no VMkernel port with vMotion")
    result = plan(closed, EMPTY_H1)
    assert "h2: the platform lets no guest be started or received there: no VMkernel port with vMotion" in (
        unresolved(result)
    )
    request = PlacementRequest.from_json({"vms": [{"name": "n", "cpu": 1, "memory": GIB}], "explain": True})
    search = place([closed], request).placements[0].search
    assert search is not None
    assert "no VMkernel port with vMotion" in search.refusals[0].detail


MIGRATING = with_guest(
    cluster(
        {
            "hosts": {"h1": {"memory": 100}, "h2": {"memory": 100}, "h3": {"memory": 100}},
            "guests": {
                "m": {"host": "h1", "memory": 60},
                "a": {"host": "h3", "memory": 40},
                "b": {"host": "h3", "memory": 40},
            },
        }
    ),
    "m",
    migrating_to="h2",
)


def test_a_guest_that_is_being_migrated_counts_at_both_ends_and_is_not_planned_again() -> None:
    result = plan(MIGRATING, Policy(goal="evacuate", evacuate=Selector(names=("h3",))))
    # Neither h1, which it leaves, nor h2, where it goes to, has memory for 40 GiB more beside its 60.
    assert result.migrations == ()
    assert any("being migrated" in notice and "m" in notice for notice in result.notices)
    empty = plan(MIGRATING, EMPTY_H1)
    assert empty.migrations == ()
    assert empty.status == "balanced"


def test_levelling_takes_a_migration_under_way_as_done() -> None:
    snapshot = with_guest(
        cluster(
            {
                "hosts": {"h1": {}, "h2": {}},
                "guests": {"a": {"host": "h1", "memory": 40}, "b": {"host": "h1", "memory": 40}},
            }
        ),
        "a",
        migrating_to="h2",
    )
    result = plan(snapshot, LEVEL)
    assert result.migrations == ()
    assert result.status == "balanced"


def test_rules_take_a_migration_under_way_as_done_and_keep_away_from_what_it_leaves() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {}, "h3": {}},
            "guests": {"m": {"host": "h1"}, "a": {"host": "h2"}, "b": {"host": "h3"}},
            "rules": {"far": {"kind": "anti_affinity", "guests": ["m", "a"]}},
        }
    )
    snapshot = with_guest(snapshot, "m", migrating_to="h2")
    result = plan(snapshot, Policy(goal="rules"))
    # It meets a on h2: a leaves, and not for h1, where m still is.
    assert places(result) == {"a": "h3"}
    apart = with_guest(snapshot, "a", host="h3")
    wrong = replace(result, migrations=(replace(result.migrations[0], source="h3", target="h1"),))
    assert "can meet on h1" in verify_plan(apart, Policy(goal="rules"), apart.rules, wrong, Exclusions())[0]
    again = replace(
        result,
        migrations=(
            replace(result.migrations[0], guest=replace(result.migrations[0].guest, id="m"), source="h1"),
        ),
    )
    assert "being migrated already" in verify_plan(snapshot, Policy(goal="rules"), (), again, Exclusions())[0]


def test_new_guests_find_a_migration_under_way_at_both_ends() -> None:
    request = PlacementRequest.from_json(
        {"vms": [{"name": "new", "cpu": 1, "memory": 40 * GIB, "anti_affinity": ["m"]}], "explain": True}
    )
    answer = place([MIGRATING], request)
    assert answer.status == "impossible"
    words = {item.host: item.reason for item in answer.unplaced[0].search.refusals}
    assert words == {"h1": "anti-affinity", "h2": "anti-affinity", "h3": "memory"}


def test_no_host_is_reported_below_nothing_where_guests_use_more_than_it_measured() -> None:
    snapshot = with_host(TWO, "h1", used={"cpu": 0.1, "memory": GIB})
    result = plan(snapshot, EMPTY_H1)
    assert places(result) == {"a": "h2", "b": "h2"}
    loads = [value for state in result.after.hosts.values() for value in state.used.values()]
    assert min(value for value in loads if value is not None) == 0


def test_what_was_promised_before_the_cluster_had_an_instance_counts() -> None:
    reservation = {"guest": "new", "host": "h2", "cpu": 1, "memory": GIB}
    request = PlacementRequest.from_json(
        {
            "vms": [{"name": "new", "cpu": 1, "memory": GIB}],
            "held": [{"cluster": f"{TWO.platform}:{TWO.cluster.id}", "reservation": reservation}],
        }
    )
    later = replace(TWO, cluster=replace(TWO.cluster, instance="0f-1a"))
    answer = place([later], request).placements[0]
    assert (answer.host.id, answer.state) == ("h2", "held")
