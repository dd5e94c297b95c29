# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root of every error that Even Keel raises.

Every error names what failed, for which field or object, and what to do. All are in the `errors.py` of the
room that raises them; `_ansible/runner.py` alone turns them into a failed module. Catch …

    EvenKeelError                 any failure
      InputError                  a value from outside is wrong; it names the field. _model
      UnknownName, AmbiguousName  no host or guest, or more than one, has the name. _model
      UrlError, ProcError         a URL, or a file below /proc, cannot be parsed. _model
      NotEvaluated                an expression does not work for a guest or host. _model
      LibraryMissing              the Python library for expressions is not installed. _model
      FileError                   a file cannot be read or written. _ansible
      NameTaken                   two clusters would have the same name in the inventory. _ansible
      GuestsOnHost                guests still run on a host that is to enter maintenance mode. _ansible
      ScheduleError               a schedule cannot be installed or removed. _ansible
      ExportError                 metrics cannot be sent to a server. _ansible
      PlanningError               there is nothing to plan, or the policy names what does not exist. _planning
      UnsafePlan                  the verifier rejected a plan: a defect of the planner. _planning
      ExecutionError              a plan cannot be run at all. _execution
        JournalError              its journal cannot be read or written
        WrongCluster              it was made for another cluster
        StorageUnsupported        it moves disks, and the platform does not
      LoadMissing                 a load is not available, and no fallback is allowed. _loads
      PrometheusError             Prometheus does not answer, or rejects a query. _loads
      PlatformError               a hypervisor's API cannot be read or called. _platforms
        MissingLibrary            its Python library is not installed
        Unreachable, CertificateRefused, AuthenticationFailed, PermissionMissing, SessionLost
        NotFound, NotQuorate, UnexpectedAnswer
        Refused                   the platform rejected one call
          StartRefused            … which was to start a migration; nothing was started
      StateError                  the state database. _state
        StateLibraryMissing, StateUnavailable, StateBusy, StateTooNew
        LockHeld, LockLost        another run works on the cluster
      CapacityError               pools and leases. _capacity
        UnknownPool, PoolInUse, Impossible, NotFulfilled, LeaseDiffers, LeaseNotHeld, HoldsChanged
      ServiceError                requests to the service. _service
        RequestDiffers, UnknownRequest, ClaimLost, ServiceLibraryMissing, SecretMissing
"""

from __future__ import annotations

_MAX_PATH = 300


class EvenKeelError(Exception):
    """Something could not be done: `what` failed, `where` it happened, a `hint` of what to do about it."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(str(self))

    def inside(self, parent: str) -> EvenKeelError:
        """The same error for whoever sees no `parent`, such as the user of options that make up a policy."""
        self.where = self.where.removeprefix(f"{parent}.")
        return self

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return printable(f"{text}. {self.hint}" if self.hint else text)


class InputError(EvenKeelError):
    """A value from outside is wrong: the path of its field, the value, and what was expected.

    The message is "PATH: VALUE is not EXPECTED", unless a `statement` follows the path instead. The
    constructors `required`, `conflict`, `unsupported` and `exceeds` are for the mistakes that are made most.
    """

    def __init__(
        self, path: str, value: object, expected: str, *, hint: str = "", statement: str = ""
    ) -> None:
        self.path = path if len(path) <= _MAX_PATH else f"{path[: _MAX_PATH - 1]}…"
        self.value = value
        self.expected = expected
        self.statement = statement
        if statement:
            super().__init__(f"{self.path}{statement}", hint=hint)
        else:
            super().__init__(f"{shortened(value)} is not {expected}", where=self.path, hint=hint)

    @classmethod
    def required(cls, path: str, *, when: str = "", expected: str = "", hint: str = "") -> InputError:
        """A field is missing: always, or `when` another one has some value."""
        condition = f" when {when}" if when else ""
        which = f": {expected}" if expected else ""
        return cls(
            path,
            None,
            f"{expected or 'a value'}, which is required{condition}",
            hint=hint,
            statement=f" is required{condition}{which}",
        )

    @classmethod
    def conflict(cls, path: str, other: str, *, hint: str = "") -> InputError:
        """Two fields are set and only one of them may be. No value is shown: it may be a secret."""
        return cls(
            path,
            "a value",
            f"left out, because {other} is set",
            hint=hint,
            statement=f" and {other} are mutually exclusive",
        )

    @classmethod
    def unsupported(cls, path: str, value: str, other: str, *, hint: str = "") -> InputError:
        """A field, or its `value`, does not go together with what `other` asks for, such as goal: relieve."""
        return cls(
            path,
            value or "a value",
            f"supported with {other}",
            hint=hint,
            statement=f"{f': {value}' if value else ''} does not support {other}",
        )

    @classmethod
    def exceeds(
        cls, path: str, value: object, limit: str, most: object, *, unit: str = "", hint: str = ""
    ) -> InputError:
        """A number is larger than that of the field `limit`."""
        return cls(
            path,
            value,
            f"at most {limit} ({most})",
            hint=hint,
            statement=f" ({value}{unit}) must not exceed {limit} ({most}{unit})",
        )

    def under(self, parent: str) -> InputError:
        """The same error seen from one level further out."""
        joint = "" if not parent or not self.path or self.path.startswith("[") else "."
        return self._at(f"{parent}{joint}{self.path}")

    def inside(self, parent: str) -> InputError:
        return self._at(self.path.removeprefix(f"{parent}."))

    def _at(self, path: str) -> InputError:
        return InputError(path, self.value, self.expected, hint=self.hint, statement=self.statement)


class UrlError(EvenKeelError):
    """A URL can't be parsed."""


class NotEvaluated(EvenKeelError):
    """An expression does not work for some value."""


class LibraryMissing(EvenKeelError):
    """A Python library that is only required for what a user has asked for is not installed."""


class UnknownName(EvenKeelError):
    """No host, or no guest, has the id or the name."""


class AmbiguousName(EvenKeelError):
    """Several have the name."""


class ProcError(EvenKeelError):
    """A file that every Linux kernel offers is not there, or holds something else."""


def shortened(value: object, limit: int = 60) -> str:
    """A value as a message shows it: never longer than `limit` characters."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a deeply nested {type(value).__name__}"
    except ValueError:
        # Of a whole number that has more digits than Python writes.
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def printable(text: str) -> str:
    """A text as every terminal, log and header takes it: halves of surrogate pairs and NUL are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
