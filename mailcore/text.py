"""How text is folded, so that neither accents nor case matter in a search or in a duplicate check; and numbers."""

from __future__ import annotations

import re
import unicodedata

_SURROGATE = re.compile("[\ud800-\udfff]")


def fold(text: str) -> str:
    """Return ``text`` without accents, in folded case, white space collapsed.

    "  São  PAULO" becomes "sao paulo". Folding happens here and not in the database: the trigram
    tokenizer of SQLite strips accents only from 3.45 on, and PostgreSQL's ``unaccent`` is an extension.
    A NUL, which PostgreSQL cannot store, is left out; half of a pair of surrogates, which no database takes, is
    written as the mark of what is no text.
    """
    text = _SURROGATE.sub("\ufffd", text.replace("\0", ""))
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(plain.split())


def thousands(number: int) -> str:
    """Return a number as it is written in Brazil: 10.000."""
    return f"{number:,}".replace(",", ".")
