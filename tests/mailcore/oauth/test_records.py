"""Records that log in by OAuth2: authorising, keeping, renewing and losing it, on both databases."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text

from mailcore import Mailcore, labels
from mailcore.actor import Actor
from mailcore.errors import NotAllowedError, ValidationError
from mailcore.labels import OAUTH_PROVIDER
from mailcore.oauth.apps import AppDraft
from mailcore.oauth.authorizing import Progress, Wanted
from mailcore.oauth.faults import OAuthError
from mailcore.oauth.providers import providers
from mailcore.registry.drafts import draft_of
from mailcore.registry.people_file import to_people_csv
from mailcore.rights import Role
from mailcore.storage.tables import Base, MailServer, OAuthLease, OAuthPending, SecretJournal
from mailcore.vocabulary import Auth, OAuthMode, OAuthState, Security, SendStatus
from tests.actors import ME
from tests.databases import on_one_database
from tests.mailcore.oauth.records import (
    ANA,
    APP_SECRET,
    BACK,
    app_of,
    authorized,
    draft_for,
    hello,
    refreshes,
    wanted_for,
)
from tests.peers.certificates import server_context
from tests.peers.oauth_server import OAuthPeer, refusal
from tests.peers.oauth_smtp import OAuthSmtpPeer
from tests.peers.smtp_server import SmtpPeer
from ui.servidores.columns import cells


def test_from_authorising_to_a_message(
    core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer, server: MailServer
) -> None:
    assert server.oauth_state is OAuthState.AUTHORIZED
    assert server.oauth_user == ANA
    assert hello(core, server).status is SendStatus.ACCEPTED
    assert refreshes(peer) == 1
    # With a token that is still good, a send asks nobody; and a check neither.
    assert hello(core, core.servers.get(server.id)).status is SendStatus.ACCEPTED
    result = core.check(core.servers.get(server.id), actor=ME)
    assert result.ok
    assert refreshes(peer) == 1
    (auth,) = [step for step in result.steps if step.name == "auth"]
    assert auth.detail.startswith(f"XOAUTH2, token já obtido para {ANA}, até ")
    assert smtp.faults == []


def test_a_form_is_tested_before_it_is_saved_and_the_save_takes_the_authorisation(
    core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer
) -> None:
    draft = draft_for(smtp, app_of(core))
    key, done = authorized(core, peer, Wanted(int(draft.oauth_app_id or 0), draft.host, draft.username))
    assert (done.status, done.user) == ("done", ANA)
    assert core.check_draft(draft, None, None, actor=ME, authorization=key).ok
    assert not core.check_draft(
        replace(draft, username="beto@exemplo.com.br"), None, None, actor=ME, authorization=key
    ).ok
    saved = core.servers.create(draft, actor=ME, authorization=key).server
    assert core.servers.get(saved.id).oauth_state is OAuthState.AUTHORIZED
    assert hello(core, saved).status is SendStatus.ACCEPTED
    with core.database.read() as session:
        assert session.scalars(select(OAuthPending)).all() == []


@on_one_database
@pytest.mark.parametrize(
    ("change", "keeps"),
    [
        ({"username": "beto@exemplo.com.br"}, False),
        ({"host": "127.0.0.1"}, False),
        ({"name": "Outra"}, True),
        ({"from_address": "loja@exemplo.com.br"}, True),
    ],
)
def test_another_host_or_user_asks_for_authorisation_again(
    core: Mailcore, server: MailServer, change: dict[str, str], keeps: bool
) -> None:
    saved = core.servers.update(server, replace(draft_of(server), **change), actor=ME).server
    assert (saved.oauth_state is OAuthState.AUTHORIZED) is keeps
    assert (saved.oauth_ref is not None) is keeps
    if not keeps:
        found = core.check(saved, actor=ME)
        assert found.diagnosis is not None
        assert found.diagnosis.code == "oauth_not_authorized"
    with core.database.read() as session:
        assert session.scalars(select(SecretJournal)).all() == []


def test_back_to_a_password_and_deleted(core: Mailcore, server: MailServer) -> None:
    with pytest.raises(ValidationError, match="Senha"):
        core.servers.update(server, replace(draft_of(server), auth=Auth.PASSWORD), actor=ME)
    saved = core.servers.update(
        server, replace(draft_of(server), auth=Auth.PASSWORD), SecretStr("senha"), actor=ME
    ).server
    assert (saved.oauth_ref, saved.oauth_app_id, saved.auth) == (None, None, Auth.PASSWORD)
    again = core.servers.update(
        saved, replace(draft_of(saved), auth=Auth.OAUTH2, oauth_app_id=core.servers.apps.all()[0].id), actor=ME
    ).server
    assert again.secret_ref is None
    core.servers.delete(saved.id, actor=ME)
    with core.database.read() as session:
        names = session.execute(text("SELECT count(*) FROM stored_secret")).scalar()
    assert names == 1  # the application's


@on_one_database
def test_another_persons_token_is_not_stored(core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer) -> None:
    stored = core.servers.create(draft_for(smtp, app_of(core)), actor=ME).server
    with pytest.raises(OAuthError) as caught:
        authorized(core, peer, wanted_for(stored), user="chefe@exemplo.com.br")
    assert caught.value.code == "oauth_other_user"
    assert core.servers.get(stored.id).oauth_state is OAuthState.NONE
    with core.database.read() as session:
        assert session.execute(text("SELECT count(*) FROM stored_secret")).scalar() == 1


def test_an_answer_counts_once_in_time_and_for_who_asked(core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer) -> None:
    stored = core.servers.create(draft_for(smtp, app_of(core)), actor=ME).server
    authorizing = core.servers.authorizing
    begun = authorizing.begin(wanted_for(stored), redirect=BACK, actor=ME)
    back = peer.sign_in(begun.address, ANA)
    for address, actor in ((back.replace("state=", "state=x"), ME), (back, Actor("outra pessoa")), (BACK, ME)):
        with pytest.raises(OAuthError) as caught:
            authorizing.come_back(address, actor=actor)
        assert caught.value.code == "oauth_state"
    assert authorizing.progress(begun.key, actor=ME).status == "waiting"
    authorizing.come_back(back, actor=ME)
    with pytest.raises(OAuthError) as caught:
        authorizing.come_back(back, actor=ME)
    assert caught.value.code == "oauth_state"
    late = authorizing.begin(wanted_for(stored), redirect=BACK, actor=ME)
    with core.database.write() as session:
        session.get_one(OAuthPending, late.key).ends_at = datetime.now(UTC) - timedelta(seconds=1)
    with pytest.raises(OAuthError):
        authorizing.come_back(peer.sign_in(late.address, ANA), actor=ME)


@on_one_database
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda peer: setattr(peer, "gives_refresh", False), "oauth_no_refresh_token"),
        (lambda peer: setattr(peer, "granted_scope", "openid"), "oauth_right_not_granted"),
        (lambda peer: peer.faults.append(refusal("x", "AADSTS53003: CA", 53003)), "oauth_conditional_access"),
    ],
)
def test_what_is_not_good_is_not_stored(
    core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer, spoil: Callable[[OAuthPeer], None], code: str
) -> None:
    stored = core.servers.create(draft_for(smtp, app_of(core)), actor=ME).server
    begun = core.servers.authorizing.begin(wanted_for(stored), redirect=BACK, actor=ME)
    back = peer.sign_in(begun.address, ANA)
    spoil(peer)
    with pytest.raises(OAuthError) as caught:
        core.servers.authorizing.come_back(back, actor=ME)
    assert caught.value.code == code
    progress = core.servers.authorizing.progress(begun.key, actor=ME)
    assert (progress.status, progress.code) == ("failed", code)
    assert core.servers.get(stored.id).oauth_ref is None


def test_what_nobody_saved_is_forgotten_with_its_token(
    core: Mailcore, open_core: Callable[[], Mailcore], peer: OAuthPeer, smtp: OAuthSmtpPeer
) -> None:
    app = app_of(core)
    key, _ = authorized(core, peer, Wanted(app.id, smtp.host, ANA))
    core.servers.authorizing.forget_old()
    assert core.servers.authorizing.progress(key, actor=ME).status == "done"
    with core.database.write() as session:
        session.get_one(OAuthPending, key).ends_at = datetime.now(UTC) - timedelta(hours=1)
    open_core()  # tidies
    with core.database.read() as session:
        assert session.scalars(select(OAuthPending)).all() == []
        assert session.execute(text("SELECT count(*) FROM stored_secret")).scalar() == 1


@on_one_database
def test_a_person_who_declines(core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer) -> None:
    stored = core.servers.create(draft_for(smtp, app_of(core)), actor=ME).server
    begun = core.servers.authorizing.begin(wanted_for(stored), redirect=BACK, actor=ME)
    with pytest.raises(OAuthError) as caught:
        core.servers.authorizing.come_back(peer.sign_in(begun.address, ANA, declines=True), actor=ME)
    assert caught.value.code == "oauth_declined"


@on_one_database
def test_by_device_code(core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer) -> None:
    stored = core.servers.create(draft_for(smtp, app_of(core)), actor=ME).server
    authorizing = core.servers.authorizing
    peer.clients["app"].secret = ""
    core.servers.apps.all()
    begun = authorizing.begin_device(wanted_for(stored), actor=ME)
    assert authorizing.poll(begun.key, actor=ME) == 0.0
    peer.enter_device(begun.user_code, ANA)
    done = authorizing.poll(begun.key, actor=ME)
    assert isinstance(done, Progress)
    assert done.status == "done"
    assert core.servers.get(stored.id).oauth_user == ANA


def test_a_revoked_authorisation_pauses_the_account_and_loses_nothing(
    core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer, server: MailServer
) -> None:
    peer.revoke()
    send = hello(core, server)
    assert (send.status, smtp.inbox) == (SendStatus.FAILED, [])
    assert "oauth_revoked" in send.diagnosis
    after = core.servers.get(server.id)
    assert (after.oauth_state, after.oauth_code) == (OAuthState.EXPIRED, "oauth_revoked")
    assert after.oauth_ref is not None
    asked = refreshes(peer)
    second = hello(core, after)
    assert second.status is SendStatus.REJECTED_BY_RULE
    assert "oauth_revoked" in second.diagnosis
    assert refreshes(peer) == asked
    authorized(core, peer, wanted_for(after))
    assert hello(core, core.servers.get(server.id)).status is SendStatus.ACCEPTED


@on_one_database
@pytest.mark.parametrize("fault", [refusal("temporarily_unavailable"), refusal("server_error", status=503)])
def test_a_provider_in_trouble_costs_no_authorisation(
    core: Mailcore, peer: OAuthPeer, server: MailServer, fault: Any
) -> None:
    peer.faults = [fault]
    send = hello(core, server)
    assert send.status is SendStatus.FAILED
    assert "oauth_temporary" in send.diagnosis
    assert core.servers.get(server.id).oauth_state is OAuthState.AUTHORIZED
    assert hello(core, server).status is SendStatus.ACCEPTED


@on_one_database
def test_a_token_refused_by_the_server_is_renewed_once(
    core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer, server: MailServer
) -> None:
    hello(core, server)
    peer.expire_access()
    assert hello(core, server).status is SendStatus.ACCEPTED
    assert refreshes(peer) == 2
    assert len(smtp.auth_lines) == 3


@on_one_database
def test_renewed_before_its_end(core: Mailcore, peer: OAuthPeer, server: MailServer) -> None:
    peer.lifetime = 299
    hello(core, server)
    hello(core, server)
    assert refreshes(peer) == 2


def test_many_at_once_use_no_refresh_token_twice(
    open_core: Callable[[], Mailcore], core: Mailcore, peer: OAuthPeer, server: MailServer
) -> None:
    cores = [open_core() for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        sends = list(pool.map(lambda number: hello(cores[number % 4], server), range(8)))
    assert {send.status for send in sends} == {SendStatus.ACCEPTED}
    assert peer.reused == 0
    assert refreshes(peer) == 4  # one for each process' memory
    assert core.servers.get(server.id).oauth_state is OAuthState.AUTHORIZED
    with core.database.read() as session:
        assert session.scalars(select(OAuthLease)).all() == []


def test_a_process_that_died_between_the_answer_and_the_storing_is_named(
    core: Mailcore, peer: OAuthPeer, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    keeper = core.servers.tokens
    with monkeypatch.context() as patched:
        patched.setattr(keeper, "_replace", die)
        patched.setattr(keeper, "_give_lease_back", lambda *_: None)
        with pytest.raises(Killed):
            hello(core, server)
    with core.database.write() as session:
        session.get_one(OAuthLease, server.id).until = datetime.now(UTC) - timedelta(seconds=1)
    assert "oauth_interrupted" in hello(core, server).diagnosis
    assert core.servers.get(server.id).oauth_code == "oauth_interrupted"


def test_a_lease_that_somebody_has_is_waited_for_and_not_broken(
    core: Mailcore, peer: OAuthPeer, server: MailServer
) -> None:
    with core.database.write() as session:
        session.add(OAuthLease(server_id=server.id, owner="x", until=datetime.now(UTC) + timedelta(seconds=40)))
    source = core.servers.tokens.source_for(server)
    assert source is not None
    with pytest.raises(Exception, match="oauth_busy"):
        source(0.2, False)
    assert refreshes(peer) == 0


@on_one_database
def test_an_application_that_works_alone(core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer) -> None:
    with pytest.raises(ValidationError, match="Locatário"):
        app_of(core, mode=OAuthMode.APPLICATION)
    peer.clients["app"].tenant = "t-1"
    app = app_of(core, mode=OAuthMode.APPLICATION, tenant="t-1")
    stored = core.servers.create(draft_for(smtp, app), actor=ME).server
    assert stored.oauth_state is OAuthState.NONE
    assert core.check(stored, actor=ME).ok
    after = core.servers.get(stored.id)
    assert (after.oauth_state, after.oauth_user, after.oauth_ref) == (OAuthState.AUTHORIZED, ANA, None)
    assert hello(core, after).status is SendStatus.ACCEPTED


@on_one_database
def test_a_token_goes_to_no_other_host(core: Mailcore, smtp: OAuthSmtpPeer) -> None:
    app = app_of(core)
    with pytest.raises(ValidationError, match="Servidor"):
        core.servers.create(draft_for(smtp, app, host="smtp.exemplo.com.br"), actor=ME)
    with pytest.raises(ValidationError, match="Servidor"):
        core.servers.authorizing.begin(Wanted(app.id, "smtp.office365.com.evil.com", ANA), redirect=BACK, actor=ME)


@on_one_database
def test_bad_input_names_the_field(core: Mailcore, smtp: OAuthSmtpPeer) -> None:
    app = app_of(core)
    for change, label in (
        ({"oauth_app_id": None}, "Aplicativo"),
        ({"oauth_app_id": 999}, "Aplicativo"),
        ({"security": Security.NONE}, "SSL"),
        ({"verify_certificate": False}, "Exigir certificado válido"),
        ({"username": ""}, "Usuário"),
    ):
        with pytest.raises(ValidationError, match=label):
            core.servers.create(draft_for(smtp, app, **change), actor=ME)
    with pytest.raises(ValidationError, match="Nome"):
        app_of(core)
    with pytest.raises(ValidationError, match="JSON"):
        app_of(core, name="Google", provider="google", mode=OAuthMode.APPLICATION)


def test_applications_are_the_administrators(core: Mailcore, server: MailServer) -> None:
    for role in (Role.SUPPORT, Role.ANALYST):
        somebody = Actor("alguém", role)
        with pytest.raises(NotAllowedError):
            core.servers.apps.add(AppDraft("x", "google", "y"), actor=somebody)
        with pytest.raises(NotAllowedError):
            core.servers.apps.remove(1, actor=somebody)
    with pytest.raises(NotAllowedError):
        core.servers.authorizing.begin(wanted_for(server), redirect=BACK, actor=Actor("a", Role.ANALYST))
    with pytest.raises(ValidationError, match="Loja"):
        core.servers.apps.remove(server.oauth_app_id or 0, actor=ME)
    core.servers.delete(server.id, actor=ME)
    core.servers.apps.remove(server.oauth_app_id or 0, actor=ME)
    with core.database.read() as session:
        assert session.execute(text("SELECT count(*) FROM stored_secret")).scalar() in (0, None)


def test_no_token_is_anywhere_but_in_the_keyring(
    core: Mailcore, peer: OAuthPeer, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hello(core, server)
    peer.revoke()
    peer.expire_access()
    hello(core, core.servers.get(server.id))
    result = core.check(core.servers.get(server.id), actor=ME)
    seen = [repr(result), repr(core.servers.get(server.id)), caplog.text, repr(core.servers.tokens)]
    with core.database.read() as session:
        for table in Base.metadata.sorted_tables:
            seen.append(repr(session.execute(select(table)).all()))
    whole = "\n".join(seen)
    assert len(peer.issued) > 4
    for secret in (*peer.issued, APP_SECRET):
        assert secret not in whole


def test_what_a_crash_left_in_the_keyring_is_swept(open_core: Callable[[], Mailcore], core: Mailcore) -> None:
    core.secrets.put(SecretStr("r" * 3_000))
    open_core()
    with core.database.read() as session:
        assert session.execute(text("SELECT count(*) FROM stored_secret")).scalar() == 0


def test_an_import_and_an_export_carry_the_form_of_login_and_no_token(core: Mailcore, server: MailServer) -> None:
    from mailcore.registry.exchange_file import to_csv, to_json

    exported = to_json(core.all_servers(), core.settings.zone)
    assert '"auth": "oauth2"' in exported
    assert '"oauth_state": "authorized"' in exported
    assert server.oauth_ref not in exported
    plan = core.plan_import(to_csv(core.all_servers(), core.settings.zone).encode())
    assert (plan.errors, plan.unchanged) == ((), 1)


@on_one_database
def test_list_and_command_line_say_whose_oauth2_it_is(core: Mailcore, server: MailServer) -> None:
    from mailcore.cli.as_text import server_lines

    assert {OAUTH_PROVIDER[name]: each.label for name, each in providers().items()} == {
        "Microsoft": "Microsoft OAuth2",
        "Google": "Google OAuth2",
    }
    assert labels.login(server.auth, server.oauth_provider) == "Microsoft OAuth2"
    assert re.search(r"Forma de login\W+Microsoft OAuth2", server_lines(server, core.settings.zone))
    assert cells(server, {}, ["auth"])[5] == "Microsoft OAuth2"
    file = to_people_csv(core.all_servers(), core.settings.zone)
    assert ";Microsoft OAuth2;oauth2;" in file
    assert ";Autorizado;authorized;" in file
    plan = core.plan_import(file.encode())
    assert (plan.errors, plan.unchanged) == ((), 1)
    saved = core.servers.update(
        server, replace(draft_of(server), auth=Auth.PASSWORD), SecretStr("senha"), actor=ME
    ).server
    assert (saved.oauth_provider, cells(saved, {}, ["auth"])[5]) == ("", "Senha")


def test_an_import_needs_the_application_to_be_registered_here(core: Mailcore, smtp: OAuthSmtpPeer) -> None:
    app = app_of(core)
    draft = draft_for(smtp, app)
    with pytest.raises(ValidationError, match="Aplicativo"):
        core.servers.apply([(None, replace(draft, oauth_app_id=app.id + 7))], actor=ME)
    (made,) = core.servers.apply([(None, draft)], actor=ME)
    assert (made.oauth_app_id, made.oauth_state) == (app.id, OAuthState.NONE)


@on_one_database
def test_a_check_costs_at_most_four_round_trips_more_than_a_passwords(
    core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer, server: MailServer
) -> None:
    """The first asks the provider (connecting, TLS 1.3 and the request: three), and shows the token in two steps."""
    with SmtpPeer(security="starttls", tls=server_context(), users={ANA: "senha"}) as other:
        draft = replace(draft_for(smtp, core.servers.apps.all()[0]), name="Com senha", auth=Auth.PASSWORD)
        draft = replace(draft, host=other.host, port=other.port, oauth_app_id=None)
        assert core.check(core.servers.create(draft, SecretStr("senha"), actor=ME).server, actor=ME).ok
        by_password = len(other.commands)
    asked = len(peer.token_requests)
    assert core.check(server, actor=ME).ok
    first, requests = smtp.turns, len(peer.token_requests) - asked
    assert requests == 1
    assert first + 3 * requests - by_password <= 4
    assert core.check(server, actor=ME).ok  # with the token in memory
    assert (smtp.turns - 2 * first, len(peer.token_requests) - asked) == (0, 1)
