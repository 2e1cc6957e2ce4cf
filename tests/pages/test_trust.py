"""A certificate nobody vouches for is shown whole and trusted by one press."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore.vocabulary import CheckState, Security
from tests.pages.drawn import as_shown, labels, links, open_page, press, said, turn_to, whole
from tests.pages.records import register
from tests.peers.smtp_server import SmtpPeer
from tests.peers.weak_certificates import SELF_SIGNED, weak_server
from ui.session import SELECTED, Selection

if TYPE_CHECKING:
    from mailcore import Mailcore

USER, PASSWORD = "ana@exemplo.com.br", "Segrêdo-Único-4420"


def test_this_very_certificate_is_trusted_by_one_press(core: Mailcore) -> None:
    with SmtpPeer(security="starttls", users={USER: PASSWORD}, tls=weak_server(SELF_SIGNED).context) as peer:
        login = {"requires_auth": True, "username": USER, "from_address": USER, "password": PASSWORD}
        server = register(core, peer, "Padaria", security=Security.STARTTLS, **login)
        app = open_page("servidores")
        app.session_state[SELECTED.name] = Selection((server.id,))
        app = press(whole(app.run()), "Testar conexão")
        (told,) = [line for line in said(app).splitlines() if line.startswith("O que fazer:")]
        certificate = core.check(server).certificate
        assert certificate is not None
        for shown in (certificate.sha256, "localhost", f"{certificate.not_after:%d/%m/%Y}", "“SSL”"):
            assert shown in told
        assert "Abrir o campo SSL" in links(app)
        assert peer.logins == []
        assert "Confiar neste certificado" in labels(app)
        app = press(app, "Confiar neste certificado")
        assert as_shown(app.title[0].value) == "Cadastro — Padaria"
        app = turn_to(app, "cadastro", id=str(server.id))
        assert app.text_area(key="field_ca_pem").value == certificate.pem
        assert core.servers.get(server.id).ca_pem == "", "nothing is saved before a person saves it"
        app = press(app, "Salvar")
        assert "1 de 1 servidor" in said(app)
        saved = core.servers.get(server.id)
        assert saved.ca_pem.strip() == certificate.pem.strip()
        assert core.check(saved).ok
    assert core.servers.get(server.id).last_check_state is CheckState.OK
