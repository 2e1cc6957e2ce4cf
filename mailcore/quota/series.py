"""What went through servers day by day and hour by hour: the series that charts and files show."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from mailcore.quota.usage import HOUR_SECONDS, result_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from mailcore.storage.database import Database

CHART_DAYS, HEAT_DAYS = 30, 7


class DayUse(NamedTuple):
    """What went through one server on one day."""

    day: date
    server_id: int
    messages: int
    recipients: int
    external: int


def days(
    database: Database,
    zone: ZoneInfo,
    *,
    days: int = CHART_DAYS,
    server_ids: Sequence[int] | None = None,
    until: date | None = None,
    now: datetime | None = None,
) -> list[DayUse]:
    """Return what went through each server on each of ``days`` days.

    Args:
        until: the last of them; today where it is not given.

    Raises:
        StorageError: the database could not be read.
    """
    last = until or (now or datetime.now(UTC)).astimezone(zone).date()
    first = last - timedelta(days=days)
    # In the order of the primary key: to group and sort these rows in SQL takes longer than all the rest.
    statement = (
        "SELECT day, server_id, messages, recipients, external FROM daily_usage "
        "WHERE day > :first AND day <= :last{only} ORDER BY day"
    )
    found: list[DayUse] = []
    with database.read() as session:
        rows = result_for(
            session,
            statement.replace("{only}", " AND server_id IN :accounts" if server_ids is not None else ""),
            {name: day.isoformat() if database.is_sqlite else day for name, day in (("first", first), ("last", last))},
            server_ids,
        )
        # Piece by piece: many thousand rows that live together cost the garbage collector as much as their reading.
        for day, of_day in groupby(chain.from_iterable(rows.partitions(1_000)), itemgetter(0)):
            found += _uses(date.fromisoformat(str(day)), of_day)
    return found


def _uses(day: date, rows: Iterable[Any]) -> Iterable[DayUse]:
    """One for each server, also where it used several accounts that day."""
    uses: dict[int, DayUse] = {}
    for _, server_id, messages, recipients, external in rows:
        if (other := uses.get(server_id)) is not None:
            messages, recipients, external = (
                messages + other.messages,
                recipients + other.recipients,
                external + other.external,
            )
        uses[server_id] = DayUse(day, server_id, messages, recipients, external)
    return uses.values()


def hours(
    database: Database, zone: ZoneInfo, *, account_keys: Sequence[str] | None = None, now: datetime | None = None
) -> dict[tuple[date, int], int]:
    """Return the recipients of each hour of the last seven local days: (day, hour) → how many.

    Raises:
        StorageError: the database could not be read.
    """
    moment = now or datetime.now(UTC)
    first = moment.astimezone(zone).date() - timedelta(days=HEAT_DAYS - 1)
    begins = int(datetime(first.year, first.month, first.day, tzinfo=zone).timestamp())
    only = "WHERE account_key IN :accounts" if account_keys is not None else ""
    statement = f"""
    SELECT u.slot / {HOUR_SECONDS}, sum(u.recipients + u.external)
    FROM (SELECT DISTINCT account_key FROM mail_server {only}) AS k
    CROSS JOIN usage AS u WHERE u.account_key = k.account_key AND u.slot >= :begins GROUP BY 1
    """  # noqa: S608 - words of our own
    with database.read() as session:
        rows: Sequence[Any] = result_for(session, statement, {"begins": begins}, account_keys).all()
    found: dict[tuple[date, int], int] = defaultdict(int)
    for hour, units in rows:
        local = datetime.fromtimestamp(int(hour) * HOUR_SECONDS, zone)
        found[local.date(), local.hour] += int(units)
    return dict(found)
