"""A file of servers out, corrected, and in again, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from tests.actors import ME

from .driver import expect, go, press, settled
from .test_double_clicks import twice

PASSWORD = "Segredo-Único-9917"
HEADER = "id;Descrição;Servidor;E-mail do remetente;Usuário\n"


def open_page(page: Any, url: str) -> None:
    page.goto(f"{url}/importar")
    expect(page.get_by_role("heading", name="Importar e exportar")).to_be_visible()
    settled(page)


def choose_file(page: Any, name: str, data: bytes) -> None:
    files = [{"name": name, "mimeType": "application/octet-stream", "buffer": data}]
    page.locator('input[type="file"]').set_input_files(files)
    settled(page)


def stored(core: Mailcore) -> dict[str, Any]:
    return {server.name: server for server in core.servers.search(ServerQuery()).servers}


def test_a_file_with_an_error_is_corrected_and_imported_once(
    page: Any, app: Any, core: Mailcore, page_frames: list[bytes], console_errors: list[str]
) -> None:
    draft = ServerDraft(name="São João", host="smtp.a.example", from_address="a@a.example", username="a@a.example")
    server = core.servers.create(draft, SecretStr(PASSWORD), actor=ME).server
    change = f"{server.id};São João;smtp.b.example;a@a.example;a@a.example\n"
    bad = HEADER + change + ";Açougue;smtp.c.example;c.example;\n"
    open_page(page, app.url)
    choose_file(page, "servidores.csv", bad.encode("cp1252"))
    expect(page.get_by_text("O arquivo tem um erro, e nada dele será importado.")).to_be_visible()
    size = len(bad.encode("cp1252"))
    expect(page.get_by_test_id("stFileUploader").get_by_text(f"{size} B", exact=True)).to_be_visible()
    complaint = "Linha 3, coluna E-mail do remetente: falta o domínio"
    expect(page.get_by_text(complaint)).to_be_visible()
    expect(page.get_by_role("button", name="Importar", exact=True)).to_be_disabled()

    choose_file(page, "servidores.csv", bad.replace("c.example;\n", "c@c.example;\n").encode("utf-8-sig"))
    summary = "O arquivo registra 1 servidor novo, altera 1 servidor e deixa 0 como está."
    expect(page.get_by_text(summary)).to_be_visible()
    expect(page.get_by_text("A senha guardada será apagada, porque muda Servidor.")).to_be_visible()
    expect(page.get_by_role("heading", name="Alterados")).to_be_visible()
    assert list(stored(core)) == ["São João"]
    done = page.get_by_text("Importado: 1 servidor novo e 1 servidor com alterações.")
    twice(page, page.get_by_role("button", name="Importar", exact=True), 130, done.wait_for)
    expect(done).to_be_visible()
    expect(page.get_by_text("já existe")).to_have_count(0)
    expect(page.get_by_role("button", name="Importar", exact=True)).to_have_count(0)
    expect(page.get_by_test_id("stAlert")).to_have_count(1)
    names = stored(core)
    assert set(names) == {"São João", "Açougue"}
    assert (names["São João"].host, names["São João"].version, names["São João"].secret_ref) == (
        "smtp.b.example",
        2,
        None,
    )
    page.get_by_role("link", name="Ver os servidores").click()
    expect(page.get_by_text("2 de 2 servidores")).to_be_visible()
    # What is downloaded is in the words of the screen, and comes back as it was (tests/pages/test_importar.py).
    go(page, f"{app.url}/importar")
    for kind, ending in (("CSV", "servidores.csv"), ("JSON", "servidores.json"), ("modelo vazio", "modelo_vazio.csv")):
        with page.expect_download() as download:
            press(page, f"Baixar {kind}")
        assert download.value.suggested_filename == ending
        data = Path(download.value.path()).read_bytes()
        assert ("Açougue" in data.decode("utf-8-sig")) is (kind != "modelo vazio")
        assert PASSWORD.encode() not in data
    for data in (*page_frames, app.output().encode()):
        assert PASSWORD.encode() not in data
    # Streamlit looks for its own paths below the page's URL first.
    assert [error for error in console_errors if "404" not in error] == []
