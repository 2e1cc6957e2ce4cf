"""What the groups of options are made of: a parser that speaks Portuguese, and the kinds of values."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from mailcore.cli.output import printable
from mailcore.cli.portuguese import in_portuguese

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_LIST_LIMIT = 100
_AGO = {"m": "minutes", "h": "hours", "d": "days"}

_MOST = 2**31 - 1
"""The largest id a database column here can hold."""


class _Formatter(argparse.HelpFormatter):
    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, "uso: " if prefix is None else prefix)


class Parser(argparse.ArgumentParser):
    """A parser that speaks Portuguese, and takes no abbreviated options."""

    def __init__(self, **keywords: Any) -> None:
        keywords |= {"allow_abbrev": False, "add_help": False, "formatter_class": _Formatter}
        super().__init__(**keywords)
        self.common = self.add_argument_group("gerais")
        self.common.add_argument("-h", "--help", action="help", help="mostra esta ajuda")
        # Both before and after the subcommand: what is absent here must not undo what was given there.
        self.common.add_argument(
            "--json",
            action="store_true",
            default=argparse.SUPPRESS,
            help="um único documento JSON na saída padrão",
        )

    def error(self, message: str) -> NoReturn:
        """Say in Portuguese what is wrong with the call, with how it is used, and end in 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: erro: {printable(in_portuguese(message))}\n")


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Parser]  # noqa: SLF001 - it has no public name


def command_group(commands: Commands, name: str, description: str) -> Commands:
    """Add a word that commands stand behind; return where they are added."""
    parser = commands.add_parser(name, help=description, description=_sentence(description))
    return parser.add_subparsers(title="comandos", metavar="COMANDO", required=True)


def add_command(commands: Commands, name: str, description: str, group: str = "") -> Parser:
    """Add a command.

    Args:
        group: the words before it, with a blank at the end.
    """
    parser = commands.add_parser(name, help=description, description=_sentence(description))
    parser.set_defaults(command=f"{group}{name}")
    return parser


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def add_id(parser: Parser) -> None:
    """Add the number of a server, which stands without an option."""
    parser.add_argument_group("qual").add_argument("id", metavar="ID", type=server_number, help="número do servidor")


def server_number(text: str) -> int:
    """Parse the number of a server."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:20]) <= _MOST:
        raise argparse.ArgumentTypeError(f"não há servidor com o número “{text[:40]}”")
    return int(text)


def whole_number(text: str) -> int:
    """Parse a whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:20]) <= _MOST:
        raise argparse.ArgumentTypeError("use um número inteiro a partir de 1")
    return int(text)


def moment_or_ago(text: str) -> datetime | timedelta:
    """Parse a moment, or how long ago; a moment without an offset is meant in the configured zone, known later."""
    number, unit = text[:-1], text[-1:]
    if unit in _AGO and number.isascii() and number.isdigit() and len(number) < 6:
        return timedelta(**{_AGO[unit]: int(number)})
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "use uma data ISO 8601 (2026-11-23, 2026-11-23T14:05-03:00) ou há quanto tempo (24h, 7d)"
        ) from None


def key(text: str) -> str:
    """Parse an idempotency key."""
    # Empty would mean "none": a script whose variable is unset must not send twice.
    if not text or len(text) > 255 or not text.isprintable():
        raise argparse.ArgumentTypeError("use de 1 a 255 caracteres, sem quebra de linha")
    return text
