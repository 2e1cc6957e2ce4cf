"""A batch from a spreadsheet, by what the screen says alone, against a real server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from xlsxwriter import Workbook

from mailcore import Mailcore
from mailcore.batches.new_batch import NewBatch
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import Settings
from mailcore.vocabulary import BatchState, Security
from tests.actors import ME
from tests.peers.smtp_server import Say, SmtpPeer

from .driver import expect, field, go, list_rows, press, rows, settled
from .test_double_clicks import twice, until_a_press_counts

COUNT = 50
SENDER = "loja@exemplo.com.br"


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    with SmtpPeer() as peer:
        yield peer


@pytest.fixture
def core(tmp_path: Path, smtp: SmtpPeer) -> Iterator[Mailcore]:
    with Mailcore(Settings(data_dir=tmp_path / "data", keyring="database")) as opened:
        draft = ServerDraft(
            name="Loja",
            host="127.0.0.1",
            port=smtp.port,
            security=Security.NONE,
            requires_auth=False,
            from_address=SENDER,
        )
        opened.servers.create(draft, actor=ME)
        yield opened


@pytest.fixture
def url(core: Mailcore, tmp_path: Path, streamlit_server: Callable[..., Any]) -> str:
    environment = {"MAILCORE_DATA_DIR": str(tmp_path / "data"), "MAILCORE_KEYRING": "database"}
    return str(streamlit_server("app.py", environment).url)


def spreadsheet(*bad: int) -> dict[str, Any]:
    """An Excel file as people make them: headings with blanks and accents; the rows of ``bad`` without an address."""
    file = BytesIO()
    with Workbook(file, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Clientes")
        sheet.write_row(0, 0, ["Nome do cliente", "E-mail", "Código"])
        for row in range(1, COUNT + 1):
            address = "sem arroba" if row + 1 in bad else f"cliente{row}@exemplo.com.br"
            sheet.write_row(row, 0, [f"Ana & Filhos {row}", address, row])
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return {"name": "clientes.xlsx", "mimeType": kind, "buffer": file.getvalue()}


def choose_file(page: Any, given: dict[str, Any]) -> None:
    page.locator('[data-testid="stFileUploaderDropzoneInput"]').first.set_input_files(given)


def test_fifty_from_a_spreadsheet(
    page: Any, url: str, core: Mailcore, smtp: SmtpPeer, console_errors: list[str]
) -> None:
    # The second of the fifty does not exist; before them goes the test to oneself.
    smtp.script["RCPT"] = [None, None, Say("550 5.1.1 <cliente2@exemplo.com.br>: User unknown")]
    page.goto(f"{url}/envio_em_lote")
    expect(page.get_by_text("Ainda não há lotes.")).to_be_visible()
    press(page, "Novo lote")
    expect(field(page, "Nome")).to_be_visible()
    settled(page)

    # What is wrong with which line, and then nothing is.
    choose_file(page, spreadsheet(7, 12))
    expect(page.get_by_text("A lista tem 2 linhas com problema.")).to_be_visible()
    expect(page.get_by_text(re.compile("Linha 7, E-mail: em “sem arroba”"))).to_be_visible()
    settled(page)
    choose_file(page, spreadsheet())
    expect(page.get_by_text("50 destinatários")).to_be_visible()
    settled(page)
    field(page, "Nome").fill("Aviso de novembro")
    field(page, "Assunto").fill("Olá, {{Nome do cliente}}")
    field(page, "Mensagem").fill("O seu código é {{Cdigo}}.")
    press(page, "Conferir e ver a prévia")
    expect(page.get_by_text("nenhuma coluna dos destinatários se chama {{Cdigo}}")).to_be_visible()
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
    expect(page.get_by_text("cliente3@exemplo.com.br").first).to_be_visible()
    expect(page.get_by_text("Olá, Ana & Filhos 3")).to_be_visible()
    expect(page.frame_locator('iframe[title="Mensagem em HTML"]').locator("b")).to_have_text("Ana & Filhos 3")
    settled(page)
    field(page, "Para").fill("eu@exemplo.com.br")
    press(page, "Enviar teste")
    expect(page.get_by_text("A mensagem foi aceita pelo servidor.")).to_be_visible()
    assert [received.recipients for received in smtp.inbox] == [["eu@exemplo.com.br"]]

    # The question names how many and by which server; a double click starts it once.
    press(page, "Iniciar")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Enviar Aviso de novembro para 50 destinatários por Loja?")).to_be_visible()
    dialog.get_by_role("button", name="Iniciar").dblclick()
    expect(page.get_by_text("50 de 50")).to_be_visible()
    expect(page.get_by_text("Concluído", exact=False).first).to_be_visible()
    settled(page)
    sent = [received for received in smtp.inbox if received.recipients != ["eu@exemplo.com.br"]]
    assert sorted(received.recipients[0] for received in sent) == sorted(
        f"cliente{row}@exemplo.com.br" for row in range(1, COUNT + 1) if row != 2
    )
    assert {received.message["Subject"] for received in sent} >= {"Olá, Ana & Filhos 1", "Olá, Ana & Filhos 50"}
    page.get_by_role("combobox", name="Situação", exact=True).click()
    page.get_by_role("option", name="Recusada", exact=True).click()
    (refused,) = rows(page)
    assert (refused["Linha"], refused["Destinatário"]) == ("3", "cliente2@exemplo.com.br")
    page.set_viewport_size({"width": 400, "height": 900})  # a card, whose first line says what its number is
    assert page.evaluate(
        "getComputedStyle(document.querySelector('.mailcore-rows tbody td.end'), '::before').content"
    ) not in ("none", "")
    page.set_viewport_size({"width": 1280, "height": 900})
    with page.expect_download() as downloading:
        press(page, "Baixar resultado (CSV)")
    lines = Path(downloading.value.path()).read_text("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("3;cliente2@exemplo.com.br;Recusada;")

    # Each press is one act, also where the second click of two finds another button in the place of the first.
    later = NewBatch(
        server_id=core.all_servers()[0].id,
        recipients=RecipientsFile("bia@exemplo.com.br"),
        subject="Depois",
        text="Olá",
        starts_at=datetime.now(UTC) + timedelta(days=2),
    )
    number = core.batches.create(later, start=True, actor=ME).id
    go(page, f"{url}/envio_em_lote?lote={number}")
    for name, state, then in (
        ("Pausar", BatchState.PAUSED, "Pausado"),
        ("Retomar", BatchState.WAITING, "Aguardando cota"),
        ("Cancelar lote", BatchState.WAITING, "1 destinatário não recebe nada de Depois."),
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
    assert acts[:5] == ["batch_cancelled", "batch_resumed", "batch_paused", "batch_started", "batch_created"]

    # The list, and who does not exist gets nothing any more.
    press(page, "Todos os lotes")
    expect(page.get_by_role("button", name="Novo lote")).to_be_visible()
    (cancelled, listed) = rows(page)
    assert (cancelled["Nome"], cancelled["Estado"]) == ("Depois", "Cancelado")
    assert [
        listed[name] for name in ("Nome", "Servidor", "Estado", "Progresso", "Enviadas", "Recusadas", "Incertas")
    ] == [*("Aviso de novembro", "Loja", "Concluído", "50 de 50", "49", "1", "0")]
    settled(page)
    list_rows(page).first.dblclick()
    expect(page.get_by_role("heading", name="Depois")).to_be_visible()
    press(page, "Todos os lotes")
    expect(page.get_by_role("button", name="Novo lote")).to_be_visible()
    settled(page)
    list_rows(page).last.click()
    press(page, "Abrir")
    expect(page.get_by_role("heading", name="Aviso de novembro")).to_be_visible()
    go(page, f"{url}/supressoes")
    expect(page.get_by_text("1 endereço", exact=True)).to_be_visible()
    (suppressed,) = rows(page)
    assert suppressed["Endereço"] == "cliente2@exemplo.com.br"
    # The script in the preview was stopped where it stood, and nothing else went wrong.
    told = [error for error in console_errors if "404" not in error]
    assert [error for error in told if not error.startswith("Blocked script execution in 'about:srcdoc'")] == []
    assert told
