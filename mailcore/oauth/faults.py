"""What a token endpoint's refusal means: its error, and Microsoft's numbers, to the code of a diagnosis.

Sources: learn.microsoft.com/entra/identity-platform/reference-error-codes and Google's OAuth2 pages (read on
2026-11-26). Microsoft warns that its numbers change: ``error`` decides what the program does, a number only how it
is explained.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mailcore.errors import MailcoreError
from mailcore.text import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPORARY = frozenset({"oauth_unreachable", "oauth_temporary", "oauth_too_often", "oauth_not_json", "oauth_busy"})
"""Nothing is wrong with the authorisation: it may be tried again later."""

_AADSTS = re.compile(r"AADSTS(\d{4,8})")
_MOST_WORDS = 300


class OAuthError(MailcoreError):
    """A request for a token that brought none.

    Attributes:
        code: the diagnosis (``mailcore/diagnosis/diagnoses.toml``).
        error: the provider's own short word (``invalid_grant``), or empty.
        words: what it said, at most 300 characters; never the body as it came.
    """

    def __init__(self, code: str, *, error: str = "", words: str = "") -> None:
        self.code = code
        self.error = error
        self.words = words
        super().__init__(code)

    @property
    def is_temporary(self) -> bool:
        """Whether waiting may be all that is needed."""
        return self.code in TEMPORARY


@dataclass(frozen=True, slots=True)
class _Table:
    numbers: dict[int, str]
    errors: dict[str, str]
    words: list[tuple[str, str, str]]


@cache
def _table() -> _Table:
    raw = tomllib.loads(files("mailcore.oauth").joinpath("faults.toml").read_text("utf-8"))
    numbers = {number: code for code, listed in raw["numbers"].items() for number in listed}
    words = [(item["error"], item["says"], item["code"]) for item in raw["words"]]
    return _Table(numbers, dict(raw["errors"]), words)


def known_codes() -> set[str]:
    """Return every diagnosis the table leads to."""
    table = _table()
    return {*table.numbers.values(), *table.errors.values(), *(code for _, _, code in table.words)}


def refused(answer: Mapping[str, Any], status: int, *, step: str) -> OAuthError:
    """Return the error of an answer that is no token.

    Args:
        answer: the body, read leniently; empty where it was no JSON object.
        status: of HTTP; 0 for what came in an address.
        step: ``code``, ``refresh``, ``application``, ``device`` or ``authorize``.
    """
    error, description = _text(answer.get("error")), _text(answer.get("error_description"))
    numbers = _numbers(answer.get("error_codes"), description)
    table = _table()
    code = next((table.numbers[number] for number in numbers if number in table.numbers), "")
    if not code:
        folded = fold(description)
        code = next((found for of, says, found in table.words if of == error and says in folded), "")
    if not code:
        code = table.errors.get(f"{error}@{step}") or table.errors.get(error, "")
    if not code:
        code = "oauth_temporary" if status >= 500 or status == 429 else "oauth_refused_unknown"
    return OAuthError(code, error=_shown(error, ""), words=_shown(error, description))


def _numbers(listed: object, description: str) -> list[int]:
    given = [item for item in listed if isinstance(item, int)] if isinstance(listed, list) else []
    return [*given, *(int(found) for found in _AADSTS.findall(description))]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _shown(error: str, description: str) -> str:
    words = ": ".join(filter(None, [error, " ".join(description.split())]))
    return "".join(char for char in words if char.isprintable())[:_MOST_WORDS]
