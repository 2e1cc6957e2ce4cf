"""An SMTP server that ends the connection at any byte, and remembers what it has taken.

It works through what it is sent in turn, as servers do, and never looks ahead. Without asyncio and without threads of
its own beyond one, so that thousands of conversations take seconds.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self


class _EndedError(Exception):
    """The connection ends here."""


@dataclass
class ScriptedSmtp:
    """The server; a context manager. One connection at a time."""

    extensions: tuple[str, ...] = ("PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8", "SIZE 10000000")
    replies: dict[tuple[str, str], str] = field(default_factory=dict)
    """(verb, recipient) → what is answered to the verb in that recipient's message; ``.`` is the end of the text."""
    drop_in: int | None = None
    """The connection ends when so many bytes were read, over all connections; it happens once."""
    drop_out: int | None = None
    """The connection ends when so many bytes were written; likewise."""
    most_messages: int | None = None
    """On one connection; the next MAIL is answered with 421."""
    closes: bool = True
    """A 421 ends the connection."""
    drop_after: int | None = None
    """The connection ends when so many messages were taken, before this last one is answered."""

    def __post_init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        """(recipient, text) of every message taken, in order."""
        self.verbs: list[str] = []
        self.options: list[str] = []
        """Of every MAIL."""
        self.most_at_once = 0
        """Messages that lay in one read, at most."""
        self.connections = 0
        self.refused_mail = 0
        """How often a connection was used for longer than it may be."""
        self.read = self.written = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, suppress(_EndedError, OSError):
                connection.settimeout(10)
                # Several small replies in turn: none waits for the other's acknowledgement.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Conversation(self, connection).run()

    def count_in(self, data: bytes) -> bytes:
        """Return what of these bytes is read before the end."""
        allowed = len(data) if self.drop_in is None else max(0, self.drop_in - self.read)
        self.read += len(data)
        self.drop_in = None if allowed < len(data) else self.drop_in
        return data[:allowed]

    def count_out(self, data: bytes) -> bytes:
        """Return what of these bytes is written before the end."""
        allowed = len(data) if self.drop_out is None else max(0, self.drop_out - self.written)
        self.written += len(data)
        self.drop_out = None if allowed < len(data) else self.drop_out
        return data[:allowed]


class _Conversation:
    def __init__(self, peer: ScriptedSmtp, connection: socket.socket) -> None:
        self.peer, self.connection = peer, connection
        self.unread = b""
        self.sender = self.recipient = ""
        self.messages = 0

    def run(self) -> None:
        self.say("220 peer ESMTP")
        while True:
            line = self.line().decode()
            verb, _, argument = line.partition(" ")
            self.peer.verbs.append(verb)
            getattr(self, verb.lower())(argument)

    # ------------------------------------------------------------------ verbs

    def ehlo(self, _: str) -> None:
        lines = ["peer", *self.peer.extensions]
        self.say("\r\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines))

    def rset(self, _: str) -> None:
        self.sender = self.recipient = ""
        self.say("250 2.0.0 Ok")

    def mail(self, argument: str) -> None:
        self.peer.options.append(argument.partition("> ")[2])
        if self.messages == self.peer.most_messages:
            self.peer.refused_mail += 1
            self.say("421 4.7.0 too many messages in this session")
            raise _EndedError
        if self.sender:
            self.say("503 5.5.1 nested MAIL command")
            return
        self.sender = argument
        self.say("250 2.1.0 Ok")

    def rcpt(self, argument: str) -> None:
        address = argument[len("TO:<") : -1]
        if not self.sender:
            self.say("503 5.5.1 need MAIL first")
            return
        if not self.answered("RCPT", address):
            self.say("250 2.1.5 Ok")
        if self.peer.replies.get(("RCPT", address), "250")[0] not in "45":  # a strange answer is no refusal
            self.recipient = address

    def data(self, _: str) -> None:
        if not self.recipient:
            self.say("554 5.5.1 no valid recipients")
            return
        if self.answered("DATA", self.recipient):
            return
        self.say("354 End data with <CR><LF>.<CR><LF>")
        lines = []
        while (line := self.line()) != b".":
            lines.append(line[1:] if line.startswith(b".") else line)
        self.take(b"".join(line + b"\r\n" for line in lines))

    def bdat(self, argument: str) -> None:
        size, last = argument.split(" ")
        assert last == "LAST"
        content = self.exactly(int(size))
        if not self.recipient:
            self.say("554 5.5.1 no valid recipients")
            return
        self.take(content)

    def quit(self, _: str) -> None:
        self.say("221 2.0.0 Bye")
        raise _EndedError

    def take(self, content: bytes) -> None:
        recipient = self.recipient
        self.sender = self.recipient = ""
        if self.answered(".", recipient):
            return
        self.messages += 1
        self.peer.taken.append((recipient, content))
        if len(self.peer.taken) == self.peer.drop_after:
            raise _EndedError
        self.say(f"250 2.0.0 Ok: queued as 4F{len(self.peer.taken)}")

    def answered(self, verb: str, recipient: str) -> bool:
        """Say what the script has for this; a 421 ends the connection."""
        reply = self.peer.replies.get((verb, recipient))
        if reply is None:
            return False
        self.say(reply)
        if reply.startswith("421") and self.peer.closes:
            raise _EndedError
        return True

    # ------------------------------------------------------------------ bytes

    def line(self) -> bytes:
        while b"\r\n" not in self.unread:
            self.more()
        line, _, self.unread = self.unread.partition(b"\r\n")
        self.consume(len(line) + 2)
        return line

    def exactly(self, size: int) -> bytes:
        while len(self.unread) < size:
            self.more()
        content, self.unread = self.unread[:size], self.unread[size:]
        self.consume(size)
        return content

    def more(self) -> None:
        chunk = self.connection.recv(65_536)
        if not chunk:
            raise _EndedError
        self.unread += chunk
        self.peer.most_at_once = max(self.peer.most_at_once, self.unread.count(b"MAIL FROM"))

    def consume(self, size: int) -> None:
        """Count what the server has worked on; at the byte of its end nothing of it is done."""
        if len(self.peer.count_in(b"x" * size)) < size:
            raise _EndedError

    def say(self, reply: str) -> None:
        raw = f"{reply}\r\n".encode()
        allowed = self.peer.count_out(raw)
        self.connection.sendall(allowed)
        if len(allowed) < len(raw):
            raise _EndedError
