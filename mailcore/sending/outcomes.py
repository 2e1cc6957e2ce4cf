"""What became of messages, counted: by server, recipient's domain, cause and week.

Every figure is counted from the ledger's rows when it is asked for, so that it agrees with the rows themselves. Rows
of several recipients are looked at one by one, all others are counted by the database.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, String, case, cast, func, literal, select

from mailcore.arguments import need_count
from mailcore.diagnosis.replies import diagnosis_for, texts
from mailcore.sending.ledger import LedgerQuery, conditions
from mailcore.storage.tables import MailServer, Send
from mailcore.vocabulary import SendStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from sqlalchemy import ColumnElement

    from mailcore.storage.database import Database

WEEKS = 8
MOST_WEEKS = 105
"""Two years of weeks: as far back as one counts at once."""
_NO_DOMAIN = ""
"""Of a recipient without an address: a program reserved for so many without naming them."""
_TOLD = frozenset({SendStatus.REFUSED, SendStatus.FAILED, SendStatus.UNCERTAIN, SendStatus.STARTED})
_NOT_ACCEPTED = (*_TOLD, SendStatus.REJECTED_BY_RULE)


@dataclass(slots=True)
class Tally:
    """How many messages had which outcome; recipients, where it is counted by their domain."""

    key: str
    """The server's id, the domain, the code of the diagnosis, or the Monday of the week (2026-11-23)."""
    label: str
    """The server's description, the domain, the title of the diagnosis, or the Monday again."""
    category: str = ""
    """Of a cause: the category of its diagnosis."""
    counts: dict[SendStatus, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def accepted(self) -> int:
        """Taken by the server."""
        return self.counts[SendStatus.ACCEPTED]

    @property
    def refused(self) -> int:
        """The server said no."""
        return self.counts[SendStatus.REFUSED]

    @property
    def failed(self) -> int:
        """Certainly not taken: the server was not reached, or broke off too early."""
        return self.counts[SendStatus.FAILED]

    @property
    def uncertain(self) -> int:
        """Nobody knows; what is under way or was interrupted is among them."""
        return self.counts[SendStatus.UNCERTAIN] + self.counts[SendStatus.STARTED]

    @property
    def barred(self) -> int:
        """Not tried, because of a rule of ours."""
        return self.counts[SendStatus.REJECTED_BY_RULE]

    @property
    def tried(self) -> int:
        """All but what a rule of ours barred."""
        return self.accepted + self.refused + self.failed + self.uncertain

    @property
    def acceptance(self) -> float | None:
        """The accepted of the tried, from 0.0 to 1.0; None where none was tried."""
        return self.accepted / self.tried if self.tried else None


class Outcomes:
    """Counts over one installation's ledger. Of a :class:`LedgerQuery` everything counts but its pages."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        """Keep the parts; weeks begin on Monday in ``zone``."""
        self._database = database
        self._zone = zone

    def by_server(self, query: LedgerQuery) -> list[Tally]:
        """Return messages by server, those with most of them first.

        Raises:
            StorageError: the database could not be read.
        """
        name = func.coalesce(func.max(MailServer.name), func.max(Send.server_name))
        counted = (
            select(Send.server_id, name, Send.status, func.count())
            .outerjoin(MailServer, MailServer.id == Send.server_id)
            .where(*conditions(query))
            .group_by(Send.server_id, Send.status)
        )
        return _gathered((str(key), label, "", status, count) for key, label, status, count in self._read(counted))

    def by_domain(self, query: LedgerQuery) -> list[Tally]:
        """Return recipients by the domain of their address, those with most of them first.

        A message has one outcome for all its recipients; of one that the server took for some of them only, all count
        as accepted.

        Raises:
            StorageError: the database could not be read.
        """
        at = (func.instr if self._database.is_sqlite else func.strpos)(Send.recipients, "@")
        domain = func.lower(case((at > 0, func.substr(Send.recipients, at + 1)), else_=_NO_DOMAIN))
        several = Send.recipients.contains("\n")
        ours = conditions(query)
        alone = select(domain, Send.status, func.count()).where(*ours, ~several).group_by(domain, Send.status)
        together = select(Send.recipients, Send.status).where(*ours, several)
        found = [(key.lower(), status, count) for key, status, count in self._read(alone)]  # SQLite's knows ASCII alone
        for text, status in self._read(together):
            found += [(address.rpartition("@")[2].lower(), status, 1) for address in text.split("\n")]
        return _gathered((key, key, "", status, count) for key, status, count in found)

    def by_cause(self, query: LedgerQuery) -> list[Tally]:
        """Return messages that were not accepted by the diagnosis of each, the most frequent first.

        What has none (it is under way, or a program said no reason) is under an empty key.

        Raises:
            StorageError: the database could not be read.
        """
        code, category = self._told("code"), self._told("category")
        wanted = [*conditions(query), Send.status.in_(_NOT_ACCEPTED)]
        counted = select(code, category, Send.status, func.count()).where(*wanted).group_by(code, category, Send.status)
        return _gathered(
            (key or "", _title(key or ""), category or "", status, count)
            for key, category, status, count in self._read(counted)
        )

    def by_week(self, query: LedgerQuery, *, weeks: int = WEEKS, now: datetime | None = None) -> list[Tally]:
        """Return messages by week, the newest first; a week without any is there too.

        Args:
            query: its beginning and end do not count.
            weeks: how many, the one that has begun included; at most :data:`MOST_WEEKS` are counted.
            now: aware; the present where it is not given.

        Raises:
            ArgumentError: ``weeks`` is no whole number from 1 on.
            StorageError: the database could not be read.
        """
        need_count("weeks", weeks)
        today = (now or datetime.now(UTC)).astimezone(self._zone).date()
        monday = today - timedelta(days=today.weekday())
        mondays = [monday - timedelta(weeks=back) for back in range(min(weeks, MOST_WEEKS))]
        begins = [self._midnight(day) for day in mondays]
        week = case(*((Send.at >= begin, literal(day.isoformat())) for day, begin in zip(mondays, begins, strict=True)))
        within = replace(query, since=begins[-1], until=self._midnight(monday + timedelta(weeks=1)))
        counted = select(week, Send.status, func.count()).where(*conditions(within)).group_by(week, Send.status)
        found = {day.isoformat(): Tally(day.isoformat(), day.isoformat()) for day in mondays}
        for key, status, count in self._read(counted):
            found[key].counts[status] += int(count)
        return list(found.values())

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone)

    def _told(self, name: str) -> ColumnElement[Any]:
        """A member of the diagnosis, or NULL."""
        stored = func.nullif(Send.diagnosis, "")
        if self._database.is_sqlite:
            return func.json_extract(stored, f"$.{name}")
        return cast(stored, JSON).op("->>", return_type=String())(literal(name, String()))

    def _read(self, statement: Any) -> list[Any]:
        with self._database.read() as session:
            return list(session.execute(statement))


def _title(code: str) -> str:
    """What a diagnosis says happened; of a code that this version does not know, the code."""
    return diagnosis_for(code).title if code in texts() else code


def _gathered(rows: Iterable[tuple[str, str, str, SendStatus, int]]) -> list[Tally]:
    found: dict[str, Tally] = {}
    for key, label, category, status, count in rows:
        tally = found.setdefault(key, Tally(key, label, category))
        tally.label = tally.label or label
        tally.counts[status] += int(count)
    return sorted(found.values(), key=lambda tally: (-sum(tally.counts.values()), tally.label.casefold()))
