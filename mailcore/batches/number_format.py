"""Cells of a spreadsheet as a Brazilian Excel shows them: dates, decimals, leading zeros, percentages.

The formats are those of ECMA-376 part 1, §18.8.31, as far as they change what a person reads in a letter: a file
keeps them in their English spelling, whatever language the program has.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
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
        is_day = (value.hour, value.minute, value.second) == (0, 0, 0)
        return value.strftime("%d/%m/%Y" if is_day else "%d/%m/%Y %H:%M")
    if isinstance(value, date):
        return value.strftime("%d/%m/%Y")
    if isinstance(value, time):
        return value.strftime("%H:%M:%S" if value.second else "%H:%M")
    if isinstance(value, timedelta):
        minutes = int(value.total_seconds()) // 60
        return f"{minutes // 60:02}:{minutes % 60:02}"
    if isinstance(value, int | float):
        return _number(value, number_format)
    return str(value)


def _number(value: float, number_format: str) -> str:
    number = Decimal(repr(value))
    positive, _, negative = number_format.partition(";")
    pattern = _pattern(negative.partition(";")[0] if number < 0 and negative else positive)
    if pattern is None:
        return _plain(number)
    return _formatted(number, pattern, has_own_sign=bool(negative))


def _plain(number: Decimal) -> str:
    """As the format "Geral" shows it; an integer keeps all its digits, for it may be a code."""
    if number == number.to_integral_value():
        return format(number.quantize(Decimal(1)), "f")
    return format(number.normalize(), "f").replace(".", ",")


@cache
def _pattern(written: str) -> tuple[tuple[str, bool], ...] | None:
    """Return the pieces of a format: literal text, and digits (True); None where it says nothing of digits."""
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


def _formatted(number: Decimal, pieces: tuple[tuple[str, bool], ...], *, has_own_sign: bool) -> str:
    digits = "".join(text for text, is_digits in pieces if is_digits)
    whole, _, fraction = digits.partition(".")
    if any("%" in text for text, is_digits in pieces if not is_digits):
        number *= 100
    places = len(fraction.replace(",", ""))
    rounded = abs(number).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    before, _, after = format(rounded, "f").partition(".")
    before = before.rjust(whole.count("0"), "0")
    while after and len(after) > fraction.count("0") and after.endswith("0"):
        after = after[:-1]
    sign = "-" if number < 0 and rounded and not has_own_sign else ""
    inner = sum(1 for _, is_digits in pieces if is_digits)
    if inner > 1 and not fraction:
        return sign + _filled(before, pieces)
    if "," in whole.rstrip(","):
        before = f"{int(before):,}".replace(",", ".") if before else ""
    written = f"{before},{after}" if after else before
    return sign + "".join(
        (written if index == _first(pieces) else "") if is_digits else text
        for index, (text, is_digits) in enumerate(pieces)
    )


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
