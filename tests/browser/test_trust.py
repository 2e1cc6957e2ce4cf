"""A certificate nobody vouches for is shown whole and trusted by one press."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft
from mailcore.vocabulary import CheckState, Security
from tests.actors import ME
from tests.peers.smtp_server import SmtpPeer
from tests.peers.weak_certificates import SELF_SIGNED, weak_server

from .driver import expect, field, open_list, press, select_row, settled

USER, PASSWORD = "ana@exemplo.com.br", "Segrêdo-Único-4420"


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
