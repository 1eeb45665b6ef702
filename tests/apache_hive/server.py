"""Apache Hive itself on this machine: metastore over Derby, and HiveServer2 with Tez inside.

Jars come from Maven (``pom.xml``; ``make build/apache-hive``), Java is the machine's. The settings
are what `docker-compose.yaml` gives its Hive where these two can agree, so that what holds here
holds there.
"""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from passbook.embedded import process
from passbook.embedded.hiveserver2 import OPENED_PACKAGES, healthy

JARS = Path(__file__).resolve().parents[2] / "build" / "apache-hive"
USER = "passbook"
METASTORE, HIVESERVER2 = "apache-metastore", "apache-hiveserver2"
DERBY = "org.apache.derby.jdbc.EmbeddedDriver"
_MORE_PACKAGES = ("java.base/java.util.regex", "java.base/java.time", "java.sql/java.sql")
_LOGGING = """
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


def start(
    home: Path,
    more: Mapping[str, str] | None = None,
    *,
    options: Sequence[str] = (),
    ready: Callable[[int], bool] = healthy,
    patience: float = 600,
) -> str:
    """Start both servers under `home`; return HiveServer2's address for `passbook.hive.connect`.

    Parameters
    ----------
    home : pathlib.Path
    more : mapping of str to str, optional
        Settings of Hive beside, or instead of, those of `configuration`.
    options : sequence of str
        More options of both JVMs.
    ready : callable
        Takes HiveServer2's port; whether a statement is answered there.
    patience : float
        Seconds to wait for each server.

    Raises
    ------
    FileNotFoundError
        The jars or Java are not there.
    ServerStartError
        E804 when a server does not come up.
    """
    java = shutil.which("java")
    if java is None or not any(JARS.glob("hive-service-*.jar")):
        raise FileNotFoundError("Java 17 or the jars are missing: `make test-hive` brings these.")
    home = process.prepare_home(home)
    ports = {METASTORE: process.free_port(19083), HIVESERVER2: process.free_port(20000)}
    write_configuration(home, configuration(home, ports) | dict(more or {}))
    make_tables(home, java)
    mains = {
        METASTORE: ["org.apache.hadoop.hive.metastore.HiveMetaStore", "-p", str(ports[METASTORE])],
        HIVESERVER2: ["org.apache.hive.service.server.HiveServer2"],
    }
    heaps = {METASTORE: "512m", HIVESERVER2: "1536m"}
    for name, main in mains.items():
        server = process.spawn(
            home,
            name,
            [java, f"-Xmx{heaps[name]}", *options, *jvm_options(home), *main],
            port=ports[name],
            environment={"HADOOP_CONF_DIR": str(home / "conf"), "PATH": "/usr/bin:/bin"},
            folder=home,
        )
        process.wait_until_healthy(
            home,
            server,
            lambda s=server: answers(s, ready),
            patience=patience,  # type: ignore[misc]
        )
    return f"hive://{USER}@{process.ADDRESS}:{ports[HIVESERVER2]}/?auth=NONE"


def make_tables(home: Path, java: str) -> None:
    """Make the metastore's tables, as its object-relational mapper describes them."""
    (jar,) = JARS.glob("hive-standalone-metastore-server-*.jar")
    with zipfile.ZipFile(jar) as opened:
        opened.extract("package.jdo", home / "conf")
    properties = {
        "javax.jdo.option.ConnectionURL": derby(home),
        "javax.jdo.option.ConnectionDriverName": DERBY,
        "datanucleus.storeManagerType": "rdbms",
        "datanucleus.identifierFactory": "datanucleus1",
        "datanucleus.rdbms.useLegacyNativeValueStrategy": "true",
    }
    place = home / "conf" / "tables.properties"
    place.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    tool = ["org.datanucleus.store.schema.SchemaTool", "-create", "-api", "JDO"]
    subprocess.run(
        [java, *jvm_options(home), *tool, "-props", place, home / "conf" / "package.jdo"],
        cwd=home, check=True, capture_output=True,
    )  # fmt: skip


def derby(home: Path) -> str:
    """Return the address of the metastore's database."""
    return f"jdbc:derby:;databaseName={home}/metastore;create=true"


def stop(home: Path) -> None:
    """End both servers."""
    for name in (HIVESERVER2, METASTORE):
        process.stop(home, name)


def answers(server: process.ServerProcess, ready: Callable[[int], bool]) -> bool:
    """Whether the server is ready: HiveServer2 answers a statement, the metastore listens."""
    if server.name == HIVESERVER2:
        return ready(server.port)
    return process.free_port(server.port) != server.port


def jvm_options(home: Path) -> list[str]:
    """Return what both JVMs are started with."""
    return [
        *(f"--add-opens={p}=ALL-UNNAMED" for p in (*OPENED_PACKAGES, *_MORE_PACKAGES)),
        "-XX:+IgnoreUnrecognizedVMOptions",
        "-Djava.net.preferIPv4Stack=true",
        f"-Djava.io.tmpdir={home / 'scratch'}",
        f"-Dderby.stream.error.file={home / 'logs' / 'derby.log'}",
        f"-Dlog4j2.configurationFile={home / 'conf' / 'log4j2.properties'}",
        "-cp",
        f"{home / 'conf'}:{JARS / '*'}",
    ]


def configuration(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """Return Hive's, Hadoop's and Tez's settings: all files here, all ports on loopback."""
    scratch = home / "scratch"
    return {
        "javax.jdo.option.ConnectionURL": derby(home),
        "javax.jdo.option.ConnectionDriverName": DERBY,
        # The scripts that make the metastore's tables are not among the jars: see make_tables.
        "datanucleus.schema.autoCreateAll": "true",
        "hive.metastore.schema.verification": "false",
        # Without the scripts' tables for transactions; work tables are not transactional.
        "hive.support.concurrency": "false",
        "hive.txn.manager": "org.apache.hadoop.hive.ql.lockmgr.DummyTxnManager",
        "hive.compactor.initiator.on": "false",
        "hive.scheduled.queries.executor.enabled": "false",
        "hive.metastore.event.db.notification.api.auth": "false",
        "hive.metastore.uris": f"thrift://{process.ADDRESS}:{ports[METASTORE]}",
        "metastore.thrift.bind.host": process.ADDRESS,
        "hive.metastore.warehouse.dir": (home / "warehouse").as_uri(),
        "hive.metastore.warehouse.external.dir": (home / "warehouse").as_uri(),
        "fs.defaultFS": "file:///",
        "hadoop.tmp.dir": str(scratch / "hadoop"),
        "hive.exec.scratchdir": (scratch / "hive").as_uri(),
        "hive.exec.local.scratchdir": str(scratch / "local"),
        "hive.user.install.directory": (scratch / "install").as_uri(),
        "hive.downloaded.resources.dir": str(scratch / "resources"),
        "hive.querylog.location": str(scratch / "querylog"),
        "hive.server2.logging.operation.log.location": str(scratch / "operations"),
        "hive.server2.authentication": "NONE",
        "hive.server2.enable.doAs": "false",
        "hive.server2.thrift.bind.host": process.ADDRESS,
        "hive.server2.thrift.port": str(ports[HIVESERVER2]),
        "hive.server2.webui.port": "0",
        "hive.server2.tez.initialize.default.sessions": "false",
        # A statement outlives its connection, so that it can be taken up again.
        "hive.server2.close.session.on.disconnect": "false",
        "hive.execution.engine": "tez",
        "hive.exec.submit.local.task.via.child": "false",
        "mapreduce.framework.name": "local",
        "tez.local.mode": "true",
        "tez.local.mode.without.network": "true",
        "tez.ignore.lib.uris": "true",
        "tez.runtime.optimize.local.fetch": "true",
        "tez.staging-dir": str(scratch / "tez"),
        "hive.tez.container.size": "512",
        # The 120 that MapReduce's defaults leave are too few for a statement over nine tables.
        "tez.counters.max": "10000",
    }


def write_configuration(home: Path, settings: Mapping[str, str]) -> None:
    """Write the settings where Hive and Tez look for them, and the folders they name."""
    for folder in ("conf", "scratch"):
        (home / folder).mkdir(exist_ok=True)
    properties = "\n".join(
        f"  <property><name>{name}</name><value>{escape(value)}</value></property>"
        for name, value in settings.items()
    )
    for file in ("core-site.xml", "hive-site.xml", "tez-site.xml"):
        (home / "conf" / file).write_text(f"<configuration>\n{properties}\n</configuration>\n")
    (home / "conf" / "log4j2.properties").write_text(_LOGGING)
