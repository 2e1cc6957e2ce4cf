"""How text is folded, so that neither accents nor case matter in a search or in a duplicate check; and numbers."""

from __future__ import annotations

import re
import unicodedata

_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def is_text(text: str) -> bool:
    """Whether every character is one: no lone half of a surrogate pair, which no encoding takes, and no NUL.

    Python makes such halves of bytes that are no UTF-8 (arguments, environment) and of ``"\\ud800"`` in JSON.
    """
    return _NO_TEXT.search(text) is None


def as_text(text: str) -> str:
    """Return ``text`` as a database takes it: NULs left out, lone surrogates as the mark for them, U+FFFD."""
    return _SURROGATE.sub("\ufffd", text.replace("\0", ""))


def in_log(text: str) -> str:
    """Return ``text`` as it may stand in a log: one line, and nothing that a terminal obeys."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def fold(text: str) -> str:
    """Return ``text`` without accents, in folded case, white space collapsed.

    "  São  PAULO" becomes "sao paulo". Folding happens here and not in the database: the trigram
    tokenizer of SQLite strips accents only from 3.45 on, and PostgreSQL's ``unaccent`` is an extension.
    What is no text is as :func:`as_text` has it.
    """
    # Once more after taking apart: of a double-struck C a plain capital is left.
    decomposed = unicodedata.normalize("NFKD", as_text(text).casefold()).casefold()
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(plain.split())


def thousands(number: int) -> str:
    """Return a number as it is written in Brazil: 10.000."""
    return f"{number:,}".replace(",", ".")
