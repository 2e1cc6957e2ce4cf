"""A kind of server more, in the browser: the app as it is, started with one entry before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailcore import Mailcore
from mailcore.registry.search import ServerQuery
from mailcore.settings import Settings
from tests.peers.brevo import BREVO_URL
from tests.peers.brevo_server import BrevoPeer

from .driver import choose, expect, field, open_form, open_list, press, settled, tab

ROOT = Path(__file__).resolve().parents[2]
KEY, SENDER = "xkeysib-7731-ABCDEF", "ana@exemplo.com.br"
ENTRY = """
from mailcore.transports import register
from tests.peers.brevo import BrevoKind

register(BrevoKind())
"""


@pytest.fixture
def peer() -> Iterator[BrevoPeer]:
    with BrevoPeer(keys={KEY}) as running:
        yield running


@pytest.fixture
def app(tmp_path: Path, peer: BrevoPeer, streamlit_server: Callable[..., Any]) -> Any:
    script = tmp_path / "app"
    script.mkdir()
    for name in ("pages", "screen.py"):  # Streamlit looks for them beside the script
        (script / name).symlink_to(ROOT / name)
    (script / "app.py").write_text(ENTRY + (ROOT / "app.py").read_text("utf-8"), "utf-8")
    env = {"MAILCORE_DATA_DIR": str(tmp_path / "data"), "MAILCORE_KEYRING": "database", BREVO_URL: peer.url}
    return streamlit_server(script / "app.py", env)


def test_from_an_empty_form_to_a_message_that_arrives(
    page: Any, app: Any, peer: BrevoPeer, page_frames: list[bytes], console_errors: list[str], tmp_path: Path
) -> None:
    open_form(page, app.url)
    choose(page, "Tipo de envio", "Brevo")
    expect(page.get_by_label("Servidor", exact=True)).to_have_count(0)
    field(page, "Descrição").fill("Boletins")
    field(page, "E-mail do remetente").fill(SENDER)
    tab(page, "Autenticação")
    expect(page.get_by_label("Usuário", exact=True)).to_have_count(0)
    field(page, "Chave da API").fill(KEY)
    press(page, "Testar conexão")
    expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    page.get_by_text("Passo a passo").click()
    expect(page.get_by_text("Plano da conta").first).to_be_visible()
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    settled(page)
    press(page, "Enviar teste")
    expect(page.get_by_role("heading", name="Enviar teste")).to_be_visible()
    field(page, "Para").fill("cliente@outro.example")
    press(page, "Enviar")
    expect(page.get_by_text("aceita", exact=True)).to_be_visible()
    assert [body["to"] for body in peer.inbox] == [[{"email": "cliente@outro.example"}]]
    open_list(page, app.url, "?tipo=Brevo")
    expect(page.get_by_role("combobox", name="Tipo", exact=True)).to_have_value("Brevo")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    core = Mailcore(Settings(data_dir=tmp_path / "data", keyring="database"))
    (server,) = core.servers.search(ServerQuery()).servers
    assert (server.kind, bool(server.secret_ref)) == ("brevo", True)
    assert [quota.used for quota in core.quotas()] == [1]
    core.close()
    assert not [frame for frame in page_frames if KEY.encode() in frame]
    # Streamlit asks below the page's own path first, and is told 404.
    assert not [error for error in console_errors if "404 (Not Found)" not in error]
