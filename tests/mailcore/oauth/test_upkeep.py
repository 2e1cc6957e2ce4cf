"""What keeps OAuth2 working by itself: idle authorisations, secrets that end, applications that change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from mailcore import Mailcore
from mailcore.actor import Actor
from mailcore.errors import NotAllowedError, NotFoundError, ValidationError
from mailcore.health.doctor import examine
from mailcore.oauth.apps import draft_of
from mailcore.oauth.authorizing import Wanted
from mailcore.rights import Role
from mailcore.storage.tables import MailServer, OAuthApp, StoredSecret
from mailcore.vocabulary import OAuthMode, OAuthState, SendStatus
from tests.actors import ME
from tests.databases import on_one_database
from tests.mailcore.oauth.records import ANA, app_of, authorized, draft_for, hello, refreshes, wanted_for
from tests.peers.oauth_server import OAuthPeer, refusal
from tests.peers.oauth_smtp import OAuthSmtpPeer


def unused_for(core: Mailcore, server: MailServer, days: float) -> None:
    with core.database.write() as session:
        session.get_one(MailServer, server.id).oauth_renewed_at = datetime.now(UTC) - timedelta(days=days)


@pytest.mark.parametrize("rotates", [True, False])
def test_what_nobody_used_for_a_week_is_renewed_and_nothing_else(
    core: Mailcore, peer: OAuthPeer, server: MailServer, rotates: bool
) -> None:
    keeper, peer.rotates = core.servers.tokens, rotates
    assert keeper.keep_alive() == 0  # authorised just now
    unused_for(core, server, 6.9)
    assert (keeper.keep_alive(), refreshes(peer)) == (0, 0)
    unused_for(core, server, 7.1)
    assert (keeper.keep_alive(), refreshes(peer)) == (1, 1)
    assert (keeper.keep_alive(), refreshes(peer)) == (0, 1)
    after = core.servers.get(server.id)
    assert (after.oauth_ref != server.oauth_ref) is rotates
    assert hello(core, after).status is SendStatus.ACCEPTED
    assert peer.reused == 0
    # A send uses it too: a week later it is idle again, and one that is refused is left to a person.
    unused_for(core, server, 8)
    stop = Event()
    stop.set()
    assert keeper.keep_alive(is_over=stop) == 0
    peer.revoke()
    assert keeper.keep_alive() == 0
    after = core.servers.get(server.id)
    assert (after.oauth_state, after.oauth_code) == (OAuthState.EXPIRED, "oauth_revoked")
    asked = refreshes(peer)
    assert (keeper.keep_alive(), refreshes(peer)) == (0, asked)


def test_another_process_that_was_quicker_is_seen_under_the_lease(
    core: Mailcore, peer: OAuthPeer, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    unused_for(core, server, 8)
    keeper = core.servers.tokens
    take = keeper._take_lease

    def after_another(*about: object) -> bool:
        with core.database.write() as session:
            session.get_one(MailServer, server.id).oauth_renewed_at = datetime.now(UTC)
        return take(*about)  # type: ignore[arg-type]

    monkeypatch.setattr(keeper, "_take_lease", after_another)
    assert (keeper.keep_alive(), refreshes(peer)) == (0, 0)


@on_one_database
def test_a_provider_that_is_away_is_asked_again_later(core: Mailcore, peer: OAuthPeer, server: MailServer) -> None:
    unused_for(core, server, 8)
    peer.faults = [refusal("temporarily_unavailable")]
    assert core.servers.tokens.keep_alive() == 0
    assert core.servers.get(server.id).oauth_state is OAuthState.AUTHORIZED
    assert core.servers.tokens.keep_alive() == 1


@on_one_database
def test_a_secret_that_ends_soon_is_told_in_time(core: Mailcore, settings_days: dict[str, int]) -> None:
    today = datetime.now(UTC).date()
    for name, days in settings_days.items():
        app_of(core, name=name, secret_ends_on=today + timedelta(days=days))
    app_of(core, name="sem data")
    told = [app.name for app in core.attention().app_secrets]
    assert told == ["vencido", "hoje", "daqui a 29 dias"]
    report = examine(core.settings)
    (fault,) = [sentence for sentence in report.faults if "aplicativo OAuth" in sentence]
    assert fault.startswith(f"O segredo do aplicativo OAuth “vencido” venceu em {today - timedelta(days=1):%d/%m/%Y}.")
    assert len([sentence for sentence in report.notices if "vence em" in sentence]) == 2


@pytest.fixture
def settings_days() -> dict[str, int]:
    return {"longe": 31, "daqui a 29 dias": 29, "hoje": 0, "vencido": -1}


def trail(core: Mailcore) -> list[tuple[str, str, str, str]]:
    return [
        (change.server_name, change.action.value, change.field, change.who)
        for change in core.trail.read(text="Aplicativo OAuth").changes
    ]


def test_an_application_is_changed_with_its_trail_and_no_secret_in_it(
    core: Mailcore, peer: OAuthPeer, server: MailServer
) -> None:
    app = core.servers.apps.get(server.oauth_app_id or 0)
    day = datetime.now(UTC).date() + timedelta(days=700)
    changed = core.servers.apps.edit(app.id, replace(draft_of(app), name="Outro", secret_ends_on=day), actor=ME)
    assert (changed.name, changed.secret_ends_on, changed.secret_ref) == ("Outro", day, app.secret_ref)
    # The authorisations stay, and the stored secret is still the one in use.
    assert hello(core, core.servers.get(server.id)).status is SendStatus.ACCEPTED
    peer.clients["app"].secret = "novo-segredo-9931"
    renewed = core.servers.apps.edit(app.id, draft_of(changed), SecretStr("novo-segredo-9931"), actor=ME)
    assert renewed.secret_ref != app.secret_ref
    unused_for(core, server, 8)
    assert core.servers.tokens.keep_alive() == 1
    assert trail(core) == [
        ("Aplicativo OAuth: Outro", "changed", "secret", ME.name),
        ("Aplicativo OAuth: Outro", "changed", "app_secret_ends_on", ME.name),
        ("Aplicativo OAuth: Outro", "changed", "app_name", ME.name),
        ("Aplicativo OAuth: Entra da empresa", "created", "", ME.name),
    ]
    core.servers.delete(server.id, actor=ME)
    core.servers.apps.remove(app.id, actor=ME)
    assert trail(core)[0] == ("Aplicativo OAuth: Outro", "deleted", "", ME.name)
    assert stored_secrets(core) == 0


def stored_secrets(core: Mailcore) -> int:
    with core.database.read() as session:
        return session.scalar(select(func.count()).select_from(StoredSecret)) or 0


def test_another_client_asks_for_its_secret_and_for_every_authorisation_again(
    core: Mailcore, peer: OAuthPeer, server: MailServer
) -> None:
    app = core.servers.apps.get(server.oauth_app_id or 0)
    hello(core, server)
    moved = replace(draft_of(app), client_id="outro")
    with pytest.raises(ValidationError, match="Segredo do cliente: cole de novo"):
        core.servers.apps.edit(app.id, moved, actor=ME)
    assert core.servers.get(server.id).oauth_state is OAuthState.AUTHORIZED
    core.servers.apps.edit(app.id, moved, SecretStr("s3gredo-do-outro"), actor=ME)
    after = core.servers.get(server.id)
    assert (after.oauth_state, after.oauth_ref) == (OAuthState.NONE, None)
    assert "oauth_not_authorized" in hello(core, after).diagnosis
    assert stored_secrets(core) == 1  # the application's new one


def test_a_corrected_secret_lets_its_records_go_on(core: Mailcore, peer: OAuthPeer, server: MailServer) -> None:
    peer.clients["app"].secret = "trocado-no-provedor-1"
    assert "oauth_secret_wrong" in hello(core, server).diagnosis
    assert core.servers.get(server.id).oauth_state is OAuthState.REFUSED
    assert hello(core, server).status is SendStatus.REJECTED_BY_RULE
    app = core.servers.apps.get(server.oauth_app_id or 0)
    core.servers.apps.edit(app.id, draft_of(app), SecretStr("trocado-no-provedor-1"), actor=ME)
    assert core.servers.get(server.id).oauth_state is OAuthState.AUTHORIZED
    assert hello(core, server).status is SendStatus.ACCEPTED
    # A public client has none: "AADSTS700025" says to remove it.
    peer.clients["app"].secret = ""
    core.servers.apps.edit(app.id, draft_of(app), remove_secret=True, actor=ME)
    unused_for(core, server, 8)
    assert core.servers.tokens.keep_alive() == 1


@on_one_database
def test_what_cannot_be_changed_is_a_sentence_and_changes_nothing(core: Mailcore, smtp: OAuthSmtpPeer) -> None:
    app, other = app_of(core), app_of(core, name="Outra")
    for change, said in (
        ({"name": " outra "}, "Nome: já existe"),
        ({"name": ""}, "Nome: preencha"),
        ({"tenant": "a\nb"}, "Locatário: escreva numa linha"),
        ({"provider": "google"}, "Provedor: não muda"),
        ({"mode": OAuthMode.APPLICATION, "tenant": "common"}, "Segredo do cliente: cole de novo"),
    ):
        with pytest.raises(ValidationError, match=said):
            core.servers.apps.edit(app.id, replace(draft_of(app), **change), actor=ME)
    with pytest.raises(NotFoundError):
        core.servers.apps.edit(99, draft_of(app), actor=ME)
    with pytest.raises(NotAllowedError):
        core.servers.apps.edit(app.id, draft_of(app), actor=Actor("a", Role.SUPPORT))
    kept = core.servers.apps.edit(app.id, draft_of(app), actor=ME)
    assert (kept.name, kept.secret_ref, other.name) == (app.name, app.secret_ref, "Outra")
    assert len(trail(core)) == 2
    with core.database.read() as session:
        assert session.scalar(select(func.count()).select_from(OAuthApp)) == stored_secrets(core) == 2


@on_one_database
def test_the_administrators_link_is_ready_to_copy(core: Mailcore, peer: OAuthPeer) -> None:
    apps = core.servers.apps
    own, any_tenant = app_of(core, client_id="1f0c", tenant="t 1"), app_of(core, name="b", client_id="a&b")
    assert apps.consent_link(own) == f"{peer.url}/t%201/adminconsent?client_id=1f0c"
    assert apps.consent_link(any_tenant) == f"{peer.url}/organizations/adminconsent?client_id=a%26b"
    assert apps.consent_link(app_of(core, name="c", provider="google")) == ""


def test_an_authorisation_given_in_a_form_is_as_old_as_the_form(
    core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer
) -> None:
    draft = draft_for(smtp, app_of(core))
    key, _ = authorized(core, peer, Wanted(int(draft.oauth_app_id or 0), draft.host, ANA))
    saved = core.servers.create(draft, actor=ME, authorization=key).server
    stored = core.servers.get(saved.id)
    assert stored.oauth_renewed_at == stored.oauth_at
    again = core.servers.update(stored, replace(draft, username="beto@exemplo.com.br"), actor=ME).server
    assert again.oauth_renewed_at is None
    assert wanted_for(again).username == "beto@exemplo.com.br"
