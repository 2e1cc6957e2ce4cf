"""A file of servers out, corrected, and in again, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from tests.actors import ME

from .driver import expect, open_list, press, settled

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
    page.get_by_role("button", name="Importar", exact=True).dblclick()
    expect(page.get_by_text("Importado: 1 servidor novo e 1 servidor com alterações.")).to_be_visible()
    settled(page)
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
    open_list(page, app.url, "?busca=acougue")
    for data in (*page_frames, app.output().encode()):
        assert PASSWORD.encode() not in data
    # Streamlit looks for its own paths below the page's URL first.
    assert [error for error in console_errors if "404" not in error] == []


def test_what_was_downloaded_changes_nothing_when_it_comes_back(page: Any, app: Any, core: Mailcore) -> None:
    for number in range(3):
        name = f"=SOMA({number})"
        draft = ServerDraft(name=name, host="smtp.a.example", from_address="a@a.example", username="a")
        core.servers.create(draft, SecretStr(PASSWORD), actor=ME)
    open_page(page, app.url)
    for kind in ("CSV", "JSON"):
        with page.expect_download() as download:
            press(page, f"Baixar {kind}")
        data = Path(download.value.path()).read_bytes()
        assert download.value.suggested_filename == f"servidores.{kind.lower()}"
        assert PASSWORD.encode() not in data
        choose_file(page, f"servidores.{kind.lower()}", data)
        expect(page.get_by_text("não há nada a importar")).to_be_visible()
        expect(page.get_by_role("button", name="Importar", exact=True)).to_be_disabled()
    with page.expect_download() as template:
        press(page, "Baixar modelo vazio")
    assert Path(template.value.path()).read_text("utf-8-sig").startswith("id;name;kind;host;")


def test_a_save_by_somebody_else_since_the_preview_is_shown_anew(page: Any, app: Any, core: Mailcore) -> None:
    draft = ServerDraft(name="Loja", host="smtp.a.example", from_address="a@a.example", requires_auth=False)
    opened = core.servers.create(draft, actor=ME).server
    open_page(page, app.url)
    choose_file(page, "x.json", json.dumps([{"id": opened.id, "from_name": "Loja"}]).encode())
    expect(page.get_by_text("altera 1 servidor", exact=False)).to_be_visible()
    core.servers.update(opened, draft, actor=ME)
    press(page, "Importar")
    expect(page.get_by_text("Este servidor foi alterado por outra pessoa", exact=False)).to_be_visible()
    settled(page)
    assert core.servers.get(opened.id).from_name == ""
    press(page, "Importar")
    expect(page.get_by_text("Importado:", exact=False)).to_be_visible()
    assert core.servers.get(opened.id).from_name == "Loja"


def test_a_file_of_thirty_thousand_servers_is_taken(page: Any, app: Any, core: Mailcore) -> None:
    rows = "".join(f";Cliente {number:05};smtp.example.com;c{number}@c.example;\n" for number in range(30_000))
    open_page(page, app.url)
    choose_file(page, "muitos.csv", (HEADER + rows).encode())
    expect(page.get_by_text("30.000 servidores novos")).to_be_visible(timeout=60_000)
