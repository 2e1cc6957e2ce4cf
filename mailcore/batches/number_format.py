"""Cells of a spreadsheet as a Brazilian Excel shows them: dates, decimals, leading zeros, percentages.

The formats are those of ECMA-376 part 1, §18.8.31, as far as they change what a person reads in a letter: a file
keeps them in their English spelling, whatever language the program has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache

_LITERAL = re.compile(r'"([^"]*)"|\\(.)|\[\$([^\]-]*)[^\]]*\]|\[[^\]]*\]|_.|\*.')
_OTHER = ("General", "Geral", "/", "E+", "E-", "@")
"""What is no plain number: no format at all, fractions, exponents, text."""
_DIGITS = re.compile(r"[0#?][0#?,.]*")


def shown(value: object, number_format: str) -> str:
    """Return the value of a cell as its reader sees it.

    A date is 26/11/2026, a number with decimals 1.234,50 where the cell is formatted so, and an integer as it is.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "VERDADEIRO" if value else "FALSO"
    if isinstance(value, datetime):
        is_day = not (value.hour or value.minute or value.second)
        return _day(value) if is_day else f"{_day(value)} {value.hour:02}:{value.minute:02}"
    if isinstance(value, date):
        return _day(value)
    if isinstance(value, time):
        return value.strftime("%H:%M:%S" if value.second else "%H:%M")
    if isinstance(value, timedelta):
        minutes = int(value.total_seconds()) // 60
        return f"{minutes // 60:02}:{minutes % 60:02}"
    if isinstance(value, int | float):
        return _number(value, number_format)
    return str(value)


def _day(value: date) -> str:
    return f"{value.day:02}/{value.month:02}/{value.year:04}"


def _number(value: float, number_format: str) -> str:
    positive, negative, has_own_sign = _formats(number_format)
    used = negative if value < 0 else positive
    if used is None:
        return _plain(value)
    try:
        return _formatted(Decimal(repr(value)), used, has_own_sign=has_own_sign)
    except InvalidOperation:  # with more digits than can be rounded
        return _plain(value)


def _plain(value: float) -> str:
    """As the format "Geral" shows it; an integer keeps all its digits, for it may be a code."""
    written = repr(value)
    if "e" in written:
        written = format(Decimal(written), "f")
    return written.removesuffix(".0").replace(".", ",")


@dataclass(frozen=True, slots=True)
class _Format:
    """One part of a number format, for numbers of one sign: text, and digits."""

    pieces: tuple[tuple[str, bool], ...]
    """Literal text, and digits (True)."""
    unit: Decimal
    """What is rounded to."""
    zeros: int
    """Digits before the comma that are always there."""
    decimals: int
    """The same after it."""
    is_percent: bool
    is_grouped: bool
    """With a point between thousands."""
    is_filled: bool
    """There is text between the digits, as in a CPF."""
    before: str
    """All the text before the number, and after it, where there is none between its digits."""
    after: str


@cache
def _formats(number_format: str) -> tuple[_Format | None, _Format | None, bool]:
    """Return the format of numbers, that of negative ones, and whether it is one of their own, without a sign.

    None says nothing of digits.
    """
    positive, _, negative = number_format.partition(";")
    own = negative.partition(";")[0] if negative else positive
    return _format(positive), _format(own), bool(negative)


def _format(written: str) -> _Format | None:
    pieces = _pieces(written)
    if pieces is None:
        return None
    whole, _, fraction = "".join(text for text, is_digits in pieces if is_digits).partition(".")
    texts = ["" if is_digits else text for text, is_digits in pieces]
    first = _first(pieces)
    return _Format(
        pieces,
        Decimal(1).scaleb(-len(fraction.replace(",", ""))),
        whole.count("0"),
        fraction.count("0"),
        is_percent=any("%" in text for text in texts),
        is_grouped="," in whole.rstrip(","),
        is_filled=sum(1 for _, is_digits in pieces if is_digits) > 1 and not fraction,
        before="".join(texts[:first]),
        after="".join(texts[first:]),
    )


def _pieces(written: str) -> tuple[tuple[str, bool], ...] | None:
    pieces: list[tuple[str, bool]] = []
    position = 0
    while position < len(written):
        if match := _LITERAL.match(written, position):
            pieces.append((match[1] or match[2] or match[3] or "", False))
        elif match := _DIGITS.match(written, position):
            pieces.append((match[0], True))
        elif written.startswith(_OTHER, position):
            return None
        else:
            pieces.append((written[position], False))
        position = match.end() if match else position + 1
    return tuple(pieces) if any(is_digits for _, is_digits in pieces) else None


def _formatted(number: Decimal, used: _Format, *, has_own_sign: bool) -> str:
    if used.is_percent:
        number *= 100
    rounded = abs(number).quantize(used.unit, rounding=ROUND_HALF_UP)
    before, _, after = format(rounded, "f").partition(".")
    before = before.rjust(used.zeros, "0")
    while after and len(after) > used.decimals and after.endswith("0"):
        after = after[:-1]
    sign = "-" if number < 0 and rounded and not has_own_sign else ""
    if used.is_filled:
        return sign + _filled(before, used.pieces)
    if used.is_grouped:
        before = f"{int(before):,}".replace(",", ".") if before else ""
    return f"{sign}{used.before}{before},{after}{used.after}" if after else f"{sign}{used.before}{before}{used.after}"


def _first(pieces: tuple[tuple[str, bool], ...]) -> int:
    return next(index for index, (_, is_digits) in enumerate(pieces) if is_digits)


def _filled(digits: str, pieces: tuple[tuple[str, bool], ...]) -> str:
    """Fill digits from the right into a format with text between them: 000"."000"."000-00."""
    rest, written = list(digits), ""
    for index in range(len(pieces) - 1, -1, -1):
        text, is_digits = pieces[index]
        if not is_digits:
            written = text + written
            continue
        is_first = index == _first(pieces)
        taken = rest if is_first else rest[-len(text) :]
        rest = [] if is_first else rest[: -len(text)]
        written = "".join(taken) + written
    return written
