# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that come from environment variables."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.environment import (
    with_environment,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.platform import (
    MovingOptions,
    PlatformOptions,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.platforms import open_platform
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.platform import (
    VMManagerPlatform,
)

LIVE = MovingOptions()


def options(**given: Any) -> PlatformOptions:
    return PlatformOptions(**given)


def test_an_option_wins_over_its_variable() -> None:
    result = with_environment(
        options(platform="vsphere", hostname="mine"), {"VMWARE_HOST": "theirs", "VMWARE_PORT": "8443"}
    )
    assert (result.hostname, result.port) == ("mine", 8443)


def test_only_the_variables_of_the_platform_count() -> None:
    result = with_environment(
        options(platform="proxmox"), {"VMWARE_VALIDATE_CERTS": "no", "PROXMOX_HOST": "a, b"}
    )
    assert (result.validate_certs, result.api_host) == (None, ["a", "b"])


@pytest.mark.parametrize(
    ("variable", "text"),
    [("VMWARE_PORT", "https"), ("VMWARE_VALIDATE_CERTS", "perhaps"), ("VMWARE_PROXY_PORT", "-1")],
)
def test_a_variable_that_makes_no_sense(variable: str, text: str) -> None:
    with pytest.raises(InputError, match=f"environment variable {variable}: '{text}' is not"):
        with_environment(options(platform="vsphere"), {variable: text})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"platform": "vsphere"}, r"hostname is required when .* Set it, or .*VMWARE_HOST"),
        ({"platform": "vsphere", "hostname": "h", "username": "u"}, r"^password is req.*VMWARE_PASSWORD"),
        ({"platform": "proxmox", "api_host": ["h"], "api_user": "u"}, r"^api_password .*PROXMOX_PASSWORD"),
        (
            {"platform": "proxmox", "api_host": ["h"], "api_user": "u", "api_token_id": "t"},
            r"^api_token_secret is req.*PROXMOX_TOKEN_SECRET",
        ),
        ({"platform": "rehearsal"}, r"^rehearsal_path is required when "),
        ({"platform": "vmmanager"}, r"^vmmanager_host is req.*VMMANAGER_HOST"),
        ({"platform": "vmmanager", "vmmanager_host": "h"}, r"^vmmanager_username is req.*VMMANAGER_USERNAME"),
        (
            {"platform": "vmmanager", "vmmanager_host": "h", "vmmanager_username": "u"},
            r"^vmmanager_password is req.*VMMANAGER_PASSWORD",
        ),
        (
            {
                "platform": "vmmanager", "vmmanager_host": "h", "vmmanager_token": "t",
                "vmmanager_password": "p",
            },
            r"^vmmanager_password and vmmanager_token are mutually exclusive",
        ),
        (
            {"platform": "vmmanager", "vmmanager_host": "h", "vmmanager_token": "t", "vmmanager_port": 70000},
            r"^vmmanager_port: 70000 is not a port number",
        ),
        (
            {"platform": "vmmanager", "vmmanager_host": "http://h", "vmmanager_token": "t"},
            r"^vmmanager_host: 'http://h' is not a name or address such as cluster\.example\.com.*without http://",
        ),
        (
            {"platform": "vmmanager", "vmmanager_host": "https://h/vm/", "vmmanager_token": "t"},
            r"^vmmanager_host: 'https://h/vm/' is not a name or address .*without a path",
        ),
        (
            {"platform": "vmmanager", "vmmanager_host": "me:secret@h", "vmmanager_token": "t"},
            r"^vmmanager_host: 'an address with a user in it' is not a name",
        ),
        (
            {"platform": "vmmanager", "vmmanager_host": "h:web", "vmmanager_token": "t"},
            r"^vmmanager_host: 'h:web' is not a name .*port goes into vmmanager_port",
        ),
        (
            {"platform": "vmmanager", "vmmanager_host": "h:99999", "vmmanager_token": "t"},
            r"^vmmanager_host: 99999 is not a port number",
        ),
        (
            {
                "platform": "vmmanager", "vmmanager_host": "h:8443", "vmmanager_token": "t",
                "vmmanager_port": 443,
            },
            r"^vmmanager_host: 'h:8443' has another port than vmmanager_port \(443\)",
        ),
        (
            {
                "platform": "vmmanager", "vmmanager_host": "h", "vmmanager_token": "t",
                "target_storage": "local:fast,other",
            },
            r"^target_storage: 'local:fast,other' is not the name of a storage, or pairs",
        ),
        (
            {
                "platform": "vsphere", "hostname": "h", "username": "u", "password": "p",
                "validate_certs": False, "ca_path": "/ca.pem",
            },
            r"^ca_path and validate_certs: false are mutually exclusive",
        ),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_together(given: dict[str, Any], message: str) -> None:
    moving = MovingOptions(target_storage=given.pop("target_storage", None))
    with pytest.raises(InputError, match=message):
        open_platform(options(**given), moving)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("vm.example.com", "https://vm.example.com:443"),
        ("https://vm.example.com:1500/", "https://vm.example.com:1500"),
        ("vm.example.com:1500", "https://vm.example.com:1500"),
        ("2001:db8::1", "https://[2001:db8::1]:443"),
        ("https://[2001:db8::1]:1500", "https://[2001:db8::1]:1500"),
    ],
)
def test_the_address_of_a_vmmanager_may_carry_its_port(text: str, url: str) -> None:
    platform = open_platform(options(platform="vmmanager", vmmanager_host=text, vmmanager_token="t"))
    assert isinstance(platform, VMManagerPlatform)
    assert platform._session.url == url


def test_a_vmmanager_is_known_by_its_address_and_its_token_alone() -> None:
    environment = {
        "VMMANAGER_HOST": "https://vm.example.com/",
        "VMMANAGER_PORT": "1500",
        "VMMANAGER_TOKEN": "t0k3n",
        "VMMANAGER_VALIDATE_CERTS": "off",
    }
    entry = {"of": "vm", "metric": "cpu", "target": "x", "unit": "percent", "interval": "1hour"}
    given = options(platform="vmmanager", vmmanager_metrics=[entry])
    connection = connected(with_environment(given, environment))
    assert (connection.host, connection.port, connection.token) == ("vm.example.com", 1500, "t0k3n")
    assert (connection.validate_certs, len(connection.metrics)) == (False, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, None), ("1", None), ("fast", "fast"), ("local:fast,old:new", {"local": "fast", "old": "new"})],
)
def test_where_local_disks_go(text: str | None, expected: object) -> None:
    given = options(platform="vmmanager", vmmanager_host="h", vmmanager_token="t")
    assert connected(given, MovingOptions(target_storage=text)).target_storage == expected


def connected(given: PlatformOptions, moving: MovingOptions = LIVE) -> Any:
    """The connection that options make: with a token nothing is asked of the platform yet."""
    platform: Any = open_platform(given, moving)
    return platform._connection
