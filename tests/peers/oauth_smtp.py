"""An SMTP server that takes tokens, as strict as the real ones: TLS first, two steps, the challenge answered.

It asks the authorization server whether a token is alive and whose it is, and counts every AUTH.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import Self

from tests.peers.certificates import server_context
from tests.peers.oauth_server import OAuthPeer

LONGEST_COMMAND = 512
LONGEST_ANSWER = 12_288


@dataclass
class OAuthSmtpPeer:
    """The server; a context manager."""

    oauth: OAuthPeer
    security: str = "starttls"
    mechanisms: tuple[str, ...] = ("LOGIN", "XOAUTH2")
    says: str = ""
    """In place of looking at the token: this refusal, at once as Exchange does."""
    password_says: str = ""
    """What it says to whoever comes with a password."""
    google: bool = False
    """Refuse by a challenge that has to be answered."""
    auth_lines: list[str] = field(default_factory=list)
    turns: int = 0
    """Lines a client sent and waited for."""
    connections: int = 0
    inbox: list[bytes] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What a client did that no client may."""

    def __enter__(self) -> Self:
        self.host = "localhost"
        self._tls = server_context()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closed alone, it would go on accepting, and a process that was stopped for a moment goes on with whatever
        # socket has its number by then: that of the next peer.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            # A reply after TLS's own last words would wait 40 ms for their acknowledgement (Nagle's algorithm).
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.security == "ssl_tls":
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._talk(connection)
        except (OSError, ssl.SSLError):
            pass
        finally:
            connection.close()

    def _talk(self, connection: socket.socket) -> None:
        encrypted = self.security == "ssl_tls"
        file = connection.makefile("rb")

        def say(text: str) -> None:
            connection.sendall(text.encode() + b"\r\n")

        say("220 peer.example ESMTP")
        logged_in = False
        while line := file.readline(20_000):
            self.turns += 1
            if len(line) > LONGEST_COMMAND:
                self.faults.append("long line")
                say("500 5.5.2 Line too long")
                continue
            verb, _, argument = line.decode().rstrip("\r\n").partition(" ")
            match verb.upper():
                case "EHLO":
                    offers = [f"AUTH {' '.join(self.mechanisms)}"] if encrypted else ["STARTTLS"]
                    say("250-peer.example\r\n250 " + offers[0])
                case "STARTTLS":
                    say("220 go")
                    connection = self._tls.wrap_socket(connection, server_side=True)
                    file, encrypted = connection.makefile("rb"), True
                case "AUTH":
                    self.auth_lines.append(argument)
                    if self.password_says and argument.upper().split()[0] in ("LOGIN", "PLAIN"):
                        say(self.password_says)
                        continue
                    if not encrypted:
                        self.faults.append("AUTH in clear")
                    if argument.upper() not in ("XOAUTH2", "OAUTHBEARER"):
                        self.faults.append("not in two steps")
                        say("504 5.5.4 no")
                        continue
                    say("334 ")
                    answer = file.readline(LONGEST_ANSWER + 2)
                    self.turns += 1
                    logged_in = self._looks_good(argument.upper(), answer)
                    if logged_in:
                        say("235 2.7.0 Accepted")
                    elif self.says:
                        say(self.says)
                    elif self.google:
                        self._challenge(argument.upper(), say, file.readline)
                    else:
                        say("535 5.7.3 Authentication unsuccessful [peer.example 2026-11-26]")
                case "MAIL":
                    say("250 ok" if logged_in else "530 5.7.57 Client not authenticated")
                case "RCPT" | "RSET" | "NOOP":
                    say("250 ok")
                case "DATA":
                    say("354 go")
                    body = b""
                    while (part := file.readline()) != b".\r\n":
                        body += part
                    self.inbox.append(body)
                    say("250 2.0.0 Ok: queued as 3F8A21C0D4")
                case "QUIT":
                    say("221 bye")
                    return
                case _:
                    say("500 5.5.1 what?")

    def _looks_good(self, mechanism: str, answer: bytes) -> bool:
        if self.says:
            return False
        text = base64.b64decode(answer.strip(), validate=True).decode()
        if mechanism == "XOAUTH2":
            user, auth, *rest = text.split("\x01")
            user = user.removeprefix("user=")
        else:
            head, host, port, auth, *rest = text.split("\x01")
            assert head.startswith("n,a=")
            assert head.endswith(",")
            assert (host, port) == (f"host={self.host}", f"port={self.port}")
            user = head[4:-1].replace("=2C", ",").replace("=3D", "=")
        assert auth.startswith("auth=Bearer ")
        assert rest == ["", ""]
        return self.oauth.is_alive(auth.removeprefix("auth=Bearer "), user)

    def _challenge(self, mechanism: str, say, read) -> None:  # type: ignore[no-untyped-def]
        said = {"status": "401", "schemes": "Bearer", "scope": "https://mail.google.com/"}
        say("334 " + base64.b64encode(json.dumps(said).encode()).decode())
        wanted = b"AQ==\r\n" if mechanism == "OAUTHBEARER" else b"\r\n"
        if read(100) != wanted:
            self.faults.append("challenge answered wrongly")
            say("501 5.5.2 Cannot Decode response")
            return
        say("535-5.7.8 Username and Password not accepted. Learn more at\r\n535 5.7.8 https://support.google.com/mail/")
