# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that come from environment variables."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.arguments import PLATFORM_ARGUMENTS
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.connect import open_platform
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.environment import with_environment
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError


def options(**given: object) -> dict[str, object]:
    return {name: spec.get("default") for name, spec in PLATFORM_ARGUMENTS.items()} | given


def test_an_option_wins_over_its_variable() -> None:
    result = with_environment(
        options(platform="vsphere", hostname="mine"), {"VMWARE_HOST": "theirs", "VMWARE_PORT": "8443"}
    )
    assert (result["hostname"], result["port"]) == ("mine", 8443)


def test_only_the_variables_of_the_platform_count() -> None:
    result = with_environment(
        options(platform="proxmox"), {"VMWARE_VALIDATE_CERTS": "no", "PROXMOX_HOST": "a, b"}
    )
    assert (result["validate_certs"], result["api_host"]) == (None, ["a", "b"])


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
        ({"platform": "vsphere"}, r"hostname: None is not a value.*VMWARE_HOST"),
        ({"platform": "vsphere", "hostname": "h", "username": "u"}, r"^password: .*VMWARE_PASSWORD"),
        ({"platform": "proxmox", "api_host": ["h"], "api_user": "u"}, r"^api_password: .*PROXMOX_PASSWORD"),
        (
            {"platform": "proxmox", "api_host": ["h"], "api_user": "u", "api_token_id": "t"},
            r"^api_token_secret: .*PROXMOX_TOKEN_SECRET",
        ),
        ({"platform": "rehearsal"}, r"^rehearsal_path: "),
        (
            {
                "platform": "vsphere", "hostname": "h", "username": "u", "password": "p",
                "validate_certs": False, "ca_path": "/ca.pem",
            },
            r"^ca_path: '/ca\.pem' is not wanted, since validate_certs is false",
        ),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_together(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_platform(options(**given))
