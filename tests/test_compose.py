"""The production shape: held against the compose specification, and its setup run for real."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import psycopg2
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from passbook import cli, mart, settings
from passbook.embedded import postgres

CHECKOUT = Path(__file__).resolve().parent.parent
TEXT = (CHECKOUT / "docker-compose.yaml").read_text()
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text()
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:[-?][^}]*)?\}")
SECRET = re.compile(r"PASSWORD|SECRET|KEY")
ONCE = {"prepare"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(TEXT))


def interpolate(text: str, values: dict[str, str]) -> str:
    """Do what compose does: ``${NAME…}`` is the value, ``$$`` a dollar sign."""
    return VARIABLE.sub(lambda m: values[m[1]], text).replace("$$", "$")


def test_it_is_valid_by_the_compose_specification(compose: dict[str, Any]) -> None:
    schema = get_builtin_schema("vendor.compose-spec")
    jsonschema.validators.validator_for(schema)(schema).validate(compose)


def test_the_specification_would_find_a_fault(compose: dict[str, Any]) -> None:
    schema = get_builtin_schema("vendor.compose-spec")
    broken = {**compose, "services": {"x": {"image": "y", "port": ["1:1"]}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validators.validator_for(schema)(schema).validate(broken)


def test_it_brings_every_part(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {
        "postgres", "metastore", "hiveserver2", "prepare", "api-server", "scheduler",
        "dag-processor", "triggerer",
    }  # fmt: skip


def test_every_server_has_a_health_check_and_comes_back(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name in ONCE:
            assert service["restart"] == "no"
        else:
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


def test_what_a_service_waits_for_can_come_true(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, condition in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert condition["condition"] == expected, (name, other)
            assert other in services


def test_nothing_listens_outside_this_host(compose: dict[str, Any]) -> None:
    ports = [port for s in compose["services"].values() for port in s.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_secret_has_a_default() -> None:
    """Each is asked for with ``:?`` at least once, and given a fallback never."""
    required: set[str] = set()
    for name, fallback in VARIABLE.findall(TEXT):
        if SECRET.search(name):
            assert not fallback.startswith(":-"), name
            if fallback.startswith(":?"):
                required.add(name)
    assert required == {name for name, _ in VARIABLE.findall(TEXT) if SECRET.search(name)}
    assert len(required) == 11


def test_no_password_is_written_down(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name):
                assert VARIABLE.fullmatch(value), name
    assert not re.search(r"://\w+:[^$@\s]+@", TEXT)


def test_every_part_of_airflow_reads_the_settings_that_the_file_does_not_name(
    compose: dict[str, Any],
) -> None:
    read = [{"path": "passbook.env", "required": False}]
    reading = {name for name, service in compose["services"].items()
               if service.get("env_file") == read}  # fmt: skip
    assert reading == {"prepare", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert "passbook.env" in (CHECKOUT / ".gitignore").read_text().split()


def test_images_are_pinned_and_built_from_targets_that_exist(compose: dict[str, Any]) -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.M))
    for service in compose["services"].values():
        tag = service["image"].partition(":")[2]
        assert tag
        assert tag != "latest"
        if "build" in service:
            assert service["build"]["target"] in targets
    assert all(":" in image for image in re.findall(r"^FROM (\S+)", DOCKERFILE, re.M))


def test_the_image_copies_what_exists_and_the_context_holds() -> None:
    allowed = set(re.findall(r"^!(\S+)$", (CHECKOUT / ".dockerignore").read_text(), re.M))
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M)
        for source in line.split()[:-1]
    }
    assert copied == allowed
    assert all((CHECKOUT / source).exists() for source in copied)


def test_volumes_and_configs_are_declared_and_used(compose: dict[str, Any]) -> None:
    services = compose["services"].values()
    mounted = {str(v).split(":")[0] for s in services for v in s.get("volumes", [])}
    named = {name for name in mounted if re.fullmatch(r"[a-z]+", name)}
    assert named == set(compose["volumes"])
    used = {config["source"] for s in services for config in s.get("configs", [])}
    assert used == set(compose["configs"])


def test_the_metastore_reaches_its_database(compose: dict[str, Any]) -> None:
    content = compose["configs"]["hive-site"]["content"]
    root = ET.fromstring(interpolate(content, {"HIVE_METASTORE_PASSWORD": "secret"}))  # noqa: S314
    properties = {p.findtext("name"): p.findtext("value") for p in root}
    assert (
        properties["javax.jdo.option.ConnectionURL"] == "jdbc:postgresql://postgres:5432/metastore"
    )
    assert properties["javax.jdo.option.ConnectionPassword"] == "secret"


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[postgres.PostgresServer]:
    """A Postgres of this module's own: the setup makes roles that a shared one may have."""
    with tempfile.TemporaryDirectory(prefix="passbook-compose-") as home:
        yield postgres.start(Path(home))
        postgres.stop(Path(home))


@pytest.mark.postgres
def test_the_setup_runs_on_a_real_postgres(
    compose: dict[str, Any],
    own_postgres: postgres.PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = {name: "x" + name.lower() for name, _ in VARIABLE.findall(TEXT)}
    values |= {"POSTGRES_PASSWORD": own_postgres.password, "PASSBOOK_SOURCE": "demo"}
    script = interpolate(compose["configs"]["databases"]["content"], values)
    variables = compose["services"]["postgres"]["environment"]
    environment = {name: interpolate(value, values) for name, value in variables.items()}
    environment |= {
        "PATH": f"{postgres.binaries()}:{os.environ['PATH']}", "PGHOST": "127.0.0.1",
        "PGPORT": str(own_postgres.port), "PGPASSWORD": own_postgres.password,
    }  # fmt: skip
    subprocess.run(["bash", "-c", script], env=environment, check=True)
    for user, database in (("airflow", "airflow"), ("hive", "metastore")):
        password = values[
            {"airflow": "AIRFLOW_DATABASE", "hive": "HIVE_METASTORE"}[user] + "_PASSWORD"
        ]
        psycopg2.connect(own_postgres.database_url(database, user, password)).close()

    addresses = {}
    for name, value in compose["services"]["prepare"]["environment"].items():
        if name.startswith("PASSBOOK_"):
            place = f"@127.0.0.1:{own_postgres.port}/"
            addresses[name] = interpolate(value, values).replace("@postgres:5432/", place)
            monkeypatch.setenv(name, addresses[name])
    commands = compose["services"]["prepare"]["command"][-1].splitlines()
    settings.load.cache_clear()
    try:
        for command in ("passbook prepare", "passbook migrate", "passbook prepare"):
            assert command in commands
            assert cli.main(command.split()[1:]) == 0, capsys.readouterr().err
    finally:
        settings.load.cache_clear()
    mart.connect(addresses["PASSBOOK_MART_URL"]).close()
    analyst = mart.connect(addresses["PASSBOOK_ANALYST_URL"], check_migration=False)
    with closing(analyst), analyst.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM mart.customer")
        assert cursor.fetchone() == (0,)
