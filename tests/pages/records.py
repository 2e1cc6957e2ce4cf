"""Records for tests of pages, and mail sent through them a while ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from pydantic import SecretStr
from xlsxwriter import Workbook

from mailcore import Mailcore
from mailcore.messages.compose import compose
from mailcore.registry.drafts import ServerDraft
from mailcore.sending.reservation import Reservations, SendOutcome, SendRequest
from mailcore.storage.tables import MailServer, Send
from mailcore.vocabulary import Kind, Security, SendStatus
from tests.actors import ME
from tests.peers.smtp_server import SmtpPeer

TO = "cliente@outro.example"


def register(core: Mailcore, peer: SmtpPeer | None, name: str = "Padaria", **changes: Any) -> MailServer:
    """Register a record without login; its sender is what its account is known by."""
    values: dict[str, Any] = {
        "name": name,
        "host": "127.0.0.1",
        "port": peer.port if peer else 587,
        "security": Security.NONE,
        "requires_auth": False,
        "from_address": f"{name.lower().replace(' ', '.')}@exemplo.com.br",
    }
    password = changes.pop("password", None)
    return core.servers.create(
        ServerDraft(**(values | changes)), SecretStr(password) if password else None, actor=ME
    ).server


def register_service(core: Mailcore, key: str, **changes: Any) -> MailServer:
    """Register a record of the paid service."""
    values: dict[str, Any] = {
        "name": "Campanhas",
        "kind": Kind.ELASTIC_EMAIL,
        "from_address": "news@exemplo.com.br",
        "is_paid": True,
    }
    return core.servers.create(ServerDraft(**(values | changes)), SecretStr(key), actor=ME).server


def send(core: Mailcore, server: MailServer, *to: str) -> Send:
    """Send really, through the peer."""
    message = compose(from_address=server.from_address, to=list(to) or [TO], subject="Nota", text="Olá")
    return core.send(server, message, actor=ME)


def sent_before(core: Mailcore, server: MailServer, ago: timedelta, units: int) -> None:
    """Let a send of a while ago have been, through the same door as any other."""
    at = datetime.now(UTC) - ago
    key = f"antes-{server.id}-{ago.total_seconds()}"
    reservations = Reservations(core.database, core.quota_settings)
    reservation = reservations.reserve(SendRequest(server, key, unnamed=units), now=at)
    assert reservation.may_send
    reservations.settle(reservation.send, SendOutcome(status=SendStatus.ACCEPTED), now=at)


def spreadsheet(count: int, *bad: int) -> bytes:
    """Make an Excel file as people do: headings with blanks and accents; the rows of ``bad`` without an address."""
    file = BytesIO()
    with Workbook(file, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Clientes")
        sheet.write_row(0, 0, ["Nome do cliente", "E-mail", "Código"])
        for row in range(1, count + 1):
            address = "sem arroba" if row + 1 in bad else f"cliente{row}@exemplo.com.br"
            sheet.write_row(row, 0, [f"Ana & Filhos {row}", address, row])
    return file.getvalue()
