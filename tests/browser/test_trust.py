"""A certificate nobody vouches for is shown whole and trusted by one press; a wrong key of a service is called so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft
from mailcore.vocabulary import CheckState, Kind, Security
from tests.actors import ME
from tests.peers.elastic_server import ElasticPeer
from tests.peers.smtp_server import SmtpPeer
from tests.peers.weak_certificates import SELF_SIGNED, weak_server

from .driver import expect, field, open_list, press, select_row, settled

USER, PASSWORD = "ana@exemplo.com.br", "Segrêdo-Único-4420"


@pytest.fixture(autouse=True)
def elastic(elastic_port: int) -> Iterator[ElasticPeer]:
    with ElasticPeer(port=elastic_port) as peer:
        yield peer


def test_this_very_certificate_is_trusted_by_one_press(page: Any, app: Any, core: Mailcore) -> None:
    with SmtpPeer(security="starttls", users={USER: PASSWORD}, tls=weak_server(SELF_SIGNED).context) as peer:
        draft = ServerDraft(
            name="Padaria", host="127.0.0.1", port=peer.port, security=Security.STARTTLS,
            username=USER, from_address=USER,
        )  # fmt: skip
        server = core.servers.create(draft, SecretStr(PASSWORD), actor=ME).server
        open_list(page, app.url)
        select_row(page)
        press(page, "Testar conexão")
        trust = page.get_by_role("button", name="Confiar neste certificado")
        expect(trust).to_be_visible(timeout=40_000)
        told = page.get_by_text("O que fazer:").locator("..").inner_text()
        certificate = core.check(server).certificate
        assert certificate is not None
        for shown in (certificate.sha256, "localhost", f"{certificate.not_after:%d/%m/%Y}", "“SSL”"):
            assert shown in told
        expect(page.get_by_role("link", name="Abrir o campo SSL")).to_be_visible()
        assert peer.logins == []
        settled(page)
        trust.click()
        expect(page.get_by_role("heading", name="Cadastro — Padaria")).to_be_visible()
        expect(field(page, "Certificado da autoridade (PEM)")).to_have_value(certificate.pem)
        assert core.servers.get(server.id).ca_pem == "", "nothing is saved before a person saves it"
        settled(page)
        press(page, "Salvar")
        expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
        saved = core.servers.get(server.id)
        assert saved.ca_pem.strip() == certificate.pem.strip()
        result = core.check(saved)
    assert result.ok
    assert core.servers.get(server.id).last_check_state is CheckState.OK
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_wrong_key_of_a_service_points_at_the_key(page: Any, app: Any, core: Mailcore) -> None:
    draft = ServerDraft(name="Correio pago", kind=Kind.ELASTIC_EMAIL, from_address=USER)
    core.servers.create(draft, SecretStr("CHAVE-ERRADA"), actor=ME)
    open_list(page, app.url)
    select_row(page)
    press(page, "Testar conexão")
    link = page.get_by_role("link", name="Abrir o campo Chave da API")
    expect(link).to_be_visible(timeout=40_000)
    link.click()
    expect(field(page, "Chave da API")).to_be_focused()
    expect(page.get_by_test_id("stException")).to_have_count(0)
