"""What a file of servers would do to the registry: each record becomes a draft, and is held to the rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from mailcore.errors import FieldChange, ValidationError
from mailcore.registry.bound_secrets import authorization_lost
from mailcore.registry.drafts import ServerDraft, clean, draft_of, logs_in, secret_label
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
from mailcore.registry.remarks import Remark, Remarks
from mailcore.registry.rows import among
from mailcore.storage.tables import MailServer
from mailcore.text import fold, thousands
from mailcore.transports.smtp_kind import automatic_security
from mailcore.vocabulary import Auth, OAuthState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from mailcore.registry.exchange_file import Record, Sheet

_NEEDED = tuple(row.name for row in FIELDS if row.needed)
_MOST_ID = 2**31 - 1
_BATCH = 500
_MOST_WARNINGS = 1_000
_TO_AUTHORIZE = "Falta autorizar: abra o cadastro depois de importar e clique em “Autorizar”."


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
    """Those nearest to the file's beginning."""
    warnings: tuple[Remark, ...]
    is_json: bool
    error_count: int = 0
    """All of them, told or not."""
    warning_count: int = 0

    @property
    def more_errors(self) -> str:
        """A sentence about the errors that are not told; empty where all are."""
        more = self.error_count - len(self.errors)
        if not more:
            return ""
        return (
            "E mais um erro, que não está na lista." if more == 1 else f"E mais {thousands(more)} erros, fora da lista."
        )

    @property
    def does_something(self) -> bool:
        """Whether it can be applied and would change anything."""
        return not self.errors and bool(self.created or self.changed)


@dataclass(slots=True)
class _Row:
    """One record of the file on its way to a draft, without what nobody asks for any more."""

    line: int
    opened: MailServer | None
    draft: ServerDraft
    says_default: bool
    """The file itself makes it the default, not only the record as it is."""
    left_out: tuple[str, ...]
    """Fields that the file fills in and that a server of this kind has not."""
    is_good: bool = True


class Planning:
    """One pass over one file, a few hundred records in memory at a time besides what would be stored."""

    def __init__(self, session: Session, sheet: Sheet) -> None:
        self.session = session
        self.sheet = sheet
        self.errors = sheet.errors
        self.warnings = Remarks(_MOST_WARNINGS)
        self.lacking: set[str] = set()
        self.words = {row.name: file_words(row) for row in FIELDS if row.in_file and row.is_choice}
        """Field → what a file may say, folded → what that means."""
        self.line_of_id: dict[int, int] = {}
        self.names: list[tuple[int, str]] = []
        """Line and folded description of each record that is fit to be stored."""
        self.created: list[NewServer] = []
        self.changed: list[ChangedServer] = []
        self.unchanged = 0

    def run(self) -> ImportPlan:
        """Say what the file would do."""
        waiting: list[_Row] = []
        while records := list(islice(self.sheet.records, _BATCH)):
            for row in self._rows(records):
                if row.draft.is_default:
                    waiting.append(row)
                else:
                    self._take(row)
        self._one_default(waiting)
        for row in waiting:
            self._take(row)
        self.created.sort(key=lambda new: new.line)
        self.changed.sort(key=lambda change: change.line)
        self._refuse_lacking_columns()
        self._refuse_doubles()
        for new in self.created:
            self._warn_of_new(new)
        for change in self.changed:
            self._warn_of_change(change)
        return ImportPlan(
            tuple(self.created),
            tuple(self.changed),
            self.unchanged,
            self.errors.told,
            self.warnings.told,
            self.sheet.is_json,
            self.errors.total,
            self.warnings.total,
        )

    def _take(self, row: _Row) -> None:
        """Note what becomes of one record."""
        opened = row.opened
        # What is stored stays as it is, whatever the rules of today would make of it.
        is_ready = (opened is not None and not _changes(opened, row.draft)) or self._clean(row)
        if row.is_good:
            self.names.append((row.line, fold(row.draft.name)))
        if not is_ready:
            return
        if opened is None:
            self.created.append(NewServer(row.line, row.draft))
        elif changes := _changes(opened, row.draft):
            loses = opened.secret_ref is not None and any(change.field in SECRET_BOUND for change in changes)
            self.changed.append(ChangedServer(row.line, opened, row.draft, tuple(changes), loses))
        else:
            self.unchanged += row.is_good

    def _rows(self, records: list[Record]) -> Iterator[_Row]:
        ids = [self._id(record) for record in records]
        stored = {server.id: server for server in among(self.session, MailServer.id, {found for found in ids if found})}
        for record, server_id in zip(records, ids, strict=True):
            if server_id is None:
                continue
            if server_id in self.line_of_id:
                where = self._at(self.line_of_id[server_id])
                self._error(record.line, "id", f"O servidor {server_id} já está {where}.")
            elif server_id and server_id not in stored:
                self._error(
                    record.line,
                    "id",
                    f"Não há servidor com o número {server_id}. Para registrar um novo, deixe em branco.",
                )
            else:
                yield self._row(record, stored.get(server_id))
            if server_id:
                self.line_of_id.setdefault(server_id, record.line)

    def _id(self, record: Record) -> int | None:
        """The record's id, 0 for a new one, None for what is no id."""
        text = record.cells.get("id", "").strip()
        if not text:
            return 0
        if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= _MOST_ID:
            sentence = "Use o número do servidor, como a exportação o traz, ou deixe em branco para um novo."
            self._error(record.line, "id", sentence)
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
                    self._error(record.line, name, f"{LABELS[name]}: use {accepted_words(FIELD[name])}.")
                    good = False
        says_default = values.get("is_default") is True
        draft = _draft(opened, values)
        has = {field.name for field in fields_of(draft.kind)}
        # A choice is never empty in an export: only what somebody typed is worth a word.
        left_out = tuple(
            name
            for name in IN_FILES
            if name not in has and name not in self.words and record.cells.get(name, "").strip()
        )
        return _Row(record.line, opened, draft, says_default, left_out, good)

    def _one_default(self, rows: list[_Row]) -> None:
        """At most one record may be made the default; whoever was it until now gives way."""
        chosen = next((row for row in rows if row.says_default), None)
        if chosen is None:
            return
        for row in rows:
            if row is not chosen and row.says_default:
                where = self._at(chosen.line)
                sentence = f"{LABELS['is_default']}: outro já está marcado, {where}. Só um pode ser o padrão."
                self._error(row.line, "is_default", sentence)
                row.is_good = False
            elif row is not chosen:
                row.draft = replace(row.draft, is_default=False)
        holder = self.session.scalar(select(MailServer).where(MailServer.is_default))
        if holder is not None and holder.id not in self.line_of_id:
            self._warn(chosen.line, "is_default", f"“{holder.name}” deixa de ser o servidor padrão.")

    def _clean(self, row: _Row) -> bool:
        """Put the draft as it will be stored; False where it cannot be."""
        try:
            cleaned = clean(row.draft)
        except ValidationError as error:
            row.is_good = False
            for complaint in error.errors:
                is_lacking = not self.sheet.is_json and complaint.field not in self.sheet.columns
                if row.opened is None and is_lacking and complaint.field in _NEEDED:
                    self.lacking.add(complaint.field)
                else:
                    self._error(row.line, complaint.field, complaint.message)
            return False
        row.draft = cleaned.draft
        for note in cleaned.notes:
            self._warn(row.line, "host", note)
        for name in row.left_out:
            only = " e ".join(kind.label for kind in kinds_with(FIELD[name]))
            self._warn(row.line, name, f"{LABELS[name]}: só vale para {only}, e fica de fora.")
        return row.is_good

    def _refuse_lacking_columns(self) -> None:
        for name in _NEEDED:
            if name in self.lacking:
                sentence = f"Falta a coluna “{name}” ({LABELS[name]}), sem a qual não se registra um servidor novo."
                self.errors.add(1, name, sentence)

    def _refuse_doubles(self) -> None:
        holders = {
            server.name_key: server.id
            for server in among(self.session, MailServer.name_key, {key for _, key in self.names})
            if server.id not in self.line_of_id
        }
        line_of: dict[str, int] = {}
        for line, key in sorted(self.names):
            if key in line_of:
                self._error(line, "name", f"{LABELS['name']}: já está {self._at(line_of[key])}. Use outra.")
            elif key in holders:
                self._error(
                    line,
                    "name",
                    f"{LABELS['name']}: já existe um servidor com esta descrição, o número {holders[key]}. Use "
                    f"outra, ou ponha {holders[key]} na coluna id para alterar esse servidor.",
                )
            line_of.setdefault(key, line)

    def _warn_of_new(self, new: NewServer) -> None:
        if new.draft.auth is Auth.OAUTH2:
            self._warn(new.line, "", _TO_AUTHORIZE)
        elif new.draft.requires_auth:
            self._warn(new.line, "", f"Falta a {_secret_name(new.draft)}: digite-a no cadastro depois de importar.")

    def _warn_of_change(self, change: ChangedServer) -> None:
        what = _secret_name(change.draft)
        if change.loses_secret:
            moved = ", ".join(LABELS[item.field] for item in change.changes if item.field in SECRET_BOUND)
            after = " Digite-a de novo no cadastro depois de importar." if change.draft.requires_auth else ""
            self._warn(change.line, "", f"A senha guardada será apagada, porque muda {moved}.{after}")
        elif change.draft.auth is Auth.OAUTH2:
            if authorization_lost(change.server, change.draft) or change.server.oauth_state is OAuthState.NONE:
                self._warn(change.line, "", _TO_AUTHORIZE)
        elif change.draft.requires_auth and change.server.secret_ref is None:
            self._warn(change.line, "", f"Falta a {what}: digite-a no cadastro depois de importar.")

    def _error(self, line: int, name: str, message: str) -> None:
        self.errors.add(line, self.sheet.column(name), message)

    def _warn(self, line: int, name: str, message: str) -> None:
        self.warnings.add(line, self.sheet.column(name) if name else "", message)

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
