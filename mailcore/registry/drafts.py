"""What a person types about a server, and the rules it must meet before it is stored.

A :class:`ServerDraft` takes whatever stands in a form or on a command line; :func:`clean` returns it as
it will be stored, or raises one sentence for each field to mend. Sentences name the field as the screen
does.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mailcore.errors import FieldError, ValidationError
from mailcore.messages.addresses import parse_address
from mailcore.registry.fields import FIELD, FIELDS, LABELS, STORED, Field, Sort, without
from mailcore.text import is_text
from mailcore.transports import kind_of
from mailcore.vocabulary import DEFAULT_KIND, Auth, Kind, LimitUnit, LimitWindow, SameAddress, Security

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from mailcore.storage.tables import MailServer

_EMPTY = "preencha este campo."
_NOT_WHOLE = "há um pedaço que não é texto, que aparece como �. Apague-o e digite-o de novo."
_Draft = TypeVar("_Draft")


def _with_every_field(cls: type[_Draft]) -> type[_Draft]:
    """Give a draft those fields of the table too that no code names."""
    for row in FIELDS:
        if row.sort is not Sort.SECRET and row.name not in cls.__annotations__:
            cls.__annotations__[row.name] = Any
            setattr(cls, row.name, row.default)
    return cls


@dataclass(frozen=True, slots=True, kw_only=True)
@_with_every_field
class ServerDraft:
    """The fields of a server as typed; every default is what an empty form starts with.

    A test holds it to the table of the fields.
    """

    name: str = ""
    kind: Kind = DEFAULT_KIND
    host: str = ""
    port: int | str | None = None
    """Empty takes :func:`suggested_port`."""
    security: Security = Security.STARTTLS
    security_auto: bool = False
    """``security`` is not the person's choice but follows the port ("Automático")."""
    verify_certificate: bool = True
    ca_pem: str = ""
    requires_auth: bool = True
    username: str = ""
    auth: Auth = Auth.PASSWORD
    oauth_app_id: int | str | None = None
    from_address: str = ""
    from_name: str = ""
    reply_to: str = ""
    is_paid: bool = False
    is_active: bool = True
    is_default: bool = False
    daily_limit: int | str | None = None
    """Units a window; empty means no limit of ours."""
    limit_unit: LimitUnit = LimitUnit.RECIPIENTS
    limit_window: LimitWindow = LimitWindow.ROLLING_24H
    same_address: SameAddress | None = None
    """None takes :func:`default_same_address`."""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A draft ready to be stored, with what was changed on the way, a sentence each."""

    draft: ServerDraft
    notes: list[str]


def draft_of(server: MailServer) -> ServerDraft:
    """Return a stored server as a draft, to be edited."""
    values: dict[str, Any] = {name: getattr(server, name) for name in STORED}
    return ServerDraft(**values, requires_auth=logs_in(server.kind, server.username))


def logs_in(kind: Kind, username: str) -> bool:
    """Return whether a record logs in: one that needs no user name for it always does."""
    return kind_of(kind).always_logs_in or bool(username.strip())


def default_same_address(is_paid: bool) -> SameAddress:
    """Return where "Origem igual ao destino" starts: free accounts tend to be blocked for it."""
    return SameAddress.ALLOW if is_paid else SameAddress.BLOCK


def clean(draft: ServerDraft) -> Cleaned:
    """Return the draft as it will be stored.

    Raises:
        ValidationError: one sentence for each field that cannot be stored as typed.
    """
    return _Cleaning(draft).run()


def clean_for_check(draft: ServerDraft) -> ServerDraft:
    """Return the draft as a connection test needs it: what only a save needs may still be missing.

    Raises:
        ValidationError: a field the test uses cannot be used as typed.
    """
    return clean(replace(draft, name=draft.name.strip() or "teste", notes="", is_default=False)).draft


def check_secret(secret: SecretStr, label: str) -> None:
    """Refuse a password or key no server could take.

    Raises:
        ValidationError: it is too long, or has line feeds or other control characters in it.
    """
    text = secret.get_secret_value()
    if len(text) > FIELD["secret"].max_length or _has_control(text):
        raise ValidationError(
            [FieldError("secret", f"{label}: cole só a senha, sem quebra de linha nem texto a mais.")]
        )


def invisible_in(secret: SecretStr) -> str:
    """Say what of a password nobody sees, and web pages and messengers leave in what is copied; empty for nothing."""
    text = secret.get_secret_value()
    if any(char != " " and (char.isspace() or unicodedata.category(char) == "Cf") for char in text):
        return "um caractere invisível, que costuma vir junto quando se cola"
    return "um espaço no começo ou no fim" if text != text.strip() else ""


def secret_label(kind: Kind) -> str:
    """Return what the secret of this kind of server is called on the screen."""
    return kind_of(kind).secret_label


class _Cleaning:
    """One pass over one draft, field by field, collecting errors and notes."""

    def __init__(self, draft: ServerDraft) -> None:
        self.draft = draft
        self.errors: list[FieldError] = []
        self.notes: list[str] = []

    def run(self) -> Cleaned:
        draft = self.draft
        values = {row.name: self._cleaned(row) for row in FIELDS if row.stored and not row.of_connection}
        values["same_address"] = draft.same_address or default_same_address(draft.is_paid)
        values |= without(draft.kind) | kind_of(draft.kind).clean(self)
        if draft.is_default and not draft.is_active:
            self.error("is_default", "só um servidor ativo pode ser o padrão. Marque Ativo ou desmarque este.")
        if self.errors:
            raise ValidationError(self.errors)
        return Cleaned(replace(draft, **values), self.notes)

    # What a kind asks of what was typed: see mailcore.transports.kind.Typed.

    def value(self, name: str) -> Any:
        return getattr(self.draft, name)

    def cleaned(self, name: str, *, needed: bool | None = None) -> Any:
        row = FIELD[name]
        return self._cleaned(row if needed is None else replace(row, needed=needed))

    def error(self, name: str, sentence: str) -> None:
        self.errors.append(FieldError(name, f"{LABELS[name]}: {sentence}"))

    def note(self, name: str, sentence: str) -> None:
        self.notes.append(f"{LABELS[name]}: {sentence}")

    def number(self, name: str, text: str) -> int | None:
        row = FIELD[name]
        if re.fullmatch(r"[0-9]{1,12}", text) and row.least <= int(text) <= row.most:
            return int(text)
        self.error(name, row.complaint)
        return None

    # The rules of the sorts.

    def _cleaned(self, row: Field) -> Any:
        """What any kind of server takes for a field, by its sort alone."""
        rule = self._RULES.get(row.sort)
        return rule(self, row) if rule else getattr(self.draft, row.name)

    def _line(self, row: Field) -> str:
        value = str(getattr(self.draft, row.name)).strip()
        if not value and row.needed:
            self.error(row.name, _EMPTY)
        elif not _is_whole(value):
            self.error(row.name, _NOT_WHOLE)
        elif _has_control(value):
            self.error(row.name, "escreva numa linha só, sem quebra de linha nem tabulação.")
        elif len(value) > row.max_length:
            self.error(row.name, _too_long(len(value), row.max_length))
        elif _has_invisible(value):
            self.note(row.name, "há um caractere que não se vê, e que pode mudar a ordem em que o texto aparece.")
        return value

    def _lines(self, row: Field) -> str:
        value = str(getattr(self.draft, row.name)).strip()
        if not value and row.needed:
            self.error(row.name, _EMPTY)
        elif not _is_whole(value):
            self.error(row.name, _NOT_WHOLE)
        elif len(value) > row.max_length:
            self.error(row.name, _too_long(len(value), row.max_length))
        elif _has_control(value.replace("\n", " ").replace("\r", " ").replace("\t", " ")):
            self.error(row.name, "há caracteres que não são texto. Apague o trecho colado e digite-o.")
        return value

    def _address(self, row: Field) -> str:
        value = str(getattr(self.draft, row.name)).strip()
        if not value:
            if row.needed:
                self.error(row.name, _EMPTY)
            return ""
        try:
            return parse_address(value)
        except ValueError as error:
            self.error(row.name, str(error))
            return value

    def _number(self, row: Field) -> int | None:
        typed = getattr(self.draft, row.name)
        text = str(typed if typed is not None else "").strip()
        if not text:
            return None
        if re.fullmatch(r"[0-9]{1,3}([. ][0-9]{3})+", text):  # 10.000, as the screen writes it
            text = re.sub("[. ]", "", text)
        return self.number(row.name, text)

    _RULES: ClassVar[dict[Sort, Callable[[Any, Field], Any]]] = {
        Sort.LINE: _line,
        Sort.LINES: _lines,
        Sort.ADDRESS: _address,
        Sort.NUMBER: _number,
    }


def _is_whole(text: str) -> bool:
    """Whether nothing of it was lost on the way: U+FFFD stands where something was no text."""
    return is_text(text) and "\ufffd" not in text


def _has_control(text: str) -> bool:
    """Control characters, and the line and paragraph separators that some readers take for a line feed."""
    return any(unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") for char in text)


def _has_invisible(text: str) -> bool:
    """Characters without a shape of their own: bidirectional marks, zero-width spaces, byte-order marks.

    The two joiners (U+200C and U+200D) are left alone: emoji and some scripts need them.
    """
    return any(unicodedata.category(char) == "Cf" and char not in "\u200c\u200d" for char in text)


def _too_long(length: int, limit: int) -> str:
    counted, allowed = (f"{number:,}".replace(",", ".") for number in (length, limit))
    return f"o texto tem {counted} caracteres; cabem até {allowed}."
