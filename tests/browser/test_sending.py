"""Testing a connection and sending a test mail that arrives, against real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.certificates import authority_pem, server_context
from tests.peers.smtp_server import SmtpPeer

from .driver import expect, field, fill_smtp, open_list, press, settled
from .test_double_clicks import twice, until_a_press_counts

USER, PASSWORD = "ana@exemplo.com.br", "Segrêdo-Único-5512"


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    """An SMTP server with STARTTLS, which wants a login after it."""
    with SmtpPeer(security="starttls", tls=server_context(), users={USER: PASSWORD}) as peer:
        yield peer


def no_trace_of(secret: str, app: Any, frames: list[bytes]) -> None:
    files = Path(app.env["MAILCORE_DATA_DIR"]).glob("mailcore.db*")
    for data in (*frames, app.output().encode(), *(path.read_bytes() for path in files)):
        assert secret.encode() not in data


def test_from_an_empty_form_to_a_mail_that_arrives(
    page: Any, app: Any, smtp: SmtpPeer, page_frames: list[bytes]
) -> None:
    open_list(page, app.url)
    press(page, "Novo")
    settled(page)
    fill_smtp(page, "Padaria", "127.0.0.1", smtp.port, sender=USER, password=PASSWORD, ca_pem=authority_pem())
    press(page, "Testar conexão")
    expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    assert smtp.inbox == []
    expect(field(page, "Senha")).to_have_value(PASSWORD)
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    settled(page)
    press(page, "Enviar teste")  # the one just saved is still selected
    expect(page.get_by_role("heading", name="Enviar teste")).to_be_visible()
    expect(field(page, "Para")).to_have_value("")
    field(page, "Para").fill("cliente@outro.example")
    field(page, "Assunto").fill("Olá, São João")
    # Two clicks are one mail; where nothing moves, another "Enviar" stands in its place by the second one.
    page.set_viewport_size({"width": 1280, "height": 1600})
    settled(page)
    enviar, accepted = page.get_by_role("button", name="Enviar", exact=True), page.get_by_text("aceita", exact=True)
    place = enviar.bounding_box()
    twice(page, enviar, 130, accepted.wait_for)
    assert enviar.bounding_box() == place
    assert len(smtp.inbox) == 1
    received = smtp.inbox[0]
    assert received.recipients == ["cliente@outro.example"]
    assert received.message["Subject"] == "Olá, São João"
    expect(page.get_by_test_id("stMain")).to_contain_text(received.message["Message-ID"])  # the browser loads its frame
    page.set_viewport_size({"width": 1280, "height": 720})
    until_a_press_counts(page)
    twice(page, enviar, 80)
    expect(page.get_by_text(received.message["Message-ID"])).to_have_count(0)  # what is on screen is the last one's
    expect(accepted).to_be_visible()
    # The whole answer is in sight, wherever the button stood.
    expect(page.get_by_text("Passo a passo")).to_be_in_viewport()
    assert len(smtp.inbox) == 2
    no_trace_of(PASSWORD, app, page_frames)
