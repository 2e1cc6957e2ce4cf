"""The files that the analysts' pages offer, made from the library's DataFrames."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from mailcore import LedgerQuery, SendStatus, ServerDraft, compose
from mailcore.storage.tables import Send
from mailcore.vocabulary import Security
from tests.actors import ME
from tests.peers.smtp_server import Say, SmtpPeer
from ui.cotas import files
from ui.envios_file import COLUMNS, to_csv

if TYPE_CHECKING:
    from mailcore import Mailcore

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def lines(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(data.decode("utf-8-sig")), delimiter=";"))


def test_csv_has_every_row_no_body_and_runs_no_formula(core: Mailcore) -> None:
    with core.database.write() as session:
        session.add(
            Send(
                idempotency_key="k",
                server_id=1,
                server_name="=HYPERLINK(1)",
                status=SendStatus.ACCEPTED,
                units=1,
                recipients="a@a.example\nb@b.example",
                message_id="<1@a.example>",
                reply="250 2.0.0\nOK; fila 7",
                at=NOW,
            )
        )
    data = to_csv(core, LedgerQuery())
    rows = lines(data)
    assert len(rows) == 1
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["Servidor"] == "'=HYPERLINK(1)"
    assert rows[0]["Destinatários"] == "a@a.example b@b.example"
    assert rows[0]["Resposta do servidor"] == "250 2.0.0 OK; fila 7"
    assert rows[0]["Quando (ISO 8601)"] == "2026-11-23T09:00:00-03:00"
    assert data.endswith(b"\r\n")


def test_csv_of_a_refused_send_says_what_was_wrong(core: Mailcore) -> None:
    with SmtpPeer(script={"RCPT": Say("550 5.1.1 no such user")}) as peer:
        draft = ServerDraft(
            name="Loja",
            host=peer.host,
            port=peer.port,
            security=Security.NONE,
            security_auto=False,
            requires_auth=False,
            from_address="a@a.example",
        )
        server = core.servers.create(draft, actor=ME).server
        sent = core.send(server, compose(from_address="a@a.example", to="b@b.example", text="Corpo secreto"))
    rows = lines(to_csv(core, LedgerQuery(server_id=server.id)))
    assert (sent.status, rows[0]["O que houve (código)"]) == (SendStatus.REFUSED, "recipient_unknown")
    assert "Corpo secreto" not in repr(rows)


def test_a_file_of_no_rows_has_its_headings(core: Mailcore) -> None:
    assert to_csv(core, LedgerQuery()).decode("utf-8-sig") == ";".join(COLUMNS) + "\r\n"


def test_the_quotas_file_is_in_words_and_leaves_empty_what_does_not_apply(core: Mailcore) -> None:
    for name, limit in (("Loja", 10), ("=1+1", None)):
        draft = ServerDraft(
            name=name, host=f"{limit}.example", requires_auth=False, from_address="a@a.example", daily_limit=limit
        )
        core.reserve(core.servers.create(draft, actor=ME).server, 2)
    quotas = core.quotas()
    unlimited, shop = lines(files.to_csv(core, quotas))
    assert (unlimited["Servidores"], unlimited["Limite"], unlimited["Resta"]) == ("'=1+1", "", "")
    assert (shop["Usado"], shop["Limite"], shop["Resta"], shop["Estado"]) == ("2", "10", "8", "Em ordem")
    assert (shop["Contar por"], shop["Janela"], shop["Bloqueada até"]) == ("Destinatários", "24 horas corridas", "")
    frees = datetime.strptime(shop["Libera quando"], "%d/%m/%Y %H:%M").replace(tzinfo=core.settings.zone)
    assert abs(frees - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=3)
    with ZipFile(BytesIO(files.to_excel(core, quotas))) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert '<autoFilter ref="A1:Q3"/>' in sheet
    # Each column is as wide as what is in it: the account's key takes more than a figure.
    account, of_servers, used, *_ = [float(width) for width in re.findall(r'<col [^>]*width="([\d.]+)"', sheet)]
    assert account > 20 > of_servers > used > len("Usado")


def test_the_pages_load_pandas_only_for_charts_and_files() -> None:
    """The list, the form and the ledger must not pay for it."""
    modules = "ui.envios, ui.cotas.overview, ui.cotas.charts, ui.cotas.files, ui.servidores.listing, ui.cadastro.form"
    code = f"import sys, {modules}; print('mailcore.frames' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
