"""Passwords of local accounts: what may be one, and its argon2id hash.

The parameters are the strongest of those OWASP's cheat sheet on password storage names as equal (argon2id, 46 MiB, one
pass, one lane): a sign-in takes one core, and answers in time on a busy machine of two. A hash made with other
parameters is made anew at the next sign-in.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from mailcore.errors import FieldError, SignInRefusedError, ValidationError
from mailcore.text import fold

if TYPE_CHECKING:
    from argon2 import PasswordHasher
    from pydantic import SecretStr

SHORTEST = 12
LONGEST = 256
_AT_ONCE = 2
"""Hashes being computed side by side: each takes 46 MiB, and a burst of tries must not take the machine's memory."""
_PATIENCE_SECONDS = 10
_ROW_OF_KEYS = ("abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm")
_working = BoundedSemaphore(_AT_ONCE)


def check_password(password: SecretStr, *, email: str = "", name: str = "") -> None:
    """Refuse what is guessed first.

    Args:
        email: whose it is to be; a password made of one's own address or name is refused.

    Raises:
        ValidationError: too short, too long, one of the commonest, or easily guessed; the field is ``password``.
    """
    text = password.get_secret_value()
    if len(text) < SHORTEST:
        raise _complaint(f"use pelo menos {SHORTEST} caracteres. Uma frase que só você diria serve bem.")
    if len(text) > LONGEST:
        raise _complaint(f"use no máximo {LONGEST} caracteres.")
    plain = fold(text).replace(" ", "")
    if plain in _common() or _is_pattern(plain):
        raise _complaint("esta é uma das primeiras que se tentam. Escolha outra, como uma frase que só você diria.")
    own = [fold(part) for part in (email, email.partition("@")[0], *name.split()) if len(part) >= 4]
    if any(len(plain.replace(part, "")) < SHORTEST // 2 for part in own if part in plain):
        raise _complaint("ela é quase só o seu nome ou endereço. Escolha outra.")


def hash_password(password: SecretStr) -> str:
    """Return the hash to keep.

    Raises:
        SignInRefusedError: too many are being computed; nothing was done.
    """
    with _Turn():
        return _hasher().hash(_bytes(password.get_secret_value()))


def verify(kept: str, password: SecretStr) -> bool:
    """Whether the password is the one of a kept hash; an empty one takes as long and fits nothing.

    Raises:
        SignInRefusedError: too many are being computed; try again.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    typed = _bytes(password.get_secret_value()[: LONGEST + 1])
    with _Turn():
        try:
            fits: bool = _hasher().verify(kept or _nobodys(), typed)
        except (VerificationError, InvalidHashError):
            return False
    return fits and bool(kept)


def _bytes(text: str) -> bytes:
    """As UTF-8; half of a character too is compared as it was typed."""
    return text.encode("utf-8", "surrogatepass")


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _hasher().check_needs_rehash(kept)


def prepare() -> None:
    """Make what the first sign-in would otherwise wait for, so that it takes no longer than the others."""
    _nobodys()
    _common()


class _Turn:
    """One of the few places to compute in."""

    def __enter__(self) -> None:
        if not _working.acquire(timeout=_PATIENCE_SECONDS):
            raise SignInRefusedError(
                "Muita gente está entrando ao mesmo tempo. Tente de novo em alguns segundos.", "busy", wait_seconds=5
            )

    def __exit__(self, *_: object) -> None:
        _working.release()


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)


@cache
def _nobodys() -> str:
    """A hash nobody's password fits: who is unknown waits as long for the answer as who is known."""
    from secrets import token_urlsafe

    return _hasher().hash(token_urlsafe(32))


@cache
def _common() -> frozenset[str]:
    text = resources.files("mailcore.access").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _is_pattern(text: str) -> bool:
    """A few characters over and over, a row of keys, or a short word padded with digits."""
    if len(set(text)) < 5 or re.fullmatch(r"(.{1,6})\1+.{0,5}", text):
        return True
    if any(text in row * 3 or text in row[::-1] * 3 for row in _ROW_OF_KEYS):
        return True
    letters = re.sub(r"[\W\d_]+", "", text)
    return len(letters) < 4


def _complaint(sentence: str) -> ValidationError:
    return ValidationError([FieldError("password", f"Senha: {sentence}")])
