"""What a person types about a server, and the rules it must meet before it is stored.

A :class:`ServerDraft` takes whatever stands in a form or on a command line; :func:`clean` returns it as
it will be stored, or raises one sentence for each field to mend. Sentences name the field as the screen
does.
"""

from __future__ import annotations

import re
import ssl
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from mailcore.errors import FieldError, ValidationError
from mailcore.messages.addresses import parse_address, parse_host
from mailcore.registry.fields import FIELD, FIELDS, LABELS, STORED, Field, Sort
from mailcore.transports.base import Connection
from mailcore.vocabulary import Kind, LimitUnit, LimitWindow, SameAddress, Security

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from mailcore.storage.tables import MailServer

_EMPTY = "preencha este campo."
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
    kind: Kind = Kind.SMTP
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
    return ServerDraft(**values, requires_auth=bool(server.username))


def suggested_port(security: Security, security_auto: bool = False) -> int:
    """Return the submission port to suggest: 465 for direct TLS, else 587 (RFC 8314, RFC 6409)."""
    return 465 if security is Security.SSL_TLS and not security_auto else 587


def automatic_security(port: int) -> Security:
    """Return what "Automático" means on a port: direct TLS on 465, STARTTLS elsewhere, never plain."""
    return Security.SSL_TLS if port == 465 else Security.STARTTLS


def default_same_address(is_paid: bool) -> SameAddress:
    """Return where "Origem igual ao destino" starts: free accounts tend to be blocked for it."""
    return SameAddress.ALLOW if is_paid else SameAddress.BLOCK


def connection_of(record: ServerDraft | MailServer, secret: SecretStr | None, base_url: str) -> Connection:
    """Return what a transport needs to reach the server of a record, stored or as a cleaned record."""
    return Connection(
        kind=record.kind,
        host=record.host,
        port=int(record.port or 0),
        security=record.security,
        verify_certificate=record.verify_certificate,
        ca_pem=record.ca_pem,
        username=record.username,
        secret=secret,
        from_address=record.from_address,
        base_url=base_url if record.kind is Kind.ELASTIC_EMAIL else "",
    )


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


def secret_label(kind: Kind) -> str:
    """Return what the secret of this kind of server is called on the screen."""
    return "Chave da API" if kind is Kind.ELASTIC_EMAIL else LABELS["secret"]


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
        values |= self._elastic_email() if draft.kind is Kind.ELASTIC_EMAIL else self._smtp()
        if draft.is_default and not draft.is_active:
            self._error("is_default", "só um servidor ativo pode ser o padrão. Marque Ativo ou desmarque este.")
        if self.errors:
            raise ValidationError(self.errors)
        return Cleaned(replace(draft, **values), self.notes)

    def _elastic_email(self) -> dict[str, Any]:
        """Of the connection nothing is the user's to choose: it is HTTPS to the service."""
        return {
            "host": "",
            "port": None,
            "security": Security.SSL_TLS,
            "security_auto": False,
            "verify_certificate": True,
            "ca_pem": "",
            "requires_auth": True,
            "username": "",
        }

    def _smtp(self) -> dict[str, Any]:
        host, pasted_port = self._host()
        port = self._port(pasted_port)
        security = automatic_security(port) if self.draft.security_auto else self.draft.security
        return {
            "host": host,
            "port": port,
            "security": security,
            "username": self._line(replace(FIELD["username"], needed=True)) if self.draft.requires_auth else "",
            "ca_pem": self._ca_pem() if security is not Security.NONE else self.draft.ca_pem.strip(),
        }

    def _cleaned(self, row: Field) -> Any:
        """What any kind of server takes for a field, by its sort alone."""
        rules: dict[Sort, Callable[[Field], Any]] = {
            Sort.LINE: self._line,
            Sort.LINES: self._lines,
            Sort.ADDRESS: self._address,
            Sort.NUMBER: self._number,
        }
        rule = rules.get(row.sort)
        return rule(row) if rule else getattr(self.draft, row.name)

    def _error(self, field: str, sentence: str) -> None:
        self.errors.append(FieldError(field, f"{LABELS[field]}: {sentence}"))

    def _line(self, row: Field) -> str:
        value = str(getattr(self.draft, row.name)).strip()
        if not value and row.needed:
            self._error(row.name, _EMPTY)
        elif _has_control(value):
            self._error(row.name, "escreva numa linha só, sem quebra de linha nem tabulação.")
        elif len(value) > row.max_length:
            self._error(row.name, _too_long(len(value), row.max_length))
        return value

    def _lines(self, row: Field) -> str:
        value = str(getattr(self.draft, row.name)).strip()
        if not value and row.needed:
            self._error(row.name, _EMPTY)
        elif len(value) > row.max_length:
            self._error(row.name, _too_long(len(value), row.max_length))
        elif _has_control(value.replace("\n", " ").replace("\r", " ").replace("\t", " ")):
            self._error(row.name, "há caracteres que não são texto. Apague o trecho colado e digite-o.")
        return value

    def _address(self, row: Field) -> str:
        value = str(getattr(self.draft, row.name)).strip()
        if not value:
            if row.needed:
                self._error(row.name, _EMPTY)
            return ""
        try:
            return parse_address(value)
        except ValueError as error:
            self._error(row.name, str(error))
            return value

    def _number(self, row: Field) -> int | None:
        typed = getattr(self.draft, row.name)
        text = str(typed if typed is not None else "").strip()
        if not text:
            return None
        if re.fullmatch(r"[0-9]{1,3}([. ][0-9]{3})+", text):  # 10.000, as the screen writes it
            text = re.sub("[. ]", "", text)
        if not re.fullmatch(r"[0-9]{1,12}", text) or not row.least <= int(text) <= row.most:
            self._error(row.name, row.complaint)
            return None
        return int(text)

    def _host(self) -> tuple[str, int | None]:
        value = self.draft.host.strip()
        if not value:
            self._error("host", "preencha com o endereço do servidor, por exemplo smtp.exemplo.com.br.")
            return "", None
        try:
            parsed = parse_host(value)
        except ValueError as error:
            self._error("host", str(error))
            return value, None
        if parsed.note:
            self.notes.append(f"{LABELS['host']}: {parsed.note}")
        return parsed.host, parsed.port

    def _port(self, pasted: int | None) -> int:
        draft = self.draft
        text = str(draft.port if draft.port is not None else "").strip()
        if not text:
            return pasted or suggested_port(draft.security, draft.security_auto)
        row = FIELD["port"]
        if not re.fullmatch(r"[0-9]{1,6}", text) or not row.least <= int(text) <= row.most:
            self._error("port", row.complaint)
            return suggested_port(draft.security, draft.security_auto)
        return int(text)

    def _ca_pem(self) -> str:
        value = self.draft.ca_pem.strip()
        if not value:
            return ""
        if "PRIVATE KEY" in value:
            self._error("ca_pem", "isto contém uma chave privada. Cole só o certificado da autoridade.")
        elif len(value) > FIELD["ca_pem"].max_length or not _loads_as_pem(value):
            self._error(
                "ca_pem",
                "isto não é um certificado em formato PEM. Ele começa com “-----BEGIN CERTIFICATE-----” e "
                "termina com “-----END CERTIFICATE-----”.",
            )
        return value


def _loads_as_pem(text: str) -> bool:
    try:
        ssl.create_default_context().load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError, TypeError):  # TypeError: it is not even ASCII
        return False
    return True


def _has_control(text: str) -> bool:
    """Control characters, and the line and paragraph separators that some readers take for a line feed."""
    return any(unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") for char in text)


def _too_long(length: int, limit: int) -> str:
    counted, allowed = (f"{number:,}".replace(",", ".") for number in (length, limit))
    return f"o texto tem {counted} caracteres; cabem até {allowed}."
