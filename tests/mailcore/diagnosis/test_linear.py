"""Explaining costs what the text is long and no more, whatever stands in it."""

from __future__ import annotations

import string
import time
from collections.abc import Callable

from mailcore.diagnosis.explain import explain
from mailcore.diagnosis.pasted import MAX_TEXT
from tests.tables import each_row

MEGABYTE = 1_000_000
LETTERS = string.ascii_lowercase


def different(number: int) -> str:
    return LETTERS[number % 26] + LETTERS[number // 26 % 26] + LETTERS[number // 676 % 26]


TEXTS = {
    "different replies": "".join(
        f"550 5.1.1 <x@x.br> mailbox unknown user {different(number)} rejected denied\n" for number in range(17_000)
    ),
    "a log": "".join(
        f"Nov 23 10:00:{number % 60:02} mx postfix/smtp[{number}]: A{number}: to=<a{number}@x.com>, relay=mx.x.com:25, "
        f"status=bounced (host mx.x.com said: 550 5.1.1 user {different(number)} unknown (in reply to RCPT TO))\n"
        for number in range(6_000)
    ),
    "paragraphs of trouble": "error x failure\n\n",
    "words": "error failure blocked quota exceeded\n",
    "codes": "550 ",
    "a reply that goes on": "550-x\n",
    "python": "(550, b'",
    "exim": "** a R=b T=c H=d ",
    "json": '{"Error": "x',
    "login": "334 abcd\n",
    "quotes": ">",
    "soft breaks": "=\n",
    "tags": "<p ",
    "hosts": "a.",
    "addresses": "a@b.",
    "passwords": "://a:b",
    "one word": "a",
    "brackets": "host mx.a.com[1.2.3.4] said: 4",
}


def filled(text: str, size: int) -> str:
    return (text * (size // len(text) + 1))[:size]


def cost(text: str) -> float:
    """CPU seconds of this thread."""
    began = time.thread_time()
    explain(text)
    return time.thread_time() - began


def holds(condition: Callable[[], bool]) -> bool:
    """Whether it holds at the first or the second look: a busy machine takes caches away."""
    return condition() or condition()


def test_a_megabyte_costs_little() -> None:
    text = filled(TEXTS["different replies"], MEGABYTE)
    assert holds(lambda: cost(text) < 4)  # 2 s where nobody else is at work


@each_row("name", TEXTS)
def test_a_quarter_of_what_is_read_costs_a_quarter(name: str) -> None:
    text = filled(TEXTS[name], MAX_TEXT // 4)
    assert holds(lambda: cost(text) < 1)


@each_row("name", TEXTS)
def test_twice_the_text_is_at_most_twice_the_work(name: str) -> None:
    """Of so little that nothing is left out yet; what grows unseen here makes the megabyte cost much."""
    half, whole = (filled(TEXTS[name], size) for size in (10_000, 20_000))
    assert holds(lambda: cost(whole) < 3 * cost(half) + 0.05)
