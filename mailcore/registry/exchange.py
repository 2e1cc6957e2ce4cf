"""Import and export of servers, without secrets: what a file would do, then all of it or nothing.

:func:`plan_import` reads a file and says what it would create and change, changing nothing;
:func:`apply_import` does it, provided that nobody changed one of those records in between.

A record with an ``id`` changes that one, one without is new. A column that is absent leaves its field as it is; an
empty cell empties a text, a port or a limit and leaves a choice as it is. An export taken in again changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from mailcore.actor import Actor, needs
from mailcore.errors import FieldChange, ValidationError
from mailcore.registry.drafts import ServerDraft, clean, draft_of, logs_in, secret_label
from mailcore.registry.exchange_file import (
    Record,
    Remark,
    Sheet,
    export_rows,
    read,
    template_csv,
    to_csv,
    to_json,
)
from mailcore.registry.fields import (
    FIELD,
    FIELDS,
    IN_FILES,
    LABELS,
    SECRET_BOUND,
    STORED,
    Sort,
    accepted_words,
    fields_of,
    file_words,
    kinds_with,
)
from mailcore.registry.rows import among
from mailcore.rights import Right
from mailcore.storage.tables import MailServer
from mailcore.text import fold
from mailcore.transports.smtp_kind import automatic_security

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from mailcore.registry.servers import Servers
    from mailcore.storage.database import Database

__all__ = [
    "ChangedServer",
    "ImportPlan",
    "NewServer",
    "Remark",
    "all_servers",
    "apply_import",
    "export_rows",
    "plan_import",
    "template_csv",
    "to_csv",
    "to_json",
]

_NEEDED = tuple(row.name for row in FIELDS if row.needed)
_MOST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class NewServer:
    """A server the file would register."""

    line: int
    draft: ServerDraft


@dataclass(frozen=True, slots=True)
class ChangedServer:
    """A server the file would change."""

    line: int
    server: MailServer
    """As it is now."""
    draft: ServerDraft
    changes: tuple[FieldChange, ...]
    loses_secret: bool
    """Its password is deleted, because it is bound to a value that changes (invariant 2)."""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What a file would do; with an error in it, nothing."""

    created: tuple[NewServer, ...]
    changed: tuple[ChangedServer, ...]
    unchanged: int
    errors: tuple[Remark, ...]
    warnings: tuple[Remark, ...]
    is_json: bool

    @property
    def does_something(self) -> bool:
        """Whether it can be applied and would change anything."""
        return not self.errors and bool(self.created or self.changed)


def all_servers(database: Database) -> list[MailServer]:
    """Return every server in the order of registration, for an export.

    Raises:
        StorageError: the database could not be read.
    """
    with database.read() as session:
        return list(session.scalars(select(MailServer).order_by(MailServer.id)))


def plan_import(database: Database, data: bytes) -> ImportPlan:
    """Say what a CSV or JSON file would do; nothing is changed.

    Raises:
        StorageError: the database could not be read.
    """
    sheet = read(data)
    with database.read() as session:
        return _Planning(session, sheet).run()


@needs(Right.DELETE_OR_BULK)
def apply_import(servers: Servers, plan: ImportPlan, *, actor: Actor) -> list[MailServer]:
    """Do what the plan says, all of it or nothing, and return the servers as stored.

    Raises:
        ValueError: the plan has errors.
        ConflictError, RecordGoneError: somebody changed or deleted one of the records since the plan was made.
        ValidationError: somebody took one of the descriptions since.
        StorageError: the database could not be written.
    """
    if plan.errors:
        raise ValueError("a plan with errors cannot be applied")
    changes: list[tuple[MailServer | None, ServerDraft]] = [(planned.server, planned.draft) for planned in plan.changed]
    return servers.apply(changes + [(None, planned.draft) for planned in plan.created], actor=actor)


@dataclass(slots=True)
class _Row:
    """One record of the file on its way to a draft."""

    record: Record
    opened: MailServer | None
    draft: ServerDraft
    says_default: bool
    """The file itself makes it the default, not only the record as it is."""
    is_good: bool = True


class _Planning:
    """One pass over one file."""

    def __init__(self, session: Session, sheet: Sheet) -> None:
        self.session = session
        self.sheet = sheet
        self.errors = list(sheet.errors)
        self.warnings: list[Remark] = []
        self.lacking: set[str] = set()
        self.words = {row.name: file_words(row) for row in FIELDS if row.in_file and row.is_choice}
        """Field → what a file may say, folded → what that means."""

    def run(self) -> ImportPlan:
        rows = self._rows()
        self._one_default(rows)
        unchanged = 0
        created: list[NewServer] = []
        changed: list[ChangedServer] = []
        for row in rows:
            line, opened = row.record.line, row.opened
            # What is stored stays as it is, whatever the rules of today would make of it.
            if (opened is None or _changes(opened, row.draft)) and not self._clean(row):
                continue
            if opened is None:
                created.append(NewServer(line, row.draft))
            elif changes := _changes(opened, row.draft):
                loses = opened.secret_ref is not None and any(change.field in SECRET_BOUND for change in changes)
                changed.append(ChangedServer(line, opened, row.draft, tuple(changes), loses))
            else:
                unchanged += row.is_good
        self._refuse_lacking_columns()
        self._refuse_doubles(rows)
        for new in created:
            self._warn_of_new(new)
        for change in changed:
            self._warn_of_change(change)
        return ImportPlan(
            tuple(created),
            tuple(changed),
            unchanged,
            tuple(sorted(self.errors, key=lambda remark: remark.line)),
            tuple(sorted(self.warnings, key=lambda remark: remark.line)),
            self.sheet.is_json,
        )

    def _rows(self) -> list[_Row]:
        ids = [self._id(record) for record in self.sheet.records]
        stored = {server.id: server for server in among(self.session, MailServer.id, {found for found in ids if found})}
        line_of: dict[int, int] = {}
        rows = []
        for record, server_id in zip(self.sheet.records, ids, strict=True):
            if server_id is None:
                continue
            if server_id in line_of:
                self._error(record, "id", f"O servidor {server_id} já está {self._at(line_of[server_id])}.")
            elif server_id and server_id not in stored:
                self._error(
                    record, "id", f"Não há servidor com o número {server_id}. Para registrar um novo, deixe em branco."
                )
            else:
                rows.append(self._row(record, stored.get(server_id)))
            if server_id:
                line_of.setdefault(server_id, record.line)
        return rows

    def _id(self, record: Record) -> int | None:
        """The record's id, 0 for a new one, None for what is no id."""
        text = record.cells.get("id", "").strip()
        if not text:
            return 0
        if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= _MOST_ID:
            self._error(
                record, "id", "Use o número do servidor, como a exportação o traz, ou deixe em branco para um novo."
            )
            return None
        return int(text)

    def _row(self, record: Record, opened: MailServer | None) -> _Row:
        start = _start(opened)
        values: dict[str, Any] = {}
        good = True
        for name in IN_FILES:
            text = record.cells.get(name)
            if text is None:
                continue
            if name not in self.words:
                values[name] = _value(name, text, getattr(start, name))
            elif folded := fold(text):
                if folded in self.words[name]:
                    values[name] = self.words[name][folded]
                else:
                    self._error(record, name, f"{LABELS[name]}: use {accepted_words(FIELD[name])}.")
                    good = False
        says_default = values.get("is_default") is True
        return _Row(record, opened, _draft(opened, values), says_default, good)

    def _one_default(self, rows: list[_Row]) -> None:
        """At most one record may be made the default; whoever was it until now gives way."""
        chosen = next((row for row in rows if row.says_default), None)
        if chosen is None:
            return
        for row in rows:
            if row is not chosen and row.says_default:
                where = self._at(chosen.record.line)
                sentence = f"{LABELS['is_default']}: outro já está marcado, {where}. Só um pode ser o padrão."
                self._error(row.record, "is_default", sentence)
                row.is_good = False
            elif row is not chosen and row.draft.is_default:
                row.draft = replace(row.draft, is_default=False)
        holder = self.session.scalar(select(MailServer).where(MailServer.is_default))
        in_file = {row.opened.id for row in rows if row.opened}
        if holder is not None and holder.id not in in_file:
            self._warn(chosen.record.line, "is_default", f"“{holder.name}” deixa de ser o servidor padrão.")

    def _clean(self, row: _Row) -> bool:
        """Put the draft as it will be stored; False where it cannot be."""
        record = row.record
        try:
            cleaned = clean(row.draft)
        except ValidationError as error:
            row.is_good = False
            for complaint in error.errors:
                is_lacking = not self.sheet.is_json and complaint.field not in record.cells
                if row.opened is None and is_lacking and complaint.field in _NEEDED:
                    self.lacking.add(complaint.field)
                else:
                    self._error(record, complaint.field, complaint.message)
            return False
        row.draft = cleaned.draft
        for note in cleaned.notes:
            self._warn(record.line, "host", note)
        had = {field.name for field in fields_of(row.draft.kind)}
        for name in IN_FILES:
            # A choice is never empty in an export: only what somebody typed is worth a word.
            if name not in had and name not in self.words and record.cells.get(name, "").strip():
                only = " e ".join(kind.label for kind in kinds_with(FIELD[name]))
                self._warn(record.line, name, f"{LABELS[name]}: só vale para {only}, e fica de fora.")
        return row.is_good

    def _refuse_lacking_columns(self) -> None:
        for name in _NEEDED:
            if name in self.lacking:
                sentence = f"Falta a coluna “{name}” ({LABELS[name]}), sem a qual não se registra um servidor novo."
                self.errors.append(Remark(1, name, sentence))

    def _refuse_doubles(self, rows: list[_Row]) -> None:
        in_file = {row.opened.id for row in rows if row.opened}
        named = [(row, fold(row.draft.name)) for row in rows if row.is_good]
        holders = {
            server.name_key: server
            for server in among(self.session, MailServer.name_key, {key for _, key in named})
            if server.id not in in_file
        }
        line_of: dict[str, int] = {}
        for row, key in named:
            if key in line_of:
                self._error(row.record, "name", f"{LABELS['name']}: já está {self._at(line_of[key])}. Use outra.")
            elif key in holders:
                self._error(
                    row.record,
                    "name",
                    f"{LABELS['name']}: já existe um servidor com esta descrição, o número {holders[key].id}. Use "
                    f"outra, ou ponha {holders[key].id} na coluna id para alterar esse servidor.",
                )
            line_of.setdefault(key, row.record.line)

    def _warn_of_new(self, new: NewServer) -> None:
        if new.draft.requires_auth:
            self._warn(new.line, "", f"Falta a {_secret_name(new.draft)}: digite-a no cadastro depois de importar.")

    def _warn_of_change(self, change: ChangedServer) -> None:
        what = _secret_name(change.draft)
        if change.loses_secret:
            moved = ", ".join(LABELS[item.field] for item in change.changes if item.field in SECRET_BOUND)
            after = " Digite-a de novo no cadastro depois de importar." if change.draft.requires_auth else ""
            self._warn(change.line, "", f"A senha guardada será apagada, porque muda {moved}.{after}")
        elif change.draft.requires_auth and change.server.secret_ref is None:
            self._warn(change.line, "", f"Falta a {what}: digite-a no cadastro depois de importar.")

    def _error(self, record: Record, name: str, message: str) -> None:
        self.errors.append(Remark(record.line, self.sheet.column(name), message))

    def _warn(self, line: int, name: str, message: str) -> None:
        self.warnings.append(Remark(line, self.sheet.column(name) if name else "", message))

    def _at(self, line: int) -> str:
        return f"no item {line}" if self.sheet.is_json else f"na linha {line}"


def _draft(opened: MailServer | None, values: dict[str, Any]) -> ServerDraft:
    """Return a record, or a new one, with what a file gives.

    A security that is given is that person's choice, but where it is what the record's "Automático" makes of the
    port anyway: an export, which says only what is in force, changes nothing.
    """
    start = _start(opened)
    if "security" in values:
        port = values.get("port", start.port)
        follows = isinstance(port, int) and automatic_security(port) is values["security"]
        values["security_auto"] = bool(opened and opened.security_auto and follows)
        if values["security"] is None:  # "Automático" in so many words
            values |= {"security": start.security, "security_auto": True}
    draft = replace(start, **values)
    return replace(draft, requires_auth=logs_in(draft.kind, draft.username))


def _start(opened: MailServer | None) -> ServerDraft:
    return draft_of(opened) if opened else ServerDraft(security_auto=True)


def _value(name: str, text: str, before: Any) -> Any:
    stripped = text.strip()
    if FIELD[name].sort is Sort.NUMBER:
        return int(stripped) if re.fullmatch(r"[0-9]{1,9}", stripped) else stripped or None
    if FIELD[name].sort is Sort.LINES and _lines(stripped) == _lines(before):
        return before  # a spreadsheet writes its own line feeds
    return stripped


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _changes(opened: MailServer, draft: ServerDraft) -> list[FieldChange]:
    pairs = ((name, getattr(opened, name), getattr(draft, name)) for name in STORED)
    return [FieldChange(name, before, after) for name, before, after in pairs if before != after]


def _secret_name(draft: ServerDraft) -> str:
    label = secret_label(draft.kind)
    return label[0].lower() + label[1:]
