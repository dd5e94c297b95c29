# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Balance a cluster: show the plan, and apply it with --apply.

The account comes from environment variables, as for the modules: VMWARE_HOST, PROXMOX_HOST, VMMANAGER_HOST …
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys

from ansible_collections.evenkeel.cluster.plugins.module_utils import evenkeel


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("platform", choices=["vsphere", "proxmox", "vmmanager", "rehearsal"])
    parser.add_argument("--cluster", help="name of the cluster, where the platform has several")
    parser.add_argument("--ca", help="certificates that the platform's is checked with")
    parser.add_argument("--snapshot", help="the file of platform rehearsal")
    parser.add_argument("--exclude", default="", help="expression for guests that stay where they are")
    parser.add_argument("--storage", action="store_true", help="balance datastores, too, up to 80 percent")
    parser.add_argument("--apply", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(format="%(levelname)s: %(message)s")

    connection = evenkeel.Connection(
        platform=options.platform,
        cluster=options.cluster,
        ca_path=options.ca,
        rehearsal_path=options.snapshot,
    )
    policy: dict[str, object] = {"max_spread": 10, "limits": {"memory": 90}}
    if options.exclude:
        policy["exclude"] = {"guests": {"where": options.exclude}}

    if options.storage:
        policy["storage"] = {"utilisation": 80, "reserve": "20G"}

    snapshot = evenkeel.read(connection, storage=options.storage)
    plan = evenkeel.plan(snapshot, policy)
    for step in plan.migrations:
        print(f"{step.step}. {step.guest.name}: {step.source} to {step.target}, because it {step.why}")
    moves = plan.storage.moves if plan.storage else ()
    for move in moves:
        what = f"{', '.join(move.disks)} of {move.guest.name}"
        print(f"{move.step}. {what}: {move.source} to {move.target}, because it {move.why}")
    print(f"{plan.status}: {len(plan.migrations)} migrations, {len(moves)} disk moves")

    # Ctrl-C starts nothing new and waits for the migrations under way.
    stop = evenkeel.Stop()
    signal.signal(signal.SIGINT, lambda *_: stop.request("Ctrl-C was pressed"))
    outcome = evenkeel.apply(
        connection,
        plan,
        execution=evenkeel.Execution(max_parallel=4, on_failure="stop"),
        dry_run=not options.apply,
        progress=show,
        stop=stop,
    )
    for one in outcome.migrations:
        print(f"{one.guest.name}: {one.result} {one.why}".rstrip())
    for moved in outcome.disk_moves:
        print(f"{', '.join(moved.disks)} of {moved.guest.name}: {moved.result} {moved.why}".rstrip())
        for copy in moved.left_behind:
            print(f"  left behind: {copy}")
    print(f"{outcome.status} after {outcome.seconds:.0f} s")
    return 0 if outcome.status in ("done", "planned") else 1


def show(progress: evenkeel.Progress) -> None:
    # Disks have their turn after the migrations.
    now = progress.disks or progress
    ended = sum(now.ended.values())
    under_way = ", ".join(moving.guest for moving in now.moving)
    print(f"{ended} ended, {now.left} left, under way: {under_way or 'none'}", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except evenkeel.EvenKeelError as error:
        sys.exit(f"error: {error}")
