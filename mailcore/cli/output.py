"""Standard output, standard error, and what is read from a person or a pipe."""

from __future__ import annotations

import json
import os
import re
import sys
from getpass import getpass
from typing import TYPE_CHECKING

from mailcore.cli.exits import WrongUseError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from pydantic import SecretStr

_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""DEL and the second set of control characters, which JSON lets through, bidirectional marks, what has no width."""

_MOST_SECRET_BYTES = 65_536
"""Far more than any password: who pipes a whole disk gets a sentence instead of a full memory."""


def show(args: Namespace, document: object, as_text: Callable[[], str]) -> None:
    """Write a result: the document with ``--json``, else the text."""
    _write(_json(document) if args.json else printable(as_text()))


def say(sentence: str) -> None:
    """Write a sentence for the person, apart from the result."""
    print(printable(sentence), file=sys.stderr)


def _json(document: object) -> str:
    """As JSON; what a terminal would obey, or turn round, is written as an escape and means the same."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def printable(text: str) -> str:
    """Without control characters: a server's reply must not drive anybody's terminal."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def _write(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The reader (``head``, say) has seen enough. Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def on_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirmed(question: str) -> bool:
    """Ask a person for a yes.

    Raises:
        WrongUseError: there is nobody to ask.
    """
    if not on_terminal():
        raise WrongUseError("Nada foi apagado: sem um terminal para perguntar, confirme com --yes.")
    print(printable(f"{question} [s/N] "), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("s", "sim")


def ask_secret(label: str) -> SecretStr:
    """Ask for a secret on the terminal, unseen.

    Raises:
        WrongUseError: nothing was typed.
    """
    try:
        return _secret(getpass(f"{label}: ", stream=sys.stderr))
    except EOFError:
        return _secret("")


def secret_from_stdin(label: str) -> SecretStr:
    """Read a secret from standard input without its closing line feed; ask for it if that is a terminal.

    Raises:
        WrongUseError: nothing came, or no text.
    """
    if on_terminal():
        return ask_secret(label)
    data = sys.stdin.buffer.read(_MOST_SECRET_BYTES) if sys.stdin is not None else b""
    try:
        text = data.decode("utf-8-sig")  # Windows shells put a byte-order mark before what they pipe
    except UnicodeDecodeError:
        raise WrongUseError("A senha da entrada padrão não está em UTF-8.") from None
    return _secret(text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text)


def _secret(text: str) -> SecretStr:
    from pydantic import SecretStr

    if not text:
        raise WrongUseError("A senha veio vazia, e nada foi gravado.")
    return SecretStr(text)
