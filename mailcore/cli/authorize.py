"""``servers authorize``: say where to go, and wait until a person has been there."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from mailcore.actor import computer_user
from mailcore.cli import output
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.opening import open_mailcore
from mailcore.cli.output import say
from mailcore.diagnosis.replies import diagnosis_for
from mailcore.oauth.authorizing import Progress, Wanted
from mailcore.oauth.faults import OAuthError
from mailcore.transports.base import TransportError
from mailcore.vocabulary import Auth, OAuthMode

if TYPE_CHECKING:
    from argparse import Namespace

    from mailcore import Mailcore
    from mailcore.oauth.authorizing import Begun
    from mailcore.storage.tables import MailServer

_BACK = "Pode fechar esta janela e voltar ao terminal."


def authorize(args: Namespace) -> Exit:
    """Authorise a record; where its application works alone, get its first token."""
    with closing(open_mailcore(args)) as core:
        server = core.servers.get(args.id)
        if server.auth is not Auth.OAUTH2 or server.oauth_app_id is None:
            raise WrongUseError(
                f"O servidor {server.id} não usa OAuth2. Antes: servers edit {server.id} --auth oauth2 --oauth-app ID"
            )
        try:
            if core.servers.apps.get(server.oauth_app_id).mode is OAuthMode.APPLICATION:
                _alone(core, server)
                done = Progress("done", user=server.username)
            elif args.device:
                done = _by_device(core, _wanted(server))
            else:
                done = _by_browser(core, _wanted(server))
        except OAuthError as error:
            _say_why(error.code, error.words)
            return Exit.NOT_DONE
        except TransportError as error:
            _say_why(error.cause, error.reply)
            return Exit.NOT_DONE
    document = {"server_id": server.id, "state": "authorized", "user": done.user}
    output.show(args, document, lambda: f"Servidor {server.id} “{server.name}” autorizado como {done.user}.")
    return Exit.DONE


def _wanted(server: MailServer) -> Wanted:
    return Wanted(server.oauth_app_id or 0, server.host, server.username, server.id)


def _say_why(code: str, words: str) -> None:
    found = diagnosis_for(code, reply=words)
    say(" ".join(filter(None, [found.title, found.cause, found.remedy, words and f"({words})"])))


def _alone(core: Mailcore, server: MailServer) -> None:
    source = core.servers.tokens.source_for(server)
    assert source is not None
    source(30.0, True)


def _by_device(core: Mailcore, wanted: Wanted) -> Progress:
    begun = core.servers.authorizing.begin_device(wanted, actor=computer_user())
    _show(begun.address)
    _show(f"Código: {begun.user_code}")
    interval, ends = begun.interval, time.monotonic() + begun.seconds
    while time.monotonic() < ends:
        time.sleep(interval)
        try:
            asked = core.servers.authorizing.poll(begun.key, actor=computer_user())
        except OAuthError as error:
            if not error.is_temporary:
                raise
            continue  # a provider in trouble: the code stays good
        if isinstance(asked, Progress):
            return asked
        interval += asked
    raise OAuthError("oauth_device_ended")


def _by_browser(core: Mailcore, wanted: Wanted) -> Progress:
    """Listen on loopback for the return, and read a pasted address: whichever comes first."""
    answers: Queue[str] = Queue()
    with _Listener(answers) as listener:
        begun = core.servers.authorizing.begin(wanted, redirect=listener.address, actor=computer_user())
        _show("Abra no navegador e entre com a conta de envio:")
        _show(begun.address)
        _show(
            "Se o navegador terminar numa página que não abre, copie o endereço inteiro dela, cole aqui e tecle Enter."
        )
        Thread(target=_read_pasted, args=(answers,), daemon=True).start()
        return _first_good(core, begun, answers)


def _first_good(core: Mailcore, begun: Begun, answers: Queue[str]) -> Progress:
    ends = time.monotonic() + begun.seconds
    while (left := ends - time.monotonic()) > 0:
        try:
            address = answers.get(timeout=left)
        except Empty:
            break
        try:
            return core.servers.authorizing.come_back(address, actor=computer_user())
        except OAuthError as error:
            if error.code != "oauth_state":
                raise
            # What is no answer of ours ends nothing: somebody may have pasted half of it.
            _say_why(error.code, error.words)
    raise OAuthError("oauth_state")


def _read_pasted(answers: Queue[str]) -> None:
    for line in sys.stdin or ():
        if line.strip():
            answers.put(line.strip())


def _show(line: str) -> None:
    print(output.printable(line), file=sys.stderr, flush=True)


class _Listener:
    """Takes one kind of request on a free port of this machine: the browser coming back."""

    def __init__(self, answers: Queue[str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if {"state"} <= parse_qs(urlsplit(self.path).query).keys():
                    answers.put(f"http://localhost{self.path}")
                body = _BACK.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Write no line: it would have the code in it."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def address(self) -> str:
        """Where the provider sends the browser. Microsoft ignores the port of ``localhost``, and of nothing else."""
        return f"http://localhost:{self._server.server_port}"

    def __enter__(self) -> _Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
