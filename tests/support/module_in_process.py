# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The `main` of a module in this process, through Ansible's own check of the argument spec."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

MODULES = "ansible_collections.evenkeel.cluster.plugins.modules"


class Ended(Exception):
    """The module is over; its text is the message of the failure, or nothing."""

    def __init__(self, message: str, result: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.result = result


class ModuleOfTest:
    """Stands in for AnsibleModule: validates options as it does, and raises Ended instead of exiting."""

    given: ClassVar[Mapping[str, Any]] = {}
    check_mode: ClassVar[bool] = False

    def __init__(self, argument_spec: dict[str, Any], supports_check_mode: bool, **rules: Any) -> None:
        assert supports_check_mode
        self.argument_spec = argument_spec
        result = ArgumentSpecValidator(argument_spec, **rules).validate(self.given)
        if result.error_messages:
            raise Ended("; ".join(result.error_messages), {})
        self.params: dict[str, Any] = result.validated_parameters
        self.no_log_values: set[str] = set(result._no_log_values)

    def warn(self, _notice: str) -> None:
        pass

    def fail_json(self, msg: str, **result: Any) -> NoReturn:
        raise Ended(msg, result)

    def exit_json(self, **result: Any) -> NoReturn:
        raise Ended("", result)


def failure(
    name: str, options: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]
) -> str:
    """How the module fails with the options; of the variables that it may read, only these are set."""
    return str(ended(name, options, monkeypatch, environment))


def result(
    name: str, options: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, *, check_mode: bool
) -> Mapping[str, Any]:
    """The result of the module, which must not fail."""
    monkeypatch.setattr(ModuleOfTest, "check_mode", check_mode)
    over = ended(name, options, monkeypatch, {})
    assert not str(over), str(over)
    return over.result


def ended(
    name: str, options: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]
) -> Ended:
    """How the module ends with the options; of the variables that it may read, only these are set."""
    for variable in [*os.environ]:
        if re.match("VMWARE|PROXMOX|VMMANAGER|PROMETHEUS|EVENKEEL_STATE|XDG_STATE", variable):
            monkeypatch.delenv(variable)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    module = importlib.import_module(f"{MODULES}.{name}")
    monkeypatch.setattr(module, "AnsibleModule", ModuleOfTest)
    monkeypatch.setattr(ModuleOfTest, "given", options)
    # Only modules whose defaults depend on other options ask for it.
    monkeypatch.setattr(module, "given_arguments", lambda: options, raising=False)
    with pytest.raises(Ended) as over:
        module.main()
    return over.value
