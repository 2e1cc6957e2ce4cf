"""Unsubscribing by an address of ours (RFC 8058): each message of the kind Divulgação carries its recipient's own.

The address holds whom it is for and a signature, and nothing secret: it unsubscribes this one recipient and can do
nothing else, whoever finds it.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cached_property
from typing import TYPE_CHECKING

from mailcore.errors import NotFoundError
from mailcore.storage.own_random import own_random

if TYPE_CHECKING:
    from mailcore.storage.database import Database

PATH = "descadastro"
"""Of the route that answers, behind the program's public address."""
_KEY = "unsubscribe_key"
_SIGNATURE_BYTES = 16
_LONGEST = 600


class Unsubscribing:
    """Signs and reads the addresses of one installation. Safe to share between threads."""

    def __init__(self, database: Database, public_url: str) -> None:
        """Keep the program's public address; empty where it has none, and then there are no such addresses."""
        self._database = database
        self._public_url = public_url
        self.is_offered = bool(public_url)

    def address_of(self, recipient: str) -> str:
        """Return the address at which a recipient unsubscribes.

        Raises:
            StorageError: the key could not be read or made.
        """
        named = _text(recipient.encode())
        return f"{self._public_url}/{PATH}/{named}.{_text(self._signature(named))}"

    def recipient_of(self, token: str) -> str:
        """Return whom an address is for, by its last part.

        Raises:
            NotFoundError: it is none of ours, or not whole.
            StorageError: the key could not be read.
        """
        named, _, signature = token.partition(".")
        try:
            is_ours = len(token) <= _LONGEST and hmac.compare_digest(_bytes(signature), self._signature(named))
            recipient = _bytes(named).decode() if is_ours else ""
        except ValueError:
            recipient = ""
        if not recipient:
            raise NotFoundError("Este endereço não está inteiro. Abra-o de novo a partir da mensagem que recebeu.")
        return recipient

    def _signature(self, named: str) -> bytes:
        return hmac.digest(self._key, named.encode(), hashlib.sha256)[:_SIGNATURE_BYTES]

    @cached_property
    def _key(self) -> bytes:
        return own_random(self._database, _KEY).encode()


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
