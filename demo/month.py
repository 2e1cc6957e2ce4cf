"""A month of sends of the demo: what was accepted, refused, barred and left uncertain, as if it had been sent then."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from demo.portfolio import ANA, BRUNO, CARLA, ELASTIC, EXAMPLES, Example
from demo.servers import DAILY
from mailcore.diagnosis.replies import classify, diagnosis_for
from mailcore.quota.external_use import Entry
from mailcore.sending.reservation import COUNTED, Reservations, SendOutcome, SendRequest
from mailcore.sending.stops import Stop
from mailcore.storage.tables import Change
from mailcore.vocabulary import Origin, SendStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer

DAYS = 30
_PEOPLE = (ANA, BRUNO, CARLA)
_DOMAINS = ("gmail.example", "hotmail.example", "uol.example", "empresa.example", "prefeitura.example")
_LARGEST = 80
"""Recipients of one message."""
_REPLIES = (
    (SendStatus.REFUSED, "550 5.1.1 User unknown; mailbox not found", "rcpt"),
    (SendStatus.REFUSED, "552 5.2.2 Mailbox full", "rcpt"),
    (SendStatus.REFUSED, "550 5.7.1 Message rejected as spam", "data"),
    (SendStatus.FAILED, "421 4.7.0 Try again later", "connect"),
)


def fill(core: Mailcore, servers: dict[str, MailServer], days: int = DAYS) -> None:
    """Put the month, or so many days, into the ledger; nothing is sent."""
    month = _Month(core)
    now = datetime.now(UTC)
    for example in EXAMPLES:
        server = servers[example.name]
        if example.daily_limit is None:
            continue
        for back in range(days, 1, -1):
            month.day(example, server, now - timedelta(days=back), now - timedelta(days=back - 1))
        month.today(example, server, now)
    month.paid(servers[ELASTIC], now, days)
    month.barred(servers["Escola Pequeno Príncipe"], now - timedelta(hours=1))
    month.held(servers["Transportadora Rota Sul"], now - timedelta(hours=2))
    core.record_external_use(list(_elsewhere(servers, now)), actor=BRUNO)
    _spread_changes(core, now)


def _elsewhere(servers: dict[str, MailServer], now: datetime) -> Iterator[Entry]:
    yield Entry(servers["Clínica Bem Viver — lembretes"], now - timedelta(days=1, hours=3), 120)
    yield Entry(servers["Hotel Vista Mar — reservas"], now - timedelta(days=4), 75)
    yield Entry(servers["Hotel Vista Mar — reservas"], now - timedelta(minutes=50), 40)


class _Month:
    """Writes sends through the same door as any other, at moments of the past."""

    def __init__(self, core: Mailcore) -> None:
        self._core = core
        self._reservations = Reservations(core.database, core.quota_settings)
        self._chance = random.Random(20261126)
        self._count = 0

    def day(self, example: Example, server: MailServer, begins: datetime, ends: datetime) -> None:
        """A day of the past: less on Sundays."""
        share = self._chance.uniform(0.1, 0.55) * (0.2 if begins.weekday() == 6 else 1.0)
        self._spend(example, server, begins, ends, share)

    def today(self, example: Example, server: MailServer, now: datetime) -> None:
        """The last hours, up to how much of the limit the example has used."""
        zone = self._core.settings.zone
        midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
        begins = midnight if example.is_paid else now - timedelta(hours=22)
        self._spend(example, server, begins, now, example.used_today, exactly=True)

    def _spend(
        self,
        example: Example,
        server: MailServer,
        begins: datetime,
        ends: datetime,
        share: float,
        *,
        exactly: bool = False,
    ) -> None:
        left = int((example.daily_limit or 0) * share)
        seconds = (ends - begins).total_seconds()
        earliest, latest = 0.02, 0.97
        while left > 0:
            size = min(left, self._chance.choice((1, 1, 2, 5, 20)) if left < 400 else _LARGEST)
            at = begins + timedelta(seconds=self._chance.uniform(earliest, latest) * seconds)
            status = self._send(server, size, at, is_sure=exactly and left <= size)
            if exactly and status is SendStatus.REJECTED_BY_RULE:
                earliest, latest = 0.975, 0.99  # the day before counts no more by then
            elif not exactly or status in COUNTED:
                left -= size

    def _send(self, server: MailServer, size: int, at: datetime, *, is_sure: bool = False) -> SendStatus:
        """One message; return what became of it."""
        luck = 1.0 if is_sure else self._chance.random()
        if luck < 0.003:
            outcome = SendOutcome(status=SendStatus.UNCERTAIN, diagnosis=diagnosis_for("uncertain"))
        elif luck < 0.022:
            status, reply, phase = self._chance.choice(_REPLIES)
            outcome = SendOutcome(status=status, reply=reply, diagnosis=classify(reply, phase=phase))
        else:
            outcome = SendOutcome(status=SendStatus.ACCEPTED, reply=f"250 2.0.0 Ok: queued as {self._count:06X}")
        send = self._reservations.reserve(self._request(server, size), now=at)
        if not send.may_send:
            return send.send.status
        return self._reservations.settle(send.send, outcome, now=at).status

    def paid(self, server: MailServer, now: datetime, days: int) -> None:
        """Campaigns through the service."""
        for back in reversed(range(days)):
            for _ in range(self._chance.randint(2, 6)):
                at = now - timedelta(days=back, minutes=self._chance.randint(5, 600))
                send = self._reservations.reserve(self._request(server, 500, named=3), now=at)
                outcome = SendOutcome(status=SendStatus.ACCEPTED, reply='{"TransactionID": "exemplo"}')
                self._reservations.settle(send.send, outcome, now=at)

    def barred(self, server: MailServer, at: datetime) -> None:
        """Sends that a rule of ours did not let go: the quota is full, or the message was for the sender itself."""
        for minutes in (0, 7, 12):
            self._reservations.reserve(self._request(server, 3), now=at + timedelta(minutes=minutes))
        own = SendRequest(
            server,
            self._key(),
            (server.from_address,),
            who=CARLA.name,
            origin=Origin.TEST,
            stop=Stop(diagnosis_for("same_address")),
        )
        self._reservations.reserve(own, now=at - timedelta(days=2))

    def held(self, server: MailServer, at: datetime) -> None:
        """The provider's own limit was reached: its words put the account on hold."""
        send = self._reservations.reserve(self._request(server, 1), now=at)
        reply = DAILY.decode()
        outcome = SendOutcome(
            status=SendStatus.REFUSED, reply=reply, diagnosis=classify(reply, phase="mail"), host=server.host
        )
        self._reservations.settle(send.send, outcome, now=at)

    def _request(self, server: MailServer, size: int, *, named: int = 0) -> SendRequest:
        count = self._count * 100
        chosen = [self._chance.choice(_DOMAINS) for _ in range(named or size)]
        by_program = self._chance.random() < 0.8
        return SendRequest(
            server,
            self._key(),
            () if named else tuple(f"cliente{count + at}@{domain}" for at, domain in enumerate(chosen)),
            unnamed=size if named else 0,
            message_id=f"<{count}@{server.host or 'exemplo.example'}>",
            who="ERP de exemplo" if by_program else self._chance.choice(_PEOPLE).name,
            origin=Origin.PROGRAM if by_program else self._chance.choice((Origin.TEST, Origin.COMMAND_LINE)),
        )

    def _key(self) -> str:
        self._count += 1
        return f"demo-{self._count}"


def _spread_changes(core: Mailcore, now: datetime) -> None:
    """Let the changes have been made over the last weeks, and not all in this second."""
    with core.database.write() as session:
        changes = list(session.scalars(select(Change).order_by(Change.id)))
        for back, change in enumerate(reversed(changes)):
            change.at = now - timedelta(hours=5 * back + 1)
