# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import the built collection as Ansible Galaxy does, by Galaxy's own importer."""

from __future__ import annotations

import re
import sys
import tempfile

from .package import built
from .run import Shell, StepFailed, counted

SETTINGS = {
    "GALAXY_IMPORTER_CHECK_REQUIRED_TAGS": "true",
    "GALAXY_IMPORTER_REQUIRE_V1_OR_GREATER": "true",
    # Step lint lints the same files, by more rules.
    "GALAXY_IMPORTER_RUN_ANSIBLE_LINT": "false",
}
COMPLAINT = re.compile(r"^(?:ERROR|WARNING|CRITICAL): .*", re.MULTILINE)


def import_collection(shell: Shell) -> str:
    """Pass when the importer takes the tarball and complains of nothing."""
    tarball = built(shell)
    with tempfile.TemporaryDirectory(prefix="evenkeel-import-") as temporary:
        printed = shell.run(
            sys.executable, "-m", "galaxy_importer.main", tarball, cwd=temporary, env=SETTINGS
        )
    complaints = COMPLAINT.findall(printed)
    if complaints:
        raise StepFailed("galaxy-importer: " + "; ".join(complaints[:5]))
    return counted(re.findall(r"^(?:INFO: )?Loading ", printed, re.MULTILINE), "part") + " loaded"
