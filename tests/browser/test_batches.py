"""A batch from a spreadsheet, by what the screen says alone, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailcore import Mailcore
from mailcore.batches.new_batch import NewBatch
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.vocabulary import BatchState
from tests.actors import ME
from tests.pages.records import register, spreadsheet
from tests.peers.smtp_server import Say, SmtpPeer

from .driver import expect, field, go, list_rows, press, rows, settled
from .test_double_clicks import twice, until_a_press_counts

COUNT = 50
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    with SmtpPeer() as peer:
        yield peer


def test_fifty_from_a_spreadsheet(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer, console_errors: list[str]
) -> None:
    """What is wrong with a list, a test to oneself, filters and suppressions: tests/pages/test_batch_pages.py."""
    # The second of the fifty does not exist.
    smtp.script["RCPT"] = [None, Say("550 5.1.1 <cliente2@exemplo.com.br>: User unknown")]
    server = register(core, smtp, "Loja")
    page.goto(f"{app.url}/envio_em_lote?novo=1")
    expect(field(page, "Nome")).to_be_visible()
    settled(page)
    file = {"name": "clientes.xlsx", "mimeType": EXCEL, "buffer": spreadsheet(COUNT)}
    page.locator('[data-testid="stFileUploaderDropzoneInput"]').first.set_input_files(file)
    expect(page.get_by_text("50 destinatários")).to_be_visible()
    settled(page)
    field(page, "Nome").fill("Aviso de novembro")
    field(page, "Assunto").fill("Olá, {{Nome do cliente}}")
    field(page, "Mensagem").fill("O seu código é {{Código}}.")
    page.get_by_role("tab", name="HTML").click()
    field(page, "Mensagem em HTML").fill(
        "<p>Cliente <b>{{Nome do cliente}}</b></p><script>top.document.title='x'</script>"
    )
    press(page, "Conferir e ver a prévia")

    # The preview of a row, as its recipient sees it; nothing in it runs.
    expect(page.get_by_role("heading", name="Aviso de novembro")).to_be_visible()
    expect(page.get_by_text("50 agora.")).to_be_visible()
    # The button that was pressed stood far below.
    expect(page.get_by_role("button", name="Iniciar", exact=True)).to_be_in_viewport()
    field(page, "Linha da lista").fill("4")
    field(page, "Linha da lista").press("Enter")
    expect(page.get_by_text("Olá, Ana & Filhos 3")).to_be_visible()
    expect(page.frame_locator('iframe[title="Mensagem em HTML"]').locator("b")).to_have_text("Ana & Filhos 3")
    settled(page)
    assert smtp.inbox == []

    # The question names how many and by which server; a double click starts it once.
    press(page, "Iniciar")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Enviar Aviso de novembro para 50 destinatários por Loja?")).to_be_visible()
    dialog.get_by_role("button", name="Iniciar").dblclick()
    expect(page.get_by_text("50 de 50")).to_be_visible()
    expect(page.get_by_text("Concluído", exact=False).first).to_be_visible()
    settled(page)
    assert sorted(received.recipients[0] for received in smtp.inbox) == sorted(
        f"cliente{row}@exemplo.com.br" for row in range(1, COUNT + 1) if row != 2
    )
    assert {received.message["Subject"] for received in smtp.inbox} >= {"Olá, Ana & Filhos 1", "Olá, Ana & Filhos 50"}
    page.set_viewport_size({"width": 400, "height": 900})  # a card, whose first line says what its number is
    assert page.evaluate(
        "getComputedStyle(document.querySelector('.mailcore-rows tbody td.end'), '::before').content"
    ) not in ("none", "")
    page.set_viewport_size({"width": 1280, "height": 900})
    with page.expect_download() as downloading:
        press(page, "Baixar resultado (CSV)")
    lines = Path(downloading.value.path()).read_text("utf-8-sig").splitlines()
    assert len(lines) == 51
    assert lines[2].startswith("3;cliente2@exemplo.com.br;Recusada;")

    # Each press is one act, also where the second click of two finds another button in the place of the first.
    later = NewBatch(
        server_id=server.id,
        recipients=RecipientsFile("bia@exemplo.com.br"),
        subject="Depois",
        text="Olá",
        starts_at=datetime.now(UTC) + timedelta(days=2),
    )
    number = core.batches.create(later, start=True, actor=ME).id
    go(page, f"{app.url}/envio_em_lote?lote={number}")
    for name, state, then in (
        ("Pausar", BatchState.PAUSED, "Pausado"),
        ("Cancelar lote", BatchState.PAUSED, "1 destinatário não recebe nada de Depois."),
    ):
        button = page.get_by_role("button", name=name, exact=True)
        expect(button).to_be_visible()
        settled(page)
        until_a_press_counts(page)
        twice(page, button, 200)
        expect(page.get_by_text(then).first).to_be_visible()
        assert core.batches.get(number).state is state, name
    until_a_press_counts(page)
    twice(page, page.get_by_role("dialog").get_by_role("button", name="OK"), 200)
    expect(page.get_by_text("Cancelado").first).to_be_visible()
    expect(page.get_by_role("button", name="Pausar")).to_have_count(0)
    acts = [change.field for change in core.trail.read().changes if change.field.startswith("batch_")]
    assert acts[:4] == ["batch_cancelled", "batch_paused", "batch_started", "batch_created"]

    # The list, newest first; a double click opens.
    press(page, "Todos os lotes")
    expect(page.get_by_role("button", name="Novo lote")).to_be_visible()
    assert [(row["Nome"], row["Estado"], row["Progresso"]) for row in rows(page)] == [
        ("Depois", "Cancelado", "0 de 1"),
        ("Aviso de novembro", "Concluído", "50 de 50"),
    ]
    list_rows(page).first.dblclick()
    expect(page.get_by_role("heading", name="Depois")).to_be_visible()
    # The script in the preview was stopped where it stood, and nothing else went wrong.
    told = [error for error in console_errors if "404" not in error]
    assert [error for error in told if not error.startswith("Blocked script execution in 'about:srcdoc'")] == []
    assert told
