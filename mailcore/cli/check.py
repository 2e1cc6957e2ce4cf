"""``servers check``: the staged check of one server or of all."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from mailcore.actor import computer_user
from mailcore.cli import as_text, output
from mailcore.cli.as_json import check_document
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.opening import open_mailcore
from mailcore.cli.output import say
from mailcore.messages.addresses import parse_address
from mailcore.transports import kind_of, kinds
from mailcore.vocabulary import StepState

if TYPE_CHECKING:
    from argparse import Namespace

    from mailcore import Mailcore
    from mailcore.health.portfolio import Checked
    from mailcore.storage.tables import MailServer
    from mailcore.transports.base import Step


def check(args: Namespace) -> Exit:
    """Check one server, or every active one; a failed check ends in 4."""
    if args.all == (args.id is not None):
        raise WrongUseError("Diga o número do servidor ou --all, um dos dois.")
    if args.all and args.rcpt:
        raise WrongUseError("--rcpt só vale para um servidor.")
    with closing(open_mailcore(args)) as core:
        return _all(args, core) if args.all else _one(args, core)


def _one(args: Namespace, core: Mailcore) -> Exit:
    server = core.servers.get(args.id)
    recipient = _recipient(args.rcpt, server) if args.rcpt is not None else ""
    result = core.check(server, _tell if sys.stderr.isatty() else _ignore, recipient=recipient, actor=computer_user())
    output.show(args, check_document(result), lambda: as_text.check_lines(result))
    return Exit.DONE if result.ok else Exit.NOT_DONE


def _recipient(typed: str, server: MailServer) -> str:
    if not kind_of(server.kind).asks_recipient:
        only = " ou ".join(kind.id for kind in kinds() if kind.asks_recipient)
        raise WrongUseError(f"--rcpt só vale para um servidor {only}.")
    try:
        return parse_address(typed)
    except ValueError as error:
        raise WrongUseError(f"--rcpt: {error}") from None


def _all(args: Namespace, core: Mailcore) -> Exit:
    progress = _count if sys.stderr.isatty() else _ignore
    checked = core.check_all(progress, actor=computer_user())
    documents = [{"server_id": tested.server.id, **check_document(tested.result, tested.fault)} for tested in checked]
    output.show(args, documents, lambda: as_text.checked_table(checked))
    for sentence in as_text.attention_lines(core.attention(), core.settings.zone):
        say(sentence)
    return Exit.DONE if all(tested.ok for tested in checked) else Exit.NOT_DONE


def _ignore(_: object) -> None:
    """Tell nobody: standard error is no terminal."""


def _tell(step: Step) -> None:
    if step.state is not StepState.RUNNING:
        say(as_text.step_line(step))


def _count(tested: Checked) -> None:
    end = "\n" if tested.done == tested.total else ""
    print(f"\rTestados {tested.done} de {tested.total}…", end=end, file=sys.stderr, flush=True)
