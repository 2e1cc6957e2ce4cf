"""What goes wrong between the provider's answer and our storing it: a killed process, a locked keyring, nobody back."""

from __future__ import annotations

import ast
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mailcore import Mailcore
from mailcore.errors import SecretError
from mailcore.health.doctor import examine
from mailcore.oauth.faults import OAuthError
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer, OAuthLease, OAuthPending, StoredSecret
from mailcore.vocabulary import OAuthState, SendStatus
from tests import forked
from tests.actors import ME
from tests.mailcore.oauth.records import ANA, BACK, app_of, authorized, draft_for, hello, refreshes, wanted_for
from tests.mailcore.oauth.stopped import come_back, renew, until_answered
from tests.peers.oauth_server import OAuthPeer
from tests.peers.oauth_smtp import OAuthSmtpPeer

ROOT = Path(__file__).parents[3]


def killed_before_it_stores(settings: Settings, act: Callable[..., object], given: object) -> str:
    """Do ``act`` in a process of its own and kill it once the provider has answered; return what ``ps`` showed."""
    hears, tells = forked.context.Pipe(duplex=False)
    process = forked.make(until_answered, (settings, tells, act, given))
    process.start()
    tells.close()
    assert hears.recv() == "answered"
    shown = Path(f"/proc/{process.pid}/cmdline").read_text() + Path(f"/proc/{process.pid}/environ").read_text()
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    return shown


def stored_secrets(core: Mailcore) -> int:
    with core.database.read() as session:
        return session.scalar(select(func.count()).select_from(StoredSecret)) or 0


def test_killed_while_it_renews(core: Mailcore, settings: Settings, peer: OAuthPeer, server: MailServer) -> None:
    before = stored_secrets(core)
    shown = killed_before_it_stores(settings, renew, server.id)
    assert not [secret for secret in peer.issued if secret in shown]
    assert refreshes(peer) == 1
    assert stored_secrets(core) == before
    assert core.servers.get(server.id).oauth_ref == server.oauth_ref
    with core.database.write() as session:  # its lease runs out
        session.get_one(OAuthLease, server.id).until = datetime.now(UTC) - timedelta(seconds=1)
    # The provider has seen the stored token used: it must be authorised again, and that is said.
    assert "oauth_interrupted" in hello(core, server).diagnosis
    assert core.servers.get(server.id).oauth_state is OAuthState.EXPIRED
    assert hello(core, server).status is SendStatus.REJECTED_BY_RULE
    authorized(core, peer, wanted_for(server))
    assert hello(core, core.servers.get(server.id)).status is SendStatus.ACCEPTED
    assert examine(settings).secrets.orphans == 0


def test_killed_while_it_takes_the_answer(
    core: Mailcore, settings: Settings, peer: OAuthPeer, smtp: OAuthSmtpPeer
) -> None:
    stored = core.servers.create(draft_for(smtp, app_of(core)), actor=ME).server
    begun = core.servers.authorizing.begin(wanted_for(stored), redirect=BACK, actor=ME)
    back = peer.sign_in(begun.address, ANA)
    killed_before_it_stores(settings, come_back, back)
    assert len(peer.token_requests) == 1
    after = core.servers.get(stored.id)
    assert (after.oauth_state, after.oauth_ref) == (OAuthState.NONE, None)
    assert core.servers.authorizing.progress(begun.key, actor=ME).status == "taken"
    with core.database.write() as session:  # a minute passes
        session.get_one(OAuthPending, begun.key).ends_at -= timedelta(seconds=61)
    progress = core.servers.authorizing.progress(begun.key, actor=ME)
    assert (progress.status, progress.code) == ("failed", "oauth_interrupted")
    with pytest.raises(OAuthError, match="oauth_state"):
        core.servers.authorizing.come_back(back, actor=ME)
    authorized(core, peer, wanted_for(stored))
    assert hello(core, core.servers.get(stored.id)).status is SendStatus.ACCEPTED


def test_nobody_comes_back_in_time(core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer) -> None:
    stored = core.servers.create(draft_for(smtp, app_of(core)), actor=ME).server
    authorizing = core.servers.authorizing
    begun = authorizing.begin(wanted_for(stored), redirect=BACK, actor=ME)
    with core.database.write() as session:
        session.get_one(OAuthPending, begun.key).ends_at = datetime.now(UTC) - timedelta(seconds=1)
    progress = authorizing.progress(begun.key, actor=ME)
    assert (progress.status, progress.code) == ("failed", "oauth_state")


def test_a_device_code_that_nobody_typed_in_time(core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer) -> None:
    stored = core.servers.create(draft_for(smtp, app_of(core)), actor=ME).server
    peer.clients["app"].secret = ""
    authorizing = core.servers.authorizing
    begun = authorizing.begin_device(wanted_for(stored), actor=ME)
    assert authorizing.poll(begun.key, actor=ME) == 0.0
    peer.end_devices()
    with pytest.raises(OAuthError, match="oauth_device_ended"):
        authorizing.poll(begun.key, actor=ME)
    progress = authorizing.progress(begun.key, actor=ME)
    assert (progress.status, progress.code) == ("failed", "oauth_device_ended")
    assert stored_secrets(core) == 1  # the application's: the code is gone


def test_a_return_address_that_is_not_registered(core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer) -> None:
    """The provider shows a page of its own and sends nobody back; where it does answer, it is told what to copy."""
    stored = core.servers.create(draft_for(smtp, app_of(core)), actor=ME).server
    other = core.servers.authorizing.begin(wanted_for(stored), redirect="https://outro.example/oauth/retorno", actor=ME)
    with pytest.raises(AssertionError, match="redirect is not registered"):
        peer.sign_in(other.address, ANA)
    assert core.servers.authorizing.progress(other.key, actor=ME).status == "waiting"
    with pytest.raises(OAuthError) as caught:
        core.servers.authorizing.come_back(
            f"https://outro.example/oauth/retorno?{other.address.split('?')[1]}"
            "&error=invalid_request&error_description=AADSTS50011%3A+The+redirect+URI+does+not+match",
            actor=ME,
        )
    assert caught.value.code == "oauth_redirect"


def test_a_keyring_that_locks_between_answer_and_storing_loses_no_token(
    core: Mailcore,
    peer: OAuthPeer,
    server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keeper = core.servers.tokens

    def locked(*_: object) -> None:
        raise SecretError("O chaveiro está bloqueado.")

    with monkeypatch.context() as patched:
        patched.setattr(core.secrets, "put", locked)
        assert hello(core, server).status is SendStatus.ACCEPTED
        assert core.servers.get(server.id).oauth_ref == server.oauth_ref
        peer.expire_access()
        assert hello(core, server).status is SendStatus.ACCEPTED  # with the token that waits
    assert "waits to be stored: O chaveiro está bloqueado." in caplog.text
    peer.rotates = False  # what waits is stored also where no newer one comes
    peer.expire_access()
    assert hello(core, server).status is SendStatus.ACCEPTED
    assert core.servers.get(server.id).oauth_ref != server.oauth_ref
    assert (peer.reused, keeper._unstored) == (0, {})
    assert not [secret for secret in peer.issued if secret in repr(vars(keeper)) + caplog.text]
    # Locked before the provider is asked, it is not asked at all.
    asked = refreshes(peer)
    peer.expire_access()
    monkeypatch.setattr(core.secrets, "get", locked)
    said = hello(core, core.servers.get(server.id))
    assert (said.status, refreshes(peer)) == (SendStatus.FAILED, asked)
    assert "oauth_not_ready" in said.diagnosis
    assert "O chaveiro está bloqueado." in said.diagnosis
    assert core.servers.get(server.id).oauth_state is OAuthState.AUTHORIZED


def test_the_program_starts_no_process_to_which_it_could_hand_a_token() -> None:
    """What stands in ``ps`` are arguments: there are none of ours."""
    starters = {"subprocess", "multiprocessing", "pty"}
    found = [
        str(path)
        for folder in ("mailcore", "ui", "pages")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and starters & {alias.name for alias in node.names} | ({getattr(node, "module", "")} & starters)
    ]
    assert found == []
