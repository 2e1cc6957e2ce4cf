"""The bytes of an SMTP conversation: commands out, whole replies in, each within its time.

``smtplib`` is the base, for its framing and its list of features. Two of its methods are replaced: its
``getreply`` drops the codes of the lines and waits anew for every byte, its ``send`` cannot tell how far it
came.
"""

from __future__ import annotations

import re
import smtplib
import socket
from dataclasses import dataclass

from mailcore.deadline import Deadline

_MAX_LINE = 8_192  # RFC 5321 §4.5.3.1.5 says 512; real servers write more, none writes this much
_MAX_REPLY = 65_536
_CHUNK = 65_536
_QUEUE_ID = re.compile(
    r"queued as <?([\w.@-]+)|\bid=<?([\w.@-]+)|^250[ -](?:2\.\d\.\d )?ok:? ([\w-]{8,})\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_ENHANCED = re.compile(r"^[2-5]\d\d[ -]([245]\.\d{1,3}\.\d{1,3})(?!\S)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of the server, all its lines."""

    code: int
    """The three digits; 0 where the reply is no SMTP."""
    text: str
    """All lines as they came, codes included, secrets removed."""

    @property
    def accepts(self) -> bool:
        """Whether this is a yes."""
        return 200 <= self.code < 300

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463), or empty."""
        match = _ENHANCED.search(self.text)
        return match[1] if match else ""


class NotSmtpError(Exception):
    """What came is no SMTP reply; the argument is what did come."""


class Wire(smtplib.SMTP):
    """smtplib's framing over a socket given to it, every call within :attr:`deadline`."""

    def __init__(self, sock: socket.socket, local_hostname: str) -> None:
        # A local name of one's own, for smtplib asks the DNS for this machine's otherwise.
        super().__init__(local_hostname=local_hostname)
        self.deadline = Deadline(0)
        self.use(sock)

    def use(self, sock: socket.socket) -> None:
        """Speak over this socket, forgetting features and bytes that came over the last (RFC 3207 §6)."""
        self.peer = sock
        self.handed = 0
        """Bytes that the network has taken of what was said over this socket."""
        self.esmtp_features: dict[str, str] = {}
        self.does_esmtp = False
        self.unread = b""
        self.last_reply = b""

    def send(self, s: bytes | str) -> None:  # type: ignore[override]
        """Hand all of it to the socket.

        Raises:
            OSError: the connection ended, or the deadline passed, before the last byte was handed over.
        """
        rest = memoryview(s.encode(self.command_encoding) if isinstance(s, str) else s)
        while rest:
            self.peer.settimeout(self.deadline.remaining())
            taken = self.peer.send(rest[:_CHUNK])
            self.handed += taken
            rest = rest[taken:]

    def getreply(self) -> tuple[int, bytes]:
        """Return code and lines of one reply, the lines whole, codes included.

        Raises:
            OSError: the connection ended, or the deadline passed.
            NotSmtpError: this is no SMTP server.
        """
        lines: list[bytes] = []
        size = 0
        while True:
            line = self._read_line()
            lines.append(line)
            size += len(line)
            if not re.match(rb"[1-5]\d\d([ -]|$)", line) or size > _MAX_REPLY:
                raise NotSmtpError(b"\n".join(lines))
            if line[3:4] != b"-":
                self.last_reply = b"\n".join(lines)
                return int(line[:3]), self.last_reply

    def _read_line(self) -> bytes:
        while b"\n" not in self.unread:
            if len(self.unread) > _MAX_LINE:
                raise NotSmtpError(self.unread)
            self.peer.settimeout(self.deadline.remaining())
            chunk = self.peer.recv(4_096)
            if not chunk:
                if self.unread:
                    raise NotSmtpError(self.unread)
                raise ConnectionResetError("the server closed the connection")
            self.unread += chunk
            if self.unread[0] not in b"12345":  # said at once, for binary peers may never end the line
                raise NotSmtpError(self.unread)
        line, _, self.unread = self.unread.partition(b"\n")
        if len(line) > _MAX_LINE:
            raise NotSmtpError(line)
        return line.rstrip(b"\r \t")

    def note_features(self) -> None:
        """Read what the server can do from its answer to EHLO, the last reply."""
        self.does_esmtp = True
        self.esmtp_features = {}
        for line in self.last_reply.splitlines()[1:]:
            # "AUTH=LOGIN" is an old spelling; some servers give both, and both count.
            keyword, _, parameters = line[4:].decode("latin-1").replace("=", " ", 1).partition(" ")
            known = self.esmtp_features.get(keyword.lower(), "")
            self.esmtp_features[keyword.lower()] = f"{known} {parameters}".strip()


def as_text(raw: bytes) -> str:
    """Return a reply as text: UTF-8, or else Latin-1, which takes any byte."""
    raw = raw[:_MAX_REPLY]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def queue_id(reply: str) -> str:
    """Return the id under which a server says that it keeps a message; empty where it names none."""
    match = _QUEUE_ID.search(reply)
    return next(filter(None, match.groups()), "") if match else ""
