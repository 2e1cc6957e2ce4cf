"""Quotas in a real browser: the page Cotas, the list, and a send that would pass the limit."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import insert, select

from mailcore import Mailcore
from mailcore.compose import compose
from mailcore.drafts import ServerDraft
from mailcore.external_use import Entry
from mailcore.models import MailServer, SameAddress, Send, SendStatus
from mailcore.settings import Settings
from mailcore.transports.base import Kind, Security
from tests.peers.elastic_server import ElasticPeer
from tests.peers.smtp_server import Say, SmtpPeer

from .driver import expect, field, open_list, press, settled

KEY = "CHAVE-DE-TESTE"
OWN = "ana@exemplo.com.br"


@pytest.fixture
def elastic() -> Iterator[ElasticPeer]:
    with ElasticPeer(send_only_keys={"SO-ENVIO"}) as peer:
        yield peer


@pytest.fixture
def peer() -> Iterator[SmtpPeer]:
    with SmtpPeer() as running:
        yield running


@pytest.fixture
def core(tmp_path: Path, elastic: ElasticPeer) -> Iterator[Mailcore]:
    opened = Mailcore(Settings(data_dir=tmp_path / "data", keyring="database", elastic_email_url=elastic.url))
    yield opened
    opened.close()


@pytest.fixture
def app(core: Mailcore, streamlit_server: Callable[..., Any]) -> Any:
    return streamlit_server(
        "app.py",
        {
            "MAILCORE_DATA_DIR": str(core.settings.data_dir),
            "MAILCORE_KEYRING": "database",
            "MAILCORE_ELASTIC_EMAIL_URL": core.settings.elastic_email_url,
        },
    )


def register(core: Mailcore, peer: SmtpPeer, name: str, **changes: Any) -> MailServer:
    fields: dict[str, Any] = {
        "host": peer.host,
        "port": peer.port,
        "security": Security.NONE,
        "requires_auth": False,
        "from_address": f"{name.lower()}@exemplo.com.br",
    }
    return core.servers.create(ServerDraft(name=name, **(fields | changes))).server


def send(core: Mailcore, server: MailServer, count: int = 1) -> list[Send]:
    return [
        core.send(server, compose(from_address=server.from_address, to=["bia@outro.example"], subject="x", text="y"))
        for _ in range(count)
    ]


def open_page(page: Any, url: str, query: str = "") -> None:
    page.goto(f"{url}/cotas{query}")
    expect(page.get_by_role("heading", name="Cotas", exact=True)).to_be_visible()
    settled(page)


def open_test(page: Any, url: str, server: MailServer) -> None:
    page.goto(f"{url}/enviar_teste?servidor={server.id}")
    expect(field(page, "Para")).to_be_visible()
    settled(page)


def card(page: Any, name: str) -> Any:
    return page.get_by_test_id("stMetric").filter(has_text=name)


# -- the page


def test_the_figures_equal_a_count_over_the_ledger_and_the_files_hold_them(
    page: Any, app: Any, core: Mailcore, peer: SmtpPeer
) -> None:
    one = register(core, peer, "Padaria", daily_limit=10)
    register(core, peer, "Boletos", from_address="padaria@exemplo.com.br")
    send(core, one, 3)
    core.record_external_use([Entry(one, datetime.now(UTC) - timedelta(hours=2), 4)])
    with core.database.read() as session:
        counted = sum(row.counted for row in session.scalars(select(Send).where(Send.server_id == one.id)))
    assert counted == 3
    open_page(page, app.url)
    expect(card(page, "Usado")).to_contain_text("7")
    expect(card(page, "Resta")).to_contain_text("3")
    expect(page.get_by_text("1 conta", exact=True)).to_be_visible()
    with page.expect_download() as download:
        press(page, "Baixar CSV")
    (row,) = csv.DictReader(StringIO(Path(download.value.path()).read_text("utf-8-sig")), delimiter=";")
    assert (row["Servidores"], row["Usado"], row["Por este programa"], row["Consumo externo"], row["Resta"]) == (
        "Boletos, Padaria",
        "7",
        "3",
        "4",
        "3",
    )
    with page.expect_download() as download:
        press(page, "Baixar Excel")
    with zipfile.ZipFile(BytesIO(Path(download.value.path()).read_bytes())) as book:
        assert b"<v>7</v>" in book.read("xl/worksheets/sheet1.xml")


def test_filters_and_the_chosen_account_live_in_the_link(page: Any, app: Any, core: Mailcore, peer: SmtpPeer) -> None:
    full = register(core, peer, "Cheia", daily_limit=1)
    register(core, peer, "Vazia", daily_limit=10)
    send(core, full)
    open_page(page, app.url, f"?estado=Sem+cota&servidor={full.id}")
    expect(page.get_by_text("1 conta", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Cheia")).to_be_visible()
    expect(page.get_by_text("Quando libera:")).to_be_visible()
    expect(page.get_by_text("1 por este programa e 0 de consumo externo")).to_be_visible()
    expect(page.get_by_role("heading", name="Últimos 30 dias")).to_be_visible()
    page.get_by_label("Buscar", exact=True).fill("nada disso")
    expect(page.get_by_text("Nenhuma conta combina com os filtros.")).to_be_visible()
    page.get_by_label("Buscar", exact=True).fill("cheia")
    expect(page.get_by_text("1 conta", exact=True)).to_be_visible()
    settled(page)
    assert "busca=cheia" in page.url


def test_a_thousand_accounts(page: Any, app: Any, core: Mailcore, peer: SmtpPeer) -> None:
    pattern = register(core, peer, "Modelo", daily_limit=10)
    columns = {column.key: getattr(pattern, column.key) for column in MailServer.__table__.columns}
    made = [
        columns
        | {"id": 1_000 + number, "name": f"Conta {number}", "name_key": f"conta {number}"}
        | {"account_key": f"smtp:a/{number}", "search_text": f"conta {number}\n", "is_default": False}
        for number in range(999)
    ]
    with core.database.write_connection() as connection:
        connection.execute(insert(MailServer), made)
    open_page(page, app.url)
    expect(page.get_by_text("1.000 contas")).to_be_visible()
    expect(card(page, "Resta")).to_contain_text("10.000")


# -- a send that would pass the limit


def test_the_limit_stops_a_send_says_when_it_fits_and_offers_the_paid_server(
    page: Any, app: Any, core: Mailcore, peer: SmtpPeer
) -> None:
    server = register(core, peer, "Gratuita", daily_limit=5)
    register(core, peer, "Volume", is_paid=True)
    send(core, server, 4)
    open_test(page, app.url, server)
    expect(page.get_by_text("Cota: 4 de 5 destinatários; restam 1.", exact=False)).to_be_visible()
    send(core, server)
    field(page, "Para").fill("bia@outro.example")
    press(page, "Enviar")
    expect(page.get_by_text("A cota desta conta não comporta esta mensagem", exact=False)).to_be_visible()
    expect(page.get_by_text("Uso da janela: 5 de 5 destinatários", exact=False)).to_be_visible()
    expect(page.get_by_text("Cabe a partir de", exact=False)).to_be_visible()
    expect(page.get_by_role("link", name="Usar o servidor pago Volume")).to_be_visible()
    assert len(peer.inbox) == 5
    open_list(page, app.url)
    expect(page.get_by_text("Cota acabando, esgotada ou bloqueada: Gratuita", exact=False)).to_be_visible()


def test_a_refusal_for_quota_holds_the_account_until_somebody_lifts_it(
    page: Any, app: Any, core: Mailcore, peer: SmtpPeer
) -> None:
    server = register(core, peer, "Presa")
    peer.script["MAIL"] = Say("550 5.4.6 Daily user sending limit exceeded")
    open_test(page, app.url, server)
    field(page, "Para").fill("bia@outro.example")
    press(page, "Enviar")
    expect(page.get_by_text("O que o servidor respondeu")).to_be_visible()
    peer.script.clear()
    settled(page)
    contacted = peer.connections
    expect(page.get_by_text("Esta conta está bloqueada e volta", exact=False)).to_be_visible()
    press(page, "Enviar")
    expect(page.get_by_text("nada é tentado até ela liberar", exact=False)).to_be_visible()
    assert peer.connections == contacted
    open_page(page, app.url, f"?servidor={server.id}")
    expect(card(page, "Bloqueadas")).to_contain_text("1")
    expect(page.get_by_text("Bloqueada até", exact=False)).to_be_visible()
    press(page, "Liberar agora")
    expect(card(page, "Bloqueadas")).to_contain_text("0")
    expect(page.get_by_role("button", name="Liberar agora")).to_have_count(0)
    assert send(core, server)[0].status is SendStatus.ACCEPTED
    page.goto(f"{app.url}/alteracoes")
    expect(page.get_by_role("heading", name="Alterações")).to_be_visible()
    settled(page)
    expect(page.get_by_text("1 alteração", exact=False).or_(page.get_by_text("2 alterações"))).to_be_visible()


@pytest.mark.parametrize(
    ("policy", "words", "arrives"),
    [
        (SameAddress.BLOCK, "O destino é o próprio remetente, e nada foi enviado.", 0),
        (SameAddress.WARN, "A mensagem vai para o próprio remetente", 1),
        (SameAddress.ALLOW, "aceita pelo servidor", 1),
    ],
)
def test_mail_to_oneself(
    page: Any, app: Any, core: Mailcore, peer: SmtpPeer, policy: SameAddress, words: str, arrives: int
) -> None:
    server = register(core, peer, "Loja", from_address=OWN, same_address=policy)
    open_test(page, app.url, server)
    field(page, "Para").fill("Ana+teste@EXEMPLO.com.br")
    press(page, "Enviar")
    expect(page.get_by_text(words, exact=False).first).to_be_visible()
    settled(page)
    assert len(peer.inbox) == arrives


# -- use made elsewhere


def test_use_made_elsewhere_by_hand_and_by_file(page: Any, app: Any, core: Mailcore, peer: SmtpPeer) -> None:
    server = register(core, peer, "Padaria", daily_limit=100)
    open_page(page, app.url, f"?servidor={server.id}")
    page.get_by_text("Registrar consumo externo").click()
    expect(field(page, "Unidades")).to_be_visible()
    settled(page)
    press(page, "Registrar")
    expect(page.get_by_text("Unidades: preencha este campo.")).to_be_visible()
    field(page, "Unidades").fill("40")
    # What refreshes itself leaves what is typed alone.
    page.get_by_label("Buscar", exact=True).fill("padaria")
    settled(page)
    expect(field(page, "Unidades")).to_have_value("40")
    press(page, "Registrar")
    expect(page.get_by_text("Registrado: 40 unidades de consumo externo.")).to_be_visible()
    expect(card(page, "Usado")).to_contain_text("40")
    settled(page)
    page.get_by_role("tab", name="Arquivo CSV").click()
    now = datetime.now(UTC).isoformat()
    for text, words in (
        (f"server_id,at,units\n{server.id},{now},10\n{server.id},{now},x\n", "Linha 3: units"),
        (f"server_id,at,units\n{server.id},{now},10\n", "Registrado: 10 unidades de consumo externo."),
    ):
        files = [{"name": "uso.csv", "mimeType": "text/csv", "buffer": text.encode()}]
        page.locator('input[type="file"]').set_input_files(files)
        settled(page)
        press(page, "Registrar arquivo")
        expect(page.get_by_text(words, exact=False)).to_be_visible()
        settled(page)
    assert core.quotas(server_id=server.id)[0].external == 50


# -- the service's own figures


def test_the_services_own_figures_with_their_time_and_without_an_access_level(
    page: Any, app: Any, core: Mailcore, elastic: ElasticPeer, page_frames: list[bytes]
) -> None:
    elastic.statistics = {"EmailTotal": 30, "Delivered": 28}
    draft = ServerDraft(name="Volume", kind=Kind.ELASTIC_EMAIL, from_address=OWN)
    server = core.servers.create(draft, SecretStr(KEY)).server
    only = core.servers.create(
        ServerDraft(name="Só envio", kind=Kind.ELASTIC_EMAIL, from_address=OWN), SecretStr("SO-ENVIO")
    ).server
    # Read in the background: asked for when the page is first seen, there at its next run.
    open_page(page, app.url, f"?servidor={server.id}")
    page.reload()
    expect(page.get_by_text("Números da Elastic Email")).to_be_visible()
    expect(card(page, "Enviados hoje")).to_contain_text("30")
    expect(page.get_by_text("Pelos números do serviço, restam 20 hoje.")).to_be_visible()
    expect(page.get_by_text("Lido do serviço às", exact=False)).to_be_visible()
    page.goto("about:blank")
    open_page(page, app.url, f"?servidor={only.id}")
    expect(page.get_by_text("Não foi possível ler tudo", exact=False)).to_be_visible()
    for data in (*page_frames, app.output().encode()):
        assert KEY.encode() not in data
        assert b"SO-ENVIO" not in data
