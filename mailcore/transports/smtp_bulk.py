"""A kept SMTP connection for the messages of a batch.

How a group goes over it is in :mod:`mailcore.transports.smtp_pipeline`; here the connection is opened, kept, tried
before use and opened again.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from mailcore.transports.base import TransportError
from mailcore.transports.bulk import BulkLine, Parcel, ParcelResult
from mailcore.transports.smtp_pipeline import DEPTH, Conversation
from mailcore.transports.smtp_session import SmtpSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailcore.transports.base import Connection
    from mailcore.transports.smtp_exchange import Limits

_DEEP_GROUP = DEPTH
_PAIRED_GROUP = 50
_SINGLE_GROUP = 1
_IDLE = 5.0
"""Seconds without a word after which a connection is tried before a group is put on it."""
_WORTH_ANOTHER = 10
"""Messages that a connection must have taken for another one to be opened at once: some servers take so many each."""
_MOST_ON_ONE = 1_000
"""Messages on one connection, at most: Exim's own limit (``smtp_accept_max_per_connection``)."""


class SmtpBulkLine(BulkLine):
    """One connection to one SMTP server, logged in once."""

    def __init__(self, connection: Connection, limits: Limits, sender: str) -> None:
        """Contact nobody yet; ``sender`` is that of every envelope."""
        self._connection = connection
        self._limits = limits
        self._sender = sender
        self._session: SmtpSession | None = None
        self._is_clean = True
        self._spoken = 0.0
        self._begun = self._taken = 0
        self._most = _MOST_ON_ONE

    @property
    def group_size(self) -> int:
        """As many as may be on their way at a time; one where each waits for its answers."""
        session = self._session
        if session is None or not session.offers("pipelining"):
            return _SINGLE_GROUP
        return _DEEP_GROUP if session.offers("chunking") else _PAIRED_GROUP

    def open(self) -> None:
        """Connect, encrypt and log in, where that has not been done or the server has hung up since."""
        if self._session is not None and not self._is_alive(self._session):
            self._hang_up()
        if self._session is not None:
            return
        session = SmtpSession(self._connection, self._limits)
        try:
            session.open()
        except BaseException:
            session.quit()
            raise
        self._session, self._is_clean, self._spoken = session, True, time.monotonic()
        self._begun = self._taken = 0

    def close(self) -> None:
        """Say QUIT and close."""
        if self._session is not None:
            self._session.quit()
        self._session = None

    def hand_over(self, parcels: Sequence[Parcel]) -> list[ParcelResult]:
        """Hand a group over.

        A connection that ends after it has taken some is opened anew for what was certainly not taken.
        """
        results: dict[int, ParcelResult] = {}
        waiting = list(parcels)
        while waiting:
            if self._begun >= self._most:
                self.close()
            try:
                self.open()
            except TransportError as error:
                self._keep_back(waiting, results, error)
                break
            room = self._most - self._begun
            now, later = waiting[:room], waiting[room:]
            conversation = self._converse(now)
            results |= conversation.results
            waiting = later
            if conversation.is_over and self._taken >= _WORTH_ANOTHER:
                # Some close after so many messages: the next connection ends before that.
                self._most = max(self._taken, _WORTH_ANOTHER) if conversation.was_closed else self._most
                waiting = conversation.left + later
            elif conversation.is_over:
                self._keep_back(later, results, next(each.error for each in reversed(results.values()) if each.error))
                break
        return [results[parcel.number] for parcel in parcels]

    def _keep_back(self, parcels: Sequence[Parcel], results: dict[int, ParcelResult], error: TransportError) -> None:
        for parcel in parcels:
            begun = parcel.number in results and results[parcel.number].begun
            results[parcel.number] = ParcelResult.not_taken(parcel.number, error, begun=begun)

    def _converse(self, parcels: Sequence[Parcel]) -> Conversation:
        assert self._session is not None
        conversation = Conversation(self._session, self._sender, self._is_clean)
        conversation.hand_over(parcels)
        self._begun += sum(result.begun for result in conversation.results.values())
        self._taken += conversation.accepted
        self._is_clean, self._spoken = conversation.is_clean, time.monotonic()
        if conversation.is_over:
            self._hang_up()
        return conversation

    def _is_alive(self, session: SmtpSession) -> bool:
        """Whether the server still listens: nothing is put on a connection that it closed meanwhile."""
        said_something = bool(session.wire.unread) or bool(select.select([session.wire.peer], [], [], 0)[0])
        if not said_something and time.monotonic() - self._spoken < _IDLE:
            return True
        try:
            # Not NOOP: some servers count all that belongs to no message, and an RSET does.
            self._is_clean = session.command("sender", "RSET").accepts
        except TransportError:
            return False
        return self._is_clean

    def _hang_up(self) -> None:
        if self._session is not None:
            self._session.hang_up()
        self._session = None
