# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock of a state database in a SQLite file, which does not jump when the clock of the machine is set.

Leases, places in the queue, locks and signs of life all end at moments of this clock. If it jumped with the
clock of the machine, they would end while their owners are alive, and others would get what they have. So it
goes by the steady clock of the machine, and follows the clock of the machine at half speed at most: after an
hour forward it is right again two hours later, and no time is ever more than half as long again or as short.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .library import sa
from .tables import CLOCK

if TYPE_CHECKING:
    from sqlalchemy import Connection

_RATE = 0.5
# A clock that was so far off was never set: at the next reading it is right.
_MAX_SECONDS = 86_400.0
# How old what is noted may be: by half of that a time may be too long or too short besides.
_NOTE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The clocks of this machine, in seconds: `wall` since 1970, as it is set, and `steady`, which goes on
    while the machine sleeps and means something during one `boot`. That is empty where there is none.
    """

    wall: Callable[[], float]
    steady: Callable[[], float]
    boot: str

    def read(self, connection: Connection, *, note: bool) -> float:
        """The moment, by what was noted last. In a transaction that may write it is noted."""
        wall, steady = self.wall(), self.steady()
        if not self.boot:
            return wall
        noted = connection.execute(sa.select(CLOCK)).first()
        moment = wall
        if noted is not None and noted.boot == self.boot and noted.steady <= steady:
            passed = steady - noted.steady
            moment = _followed(noted.moment + passed, wall, passed * _RATE)
            if passed < _NOTE_SECONDS:
                return moment
        if note:
            write = sa.insert(CLOCK) if noted is None else sa.update(CLOCK)
            connection.execute(write.values(boot=self.boot, steady=steady, moment=moment))
        return moment


def _followed(moment: float, wall: float, most: float) -> float:
    """So much nearer to the clock of the machine as it may be."""
    off = wall - moment
    return wall if abs(off) > _MAX_SECONDS else moment + max(-most, min(most, off))


@cache
def machine_watch() -> Watch:
    """That of this machine."""
    steady = getattr(time, "CLOCK_BOOTTIME", None)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        boot = f"{boot} {os.readlink('/proc/self/ns/time')}"
    except OSError:
        boot = ""
    if steady is None:
        return Watch(wall=time.time, steady=time.monotonic, boot="")
    return Watch(wall=time.time, steady=lambda: time.clock_gettime(steady), boot=boot)
