# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles as a user runs them, on a rehearsal: what is refused, what may stay, and what is shown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
GIB = 1024**3
TAKEN_AT = "2026-11-20T22:00:00Z"
LATER = "2026-11-20T23:00:00Z"


def host(name: str, used: int) -> dict[str, Any]:
    return {
        "id": f"id-{name}",
        "name": name,
        "status": "online",
        "maintenance": False,
        "schedulable": True,
        "capacity": {"cpu": 32, "memory": 100 * GIB},
        "used": {"cpu": 1, "memory": used * GIB},
        "datastores": {"san": {"shared": True}},
        "networks": ["lan"],
    }


def guest(name: str, where: str, memory: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"id-{name}",
        "name": name,
        "kind": "vm",
        "host": f"id-{where}",
        "power": "running",
        "assigned": {"cpu": 1, "memory": memory * GIB},
        "used": {"cpu": 0, "memory": memory * GIB},
        "disks": [{"datastore": "san", "size": GIB}],
        "networks": ["lan"],
        "migratable": True,
        **more,
    }


def refusal(name: str, where: str) -> dict[str, str]:
    """What the platform refuses once it is asked; no reading tells it before."""
    return {"guest": f"id-{name}", "host": f"id-{where}", "why": "no such device there", "at": LATER}


def cluster(
    folder: Path, hosts: list[dict[str, Any]], guests: list[dict[str, Any]], *refusals: dict[str, str]
) -> Path:
    path = folder / "cluster.json"
    path.write_text(
        json.dumps(
            {
                "schema": "evenkeel.cluster/snapshot/1",
                "platform": "rehearsal",
                "cluster": {"id": "c", "name": "prod"},
                "taken_at": TAKEN_AT,
                "window_seconds": 0,
                "hosts": hosts,
                "guests": guests,
                "rules": [],
                "refusals": list(refusals),
            }
        )
    )
    return path


def play(
    role: str, path: Path, *options: str, of_play: Mapping[str, Any] | None = None, **variables: Any
) -> tuple[int, str]:
    """The exit code and the words of a playbook with one role; `of_play` are variables that do not come from
    the command line.
    """
    folder = path.parent
    common = {"balance_platform": "rehearsal", "balance_rehearsal_path": str(path)}
    tasks = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": dict(of_play or {}),
            "roles": [f"evenkeel.cluster.{role}"],
        }
    ]
    (folder / "play.yml").write_text(json.dumps(tasks))
    (folder / "variables.json").write_text(json.dumps({**common, **variables}))
    programs = Path(sys.executable).parent
    done = subprocess.run(
        [
            programs / "ansible-playbook", folder / "play.yml", "-i", "localhost,", "-c", "local",
            "-e", f"@{folder / 'variables.json'}", "-e", f"ansible_python_interpreter={sys.executable}",
            *options,
        ],
        check=False,
        capture_output=True,
        text=True,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "ANSIBLE_NOCOLOR": "1",
        },
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def places(path: Path) -> Mapping[str, str]:
    return {entry["name"]: entry["host"] for entry in json.loads(path.read_text())["guests"]}


def hot(folder: Path, *refusals: dict[str, str]) -> Path:
    """Of a and b one has to leave h1."""
    return cluster(
        folder,
        [host("h1", 60), host("h2", 10), host("h3", 12)],
        [guest("a", "h1", 30), guest("b", "h1", 30)],
        *refusals,
    )


@pytest.mark.parametrize("check", [True, False])
def test_what_the_platform_refuses_is_planned_around_in_the_same_run(tmp_path: Path, check: bool) -> None:
    path = hot(tmp_path, refusal("a", "h2"), refusal("b", "h2"))
    options = ("--check", "--diff") if check else ("--diff",)
    code, words = play("balance", path, *options, balance_max_spread=30)
    assert code == 0, words
    assert "no such device there" in words
    assert "planned around it" in words
    moved = {name: where for name, where in places(path).items() if where != "id-h1"}
    assert list(moved.values()) == ([] if check else ["id-h3"])


def test_where_nothing_can_be_done_check_mode_shows_loads_and_reasons(tmp_path: Path) -> None:
    path = cluster(
        tmp_path,
        [host("h1", 60), host("h2", 10)],
        [guest("a", "h1", 30), guest("b", "h1", 30)],
        refusal("a", "h2"),
        refusal("b", "h2"),
    )
    code, words = play("balance", path, "--check", "--diff", balance_max_spread=30)
    assert code == 0, words
    for text in ("h1", "60.0", "spread", "the platform refuses a on h2: no such device there", "changed=0"):
        assert text in words, words
    code, words = play("balance", path, balance_max_spread=30, balance_fail_when_unbalanced=True)
    assert code == 2, words
    assert "The cluster is not balanced after the run, because of spread of memory" in words


def test_agents_and_guests_that_may_stay_or_are_shut_down_do_not_keep_a_host_in_service(
    tmp_path: Path,
) -> None:
    path = cluster(
        tmp_path,
        [host("h1", 40), host("h2", 10)],
        [
            guest("agent", "h1", 1, platform_managed=True, migratable=False, blockers=["agent"]),
            guest("stays", "h1", 10, migratable=False, blockers=["passthrough_device"]),
            guest("test1", "h1", 10),
            guest("web1", "h1", 10, run_state="paused"),
        ],
    )
    wanted = {
        "evacuate_hosts": ["h1"],
        "evacuate_may_stay": {"names": ["stays"]},
        "evacuate_shut_down": {"names": ["test*"]},
    }
    code, words = play("evacuate", path, **wanted)
    assert code == 0, words
    assert places(path)["web1"] == "id-h2"
    assert places(path)["stays"] == "id-h1"
    after = json.loads(path.read_text())
    assert {entry["name"]: entry["power"] for entry in after["guests"]} == {
        "agent": "stopped",
        "stays": "running",
        "test1": "stopped",
        "web1": "running",
    }
    assert after["hosts"][0]["maintenance"] is True


def test_what_check_mode_lets_pass_the_run_does_and_the_other_way_round(tmp_path: Path) -> None:
    path = cluster(
        tmp_path,
        [host("h1", 20), host("h2", 10)],
        [guest("lost", "h1", 5, power="unknown", run_state="orphaned"), guest("web1", "h1", 10)],
    )
    results = [play("evacuate", path, *options, evacuate_hosts=["h1"]) for options in (("--check",), ())]
    assert [code for code, _words in results] == [2, 2]
    assert all("lost (it is in an unknown state (orphaned))" in words for _code, words in results)
    assert set(places(path).values()) == {"id-h1"}


@pytest.mark.parametrize("asked", [False, True])
def test_an_evacuation_copies_no_disks_unless_it_is_asked_to(tmp_path: Path, asked: bool) -> None:
    path = tmp_path / "cluster.json"
    shutil.copy(ROOT / "playbooks" / "files" / "example-datastores.json", path)
    wanted = {"utilisation": 85}
    # Both say something about datastores, and neither is meant.
    of_play = {"balance_storage": {"utilisation": 80}, "balance_preset": "sdrs"}
    code, words = play(
        "evacuate", path, "--tags", "plan",
        of_play=of_play, evacuate_hosts=["host1"], **({"evacuate_storage": wanted} if asked else {}),
    )  # fmt: skip
    assert code == 0, words
    assert "empties host1" in words
    assert ("datastores: balanced by" in words, "disks, wave 1" in words) == (asked, asked), words


def test_a_datastore_is_emptied_wholly_or_not_unless_the_rest_may_stay(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    snapshot = json.loads((ROOT / "playbooks" / "files" / "example-datastores.json").read_text())
    stays = next(disk for one in snapshot["guests"] for disk in one["disks"] if disk["datastore"] == "nfs3")
    stays["blockers"] = ["linked_clone"]
    path.write_text(json.dumps(snapshot))

    def disks_on(name: str) -> int:
        guests = json.loads(path.read_text())["guests"]
        return sum(disk["datastore"] == name for one in guests for disk in one["disks"])

    before = disks_on("nfs1"), disks_on("nfs3")
    # The policy of the inventory still counts: nfs1 is at 97 %.
    of_play = {"balance_storage": {"utilisation": 98}, "balance_goal": "storage", "balance_effort": 1}
    code, words = play("balance", path, of_play=of_play, balance_evacuate_datastores="nfs33")
    assert code == 2, words
    assert "balance_evacuate_datastores: no datastore has the name or id 'nfs33'" in words
    code, words = play("balance", path, of_play=of_play, balance_evacuate_datastores="nfs3")
    assert code == 2, words
    assert "Nothing was started, because not all disks can leave nfs3: nfs3: 1 disk cannot leave it" in words
    assert "Set balance_evacuate_partial to move the others." in words
    assert (disks_on("nfs1"), disks_on("nfs3")) == before
    code, words = play(
        "balance", path,
        of_play=of_play, balance_evacuate_datastores=["nfs3"], balance_evacuate_partial=True,
    )  # fmt: skip
    assert code == 0, words
    assert "datastore nfs3 is not empty: 1 disk cannot leave it" in words
    assert (disks_on("nfs1"), disks_on("nfs3")) == (before[0], 1)


def test_a_run_after_which_a_datastore_is_not_empty_fails(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    snapshot = json.loads((ROOT / "playbooks" / "files" / "example-datastores.json").read_text())
    path.write_text(json.dumps(snapshot))
    plan = tmp_path / "plan.json"
    given = {
        "balance_preset": "sdrs",
        "balance_effort": 1,
        "balance_evacuate_datastores": ["nfs3"],
        "balance_plan_path": str(plan),
    }
    code, words = play("balance", path, "--tags", "plan", **given)
    assert code == 0, words
    # Somebody else fills what the plan counts on.
    first = next(move for move in json.loads(plan.read_text())["storage"]["moves"] if move["from"] == "nfs3")
    for place in snapshot["datastores"]:
        place["free"] = 0 if place["id"] == first["to"] else place["free"]
    path.write_text(json.dumps(snapshot))
    code, words = play("balance", path, "--tags", "migrate", **given)
    assert code == 2, words
    assert " moves off the datastores nfs3 were not done: " in words
    assert f"datastore {first['to']} has too little free space" in words


def full_datastore(folder: Path) -> Path:
    """Datastore a is too full, and the disk of one is refused on b once the platform is asked."""
    shared = {"shared": True, "capacity": 1000 * GIB}
    path = cluster(folder, [host("h1", 10)], [guest("one", "h1", 1), guest("two", "h1", 1)])
    value = json.loads(path.read_text())
    value["schema"] = "evenkeel.cluster/snapshot/2"
    value["hosts"][0]["datastores"] = dict.fromkeys("abc", shared)
    value["datastores"] = [
        {"id": name, "name": name, "hosts": ["id-h1"], **shared, "free": (1000 - used) * GIB}
        for name, used in (("a", 850), ("b", 100), ("c", 200))
    ]
    for one, size in zip(value["guests"], (100, 750), strict=True):
        one["disks"] = [{"id": "scsi0", "datastore": "a", "size": size * GIB, "used": size * GIB}]
    value["disk_refusals"] = [
        {"guest": "id-one", "disks": ["scsi0"], "datastore": "b", "why": "the file is too large", "at": LATER}
    ]
    path.write_text(json.dumps(value))
    return path


def test_a_disk_that_is_refused_goes_to_another_datastore_in_the_same_run(tmp_path: Path) -> None:
    path = full_datastore(tmp_path)
    code, words = play("balance", path, balance_goal="storage", balance_storage={"utilisation": 80})
    assert code == 0, words
    assert "the platform refuses to move scsi0 of one to b: the file is too large; planned around it" in words
    disks = [one["disks"][0]["datastore"] for one in json.loads(path.read_text())["guests"]]
    assert disks == ["c", "a"]
