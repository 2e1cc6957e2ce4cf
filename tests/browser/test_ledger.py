"""The page Envios as a browser shows it. Its filters and what it says are held in tests/pages/test_envios.py."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from mailcore import Actor, Mailcore, Origin
from mailcore.messages.compose import compose
from tests.pages.records import register, register_service, send
from tests.peers.elastic_server import ElasticPeer
from tests.peers.smtp_server import SmtpPeer

from .driver import expect, go, press, settled

KEY, BODY = "CHAVE-DE-TESTE", "Corpo-que-não-se-guarda"


@pytest.fixture
def elastic(elastic_port: int) -> Iterator[ElasticPeer]:
    failures = {"nao@outro.example": {"Category": "NoMailbox", "Error": "no such user"}}
    with ElasticPeer(failures=failures, port=elastic_port) as peer:
        yield peer


def open_page(page: Any, url: str, query: str = "") -> None:
    go(page, f"{url}/envios{query}")
    expect(page.get_by_role("heading", name="Envios")).to_be_visible()
    settled(page)


def test_a_row_opens_at_a_click_with_a_link_of_its_own_and_asks_the_service(
    page: Any, app: Any, core: Mailcore, elastic: ElasticPeer, page_frames: list[bytes]
) -> None:
    followed = send(core, register_service(core, KEY, name="Volume"), "nao@outro.example")
    with SmtpPeer() as peer:
        message = compose(from_address="loja@exemplo.com.br", to=["bia@outro.example"], subject="Teste", text=BODY)
        tested = core.send(register(core, peer, "Loja"), message, origin=Origin.TEST, actor=Actor("Bia Lima"))
    open_page(page, app.url)
    expect(page.get_by_text("2 envios")).to_be_visible()
    first = page.locator(".st-key-sends tbody tr").first
    expect(first.locator('[data-column="who"]')).to_contain_text("Bia Lima")
    expect(first.locator('[data-column="who"] .below')).to_have_text("Enviar teste")
    assert "tone-good" in first.locator('[data-column="status"]').get_attribute("class")
    first.click()
    expect(page.get_by_role("heading", name=f"Envio {tested.id}", exact=True)).to_be_visible()
    expect(page).to_have_title(f"Envio {tested.id} — Loja")
    settled(page)
    assert BODY not in page.content()
    page.get_by_label("Destinatário", exact=True).fill("nao@outro")
    expect(page.get_by_text("1 envio", exact=True)).to_be_visible()
    settled(page)
    assert "para=nao" in page.url
    with page.expect_download() as download:
        press(page, "Baixar CSV")
    rows = list(csv.DictReader(StringIO(Path(download.value.path()).read_text("utf-8-sig")), delimiter=";"))
    assert [row["Destinatários"] for row in rows] == ["nao@outro.example"]

    first.click()
    expect(page.get_by_role("heading", name=f"Envio {followed.id}")).to_be_visible()
    settled(page)
    assert f"envio={followed.id}" in page.url
    expect(page.get_by_text("Se ela chegou, só ele sabe", exact=False)).to_be_visible()
    press(page, "Consultar entrega")
    expect(page.get_by_text("A caixa do destinatário não existe", exact=False)).to_be_visible()
    assert len(elastic.inbox) == 1
    for data in page_frames:
        assert KEY.encode() not in data
