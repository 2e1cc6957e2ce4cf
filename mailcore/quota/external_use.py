"""Use of an account made elsewhere: another program's, somebody's own mail program's. It counts against the quota."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailcore.actor import Actor, needs
from mailcore.audit import note_use_undone
from mailcore.csv_cells import read_cell
from mailcore.csv_files import MOST_COLUMNS, UnreadableError, delimiter_of, is_spreadsheet, rows, text_file
from mailcore.errors import FieldError, NotFoundError, ValidationError
from mailcore.quota import usage
from mailcore.quota.locked_account import LockedAccount
from mailcore.quota.usage import Amount
from mailcore.rights import Right
from mailcore.storage.tables import ExternalUse, MailServer
from mailcore.text import fold, thousands

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from mailcore.quota.rules import QuotaSettings
    from mailcore.storage.database import Database

PAGE_SIZE = 50
MOST_UNITS = 100_000_000
COLUMNS = ("server_id", "at", "units")
HEADINGS = {"server_id": "Número do servidor", "at": "Quando", "units": "Unidades"}
"""What people call the columns; a file may have either name."""
_LABELS = {"units": "Unidades", "at": "Quando", "server_id": "Servidor"}
_INSERT = """
INSERT INTO external_use (account_key, server_id, at, units, noted_at, noted_by)
VALUES (:account, :server, :at, :units, :noted_at, :noted_by)
"""
_ACCOUNT_OF = "SELECT account_key FROM external_use WHERE id = :id"
_TAKE_OUT = """
DELETE FROM external_use WHERE id = :id RETURNING account_key, server_id, at, units
"""
_NAME_OF = "SELECT name FROM mail_server WHERE id = :id"
_COLUMN_OF = {**{name: name for name in COLUMNS}, **{fold(label): name for name, label in HEADINGS.items()}}
_MOMENTS = ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y")
"""As people and Excel write them in Brazil."""
MAX_BYTES = 20_000_000
_MOST_LINES = 100_000
_MOST_TOLD = 100
_NUMBER = re.compile(r"[0-9]{1,18}")
_AHEAD = timedelta(minutes=5)
"""Clocks differ a little; more than this ahead is a mistake."""


@dataclass(frozen=True, slots=True)
class Entry:
    """So many units of a server's account used elsewhere at a moment."""

    server: MailServer
    at: datetime
    """Aware."""
    units: int


@needs(Right.OPERATE)
def record(
    database: Database, settings: QuotaSettings, entries: Sequence[Entry], *, actor: Actor, now: datetime | None = None
) -> None:
    """Count the entries, all or none.

    Raises:
        ValidationError: one cannot be: no units, or not yet.
        StorageError: the database could not be written; nothing was counted.
    """
    moment = now or datetime.now(UTC)
    for entry in entries:
        _check(entry, moment)
    with database.fast_write() as cursor:
        # In one order, so that two who enter the same accounts do not wait for each other.
        keys = sorted({entry.server.account_key for entry in entries})
        accounts = {key: LockedAccount(database, cursor, settings, key) for key in keys}
        cursor.execute_many(_INSERT, [_values(database, entry, moment, actor) for entry in entries])
        for (server, _, _), (units, newest) in _summed(entries, settings).items():
            usage.add(accounts[server.account_key], server.id, newest, Amount(external=units))


@dataclass(frozen=True, slots=True)
class NotedEntry:
    """An entry as it was counted, with who noted it and when."""

    id: int
    server_id: int
    server_name: str
    """Its description now; empty where the record is gone."""
    at: datetime
    units: int
    noted_at: datetime
    noted_by: str


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One page of entries, newest first, and how many there are in all."""

    entries: list[NotedEntry]
    matching: int
    number: int


def entries(database: Database, *, account_key: str | None = None, page: int = 1) -> EntryPage:
    """Return a page of what was entered, by its moment, the newest first; a page past the end is the last one.

    Args:
        account_key: only what counts for this account.

    Raises:
        StorageError: the database could not be read.
    """
    ours = [] if account_key is None else [ExternalUse.account_key == account_key]
    with database.read() as session:
        matching = session.scalar(select(func.count()).select_from(ExternalUse).where(*ours)) or 0
        number = min(max(page, 1), max(1, -(-matching // PAGE_SIZE)))
        rows = session.execute(
            select(ExternalUse, MailServer.name)
            .outerjoin(MailServer, MailServer.id == ExternalUse.server_id)
            .where(*ours)
            .order_by(ExternalUse.at.desc(), ExternalUse.id.desc())
            .limit(PAGE_SIZE)
            .offset((number - 1) * PAGE_SIZE)
        ).all()
    found = [
        NotedEntry(row.id, row.server_id, name or "", row.at, row.units, row.noted_at, row.noted_by)
        for row, name in rows
    ]
    return EntryPage(found, matching, number)


@needs(Right.OPERATE)
def undo(database: Database, settings: QuotaSettings, entry_id: int, *, actor: Actor) -> int:
    """Take an entry out again: its units are free from now on, and the trail keeps who did it.

    Returns:
        How many units became free.

    Raises:
        NotFoundError: there is no such entry (any more): somebody undid it before. Nothing was changed.
        StorageError: the database could not be written; nothing was changed.
    """
    with database.fast_write() as cursor:
        found = cursor.row(_ACCOUNT_OF, {"id": entry_id})
        account = LockedAccount(database, cursor, settings, found[0]) if found else None
        taken = cursor.row(_TAKE_OUT, {"id": entry_id}) if account else None
        if account is None or taken is None:
            raise NotFoundError("Este consumo externo já foi desfeito. Nada mudou agora.")
        key, server_id, at, units = taken[0], int(taken[1]), database.moment(taken[2]), int(taken[3])
        if key != account.key:  # renamed meanwhile
            account = LockedAccount(database, cursor, settings, key)
        usage.add(account, server_id, at, Amount(external=-units))
        name = cursor.row(_NAME_OF, {"id": server_id})
        moment = at.astimezone(settings.zone)
        note_use_undone(database, cursor, server_id, name[0] if name else "", units, moment, actor=actor)
    return units


def _values(database: Database, entry: Entry, now: datetime, actor: Actor) -> dict[str, object]:
    return {
        "account": entry.server.account_key,
        "server": entry.server.id,
        "at": database.stored(entry.at),
        "units": entry.units,
        "noted_at": database.stored(now),
        "noted_by": actor.name,
    }


def _summed(
    entries: Sequence[Entry], settings: QuotaSettings
) -> dict[tuple[MailServer, int, date], tuple[int, datetime]]:
    """Units and the newest moment by server, slot and day: a long file must not hold an account for long."""
    sums: dict[tuple[MailServer, int, date], tuple[int, datetime]] = {}
    for entry in entries:
        key = entry.server, usage.slot_of(entry.at), entry.at.astimezone(settings.zone).date()
        units, newest = sums.get(key, (0, entry.at))
        sums[key] = units + entry.units, max(newest, entry.at)
    return sums


def read_csv(data: bytes, servers: Iterable[MailServer], settings: QuotaSettings) -> list[Entry]:
    """Return what a file with the columns server_id, at and units says, in these words or in those of the screen.

    Args:
        servers: those it may name.

    Raises:
        ValidationError: with a sentence for each line that cannot be used; of such a file nothing is taken.
    """
    by_id = {server.id: server for server in servers}
    if len(data) > MAX_BYTES:
        raise _refused(f"O arquivo é grande demais; cabem até {MAX_BYTES // 1_000_000} MB.")
    file = None if is_spreadsheet(data) else text_file(data)
    if file is None:
        raise _refused("O arquivo não é um CSV de texto. Salve-o como CSV em UTF-8.")
    entries: list[Entry] = []
    errors: list[FieldError] = []
    more = 0
    try:
        found = rows(file, delimiter_of(file, lambda name: fold(name) in _COLUMN_OF))
        places = _places(next(found, (1, []))[1])
        for number, (line, cells) in enumerate(found, 1):
            if number > _MOST_LINES:
                raise _refused(f"O arquivo tem mais de {thousands(_MOST_LINES)} linhas; divida-o.")
            row = {name: read_cell(cells[at]).strip() for name, at in places.items() if at < len(cells)}
            try:
                entries.append(_entry(row, by_id, settings))
            except ValueError as error:  # ValidationError is one
                if len(errors) < _MOST_TOLD:
                    errors.append(FieldError("file", f"Linha {line}: {error}"))
                else:
                    more += 1
    except UnreadableError as error:
        raise _refused(f"Linha {error.line}: {error}") from None
    if more:
        errors.append(FieldError("file", f"E mais {thousands(more)} {'linha' if more == 1 else 'linhas'} com erro."))
    if errors:
        raise ValidationError(errors)
    if not entries:
        raise _refused("O arquivo não tem nenhuma linha abaixo do cabeçalho.")
    return entries


def _places(header: list[str]) -> dict[str, int]:
    """Where each column stands."""
    names = [_COLUMN_OF.get(fold(name), "") for name in header[:MOST_COLUMNS]]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise _refused(f"Linha 1: faltam as colunas {', '.join(missing)}. Use server_id, at e units.")
    twice = [name for name in COLUMNS if names.count(name) > 1]
    if twice:
        raise _refused(f"Linha 1: há mais de uma coluna {twice[0]}. Apague uma delas.")
    return {name: names.index(name) for name in COLUMNS}


def _refused(sentence: str) -> ValidationError:
    return ValidationError([FieldError("file", sentence)])


def _entry(row: dict[str, str], by_id: dict[int, MailServer], settings: QuotaSettings) -> Entry:
    text = {name: row.get(name, "") for name in COLUMNS}
    if not _NUMBER.fullmatch(text["server_id"]):
        raise ValueError("server_id: use o número do servidor.")
    server = by_id.get(int(text["server_id"]))
    if server is None:
        raise ValueError(f"server_id: não há servidor com o número {text['server_id']}.")
    at = _moment(text["at"])
    if not _NUMBER.fullmatch(text["units"]):
        raise ValueError("units: use um número inteiro a partir de 1.")
    entry = Entry(server, at if at.tzinfo else at.replace(tzinfo=settings.zone), int(text["units"]))
    _check(entry, datetime.now(UTC))
    return entry


def _moment(text: str) -> datetime:
    for form in _MOMENTS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the caller gives it the zone of the settings
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("at: use data e hora como 2026-11-23T14:05-03:00.") from None


def template_csv(zone: ZoneInfo) -> str:
    """Return a file to begin with: the columns and one line, of the server with the number 1, an hour ago."""
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(HEADINGS.values())
    writer.writerow([1, (datetime.now(zone) - timedelta(hours=1)).strftime(_MOMENTS[0]), 40])
    return text.getvalue()


def _check(entry: Entry, now: datetime) -> None:
    errors = []
    if not 1 <= entry.units <= MOST_UNITS:
        errors.append(FieldError("units", f"{_LABELS['units']}: use um número inteiro a partir de 1."))
    if entry.at > now + _AHEAD:
        errors.append(FieldError("at", f"{_LABELS['at']}: este momento ainda não chegou."))
    if entry.at.year < 2000:
        errors.append(FieldError("at", f"{_LABELS['at']}: use uma data depois do ano 2000."))
    if errors:
        raise ValidationError(errors)
