"""DataFrames of servers, quotas, use and the ledger, for notebooks and for our own charts and files.

>>> import mailcore
>>> core = mailcore.open_mailcore()
>>> mailcore.frames.quotas(core).sort_values("share", ascending=False).head()

Every figure comes from where the screen and the command line have theirs. Columns are typed: moments in the zone of
the settings (microseconds), days as dates at midnight without a zone, whole numbers that may be missing as ``Int64``,
words as categories, with every word there is as a category. No frame holds a password or a key.

This module alone loads pandas; nothing below imports it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import TypeDecorator

from mailcore.arguments import need, need_count, need_moment
from mailcore.errors import ArgumentError
from mailcore.installation import Mailcore
from mailcore.quota import reports, series
from mailcore.registry.fields import FIELD, FIELDS, Sort
from mailcore.sending.ledger import LedgerQuery
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import LimitUnit, LimitWindow, Origin, QuotaState, SendStatus

try:
    import numpy as np
    import pandas as pd
except ImportError as error:
    raise ImportError(
        "mailcore.frames precisa do pandas, que não está instalado. Instale: pip install “servidores-de-email[frames]”"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from mailcore.quota.rules import Quota

__all__ = ["external_use", "hours", "outcomes", "quotas", "sends", "sends_in_chunks", "servers", "usage"]

CHUNK_ROWS = 50_000
"""Rows of the ledger that are held as Python objects at a time; about 60 MB."""

_SERVER_COLUMNS = (
    *("id", *(row.name for row in FIELDS if row.stored)),
    *("last_check_state", "last_check_at", "last_check_category", "certificate_ends_at"),
    *("oauth_state", "oauth_user", "created_at", "updated_at", "updated_by"),
)


def servers(core: Mailcore) -> pd.DataFrame:
    """Return one row for each record: its fields, its last check, its authorisation, and who changed it last.

    Besides, ``has_secret`` says whether a password or key is stored for it, and ``account`` what a provider counts it
    by. A field that does not apply (the port of an API account) is missing, or an empty text.

    Raises:
        StorageError: the database could not be read.
    """
    _opened(core)
    every = core.all_servers()
    columns: dict[str, Any] = {}
    for name in _SERVER_COLUMNS:
        columns[name] = _server_column(name, [getattr(server, name) for server in every], core.settings.zone)
    columns["account"] = _texts(server.account_key for server in every)
    columns["has_secret"] = np.array([server.secret_ref is not None for server in every], dtype=bool)
    return pd.DataFrame(columns)


def quotas(core: Mailcore, found: Sequence[Quota] | None = None) -> pd.DataFrame:
    """Return how each account stands now, one row an account.

    Columns: ``account``; ``servers`` (descriptions) and ``server_ids`` of its records, separated by commas; ``limit``
    and ``remaining`` (missing without a limit), ``used``, of that ``own`` (through this program) and ``external``
    (entered by hand); ``share`` of the limit that is used; ``unit``, ``window`` and ``state``; ``frees_units`` and
    ``frees_at``, what frees first; ``blocked_until``; ``pace`` (units of the last hour) and ``runs_out_at``.

    Args:
        found: only these, as :meth:`mailcore.Mailcore.quotas` returned them; every account where it is not given.

    Raises:
        StorageError: the database could not be read.
    """
    _opened(core)
    zone, now = core.settings.zone, datetime.now(UTC)
    every = core.quotas() if found is None else list(found)
    first = [quota.frees[0] if quota.frees else None for quota in every]
    return pd.DataFrame(
        {
            "account": _texts(quota.account_key for quota in every),
            "servers": _texts(", ".join(server.name for server in quota.servers) for quota in every),
            "server_ids": _texts(", ".join(str(server.id) for server in quota.servers) for quota in every),
            "limit": _maybe_whole(quota.limit for quota in every),
            "used": _whole(quota.used for quota in every),
            "own": _whole(quota.sent_here for quota in every),
            "external": _whole(quota.external for quota in every),
            "remaining": _maybe_whole(quota.remaining for quota in every),
            "share": np.array([quota.share for quota in every], dtype="float64"),
            "unit": _words((quota.rule.unit for quota in every), LimitUnit),
            "window": _words((quota.rule.window for quota in every), LimitWindow),
            "state": _words((quota.state for quota in every), QuotaState),
            "frees_units": _maybe_whole(freed.units if freed else None for freed in first),
            "frees_at": _moments((freed.at if freed else None for freed in first), zone),
            "blocked_until": _moments((quota.hold.held_until if quota.hold else None for quota in every), zone),
            "pace": _whole(quota.pace for quota in every),
            "runs_out_at": _moments((reports.runs_out_at(quota, now) for quota in every), zone),
        }
    )


def usage(
    core: Mailcore,
    days: int = series.CHART_DAYS,
    *,
    server_ids: Sequence[int] | None = None,
    until: date | None = None,
) -> pd.DataFrame:
    """Return what went through each server on each day: one row for a day and a server with any use.

    Columns: ``day`` (of the zone of the settings), ``server_id``, ``server`` (its description now; missing where the
    record is gone), ``messages`` and ``recipients`` through this program, ``external`` units entered by hand.

    Args:
        days: how many, the last one included.
        server_ids: only these.
        until: the last day; today where it is not given.

    Raises:
        ArgumentError: ``days`` is no whole number from 1 on.
        StorageError: the database could not be read.
    """
    _opened(core)
    need_count("days", days)
    used = core.days(days, server_ids=server_ids, until=until)
    names = core.servers.names({each.server_id for each in used})
    return pd.DataFrame(
        {
            "day": _days(each.day for each in used),
            "server_id": _whole(each.server_id for each in used),
            "server": _categories([names.get(each.server_id) for each in used]),
            "messages": _whole(each.messages for each in used),
            "recipients": _whole(each.recipients for each in used),
            "external": _whole(each.external for each in used),
        }
    )


def hours(core: Mailcore, *, account_keys: Sequence[str] | None = None) -> pd.DataFrame:
    """Return what went out in each hour of the last seven days, today included: one row for an hour with any use.

    Columns: ``day``, ``hour`` (0 to 23, of the zone of the settings) and ``recipients``, those entered by hand
    included.

    Args:
        account_keys: only these accounts.

    Raises:
        StorageError: the database could not be read.
    """
    _opened(core)
    used = core.hours(account_keys=account_keys)
    return pd.DataFrame(
        {
            "day": _days(day for day, _ in used),
            "hour": _whole(hour for _, hour in used),
            "recipients": _whole(used.values()),
        }
    )


def outcomes(core: Mailcore, by: str, query: LedgerQuery | None = None) -> pd.DataFrame:
    """Return what became of messages, counted; one row for each server, recipient's domain, cause or week.

    Columns: ``key`` and ``label`` (see :class:`mailcore.sending.outcomes.Tally`), ``category`` (of a cause, else
    empty), ``tried``, and of these ``accepted``, ``refused``, ``failed`` and ``uncertain``; ``barred`` (not tried,
    because of a rule of ours) and ``acceptance`` (accepted of tried, 0.0 to 1.0; missing where none was tried).

    Args:
        by: ``server``, ``domain`` (which counts recipients), ``cause`` or ``week``.
        query: which rows of the ledger; its pages do not count.

    Raises:
        ArgumentError: ``by`` is another word, or ``query`` is none.
        StorageError: the database could not be read.
    """
    _opened(core)
    if by not in _BY:
        raise ArgumentError(f"by: use um destes: {', '.join(_BY)}; veio {by!r}.")
    query = need("query", query, LedgerQuery) if query is not None else LedgerQuery()
    tallies = getattr(core.outcomes, f"by_{by}")(query)
    return pd.DataFrame(
        {
            "key": _texts(tally.key for tally in tallies),
            "label": _texts(tally.label for tally in tallies),
            "category": _texts(tally.category for tally in tallies),
            **{name: _whole(getattr(tally, name) for tally in tallies) for name in _TALLIED},
            "acceptance": pd.array([tally.acceptance for tally in tallies], dtype="Float64"),
        }
    )


_BY = ("server", "domain", "cause", "week")
_TALLIED = ("tried", "accepted", "refused", "failed", "uncertain", "barred")


def external_use(core: Mailcore, *, account_key: str | None = None) -> pd.DataFrame:
    """Return what was entered as used elsewhere, the newest first; what was undone is not there.

    Columns: ``id``, ``at``, ``server_id``, ``server`` (its description now; empty where the record is gone),
    ``units``, ``noted_at`` and ``noted_by``.

    Raises:
        StorageError: the database could not be read.
    """
    _opened(core)
    page = core.external_use(account_key=account_key)
    found = list(page.entries)
    while len(found) < page.matching and page.entries:
        page = core.external_use(account_key=account_key, page=page.number + 1)
        found += page.entries
    zone = core.settings.zone
    return pd.DataFrame(
        {
            "id": _whole(entry.id for entry in found),
            "at": _moments((entry.at for entry in found), zone),
            "server_id": _whole(entry.server_id for entry in found),
            "server": _texts(entry.server_name for entry in found),
            "units": _whole(entry.units for entry in found),
            "noted_at": _moments((entry.noted_at for entry in found), zone),
            "noted_by": _texts(entry.noted_by for entry in found),
        }
    )


def sends(
    core: Mailcore,
    since: datetime | timedelta | None = None,
    *,
    query: LedgerQuery | None = None,
    most: int | None = None,
) -> pd.DataFrame:
    """Return the ledger, newest first, one row for each message that was handed, or refused to be handed, to a server.

    Columns: ``id``, ``at``, ``server_id``, ``server_name`` (its description then), ``account``, ``status``, ``units``
    and ``counted`` (of the quota; 0 once it is certain that nothing was taken), ``recipients`` (separated by blanks),
    ``message_id``, ``provider_id``, ``reply``, ``warnings``, ``diagnosis_category``, ``diagnosis_code`` and
    ``diagnosis_title`` (missing where nothing was wrong), ``frees_at``, ``followed_at``, ``follow_state``,
    ``follow_failures`` (JSON), ``who`` (on whose behalf it was sent), ``origin`` (by what: ``test``,
    ``command_line``, ``program``, ``batch``, or empty where that was not kept).

    A million rows take about 350 MB; :func:`sends_in_chunks` is for more.

    Args:
        since: from this moment on, or from so long ago on; everything where it is not given.
        query: other conditions; its pages do not count.
        most: only so many, the newest.

    Raises:
        ArgumentError: ``since`` has no zone, or ``most`` is no whole number from 1 on.
        StorageError: the database could not be read.
    """
    parts = _Parts(core.settings.zone)
    for rows in _read(core, since, query, most):
        parts.add(rows)
    return parts.frame()


def sends_in_chunks(
    core: Mailcore,
    since: datetime | timedelta | None = None,
    *,
    query: LedgerQuery | None = None,
    most: int | None = None,
    rows: int = CHUNK_ROWS,
) -> Iterator[pd.DataFrame]:
    """Return what :func:`sends` does in frames of at most ``rows`` rows, for a ledger that memory does not hold.

    Raises:
        ArgumentError, StorageError: as there.
    """
    need_count("rows", rows)
    for part in _read(core, since, query, most, rows):
        parts = _Parts(core.settings.zone)
        parts.add(part)
        yield parts.frame()


_SEND_COLUMNS = (
    *("id", "at", "server_id", "server_name", "account_key", "status", "units", "counted", "recipients", "message_id"),
    *("provider_id", "reply", "warnings", "diagnosis", "frees_at", "followed_at", "follow_state", "follow_failures"),
    *("who", "origin", "batch_id"),
)

_DIAGNOSIS = ("diagnosis_category", "diagnosis_code", "diagnosis_title")
_IN_FRAME = {"account_key": ("account",), "diagnosis": _DIAGNOSIS, "batch_id": ()}
_SEND_FRAME = tuple(column for name in _SEND_COLUMNS for column in _IN_FRAME.get(name, (name,)))


def _read(
    core: Mailcore,
    since: datetime | timedelta | None,
    query: LedgerQuery | None,
    most: int | None,
    rows: int = CHUNK_ROWS,
) -> Iterator[Sequence[Any]]:
    _opened(core)
    if most is not None:
        need_count("most", most)
    query = need("query", query, LedgerQuery) if query is not None else LedgerQuery()
    if isinstance(since, timedelta):
        since = datetime.now(UTC) - since
    if since is not None:
        query = replace(query, since=need_moment("since", since))
    return core.ledger.read_columns(query, _SEND_COLUMNS, most=most, rows=rows)


class _Parts:
    """The ledger's columns while they come in: each chunk is packed at once, so that few Python objects live."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._whole: dict[str, list[Any]] = {name: [] for name in ("id", "server_id", "units", "counted")}
        self._moments: dict[str, list[Any]] = {name: [] for name in ("at", "frees_at", "followed_at")}
        texts = ("recipients", "message_id", "provider_id", "reply", "warnings", "follow_failures")
        self._texts: dict[str, list[Any]] = {name: [] for name in texts}
        words = ("server_name", "account", *_DIAGNOSIS, "follow_state", "who")
        self._codes: dict[str, list[Any]] = {name: [] for name in ("status", "origin", *words)}
        self._numbers: dict[str, dict[str, int]] = {name: {} for name in words}
        for name, vocabulary in (("status", SendStatus), ("origin", Origin)):
            self._numbers[name] = {member.value: number for number, member in enumerate(vocabulary)}

    def add(self, rows: Sequence[Any]) -> None:
        """Pack rows of :data:`_SEND_COLUMNS`."""
        columns: dict[str, Sequence[Any]] = dict(zip(_SEND_COLUMNS, zip(*rows, strict=True), strict=True))
        for name, whole in self._whole.items():
            whole.append(np.array(columns[name], dtype="int64"))
        for name, moments in self._moments.items():
            # Mostly a column has none at all, and to look at each value again is slow.
            missing = np.full(len(rows), "NaT", dtype="datetime64[us]")
            moments.append(np.array(columns[name], dtype="datetime64[us]") if any(columns[name]) else missing)
        columns["recipients"] = [text.replace("\n", " ") for text in columns["recipients"]]
        for name, texts in self._texts.items():
            texts.append(pd.Series(columns[name], dtype="str"))
        diagnoses = [json.loads(text) if text else {} for text in columns["diagnosis"]]
        columns["account"] = columns["account_key"]
        if any(number is not None for number in columns["batch_id"]):
            told = zip(columns["origin"], columns["batch_id"], strict=True)
            columns["origin"] = [word if number is None else Origin.BATCH.value for word, number in told]
        for name in _DIAGNOSIS:
            columns[name] = tuple(diagnosis.get(name.removeprefix("diagnosis_")) for diagnosis in diagnoses)
        for name, codes in self._codes.items():
            numbers = self._numbers[name]
            for word in sorted(set(columns[name]) - numbers.keys() - {None}):
                numbers.setdefault(word, len(numbers))
            found = [numbers.get(word, -1) for word in columns[name]]
            codes.append(np.array(found, dtype="int32"))

    def frame(self) -> pd.DataFrame:
        """Return everything that came in."""
        columns: dict[str, Any] = {name: _joined(parts, "int64") for name, parts in self._whole.items()}
        for name, parts in self._moments.items():
            columns[name] = _in_zone(_joined(parts, "datetime64[us]"), self._zone)
        for name, parts in self._texts.items():
            columns[name] = pd.concat(parts, ignore_index=True) if parts else pd.Series([], dtype="str")
            parts.clear()
        for name, parts in self._codes.items():
            columns[name] = pd.Categorical.from_codes(_joined(parts, "int32"), categories=list(self._numbers[name]))
        return pd.DataFrame({name: columns[name] for name in _SEND_FRAME}, copy=False)


def _joined(parts: list[Any], dtype: str) -> Any:
    return np.concatenate(parts) if parts else np.array([], dtype=dtype)


def _opened(core: Mailcore) -> None:
    need("core", core, Mailcore, "mailcore.open_mailcore()")


def _server_column(name: str, values: list[Any], zone: ZoneInfo) -> Any:
    """Return a column of the record's table with the type that the tables of columns and of fields give it."""
    column = MailServer.__table__.c[name]
    kind = column.type
    python: Any = kind.impl.python_type if isinstance(kind, TypeDecorator) else kind.python_type
    if python is bool:
        return np.array(values, dtype=bool)
    if issubclass(python, StrEnum):
        return _words(values, python)
    if name in FIELD and FIELD[name].sort is Sort.CHOICE:  # the kinds of server, which are an open set
        known = [str(choice) for choice in FIELD[name].choices]
        texts = [str(value) for value in values]
        return pd.Categorical(texts, categories=[*known, *sorted(set(texts) - set(known))])
    if python is datetime:
        return _moments(values, zone)
    if python is int:
        return _maybe_whole(values) if column.nullable else _whole(values)
    return _categories(values) if column.nullable else _texts(values)


def _texts(values: Iterable[str]) -> Any:
    return pd.array(list(values), dtype="str")


def _whole(values: Iterable[int]) -> Any:
    return np.array(list(values), dtype="int64")


def _maybe_whole(values: Iterable[int | None]) -> Any:
    return pd.array(list(values), dtype="Int64")


def _words(values: Iterable[StrEnum], vocabulary: type[StrEnum]) -> Any:
    return pd.Categorical([value.value for value in values], categories=[member.value for member in vocabulary])


def _categories(values: Iterable[str | None]) -> Any:
    found = list(values)
    return pd.Categorical(found, categories=sorted({value for value in found if value is not None}))


def _moments(values: Iterable[datetime | None], zone: ZoneInfo) -> Any:
    plain = [None if value is None else value.astimezone(UTC).replace(tzinfo=None) for value in values]
    return _in_zone(np.array(plain, dtype="datetime64[us]"), zone)


def _in_zone(moments: Any, zone: ZoneInfo) -> Any:
    return pd.Series(moments).dt.tz_localize("UTC").dt.tz_convert(zone)


def _days(values: Iterable[date]) -> Any:
    return np.array(list(values), dtype="datetime64[D]").astype("datetime64[us]")
