# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source of ansible-rulebook: requests to place VMs and to lease capacity."""

from __future__ import annotations

DOCUMENTATION = r"""
short_description: Requests to place VMs and to lease capacity, by HTTP and by a RabbitMQ queue.
description:
  - Takes requests in, keeps them in the state database before it says so, and gives an event for each try of each
    request until it has ended. A request that nobody works on any more, since the process was killed, is handed on again.
  - Answers what became of a request, and calls receivers, with a signature, when it has ended.
  - The event is C(evenkeel_request) with C(id), C(kind) and C(claim), which the playbook C(evenkeel.cluster.request) takes.
  - The environment variable E(EVENKEEL_STATE_URL) names the state database. Secrets come from environment
    variables or files that the configuration names.
options:
  config:
    description:
      - Path of a YAML or JSON file with the configuration, or the configuration itself.
      - Falls back to the path in E(EVENKEEL_SERVICE_CONFIG).
    type: raw
requirements:
  - SQLAlchemy 2
  - aiohttp
  - aio-pika, for a RabbitMQ queue
"""

EXAMPLES = r"""
- evenkeel.cluster.requests:
    config: /etc/evenkeel/service.yml

- evenkeel.cluster.requests:
    config:
      http: {port: 8080}
      rabbitmq: {queue: evenkeel.requests}
      receivers:
        - {name: ci, url: "https://ci.example.com/hooks/evenkeel", secret_env: EVENKEEL_HOOK_CI}
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# ansible-rulebook runs this file by its path, with a Python that need not know where collections are.
_COLLECTIONS = Path(__file__).absolute().parents[6]
if str(_COLLECTIONS.parent) not in sys.path:
    sys.path.append(str(_COLLECTIONS.parent))

import ansible_collections

if str(_COLLECTIONS) not in ansible_collections.__path__:
    ansible_collections.__path__.append(str(_COLLECTIONS))

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.service_process import (
    read_configuration,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.state_session import (
    StateOptions,
    needed_database,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.intake import Intake
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.server import serve


async def main(queue: asyncio.Queue[Any], args: Mapping[str, Any]) -> None:
    """Serve until ansible-rulebook ends."""
    unknown = sorted(set(args) - {"config"})
    if unknown:
        raise InputError(unknown[0], args[unknown[0]], "a known argument; known is config")
    config = read_configuration(args.get("config"), os.environ)
    with needed_database(StateOptions(), os.environ) as database:
        await serve(Intake(database, config), os.environ, queue.put)
