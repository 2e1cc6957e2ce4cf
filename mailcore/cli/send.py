"""``send``: one message through the whole path, and what became of it."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from mailcore.actor import computer_user
from mailcore.cli import as_text, output
from mailcore.cli.as_json import send_document, shown_status
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.opening import open_mailcore
from mailcore.cli.output import say
from mailcore.labels import OUTCOME_SENTENCE
from mailcore.messages.addresses import split_addresses
from mailcore.messages.compose import compose, from_eml
from mailcore.vocabulary import Origin, SendStatus

if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from mailcore.messages.compose import OutgoingMessage
    from mailcore.storage.tables import MailServer, Send

_EXITS = {
    SendStatus.ACCEPTED: Exit.DONE,
    SendStatus.REJECTED_BY_RULE: Exit.REJECTED_BY_RULE,
    SendStatus.REFUSED: Exit.NOT_DONE,
    SendStatus.FAILED: Exit.NOT_DONE,
    SendStatus.UNCERTAIN: Exit.UNCERTAIN,
}


def send(args: Namespace) -> Exit:
    """Send one message; the exit code tells the outcome."""
    with closing(open_mailcore(args)) as core:
        server = core.servers.get(args.server)
        message = _message(args, server)
        if sys.stderr.isatty():
            say(f"Enviando por “{server.name}”…")
        key = args.idempotency_key or uuid4().hex
        try:
            row = core.send(server, message, idempotency_key=key, origin=Origin.COMMAND_LINE, actor=computer_user())
        except KeyboardInterrupt:
            return _interrupted(core.ledger.under_key(key))
        document = send_document(row, core.settings.zone)
    output.show(args, document, lambda: as_text.outcome(row))
    for warning in document["warnings"]:
        say(f"Atenção: {warning}")
    if document["diagnosis"]:
        _explain(document["diagnosis"])
    return _EXITS[shown_status(row)]


def _interrupted(row: Send | None) -> Exit:
    """Say how far a send had come when it was interrupted: its row knows."""
    if row is None or row.status in (SendStatus.FAILED, SendStatus.REJECTED_BY_RULE):
        say("Interrompido antes de a mensagem sair: nada foi enviado.")
        return Exit.INTERRUPTED
    if shown_status(row) is SendStatus.UNCERTAIN:
        say("Interrompido durante o envio: ninguém sabe se a mensagem foi aceita. Confira antes de repetir.")
    else:
        say(f"Interrompido quando o servidor já tinha respondido. {OUTCOME_SENTENCE[row.status]}")
    return _EXITS[shown_status(row)]


def _message(args: Namespace, server: MailServer) -> OutgoingMessage:
    """Build the message.

    Raises:
        ValidationError: an address or a text cannot stand in a message.
        WrongUseError: there is no text, the file cannot be read, or an option says nothing beside it.
    """
    to, cc, bcc = ([address for text in texts for address in split_addresses(text)] for texts in _recipients(args))
    if args.eml is None:
        if not (args.text or "").strip():
            raise WrongUseError("Falta a mensagem: use --text com o texto, ou --eml com um arquivo. Nada foi enviado.")
        return compose(
            from_address=server.from_address,
            from_name=server.from_name,
            reply_to=server.reply_to,
            to=to,
            cc=cc,
            bcc=bcc,
            subject=args.subject or "",
            text=args.text or "",
        )
    if args.subject is not None:
        raise WrongUseError("--subject não vale com --eml: o assunto é o do arquivo.")
    return from_eml(_read(args.eml), envelope_from=server.from_address, to=to, cc=cc, bcc=bcc)


def _recipients(args: Namespace) -> tuple[list[str], list[str], list[str]]:
    return args.to, args.cc, args.bcc


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise WrongUseError(f"O arquivo “{path}” não pôde ser lido. Confira o caminho e as permissões.") from error


def _explain(diagnosis: dict[str, Any]) -> None:
    say(diagnosis["title"])
    say(f"Por quê: {diagnosis['cause']}")
    say(f"O que fazer: {diagnosis['remedy']}")
