"""Unsubscribing: what a message says, and what becomes of the one request that a mail program makes (RFC 8058)."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from streamlit import config

from mailcore import Mailcore, ServerDraft, Settings
from mailcore.access.users import UserDraft
from mailcore.batches.new_batch import NewBatch
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.rights import Role
from mailcore.vocabulary import BatchKind, RecipientStatus, SuppressionScope, SuppressionSource
from tests.actors import ME
from ui.cadastro import oauth
from ui.context import library
from ui.door.gate import Gate
from ui.door.keeper import Keeper
from ui.door.routes import Routes

PUBLIC = "https://correio.exemplo.com.br"


def opened(folder: Path, **more: str) -> Mailcore:
    """An installation with a server, which asks everybody for a login."""
    core = Mailcore(Settings(data_dir=folder / "data", keyring="database", **more))
    draft = ServerDraft(name="Loja", host="a.example", requires_auth=False, from_address="loja@x.br")
    core.servers.create(draft, actor=ME)
    core.access.users.add(UserDraft("ana@x.br", Role.ADMINISTRATOR), SecretStr("uma frase bem longa"), actor=ME)
    return core


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Mailcore]:
    with opened(tmp_path, public_url=PUBLIC) as core:
        yield core


def batch(core: Mailcore, kind: BatchKind) -> int:
    new = NewBatch(
        server_id=core.all_servers()[0].id,
        recipients=RecipientsFile("bia@x.br\ncaio@x.br"),
        subject="Oferta",
        text="Para sair: {{descadastro}}" if kind is BatchKind.MARKETING else "Oi",
        kind=kind,
    )
    return core.batches.create(new, actor=ME).id


class Client:
    """Asks the door over ASGI, in an event loop of its own: the test's thread may have another."""

    def __init__(self, core: Mailcore, loop: BlockingPortal) -> None:
        keeper = Keeper(lambda: core, is_local=False)
        app = Starlette(routes=Routes(keeper).all(), middleware=[Middleware(Gate, keeper=keeper)])
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=PUBLIC)
        self._loop = loop

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._loop.call(partial(self._http.request, method, path, **more))


@pytest.fixture
def client(core: Mailcore) -> Iterator[Client]:
    with start_blocking_portal() as loop:
        yield Client(core, loop)


def test_one_request_takes_its_recipient_off_marketing_and_nothing_else(core: Mailcore, client: Client) -> None:
    raw = core.batches.sample_message(batch(core, BatchKind.MARKETING), 1, "bia@x.br")
    message = email.message_from_bytes(raw, policy=email.policy.default)
    address = re.sub("[<>]", "", message["List-Unsubscribe"])
    assert address.startswith(f"{PUBLIC}/descadastro/")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert address in message.get_content()  # type: ignore[attr-defined]
    path = urlsplit(address).path

    # Looking changes nothing; the page has a button and asks nobody to sign in.
    shown = client.ask("GET", path, headers={"Accept": "text/html"})
    assert (shown.status_code, "bia@x.br" in shown.text, "<form" in shown.text) == (200, True, True)
    assert core.suppressions.search().matching == 0
    assert client.ask("GET", "/", headers={"Accept": "text/html"}).status_code == 303

    # As a mail program asks: from elsewhere, without a cookie.
    body = {"List-Unsubscribe": "One-Click"}
    for _ in range(2):
        assert client.ask("POST", path, data=body, headers={"Origin": "https://mail.example"}).status_code == 200
    (kept,) = core.suppressions.search().suppressions
    assert (kept.address, kept.scope, kept.source) == (
        "bia@x.br",
        SuppressionScope.MARKETING,
        SuppressionSource.UNSUBSCRIBED,
    )
    left_out = [
        [each.status is RecipientStatus.SUPPRESSED for each in core.batches.recipients(batch(core, kind)).recipients]
        for kind in BatchKind
    ]
    assert left_out == [[False, False], [True, False]]

    # Nobody unsubscribes others by changing a letter of it.
    token = path.rpartition("/")[2]
    for wrong in (token[1:], token[:-1], "x" + token, token.replace(".", ""), "a" * 5_000, "%C3%A7.x", "..", "."):
        assert client.ask("POST", f"/descadastro/{wrong}").status_code in (303, 401, 404), wrong
    assert core.suppressions.search().matching == 1


@pytest.mark.parametrize("public", [PUBLIC, f"{PUBLIC}/correio"])
def test_below_a_path_the_address_has_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public: str) -> None:
    """Whether it was written into the setting as well, or only where Streamlit is told of it."""
    monkeypatch.setattr(config, "get_option", {"server.baseUrlPath": "/correio/", "server.port": 8501}.get)
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    monkeypatch.setenv("MAILCORE_PUBLIC_URL", public)
    with opened(tmp_path), library.__wrapped__() as core, start_blocking_portal() as loop:
        raw = core.batches.sample_message(batch(core, BatchKind.MARKETING), 1, "bia@x.br")
        address = str(email.message_from_bytes(raw)["List-Unsubscribe"]).strip("<>")
        assert address.startswith(f"{PUBLIC}/correio/descadastro/")
        assert Client(core, loop).ask("POST", urlsplit(address).path).status_code == 200
        assert core.suppressions.search().matching == 1
        monkeypatch.setattr(oauth, "library", lambda: core)
        assert oauth.redirect_address() == f"{PUBLIC}/correio/oauth/retorno"


def test_without_a_public_address_people_write_and_an_invoice_says_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as core:
        invoice = core.batches.sample_message(batch(core, BatchKind.TRANSACTIONAL), 1, "bia@x.br")
        assert email.message_from_bytes(invoice)["List-Unsubscribe"] is None
        message = email.message_from_bytes(core.batches.sample_message(batch(core, BatchKind.MARKETING), 1, "b@x.br"))
        assert str(message["List-Unsubscribe"]).startswith("<mailto:loja@x.br?subject=")
        assert message["List-Unsubscribe-Post"] is None
