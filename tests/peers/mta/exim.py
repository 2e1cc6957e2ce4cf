"""Exim: one daemon, which reads from the port a client came to what to be there."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailcore.vocabulary import Security
from tests.peers.mta import (
    DOMAIN,
    DOORS,
    PASSWORD,
    USER,
    Mta,
    library_dirs,
    running,
    scratch_folder,
    unavailable,
    unpacked,
)
from tests.peers.mta.pems import key_and_chain

_ACCOUNT = "Debian-exim"  # compiled into Debian's exim; it does not start where there is none

# $received_port chooses the certificate, the limits and what EHLO offers. Nothing is relayed, no DNS asked.
# A failed handshake keeps its process for half a second, and the tests make more than the usual 20 by then.
_CONFIGURATION = """
exim_path = {folder}/exim
spool_directory = {folder}/spool
log_file_path = {folder}/log/%s.log
pid_file_path = {folder}/exim.pid
keep_environment = ^LD_ : ^NSS_WRAPPER_
primary_hostname = exim.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = {ports}
tls_on_connect_ports = {direct}
tls_advertise_hosts = ${{if inlist{{$received_port}}{{{starttls}}}{{*}}}}
tls_certificate = {folder}/certificates/$received_port.pem
auth_advertise_hosts = ${{if and{{{{inlist{{$received_port}}{{{login}}}}}{{!eq{{$tls_in_cipher}}{{}}}}}}{{*}}}}
message_size_limit = ${{if eq{{$received_port}}{{{small}}}{{{small_size}}}{{{size}}}}}
smtp_accept_max = 200
host_lookup =
acl_smtp_rcpt = recipient
acl_smtp_data = accept

begin acl
recipient:
  accept domains = {domain}
  deny message = relay not permitted

begin routers
local:
  driver = accept
  domains = {domain}
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = {folder}/maildir
  maildir_format
  user = {uid}
  group = {gid}

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{${{readfile{{{folder}/password}}{{}}}}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{${{readfile{{{folder}/password}}{{}}}}}}}}}}}}
  server_set_id = $auth1
"""


@contextmanager
def running_exim() -> Iterator[Mta]:
    """Start Exim and yield it; never as root, for it hands what it took to a delivery process of its own."""
    with scratch_folder("exim") as folder:
        server = Mta("Exim", folder)
        environment = _own_copy(folder)
        uid, gid = _account(folder, environment)
        for name in ("spool", "log", "certificates", "maildir"):
            (folder / name).mkdir()
        for door, port in server.ports.items():
            (folder / "certificates" / f"{port}.pem").write_bytes(key_and_chain(DOORS[door].certificate))
        (folder / "password").write_text(PASSWORD, "utf-8")
        (folder / "exim.conf").write_text(_configuration(server, uid, gid), "utf-8")
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, uid, gid)
            # Exim distrusts a configuration that anybody but root or itself could have written.
            os.chown(folder / "exim.conf", 0, 0)
        user = uid if os.geteuid() == 0 else None
        command = [str(folder / "exim"), "-C", str(folder / "exim.conf"), "-bdf"]
        with running(server, command, environment=environment, user=user):
            yield server


def _own_copy(folder: Path) -> dict[str, str]:
    """Copy the program without its set-user-id bit, and the libraries that came along; return the environment."""
    root = unpacked("exim4")
    places = [root / "usr/sbin"] if root else [Path("/usr/sbin"), Path("/usr/local/sbin")]
    found = shutil.which("exim4", path=os.pathsep.join(map(str, places)))
    if found is None:
        unavailable("no Exim found: install it (Debian: apt install exim4-daemon-light) or set MAILCORE_MTA_DIR")
    shutil.copyfile(found, folder / "exim")
    (folder / "exim").chmod(0o755)
    if root is None:
        return {}
    libraries = folder / "lib"
    libraries.mkdir()
    for source in (path for place in library_dirs(root) for path in place.glob("*.so*") if path.is_file()):
        shutil.copyfile(source, libraries / source.name)
    return {"LD_LIBRARY_PATH": str(libraries)}


def _account(folder: Path, environment: dict[str, str]) -> tuple[int, int]:
    """Return whom to run as; where that is not Exim's own account, make it look so (nss_wrapper)."""
    as_root = os.geteuid() == 0
    try:
        own = pwd.getpwnam(_ACCOUNT)
    except KeyError:
        pass
    else:
        if as_root or own.pw_uid == os.geteuid():
            return own.pw_uid, own.pw_gid
    uid, gid = (pwd.getpwnam("nobody")[2:4]) if as_root else (os.geteuid(), os.getegid())
    places = [folder / "lib", *library_dirs(Path("/"))]
    wrapper = next((path for place in places if (path := place / "libnss_wrapper.so").exists()), None)
    if wrapper is None:
        unavailable(
            "Exim runs only as its own account, which needs libnss_wrapper (Debian: apt install libnss-wrapper)"
        )
    passwd, group = folder / "passwd", folder / "group"
    passwd.write_text(f"root:x:0:0::/:/bin/sh\n{_ACCOUNT}:x:{uid}:{gid}::{folder}:/bin/false\n")
    group.write_text(f"root:x:0:\n{_ACCOUNT}:x:{gid}:\n")
    environment |= {"LD_PRELOAD": str(wrapper), "NSS_WRAPPER_PASSWD": str(passwd), "NSS_WRAPPER_GROUP": str(group)}
    return uid, gid


def _configuration(server: Mta, uid: int, gid: int) -> str:
    def ports(security: Security | None = None, *, login: bool = False) -> str:
        return " : ".join(
            str(server.ports[name])
            for name, door in DOORS.items()
            if security in (None, door.security) and (door.login or not login)
        )

    return _CONFIGURATION.format(
        folder=server.folder,
        ports=ports(),
        direct=ports(Security.SSL_TLS),
        starttls=ports(Security.STARTTLS),
        login=ports(login=True),
        small=server.ports["small"],
        small_size=DOORS["small"].size_limit,
        size=DOORS["starttls"].size_limit,
        domain=DOMAIN,
        user=USER,
        uid=uid,
        gid=gid,
    )
