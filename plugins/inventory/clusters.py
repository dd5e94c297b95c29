# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: clusters
short_description: Clusters of virtual machines, and the hypervisors in them, as an inventory
version_added: 0.1.0
author:
  - The Even Keel Authors (@evenkeel)
description:
  - Makes every cluster an inventory host of the group C(clusters), which the playbooks of this collection run over,
    and every hypervisor an inventory host of the group C(hypervisors), with its address as C(ansible_host).
  - Both are in the groups C(cluster_NAME) and C(platform_NAME).
    Hypervisors are also in C(status_online), C(status_offline), C(status_unknown) or C(status_maintenance), and in C(pool_NAME) where they have a pool.
  - A hypervisor has what the snapshot tells of it in its variable C(evenkeel_host). A cluster has its figures in C(evenkeel_summary)
    and the inventory names of its hypervisors in C(evenkeel_hypervisors). C(evenkeel_cluster) of both says which cluster it is.
  - >-
    The connection options that are given here become variables of the role P(evenkeel.cluster.balance#role), such as
    C(balance_platform) and C(balance_hostname), of clusters and hypervisors alike. Passwords and tokens never do. Give them to the
    playbooks by the same environment variables as to this plugin, or by variables of a vault.
  - The file must end in C(evenkeel.yml) or C(evenkeel.yaml).
extends_documentation_fragment:
  - evenkeel.cluster.cluster.platform
  - constructed
  - inventory_cache
options:
  plugin:
    description: Tells Ansible to use this plugin.
    type: str
    required: true
    choices: [evenkeel.cluster.clusters]
  clusters:
    description:
      - Clusters of the vCenter or of the VMmanager platform, each as O(cluster) would name it.
      - Where neither this nor O(cluster) is given, all that the account sees.
    type: list
    elements: str
    default: []
  cluster_prefix:
    description: What to put before the name of every cluster, where a hypervisor or a cluster of another file has the same name.
    type: str
    default: ""
  host_prefix:
    description: What to put before the name of every hypervisor, where one of another cluster has the same name.
    type: str
    default: ""
  ask_password:
    description:
      - Whether to ask for the password on the terminal when neither the file nor the environment has it.
      - It is asked once for all files of a platform. The tasks of the playbook use it too, as if it were in the environment variable.
    type: bool
    default: false
requirements:
  - pyvmomi, for O(platform=vsphere)
  - proxmoxer and requests, for O(platform=proxmox)
  - requests, for O(platform=vmmanager)
"""

EXAMPLES = r"""
# production.evenkeel.yml: all clusters of a vCenter; the password is in VMWARE_PASSWORD
plugin: evenkeel.cluster.clusters
platform: vsphere
hostname: vcenter.example.com
username: balancer@vsphere.local

---
# pve.evenkeel.yml: a Proxmox VE cluster, read at most every ten minutes
plugin: evenkeel.cluster.clusters
platform: proxmox
api_host: [pve1.example.com, pve2.example.com]
api_user: balancer@pve
api_token_id: evenkeel
ca_path: pve-root-ca.pem
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /var/cache/evenkeel
cache_timeout: 600
# Hypervisors are reached as root, and grouped by version and by what they are labelled with.
compose:
  ansible_user: "'root'"
groups:
  large: evenkeel_host is defined and evenkeel_host.capacity.memory > 500000000000
keyed_groups:
  - key: evenkeel_host.version
    prefix: version

---
# saved.evenkeel.yml: the snapshot of a cluster, which behaves as that cluster
plugin: evenkeel.cluster.clusters
platform: rehearsal
rehearsal_path: production.snapshot.json
"""

import hashlib
import json
import os
import sys
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.inventory import (
    Entry,
    entries,
    read_clusters,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.errors import NameTaken
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    options_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.platform import (
    PLATFORM_ARGUMENTS,
    PlatformOptions,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.variables import (
    SECRETS,
    VARIABLES,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError

OWN_OPTIONS = ("clusters", "cluster_prefix", "host_prefix", "ask_password")
PASSWORDS = {"vsphere": "password", "proxmox": "api_password", "vmmanager": "vmmanager_password"}


def _as_modules_take_them(options: dict[str, Any]) -> dict[str, Any]:
    """With the defaults of options within options, which Ansible leaves out of plugins."""
    given = {name: options[name] for name in PLATFORM_ARGUMENTS if options[name] is not None}
    checked = ArgumentSpecValidator(PLATFORM_ARGUMENTS).validate(given)
    if checked.error_messages:
        raise AnsibleParserError("; ".join(checked.error_messages))
    result: dict[str, Any] = checked.validated_parameters
    return result


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    """Reads clusters, or what the cache has kept of them."""

    NAME = "evenkeel.cluster.clusters"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(("evenkeel.yml", "evenkeel.yaml"))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        options = {name: self._option(name) for name in (*PLATFORM_ARGUMENTS, *OWN_OPTIONS)}
        for name, spec in PLATFORM_ARGUMENTS.items():
            if spec["type"] == "path" and options[name] is not None:
                options[name] = self._beside(path, config[name])
        options.update(_as_modules_take_them(options))
        platform = options_of(PlatformOptions, options)
        if options["ask_password"] and not options.get(PASSWORDS.get(platform.platform, "")):
            self._ask(platform.platform)
        try:
            clusters = self._clusters(options, path, cache)
            for entry in entries(clusters, platform, options["cluster_prefix"], options["host_prefix"]):
                self._add(entry)
        except EvenKeelError as error:
            raise AnsibleParserError(str(error)) from None

    def _ask(self, platform: str) -> None:
        """Has the password in the environment from now on, where modules look for it, too."""
        option = PASSWORDS.get(platform)
        if option is None or os.environ.get(VARIABLES[platform][option]):
            return
        variable = VARIABLES[platform][option]
        if not sys.stdin.isatty():
            raise AnsibleParserError(
                f"ask_password: there is no terminal to ask on. Set the environment variable {variable}"
            )
        os.environ[variable] = self.display.prompt(f"Password for {platform}: ", private=True)

    def _option(self, name: str) -> Any:
        """As the file has it, in which a password may be an expression or encrypted."""
        value = self.templar.template(self.get_option(name))
        return str(value) if isinstance(value, str) else value

    def _beside(self, path: str, value: Any) -> str:
        """A path that the file names, which is relative to the file's folder, wherever Ansible runs."""
        named = os.path.expanduser(os.path.expandvars(str(self.templar.template(value))))
        return os.path.join(os.path.dirname(os.path.abspath(path)), named)

    def _clusters(self, options: dict[str, Any], path: str, cache: bool) -> list[dict[str, Any]]:
        if not self.get_option("cache"):
            return self._read(options)
        self.load_cache_plugin()
        # Other options may mean other clusters.
        told = {name: value for name, value in options.items() if name not in SECRETS}
        digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:12]
        key = f"{self.get_cache_key(path)}_{digest}"
        kept: list[dict[str, Any]] | None = None
        if cache:
            try:
                kept = self.cache[key]
            except KeyError:
                kept = None
        if kept is None:
            kept = self._read(options)
            self.cache[key] = kept
        return kept

    def _read(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        clusters, notices = read_clusters(
            options_of(PlatformOptions, options), options["clusters"], os.environ
        )
        for notice in notices:
            self.display.warning(notice)
        return clusters

    def _add(self, entry: Entry) -> None:
        self._demand_free(entry)
        self.inventory.add_host(entry.name)
        for name, value in entry.variables.items():
            self.inventory.set_variable(entry.name, name, value)
        for group in entry.groups:
            self.inventory.add_group(group)
            self.inventory.add_child(group, entry.name)
        strict = self.get_option("strict")
        variables = dict(entry.variables)
        self._set_composite_vars(self.get_option("compose"), variables, entry.name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, entry.name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, entry.name, strict=strict)

    def _demand_free(self, entry: Entry) -> None:
        """A host of another cluster that has the same name would be overwritten by ours."""
        other = self.inventory.get_host(entry.name)
        known = None if other is None else other.get_vars().get("evenkeel_cluster")
        if known is not None and known != entry.variables["evenkeel_cluster"]:
            raise NameTaken(
                f"cluster {known['inventory_hostname']} of another file has it already",
                where=f"inventory host {entry.name}",
                hint="Set cluster_prefix or host_prefix in one of the files",
            )
