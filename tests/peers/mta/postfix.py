"""Postfix: one master, which starts an smtpd with settings of its own for each port."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from mailcore.vocabulary import Security
from tests.peers.mta import (
    DOMAIN,
    DOORS,
    PASSWORD,
    USER,
    Door,
    Mta,
    library_dirs,
    running,
    scratch_folder,
    unavailable,
    unpacked,
)
from tests.peers.mta.pems import key_and_chain

_Entry = TypeVar("_Entry")

# Nothing is relayed: the recipient's domain is the only one taken, for everybody.
_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
command_directory = {commands}
shlib_directory = {libraries}
meta_directory = {folder}
mail_owner = {owner}
setgid_group = {group}
default_privs = nobody
import_environment = MAIL_CONFIG LD_LIBRARY_PATH SASL_PATH TZ LC_ALL
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}
myhostname = postfix.example
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
default_transport = error:nothing leaves this machine
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}
virtual_mailbox_maps = static:maildir/
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
smtpd_tls_session_cache_database =
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = {folder}/sasl
smtpd_tls_auth_only = yes
"""

_MASTER = """
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
"""

_SASL = """
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: {folder}/sasl/users.db
"""

_QUEUES = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "saved", "trace"),
    *("private", "public", "maildrop"),
)


@contextmanager
def running_postfix() -> Iterator[Mta]:
    """Start Postfix and yield it. Its master runs as root or not at all, its daemons as somebody else."""
    if os.geteuid() != 0:
        unavailable("Postfix starts only as root")
    root = unpacked("postfix")
    base = root or Path("/")
    daemons, libraries = base / "usr/lib/postfix/sbin", base / "usr/lib/postfix"
    if not (daemons / "master").exists():
        unavailable("no Postfix found: install it (Debian: apt install postfix) or set MAILCORE_MTA_DIR")
    saslpasswd = shutil.which("saslpasswd2", path=str(base / "usr/sbin"))
    roots = [root, Path("/")] if root else [Path("/")]
    plugins = [place / "sasl2" for each in roots for place in library_dirs(each) if (place / "sasl2").is_dir()]
    if saslpasswd is None or not any(list(place.glob("libplain.so*")) for place in plugins):
        unavailable("Postfix's login needs Cyrus SASL (Debian: apt install sasl2-bin libsasl2-modules)")
    environment = {"SASL_PATH": os.pathsep.join(map(str, plugins))}
    if root:
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(map(str, [libraries, *library_dirs(root)]))

    with scratch_folder("postfix") as folder:
        server = Mta("Postfix", folder)
        owner = _present(pwd.getpwnam, "postfix", "daemon")
        group = _present(grp.getgrnam, "postdrop", "mail").gr_name
        nobody = pwd.getpwnam("nobody")
        _make_folders(folder, owner, nobody.pw_uid)
        (folder / "main.cf").write_text(
            _MAIN.format(
                folder=folder,
                daemons=daemons,
                commands=base / "usr/sbin",
                libraries=libraries,
                owner=owner.pw_name,
                group=group,
                domain=DOMAIN,
                uid=nobody.pw_uid,
                gid=nobody.pw_gid,
            )
        )
        doors = "".join(_smtpd(server, name, door) for name, door in DOORS.items())
        (folder / "master.cf").write_text(_MASTER + doors)
        (folder / "sasl/smtpd.conf").write_text(_SASL.format(folder=folder))
        _register(saslpasswd, folder, owner.pw_uid, environment)
        command = [str(daemons / "master"), "-c", str(folder), "-s"]
        with running(server, command, environment=environment | {"MAIL_CONFIG": str(folder)}):
            yield server


def _smtpd(server: Mta, name: str, door: Door) -> str:
    certificate = server.folder / "certificates" / f"{door.certificate}.pem"
    certificate.write_bytes(key_and_chain(door.certificate))
    options = {
        "smtpd_sasl_auth_enable": "yes" if door.login else "no",
        "message_size_limit": str(door.size_limit),
    }
    if door.security is not Security.NONE:
        options["smtpd_tls_chain_files"] = str(certificate)
        options["smtpd_tls_security_level"] = "encrypt" if door.tls_required else "may"
    if door.security is Security.SSL_TLS:
        options["smtpd_tls_wrappermode"] = "yes"
    settings = "".join(f"\n  -o {key}={value}" for key, value in options.items())
    return f"127.0.0.1:{server.ports[name]} inet n - n - - smtpd{settings}\n"


def _make_folders(folder: Path, owner: pwd.struct_passwd, recipient: int) -> None:
    for name in ("queue", "queue/pid", "log", "sasl", "certificates"):
        (folder / name).mkdir()
    for name in _QUEUES:
        (folder / "queue" / name).mkdir()
        os.chown(folder / "queue" / name, owner.pw_uid, -1)
    for name, uid in (("data", owner.pw_uid), ("maildir", recipient)):
        (folder / name).mkdir(mode=0o700)
        os.chown(folder / name, uid, -1)


def _register(saslpasswd: str, folder: Path, owner: int, environment: dict[str, str]) -> None:
    user, _, realm = USER.partition("@")
    database = folder / "sasl/users.db"
    done = subprocess.run(
        [saslpasswd, "-p", "-c", "-f", str(database), "-u", realm, user],
        input=PASSWORD.encode(),
        env={"PATH": os.defpath} | environment,
        capture_output=True,
        timeout=30,
    )
    if done.returncode:
        raise RuntimeError(f"saslpasswd2 failed: {done.stderr.decode('utf-8', 'replace')}")
    os.chown(database, owner, -1)


def _present(read: Callable[[str], _Entry], *names: str) -> _Entry:
    """The first there is: Postfix's own exists where it is installed, the other on every Debian."""
    for name in names:
        with suppress(KeyError):
            return read(name)
    raise LookupError(f"no {names[-1]} on this machine")
