"""The trail of who came in, who was refused and why, and what was done to users. Kept for 90 days.

Neither passwords nor tokens stand in it. What was typed as an address stands there only where it is a known user's:
people type passwords into the wrong field.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailcore.storage.tables import AccessEvent
from mailcore.text import as_text, in_log

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from mailcore.storage.database import Database

_log = logging.getLogger(__name__)

KEPT = timedelta(days=90)
PAGE_SIZE = 50
EVENTS = {
    "entered": "Entrou",
    "refused": "Recusado",
    "left": "Saiu",
    "sessions_ended": "Sessões encerradas",
    "password_set": "Senha trocada",
    "link_made": "Link de senha criado",
    "user_added": "Usuário criado",
    "user_changed": "Usuário alterado",
    "user_removed": "Usuário apagado",
}
REASONS = {
    "wrong_pair": "e-mail ou senha não conferem",
    "wrong_current": "senha atual errada, ao trocar a senha",
    "inactive": "usuário inativo",
    "not_registered": "não está registrado",
    "throttled": "muitas tentativas",
    "busy": "muitos pedidos ao mesmo tempo",
    "other_site": "formulário de outro site",
    "bad_link": "link de senha usado, vencido ou inventado",
    "email_missing": "o provedor não disse o e-mail",
    "email_unverified": "e-mail não verificado pelo provedor",
    "domain_not_listed": "domínio fora da lista",
    "token_expired": "prova de identidade vencida",
    "token_too_early": "prova de identidade do futuro: relógios diferentes",
    "token_audience": "prova de identidade feita para outro programa",
    "token_issuer": "prova de identidade de outro provedor",
    "token_nonce": "prova de identidade de outra entrada",
    "token_invalid": "prova de identidade que não confere",
    "state_unknown": "volta do provedor sem uma entrada começada aqui",
    "provider_refused": "o provedor recusou",
    "provider_down": "o provedor não respondeu",
    "proxy_secret": "segredo do proxy errado",
    "proxy_address": "cabeçalho do proxy vindo de outro endereço",
}


@dataclass(frozen=True, slots=True)
class Visitor:
    """From where somebody knocks."""

    address: str = ""
    """The network address; a proxy's word for it counts only where the proxy proved itself."""
    user_agent: str = ""

    def __post_init__(self) -> None:
        """Keep both as a database takes them: they come from the network."""
        object.__setattr__(self, "address", as_text(self.address))
        object.__setattr__(self, "user_agent", as_text(self.user_agent))


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of the trail, newest first, and how many rows there are."""

    events: list[AccessEvent]
    matching: int


def note(
    session: Session,
    event: str,
    *,
    email: str = "",
    by: str = "",
    door: str = "",
    visitor: Visitor | None = None,
    reason: str = "",
) -> None:
    """Add a line, in the transaction of what it tells of."""
    address = visitor.address if visitor else ""
    session.add(
        AccessEvent(
            at=datetime.now(UTC),
            event=event,
            email=as_text(email)[:320],
            by=by[:200],
            door=door,
            address=address[:64],
            reason=as_text(reason),
        )
    )
    level = logging.WARNING if event == "refused" else logging.INFO
    told = map(in_log, (event, email, by, door, address, reason))
    _log.log(level, "access: %s email=%s by=%s door=%s from=%s reason=%s", *told)


def read(database: Database, *, page: int = 1) -> EventPage:
    """Return a page of the trail, newest first.

    Raises:
        StorageError: the database could not be read.
    """
    with database.read() as session:
        matching = session.scalar(select(func.count()).select_from(AccessEvent)) or 0
        rows = session.scalars(
            select(AccessEvent).order_by(AccessEvent.id.desc()).limit(PAGE_SIZE).offset((max(page, 1) - 1) * PAGE_SIZE)
        ).all()
    return EventPage(list(rows), matching)


def is_past(now: datetime) -> ColumnElement[bool]:
    """Condition of the entries that are past their time."""
    return AccessEvent.at < now - KEPT
