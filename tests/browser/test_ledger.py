"""The page Envios in a real browser: the ledger, a row with its Diagnosis, and what became of it at the service."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Actor, Mailcore, Origin
from mailcore.messages.compose import compose
from mailcore.registry.drafts import ServerDraft
from mailcore.vocabulary import Kind
from tests.actors import ME
from tests.peers.elastic_server import ElasticPeer
from tests.peers.smtp_server import Drop, Say, SmtpPeer

from .driver import choose, expect, go, press, settled

KEY = "CHAVE-DE-TESTE"


@pytest.fixture(autouse=True)
def elastic(elastic_port: int) -> Iterator[ElasticPeer]:
    failures = {"nao@outro.example": {"Category": "NoMailbox", "Error": "no such user"}}
    with ElasticPeer(failures=failures, port=elastic_port) as peer:
        yield peer


def send(core: Mailcore, name: str, to: str, peer: SmtpPeer | None = None) -> int:
    draft = ServerDraft(name=name, kind=Kind.ELASTIC_EMAIL, from_address="ana@exemplo.com.br")
    if peer:
        draft = ServerDraft(
            name=name,
            host=peer.host,
            port=peer.port,
            security="none",
            requires_auth=False,
            from_address="ana@exemplo.com.br",
        )
    server = core.servers.create(draft, None if peer else SecretStr(KEY), actor=ME).server
    message = compose(from_address="ana@exemplo.com.br", to=[to], subject="Aviso", text="Corpo-que-não-se-guarda")
    return core.send(server, message).id


def open_page(page: Any, url: str, query: str = "") -> None:
    go(page, f"{url}/envios{query}")
    expect(page.get_by_role("heading", name="Envios")).to_be_visible()
    settled(page)


def test_a_row_opens_to_its_diagnosis_and_a_link_reopens_it(page: Any, app: Any, core: Mailcore) -> None:
    with SmtpPeer(script={"RCPT": Say("550 5.1.1 The email account that you tried to reach does not exist")}) as peer:
        send(core, "Padaria", "nao@gmail.example", peer)
    with SmtpPeer(script={"BODY": Drop()}) as peer:
        uncertain = send(core, "Oficina", "bia@outro.example", peer)
    with SmtpPeer() as peer:
        send(core, "Loja", "caio@outro.example", peer)
    open_page(page, app.url)
    expect(page.get_by_text("3 envios")).to_be_visible()
    expect(page.get_by_text("Marque um envio")).to_be_visible()
    page.get_by_label("Destinatário", exact=True).fill("nao@gmail")
    expect(page.get_by_text("1 envio", exact=True)).to_be_visible()
    settled(page)
    assert "para=nao" in page.url
    with page.expect_download() as download:
        press(page, "Baixar CSV")
    rows = list(csv.DictReader(StringIO(Path(download.value.path()).read_text("utf-8-sig")), delimiter=";"))
    assert [row["Destinatários"] for row in rows] == ["nao@gmail.example"]

    page.goto("about:blank")
    open_page(page, app.url, f"?envio={uncertain}")
    expect(page.get_by_role("heading", name=f"Envio {uncertain}")).to_be_visible()
    expect(page.get_by_text("Não envie de novo ainda", exact=False)).to_be_visible()
    assert "Corpo-que-não-se-guarda" not in page.content()


def test_only_what_was_asked_for(page: Any, app: Any, core: Mailcore) -> None:
    with SmtpPeer(script={"RCPT": Say("550 5.1.1 no such user")}) as peer:
        send(core, "Padaria", "nao@gmail.example", peer)
    with SmtpPeer() as peer:
        accepted = send(core, "Loja", "caio@outro.example", peer)
    open_page(page, app.url, "?resultado=Aceita")
    expect(page.get_by_text("1 envio", exact=True)).to_be_visible()
    bakery = next(server.id for server in core.all_servers() if server.name == "Padaria")
    open_page(page, app.url, f"?servidor={bakery}")
    expect(page.get_by_text("1 envio", exact=True)).to_be_visible()
    press(page, "Só de Padaria: ver de todos")
    expect(page.get_by_text("2 envios")).to_be_visible()
    page.get_by_label("Servidor", exact=True).fill("ninguém")
    expect(page.get_by_text("Nenhum envio neste período", exact=False)).to_be_visible()
    open_page(page, app.url, f"?envio={accepted + 100}")
    expect(page.get_by_text("prazo de guarda", exact=False)).to_be_visible()


def test_a_click_opens_a_row_which_says_by_what_it_was_sent(page: Any, app: Any, core: Mailcore) -> None:
    with SmtpPeer() as peer:
        send(core, "Loja", "caio@outro.example", peer)
        (server,) = core.all_servers()
        message = compose(from_address="ana@exemplo.com.br", to=["bia@outro.example"], subject="Teste", text="Olá")
        tested = core.send(server, message, origin=Origin.TEST, actor=Actor("Bia Lima"))
    open_page(page, app.url)
    first = page.locator(".st-key-sends tbody tr").first
    expect(first.locator('[data-column="who"]')).to_contain_text("Bia Lima")
    expect(first.locator('[data-column="who"] .below')).to_have_text("Enviar teste")
    assert "tone-good" in first.locator('[data-column="status"]').get_attribute("class")
    first.click()
    expect(page.get_by_role("heading", name=f"Envio {tested.id}", exact=True)).to_be_visible()
    expect(page.get_by_text("por Bia Lima (Enviar teste)", exact=False)).to_be_visible()
    expect(page).to_have_title(f"Envio {tested.id} — Loja")
    settled(page)
    choose(page, "Origem", "Programa")
    expect(page.get_by_text("1 envio", exact=True)).to_be_visible()
    choose(page, "Período", "Escolher datas")
    settled(page)
    today = datetime.now(core.settings.zone).date()
    assert "origem=Programa" in page.url
    open_page(page, app.url, f"?de={today}&ate={today}&origem=Enviar+teste")
    expect(page.get_by_text("1 envio", exact=True)).to_be_visible()
    open_page(page, app.url, f"?de={today - timedelta(days=9)}&ate={today - timedelta(days=1)}")
    expect(page.get_by_text("Nenhum envio neste período", exact=False)).to_be_visible()
    press(page, "Limpar filtros")
    expect(page.get_by_text("2 envios", exact=True)).to_be_visible()


def test_what_became_of_it_at_the_service(
    page: Any, app: Any, core: Mailcore, elastic: ElasticPeer, page_frames: list[bytes]
) -> None:
    sent = send(core, "Volume", "nao@outro.example")
    open_page(page, app.url, f"?envio={sent}")
    expect(page.get_by_text("Se ela chegou, só ele sabe", exact=False)).to_be_visible()
    press(page, "Consultar entrega")
    expect(page.get_by_text("A caixa do destinatário não existe", exact=False)).to_be_visible()
    settled(page)
    page.reload()
    expect(page.get_by_text("A caixa do destinatário não existe", exact=False)).to_be_visible()
    assert len(elastic.inbox) == 1
    for data in page_frames:
        assert KEY.encode() not in data
