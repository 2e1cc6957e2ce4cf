"""Believable Brazilian servers, any number of them, the same ones every time.

Nothing here exists: the domains end in ``.example`` (RFC 2606) and no secret is stored.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, text

from mailcore.registry.search import search_text
from mailcore.storage.tables import MailServer
from mailcore.text import fold
from mailcore.vocabulary import CheckState, Kind, LimitUnit, LimitWindow, SameAddress, Security

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailcore.storage.database import Database

_TRADES = (
    "Padaria", "Clínica", "Farmácia", "Oficina", "Escola", "Mercado", "Transportadora", "Imobiliária",
    "Contabilidade", "Gráfica", "Pousada", "Ótica", "Cooperativa", "Prefeitura", "Distribuidora", "Papelaria",
)  # fmt: skip
_NAMES = (
    "Avenida", "Bela Vista", "Boa Esperança", "Conceição", "Estação", "Horizonte", "Ipê Amarelo", "João de Barro",
    "Nossa Senhora", "Pão de Mel", "Primavera", "Santo Antônio", "São Jorge", "Três Irmãos", "União", "Vitória",
)  # fmt: skip
_CITIES = (
    "São Paulo", "Rio de Janeiro", "Belo Horizonte", "Goiânia", "Brasília", "Curitiba", "Florianópolis", "Maceió",
    "São Luís", "Belém", "Macapá", "Vitória", "Cuiabá", "Fortaleza", "Recife", "João Pessoa", "Niterói", "Santarém",
)  # fmt: skip
_PURPOSES = (
    ("notas fiscais", "nfe"), ("cobrança", "cobranca"), ("boletos", "boletos"), ("avisos", "avisos"),
    ("relatórios", "relatorios"), ("marketing", "novidades"), ("suporte", "suporte"), ("folha de pagamento", "rh"),
)  # fmt: skip
_HOSTS = (
    ("smtp.gmail.com", 587, Security.STARTTLS),
    ("smtp.office365.com", 587, Security.STARTTLS),
    ("smtp.mail.yahoo.com", 465, Security.SSL_TLS),
    ("", 465, Security.SSL_TLS),  # the customer's own
    ("", 587, Security.STARTTLS),
    ("", 25, Security.NONE),
)
_NOTES = (
    "", "", "Senha de aplicativo criada pelo cliente.", "Contato: Conceição, ramal 214.",
    "Migrado do servidor antigo em março.", "Só envia à noite, depois do fechamento do caixa.",
)  # fmt: skip
_STATES = (CheckState.NEVER, CheckState.OK, CheckState.OK, CheckState.OK, CheckState.FAILED)
_EPOCH = datetime(2026, 1, 5, 12, tzinfo=UTC)
_CHUNK = 5_000
_SHARING = 20
"""Elastic Email records of one key: a reseller's customers."""


def servers(count: int, seed: int = 2026) -> Iterator[dict[str, Any]]:
    """Yield ``count`` rows of ``mail_server``, ids from 1; the first ones are the same for any ``count``."""
    pick = random.Random(seed)
    for number in range(1, count + 1):
        yield _server(pick, number)


def _server(pick: random.Random, number: int) -> dict[str, Any]:
    trade, name, city = pick.choice(_TRADES), pick.choice(_NAMES), pick.choice(_CITIES)
    purpose, mailbox = pick.choice(_PURPOSES)
    domain = fold(f"{trade}-{name}-{number}").replace(" ", "-") + ".example"
    own_host, port, security = pick.choice(_HOSTS)
    kind = Kind.ELASTIC_EMAIL if pick.random() < 0.2 else Kind.SMTP
    is_smtp = kind is Kind.SMTP
    is_paid = pick.random() < 0.3
    state = pick.choice(_STATES)
    address = f"{mailbox}@{domain}"
    title = f"{trade} {name} {number}, {city} – {purpose}"
    host = (own_host or f"smtp.{domain}") if is_smtp else ""
    notes = pick.choice(_NOTES)
    username = address if is_smtp else ""
    return {
        "id": number,
        "version": 1,
        "name": title,
        "name_key": fold(title),
        "kind": kind,
        "host": host,
        "port": port if is_smtp else None,
        "security": security if is_smtp else Security.SSL_TLS,
        "security_auto": False,
        "verify_certificate": True,
        "ca_pem": "",
        "username": username,
        "account_key": f"smtp:{host}/{address}" if is_smtp else f"elastic_email:{number // _SHARING:032x}",
        "secret_ref": None,
        "from_address": address,
        "from_name": f"{trade} {name}",
        "reply_to": "",
        "is_paid": is_paid,
        "is_active": number == 1 or pick.random() < 0.9,
        "is_default": number == 1,
        "daily_limit": pick.choice((None, 500, 2_000, 10_000)),
        "limit_unit": LimitUnit.RECIPIENTS,
        "limit_window": LimitWindow.ROLLING_24H,
        "same_address": SameAddress.ALLOW if is_paid else SameAddress.BLOCK,
        "notes": notes,
        "search_text": search_text(title, host, username, address, notes),
        "last_check_state": state,
        "last_check_at": None if state is CheckState.NEVER else _EPOCH + timedelta(minutes=number % 400_000),
        "last_check_category": "auth" if state is CheckState.FAILED else None,
        "created_at": _EPOCH,
        "updated_at": _EPOCH,
        "updated_by": "suporte",
    }


def fill(database: Database, count: int) -> None:
    """Put ``count`` servers into an empty, migrated database, its search index included."""
    rows = servers(count)
    with database.write_connection() as connection:
        while chunk := [row for _, row in zip(range(_CHUNK), rows, strict=False)]:
            connection.execute(insert(MailServer), chunk)
        if not database.is_sqlite:  # the ids were given, so the sequence has not moved
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence('mail_server', 'id'), :last)"), {"last": count}
            )
    # What either database does on its own in time; before that PostgreSQL does not choose the trigram index.
    if database.is_sqlite:
        with database.write_connection() as connection:
            connection.execute(text("ANALYZE"))
    else:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
