# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that imports pyvmomi: of it we use what knows the API's types and writes requests.

Its deserializer is left aside: it takes most of the time of a large read and stops at the first value that it
does not know.
"""

from __future__ import annotations

from typing import Any

from ...errors import MissingLibrary

vim: Any = None
vmodl: Any = None
pbm: Any = None
_adapter: Any = None
_support: Any = None
try:
    import pyVmomi
    import pyVmomi.SoapAdapter
    import pyVmomi.VmomiSupport
except ImportError:
    pass
else:
    _library: Any = pyVmomi
    vim, vmodl, pbm = _library.vim, _library.vmodl, _library.pbm
    _adapter, _support = pyVmomi.SoapAdapter, pyVmomi.VmomiSupport


def require() -> None:
    """Raises MissingLibrary when pyvmomi is not installed."""
    if _adapter is None:
        raise MissingLibrary("pyvmomi", "vsphere", "pyvmomi")


def is_of_policies(this: Any) -> bool:
    """Whether an object is one of the service of storage policies."""
    return bool(type(this).__name__.startswith("pbm."))


def known_versions() -> list[tuple[str, str]]:
    """The API versions that pyvmomi knows, newest first: its name for each and the server's."""
    return [(name, _support.versionIdMap[name]) for name in _support.GetServiceVersions("vim25")]


def serializer(version: str) -> Any:
    """The serializer of requests for an API version, such as those that `known_versions` names. It never
    connects anywhere.
    """
    return _adapter.SoapStubAdapter(host="localhost", version=version)
