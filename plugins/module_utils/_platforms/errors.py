# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of platforms."""

from __future__ import annotations

import sys

from .._model.errors import EvenKeelError


class PlatformError(EvenKeelError):
    """The platform could not be read, or a call that changes something failed."""


class MissingLibrary(PlatformError):
    """A Python library that the platform needs is not installed; `packages` are all that it needs."""

    def __init__(self, library: str, platform: str, packages: str) -> None:
        super().__init__(
            f"the Python library {library} is not installed",
            where=f"platform {platform}",
            # The Python that runs the module is seldom the one that a user's pip belongs to.
            hint=f"Run {sys.executable} -m pip install {packages}",
        )


class Unreachable(PlatformError):
    """No endpoint of the platform answers."""


class NoResponse(Unreachable):
    """A call that changes something got no answer: it may or may not have been run."""


class CertificateRefused(PlatformError):
    """The platform's certificate does not verify."""


class AuthenticationFailed(PlatformError):
    """The platform does not accept the user, password or token."""


class PermissionMissing(PlatformError):
    """The account lacks a privilege; the message names it and where it is needed."""


class NotFound(PlatformError):
    """A cluster, host or guest of that name or id does not exist, or is not visible to the account."""


class NotQuorate(PlatformError):
    """The cluster has no quorum: nothing may be started."""


class SessionLost(PlatformError):
    """The session ended and could not be renewed."""


class Refused(PlatformError):
    """The platform refused or failed one call for a reason of its own."""


class StartRefused(Refused):
    """The platform objects to a migration that it was asked to start, and has begun nothing. A `passing`
    objection may be over in a moment: it is no lasting fact of this guest and this host.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "", passing: bool = False) -> None:
        self.passing = passing
        super().__init__(what, where=where, hint=hint)

    @property
    def objection(self) -> str:
        """The platform's reason and what to do about it."""
        return f"{self.what}. {self.hint}" if self.hint else self.what


class UnexpectedAnswer(PlatformError):
    """The platform answered in a way that this adapter does not know."""
