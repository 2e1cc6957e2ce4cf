"""The command line: the same rules as the screen, for developers, scripts and tests.

``parser.py`` knows the options, ``servers.py``, ``send.py`` and the like do what they ask,
``as_json.py`` and ``as_text.py`` show the result. Results go to standard output, with ``--json`` as
exactly one document; progress and errors go to standard error. Exit codes: see :class:`Exit`.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING

from mailcore.arguments import NOT_TEXT
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.output import say
from mailcore.cli.parser import build_parser, option_of
from mailcore.errors import ConflictError, MailcoreError, NotAllowedError, NotFoundError, ValidationError
from mailcore.text import is_text

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    Command = Callable[[Namespace], Exit]

__all__ = ["Exit", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; wrong options end in ``SystemExit(2)``, as argparse does."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if unreadable := _no_text_in(given):
        say(f"{unreadable}: {NOT_TEXT}")
        return Exit.WRONG_USE
    args = build_parser().parse_args(given)
    try:
        return _command(args.command)(args)
    except (WrongUseError, NotFoundError) as error:
        say(str(error))
        return Exit.WRONG_USE
    except ConflictError as error:
        say(f"{error} Nada foi mudado: rode o comando de novo.")
        return Exit.WRONG_USE
    except ValidationError as error:
        for complaint in error.errors:
            say(f"{complaint.message} ({option_of(complaint.field)})")
        return Exit.WRONG_USE
    except NotAllowedError as error:
        say(str(error))
        return Exit.REJECTED_BY_RULE
    except MailcoreError as error:
        say(str(error))
        return Exit.NOT_DONE
    except KeyboardInterrupt:
        say("Interrompido.")
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a mistake of ours is a sentence too, and shows no values
        where = traceback.extract_tb(error.__traceback__)[-1]
        say(f"Erro do próprio programa: {type(error).__name__} em {where.name}, linha {where.lineno}.")
        return Exit.NOT_DONE


def _no_text_in(arguments: Sequence[str]) -> str:
    """Return what the first argument is called whose bytes were no UTF-8; empty where there is none.

    A file may have any name; and a pasted reply is explained whatever bytes are in it.
    """
    for place, argument in enumerate(arguments):
        option, _, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        before = arguments[place - 1] if place else ""
        if is_text(argument) or os.path.lexists(value or argument) or (arguments[0] == "explain" and not option):
            continue
        if option and value:
            return option if is_text(option) else f"argumento {place + 1}"
        return before if before.startswith("--") else f"argumento {place + 1}"
    return ""


def _command(name: str) -> Command:
    # Only what this command needs is loaded: that is most of what a short command costs.
    module, _, function = _COMMANDS[name].partition(".")
    command: Command = getattr(import_module(f"mailcore.cli.{module}"), function)
    return command


_COMMANDS = {
    "servers list": "servers.list_servers",
    "servers show": "servers.show",
    "servers add": "servers.add",
    "servers edit": "servers.edit",
    "servers delete": "servers.delete",
    "servers check": "check.check",
    "servers authorize": "authorize.authorize",
    "servers suggest": "admin.suggest",
    "servers export": "exchange.export",
    "servers import": "exchange.import_",
    "explain": "admin.explain",
    "send": "send.send",
    "log": "log.log",
    "quota": "quota.quota",
    "quota add-external": "quota.add_external",
    "secrets rotate": "admin.rotate_secrets",
    "oauth apps list": "oauth.list_apps",
    "oauth apps add": "oauth.add",
    "oauth apps edit": "oauth.edit",
    "oauth apps remove": "oauth.remove",
    "users list": "users.list_users",
    "users add": "users.add",
    "users edit": "users.edit",
    "users sessions": "users.sessions",
    "users link": "users.link",
    "users remove": "users.remove",
    "batch create": "batches.create",
    "batch list": "batches.list_batches",
    "batch show": "batches.show",
    "batch preview": "batches.preview",
    "batch start": "batches.act",
    "batch pause": "batches.act",
    "batch resume": "batches.act",
    "batch cancel": "batches.act",
    "batch recipients": "batches.recipients",
    "batch retry": "batches.retry",
    "suppressions list": "suppressions.list_suppressions",
    "suppressions add": "suppressions.add",
    "suppressions remove": "suppressions.remove",
    "worker": "worker.worker",
    "doctor": "admin.doctor",
    "backup": "backup.backup",
    "restore": "backup.restore_",
}
"""Command → the function in this package that does it."""
