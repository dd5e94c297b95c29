# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kafka of the tests' own, one node, on free ports of the loopback interface, gone afterwards.

It listens without TLS, and with TLS for a user with a password.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

from ansible_collections.evenkeel.cluster.tests.support.nats import HOST, answers, free_port
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

# Where tools/setup.bash puts it, and Java where the system has none.
JARS = Path(sys.prefix, "kafka")
JAVA = Path(sys.prefix, "java", "usr", "lib", "jvm")
USER, PASSWORD = "evenkeel", "broker-passw0rd"
_QUICK = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Xmx256m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
)
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},SASL_SSL://{host}:{secure},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port},SASL_SSL://{host}:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
"""


@dataclass
class Kafka:
    """A broker that can be stopped and started; it keeps its topics, which have to be made."""

    folder: Path
    port: int
    secure_port: int
    _controller_port: int
    _server: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def format(self, certificate: trustme.LeafCert) -> None:
        """Make its folder."""
        self.folder.mkdir(parents=True)
        # Java reads keys in this format alone.
        key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        (self.folder / "server.pem").write_bytes(key + chain)
        text = _PROPERTIES.format(
            host=HOST, port=self.port, secure=self.secure_port, controller=self._controller_port,
            user=USER, password=PASSWORD, folder=self.folder,
        )  # fmt: skip
        (self.folder / "properties").write_text(text)
        made = subprocess.run(
            [
                *_java(),
                "kafka.tools.StorageTool",
                "format",
                "-t",
                "MkU3OEVBNTcwNTJENDM2Qk",
                "-c",
                "properties",
            ],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if made.returncode != 0:
            raise RuntimeError(
                f"Kafka's folder can't be made: {made.stdout.decode(errors='replace')[-2000:]}"
            )

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*_java(), "kafka.Kafka", "properties"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (answers(self.port) and answers(self.secure_port)):
            if self._server.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"Kafka does not start: {said[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """At once, as if the machine had failed."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()


@contextmanager
def running(folder: Path, certificate: trustme.LeafCert) -> Iterator[Kafka]:
    """A broker, stopped at the end."""
    broker = Kafka(folder, free_port(), free_port(), free_port())
    broker.format(certificate)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


def _java() -> list[str]:
    unpacked = sorted(JAVA.glob("java-17-openjdk-*/bin/java"))
    java = str(unpacked[0]) if unpacked else shutil.which("java")
    if java is None or not any(JARS.glob("kafka_*.jar")):
        raise RuntimeError("there is no Java or no Kafka here: ./check makes both")
    return [java, *_QUICK, "-cp", os.path.join(JARS, "*")]
