"""A directory (slapd) and a Kerberos realm (krb5kdc) of a test's own, both on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from passbook.embedded import process

DIRECTORY_PROGRAMS = ("slapd", "slapadd")
REALM_PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
BASE_DN = "ou=people,dc=bank,dc=test"
REALM = "BANK.TEST"
SERVICE = "hive/localhost"

_SLAPD = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=bank,dc=test"
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""
_PEOPLE = """
dn: dc=bank,dc=test
objectClass: domain
dc: bank

dn: {base}
objectClass: organizationalUnit
ou: people
"""
_PERSON = """
dn: uid={user},{base}
objectClass: inetOrgPerson
uid: {user}
cn: {user}
sn: {user}
userPassword: {password}
"""
_KDC = """
[kdcdefaults]
  kdc_listen = {address}:{port}
  kdc_tcp_listen = {address}:{port}
[realms]
  {realm} = {{
    database_name = {folder}/principals
    key_stash_file = {folder}/stash
    max_life = 1d
  }}
"""
_KRB5 = """
[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {realm} = {{
    kdc = {address}:{port}
  }}
[domain_realm]
  localhost = {realm}
"""


def missing(programs: tuple[str, ...]) -> list[str]:
    """Return which of the programs this machine lacks; Debian keeps servers in /usr/sbin."""
    return [name for name in programs if _program(name) is None]


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@contextmanager
def directory(folder: Path, people: Mapping[str, str]) -> Iterator[str]:
    """Run a directory of `people` (user: password); yield its address.

    Parameters
    ----------
    folder : pathlib.Path
    people : mapping of str to str
        Who may log in below `BASE_DN`, and the passwords.
    """
    (folder / "data").mkdir(parents=True)
    settings, content = folder / "slapd.conf", folder / "people.ldif"
    settings.write_text(_SLAPD.format(folder=folder))
    content.write_text(
        _PEOPLE.format(base=BASE_DN)
        + "".join(
            _PERSON.format(user=user, base=BASE_DN, password=password)
            for user, password in people.items()
        )
    )
    _run("slapadd", "-f", settings, "-l", content)
    port = process.free_port(0)
    address = f"ldap://{process.ADDRESS}:{port}"
    with _server(folder / "slapd.log", port, "slapd", "-f", settings, "-h", address, "-d", "0"):
        yield address


@dataclass(frozen=True)
class Realm:
    """A running Kerberos realm."""

    folder: Path

    @property
    def configuration(self) -> Path:
        """What ``KRB5_CONFIG`` and Java's ``java.security.krb5.conf`` name."""
        return self.folder / "krb5.conf"

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the realm's own programs."""
        return {
            "KRB5_CONFIG": str(self.configuration),
            "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
        }

    def keytab(self, principal: str) -> Path:
        """Make a principal; return the file with its keys."""
        file = self.folder / f"{principal.replace('/', '_')}.keytab"
        self._administer("add_principal", "-randkey", principal)
        self._administer("ktadd", "-k", file, principal)
        return file

    @cached_property
    def service_keytab(self) -> Path:
        """Keys of HiveServer2's principal, `SERVICE`."""
        return self.keytab(SERVICE)

    def ticket(self, principal: str, keytab: Path, *, lifetime: str = "1h") -> Path:
        """Get a ticket as ``kinit`` does; return the cache that holds it."""
        cache = self.folder / f"{principal.replace('/', '_')}.{lifetime}.cache"
        _run("kinit", "-k", "-t", keytab, "-c", cache, "-l", lifetime, principal,
             environment=self.environment)  # fmt: skip
        return cache

    def _administer(self, *command: object) -> None:
        _run("kadmin.local", "-r", REALM, *command, environment=self.environment)


@contextmanager
def realm(folder: Path) -> Iterator[Realm]:
    """Run a Kerberos realm, `REALM`, without principals of its own."""
    folder.mkdir(parents=True)
    port = process.free_port(0)
    values = {"address": process.ADDRESS, "port": port, "realm": REALM, "folder": folder}
    (folder / "kdc.conf").write_text(_KDC.format(**values))
    (folder / "krb5.conf").write_text(_KRB5.format(**values))
    made = Realm(folder)
    _run("kdb5_util", "create", "-s", "-r", REALM, "-P", os.urandom(16).hex(),
         environment=made.environment)  # fmt: skip
    with _server(folder / "kdc.log", port, "krb5kdc", "-n", environment=made.environment):
        yield made


def _run(name: str, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        [_program(name) or name, *map(str, arguments)],
        env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"


@contextmanager
def _server(
    log: Path,
    port: int,
    name: str,
    *arguments: object,
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    with log.open("wb") as output:
        server = subprocess.Popen(
            [_program(name) or name, *map(str, arguments)],
            env={**os.environ, **(environment or {})}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        _wait(lambda: server.poll() is not None or _listens(port))
        assert server.poll() is None, f"{name}: {log.read_text()}"
        yield
    finally:
        server.terminate()
        server.wait(30)


def _wait(done: Callable[[], bool], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not done():
        assert time.monotonic() < deadline, "It does not listen."
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((process.ADDRESS, port)) == 0
