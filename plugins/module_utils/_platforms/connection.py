# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to use a cluster that is reached by HTTP and JSON, and whom to trust there."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from .._model.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class RestConnection:
    """Options that the platforms with a REST API share.

    `window_seconds`: loads are averages over this time, 0 for the present value. `workers`: maximum of
    concurrent calls. `target_storage`: where local disks go, one storage for all or one for each; None for
    the same name.
    """

    validate_certs: bool = True
    ca_path: str | None = None
    cluster: str | None = None
    window_seconds: int = 0
    workers: int = 8
    restart_containers: bool = False
    with_local_disks: bool = False
    target_storage: str | Mapping[str, str] | None = None

    @property
    def verify(self) -> bool | str:
        """The value of the parameter `verify` of the library requests."""
        return (self.ca_path or True) if self.validate_certs else False

    def storage_for(self, name: str, chosen: Mapping[str, str]) -> str:
        """The storage on the target for disks on the local storage `name`; `chosen` are those of the plan."""
        if name in chosen:
            return chosen[name]
        if isinstance(self.target_storage, str):
            return self.target_storage
        return (self.target_storage or {}).get(name, name)


def trusting(ca_path: str | None) -> ssl.SSLContext:
    """A context that verifies certificates by those of a file; None for those of the system. Raises
    InputError when the file holds no certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca_path)
    except ssl.SSLError:
        why = "it contains no certificate"
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
    raise InputError("ca_path", ca_path, f"a readable file of PEM certificates: {why}")
