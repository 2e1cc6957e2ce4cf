"""Every row of the providers' error tables, end to end: the stand-in answers it, a person reads what to do.

The rows are those of Microsoft's and Google's own lists (see ``mailcore/oauth/faults.py``), with a word that the remedy
must have.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr
from sqlalchemy import text

from mailcore import Mailcore
from mailcore.diagnosis.texts import diagnosis_for
from mailcore.oauth.apps import AppDraft
from mailcore.oauth.faults import OAuthError, known_codes, refused
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import OAuthMode, OAuthState
from tests.actors import ME
from tests.mailcore.oauth.records import ANA, BACK, draft_for, wanted_for
from tests.peers.oauth_server import OAuthPeer, Registered, refusal
from tests.peers.oauth_smtp import OAuthSmtpPeer

R, A, C = "“Autorizar”", "administrador", "Aplicativos OAuth"
MICROSOFT = [
    (50173, "oauth_revoked", "auth", R),
    (70008, "oauth_idle", "auth", R),
    (700082, "oauth_idle", "auth", R),
    (70043, "oauth_sign_in_frequency", "auth", A),
    *((number, "oauth_second_factor", "auth", "verificação") for number in (50076, 50079, 50074, 50078, 50072)),
    *((number, "oauth_conditional_access", "auth", "Correlation ID") for number in (53003, 530032)),
    *((number, "oauth_managed_device", "auth", "computador da empresa") for number in (53000, 53001, 50097)),
    (530035, "oauth_security_defaults", "auth", A),
    (65001, "oauth_consent_missing", "auth", R),
    *((number, "oauth_admin_consent", "auth", "link de consentimento") for number in (90094, 90095, 90008)),
    (65004, "oauth_declined", "auth", R),
    *((number, "oauth_permission_missing", "auth", "Permissões de API") for number in (65005, 650056, 650057)),
    *((number, "oauth_scope", "config", "SMTP.Send") for number in (70011, 28002, 700023)),
    (700022, "oauth_scopes_mixed", "config", "Autorize de novo"),
    (7000215, "oauth_secret_wrong", "auth", "Valor do segredo"),
    (7000222, "oauth_secret_ended", "auth", "segredo novo"),
    (7000218, "oauth_secret_or_public", "auth", "Permitir fluxos de cliente público"),
    (700025, "oauth_secret_not_wanted", "auth", "Remover segredo"),
    *((number, "oauth_certificate", "auth", A) for number in (700027, 700030)),
    *((number, "oauth_app_unknown", "auth", "ID do cliente") for number in (700016, 70001, 7000112)),
    (90002, "oauth_tenant_unknown", "auth", "Locatário"),
    *((number, "oauth_tenant_needed", "auth", "ID do diretório") for number in (50194, 9001023, 90130)),
    *((number, "oauth_account_type", "auth", "conta certa") for number in (9002332, 500208, 50020)),
    *((number, "oauth_account_unknown", "auth", "Usuário") for number in (50034, 51004)),
    (50053, "oauth_account_locked", "auth", "Espere"),
    *((number, "oauth_account_disabled", "auth", A) for number in (50055, 50057)),
    (50105, "oauth_not_assigned", "auth", "Usuários e grupos"),
    *((number, "oauth_redirect", "config", "Copie o endereço de retorno") for number in (50011, 900971)),
    *((number, "oauth_code_used", "auth", "comece de novo") for number in (54005, 700005)),
    *((number, "oauth_pkce", "auth", "mesma janela") for number in (501481, 50147)),
    *((number, "oauth_malformed", "config", "Autorize de novo") for number in (9002313, 900144, 90014)),
    *((number, "oauth_device_ended", "auth", "outro código") for number in (70019, 70018)),
    (50196, "oauth_too_often", "throttled", "Espere"),
    *((number, "oauth_temporary", "temporary", "Espere") for number in (90033, 50033, 90006, 90024)),
]
OTHERS = [
    # step, error, its words, diagnosis, category, word of the remedy
    (
        "refresh",
        "invalid_grant",
        "Token has been expired or revoked.",
        "oauth_revoked",
        "auth",
        "publique o aplicativo",
    ),
    ("refresh", "invalid_grant", "Bad Request", "oauth_revoked", "auth", R),
    ("refresh", "temporarily_unavailable", "", "oauth_temporary", "temporary", "Espere"),
    ("code", "invalid_grant", "Malformed auth code.", "oauth_code_used", "auth", "comece de novo"),
    ("refresh", "invalid_client", "The OAuth client was not found.", "oauth_secret_wrong", "auth", C),
    ("refresh", "deleted_client", "The OAuth client was deleted.", "oauth_client_deleted", "auth", "Restaure"),
    ("code", "redirect_uri_mismatch", "", "oauth_redirect", "config", "Copie o endereço de retorno"),
    ("authorize", "access_denied", "", "oauth_declined", "auth", "Usuários de teste"),
    ("authorize", "admin_policy_enforced", "", "oauth_workspace_blocked", "auth", "Confiável"),
    ("authorize", "org_internal", "", "oauth_internal_app", "auth", "conta da organização"),
    ("authorize", "consent_required", "AADSTS65001: consent", "oauth_consent_missing", "auth", R),
    ("authorize", "server_error", "", "oauth_temporary", "temporary", "Espere"),
    ("device", "expired_token", "", "oauth_device_ended", "auth", "outro código"),
    ("device", "authorization_declined", "", "oauth_declined", "auth", R),
    ("device", "bad_verification_code", "", "oauth_device_ended", "auth", "outro código"),
    ("application", "invalid_grant", "Invalid JWT: Token must be a short-lived token", "oauth_clock", "config", "NTP"),
    ("application", "unauthorized_client", "Client is unauthorized", "oauth_delegation", "auth", "24 horas"),
    ("application", "invalid_grant", "Invalid email or User ID", "oauth_application_refused", "auth", "Usuário"),
    ("google device", "", "", "oauth_no_device", "config", "cole o endereço"),
]


@pytest.fixture
def database_url(tmp_path: object) -> str:
    """What a table says needs no second database."""
    return f"sqlite:///{tmp_path}/mailcore.db"


def test_every_number_of_microsoft_is_a_diagnosis_with_what_to_do(
    core: Mailcore, peer: OAuthPeer, server: MailServer
) -> None:
    seen: set[str] = set()
    for number, code, category, word in MICROSOFT:
        error = "temporarily_unavailable" if category in ("temporary", "throttled") else "invalid_grant"
        said = f"AADSTS{number}: a text of Microsoft's. Trace ID: 4f1c Correlation ID: 9b2e Timestamp: 2026-11-26"
        # The number alone, the text alone: either is enough.
        for answer in ({"error": error, "error_codes": [number]}, {"error": error, "error_description": said}):
            assert refused(answer, 400, step="refresh").code == code, number
        if code in seen:
            continue
        seen.add(code)
        peer.faults = [refusal(error, said, number)]
        found = core.check(core.servers.get(server.id), actor=ME).diagnosis
        assert found is not None, number
        assert (found.code, found.category, found.field) == (code, category, "auth"), number
        assert word in found.remedy, number
        assert "Correlation ID: 9b2e" in found.reply
        stored = core.servers.get(server.id)
        waits = category in ("temporary", "throttled") or code == "oauth_malformed"
        assert (stored.oauth_state is OAuthState.AUTHORIZED) is waits, number
        assert stored.oauth_ref == server.oauth_ref
        _forget(core)


def _forget(core: Mailcore) -> None:
    with core.database.write() as session:
        session.execute(text("UPDATE mail_server SET oauth_state = 'authorized', oauth_code = ''"))
        session.execute(text("DELETE FROM account"))


def test_every_word_of_google_and_of_the_standards_is_a_diagnosis_with_what_to_do(
    core: Mailcore, peer: OAuthPeer, server: MailServer, smtp: OAuthSmtpPeer
) -> None:
    key = rsa.generate_private_key(65_537, 2_048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    peer.clients["sa"] = Registered("robo@p.iam.gserviceaccount.com", public_key=key.public_key())
    file = json.dumps({"client_email": "robo@p.iam.gserviceaccount.com", "private_key": pem})
    alone = core.servers.apps.add(
        AppDraft("Robô", "google", "123", mode=OAuthMode.APPLICATION), SecretStr(file), actor=ME
    )
    by_robot = core.servers.create(draft_for(smtp, alone, name="Robô", from_address="a@x.example"), actor=ME).server
    google = core.servers.apps.add(AppDraft("Google", "google", "456"), actor=ME)
    by_google = core.servers.create(draft_for(smtp, google, name="Google"), actor=ME).server
    authorizing = core.servers.authorizing

    def by_code(fault: Callable[[], None]) -> str:
        begun = authorizing.begin(wanted_for(server), redirect=BACK, actor=ME)
        back = peer.sign_in(begun.address, ANA)
        fault()
        return _code_of(lambda: authorizing.come_back(back, actor=ME))

    for step, error, words, code, category, word in OTHERS:

        def fault(error: str = error, words: str = words) -> None:
            peer.faults = [refusal(error, words)]

        if step in ("refresh", "application"):
            fault()
            found = core.check(core.servers.get((by_robot if step == "application" else server).id), actor=ME).diagnosis
            assert found is not None, error
            assert words in found.reply
        else:
            if step == "code":
                told = by_code(fault)
            elif step == "authorize":
                begun = authorizing.begin(wanted_for(server), redirect=BACK, actor=ME)
                state = peer.sign_in(begun.address, ANA, declines=True).split("state=")[1].split("&")[0]
                answer = urlencode({"error": error, "error_description": words})
                told = _code_of(lambda: authorizing.come_back(f"{BACK}?state={state}&{answer}", actor=ME))  # noqa: B023
            elif step == "device":
                begun = authorizing.begin_device(wanted_for(server), actor=ME)
                fault()
                told = _code_of(lambda: authorizing.poll(begun.key, actor=ME))  # noqa: B023
            else:
                told = _code_of(lambda: authorizing.begin_device(wanted_for(by_google), actor=ME))
            found = diagnosis_for(told)
        assert (found.code, found.category, found.field) == (code, category, "auth"), (step, error)
        assert word in found.remedy, (step, error)
        _forget(core)


def _code_of(act: Callable[[], object]) -> str:
    with pytest.raises(OAuthError) as caught:
        act()
    return caught.value.code


def test_no_row_is_left_out() -> None:
    tried = {code for _, code, _, _ in MICROSOFT} | {row[3] for row in OTHERS}
    assert known_codes() - tried == set()
