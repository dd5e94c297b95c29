# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options of the log."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  log:
    description:
      - File to which a line is appended for each decision and each migration, or V(syslog), whose lines journald shows with their level.
      - It is opened before anything else is done, and a file that can't be written is refused. If it fails later, the run goes on, and a warning
        counts the missing lines.
      - In check mode nothing is logged. No line contains a secret.
    type: str
    version_added: 1.1.0
  log_format:
    description: Format of the lines. With V(logfmt) they are C(name=value).
    type: str
    choices: [json, logfmt]
    default: json
    version_added: 1.1.0
  log_level:
    description:
      - Least level of the lines.
      - V(error) has migrations and runs that failed, V(warning) also what was skipped, refused or not resolved, V(info) also each planned,
        started and completed migration, and V(debug) also the progress, guests that can't be migrated, and the load of each host.
    type: str
    choices: [debug, info, warning, error]
    default: info
    version_added: 1.1.0
"""
