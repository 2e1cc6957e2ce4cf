"""Logging in by XOAUTH2 and OAUTHBEARER, against a server that demands what the real ones do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from mailcore.diagnosis.replies import diagnose
from mailcore.messages.compose import compose
from mailcore.transports import transport_for
from mailcore.transports.base import BearerToken, Connection, Findings, Step, TransportError
from mailcore.vocabulary import Kind, Security
from tests.peers.certificates import authority_pem
from tests.peers.oauth_server import GOOGLE_SCOPE, OAuthPeer
from tests.peers.oauth_smtp import OAuthSmtpPeer
from tests.peers.smtp_server import SmtpPeer

ANA = "ana@exemplo.com.br"
TOKEN = "ya29." + "t0k3n" * 500


@pytest.fixture
def oauth() -> Iterator[OAuthPeer]:
    with OAuthPeer() as running:
        good(running, TOKEN)
        yield running


def good(oauth: OAuthPeer, token: str, user: str = ANA) -> None:
    oauth._access[token] = (user, GOOGLE_SCOPE, datetime.now(UTC).timestamp() + 3_600)


class Source:
    """Gives tokens, and counts how often it was asked."""

    def __init__(self, *tokens: str, fresh: bool = False) -> None:
        self.tokens, self.fresh, self.asked = list(tokens), fresh, []

    def __call__(self, seconds: float, anew: bool) -> BearerToken:
        assert 0 < seconds <= 30
        self.asked.append(anew)
        ends_at = datetime.now(UTC) + timedelta(hours=1)
        return BearerToken(SecretStr(self.tokens[len(self.asked) - 1]), ends_at, self.fresh or anew)


def to(peer: OAuthSmtpPeer | SmtpPeer, source: Source, security: Security = Security.STARTTLS) -> Connection:
    return Connection(
        kind=Kind.SMTP,
        host="localhost",
        port=peer.port,
        security=security,
        ca_pem=authority_pem(),
        username=ANA,
        token=source,
        from_address=ANA,
    )


def check(connection: Connection) -> Findings:
    return transport_for(connection).check()


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.SSL_TLS])
@pytest.mark.parametrize(
    ("offered", "used"),
    [
        (("LOGIN", "PLAIN", "XOAUTH2", "OAUTHBEARER"), "XOAUTH2"),
        (("LOGIN", "OAUTHBEARER"), "OAUTHBEARER"),
    ],
)
def test_a_long_token_is_shown_in_two_steps(
    oauth: OAuthPeer, offered: tuple[str, ...], used: str, security: Security
) -> None:
    with OAuthSmtpPeer(oauth, security=security.value, mechanisms=offered) as peer:
        source = Source(TOKEN)
        found = check(to(peer, source, security))
    assert peer.auth_lines == [used]
    assert peer.faults == []
    (auth,) = [step for step in found.steps if step.name == "auth"]
    assert auth.detail.startswith(f"{used}, token já obtido para {ANA}, até ")
    assert TOKEN not in repr(found)


def test_a_message_goes_out(oauth: OAuthPeer) -> None:
    with OAuthSmtpPeer(oauth) as peer:
        message = compose(from_address=ANA, to=["beto@exemplo.com.br"], subject="Oi", text="Olá")
        transport = transport_for(to(peer, Source(TOKEN)))
        transport.send(transport.prepare(message))
    assert len(peer.inbox) == 1


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_the_challenge_of_a_refusal_is_answered_and_read(oauth: OAuthPeer, mechanism: str) -> None:
    with OAuthSmtpPeer(oauth, mechanisms=(mechanism,), google=True) as peer:
        steps: list[Step] = []
        with pytest.raises(TransportError) as caught:
            transport_for(to(peer, Source("unknown", fresh=True))).check(steps.append)
    assert peer.faults == []
    assert caught.value.code == 535
    assert "status 401" in steps[-1].detail
    found = diagnose(caught.value, kind=Kind.SMTP)
    assert (found.code, found.field) == ("oauth_login_refused", "auth")


def test_a_refused_old_token_is_replaced_once_over_a_new_connection(oauth: OAuthPeer) -> None:
    with OAuthSmtpPeer(oauth) as peer:
        source = Source("ended", TOKEN)
        check(to(peer, source))
    assert source.asked == [False, True]
    assert peer.connections == 2
    with OAuthSmtpPeer(oauth) as peer:
        source = Source("ended", "ended too", "never asked for")
        with pytest.raises(TransportError):
            check(to(peer, source))
    assert len(peer.auth_lines) == 2


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("535 5.7.3 Authentication unsuccessful", "oauth_login_refused"),
        ("501 5.5.124 Invalid XOAUTH2 auth data", "oauth_login_refused"),
        (
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit "
                "https://aka.ms/smtp_auth_disabled for more information."
            ),
            "microsoft_smtp_auth_off",
        ),
        (
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
            "microsoft_smtp_auth_off",
        ),
        (
            "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy.",
            "oauth_security_defaults",
        ),
        (
            (
                "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated "
                "successfully. Contact your administrator."
            ),
            "oauth_conditional_access",
        ),
        ("454 4.7.0 Temporary authentication failure", "login_temporary"),
        ("430 4.2.0 STOREDRV; mailbox logon failure; failure to process message", "oauth_mailbox_right"),
    ],
)
def test_what_a_refusal_means(oauth: OAuthPeer, reply: str, code: str) -> None:
    with OAuthSmtpPeer(oauth, says=reply) as peer, pytest.raises(TransportError) as caught:
        check(to(peer, Source(TOKEN, fresh=True)))
    assert len(peer.auth_lines) == 1
    assert diagnose(caught.value, kind=Kind.SMTP).code == code


def test_never_in_clear_and_never_to_whom_nobody_verified(oauth: OAuthPeer) -> None:
    source = Source(TOKEN)
    with OAuthSmtpPeer(oauth) as peer:
        for unsafe in (
            replace(to(peer, source), security=Security.NONE),
            replace(to(peer, source), verify_certificate=False),
        ):
            with pytest.raises(TransportError) as caught:
                check(unsafe)
            assert caught.value.cause == "oauth_not_encrypted"
    assert source.asked == []
    assert peer.auth_lines == []


def test_a_token_is_never_shown_as_a_password(oauth: OAuthPeer) -> None:
    source = Source(TOKEN)
    with OAuthSmtpPeer(oauth, mechanisms=("PLAIN", "LOGIN")) as peer, pytest.raises(TransportError) as caught:
        check(to(peer, source))
    assert caught.value.cause == "oauth_not_offered"
    assert "PLAIN LOGIN" in caught.value.reply
    assert (source.asked, peer.auth_lines) == ([], [])


def test_a_server_that_repeats_the_token_is_not_repeated(oauth: OAuthPeer) -> None:
    with OAuthSmtpPeer(oauth, says=f"535 5.7.8 bad token {TOKEN}") as peer, pytest.raises(TransportError) as caught:
        check(to(peer, Source(TOKEN, fresh=True)))
    assert TOKEN not in caught.value.reply
    assert TOKEN not in str(caught.value)


def test_a_peer_that_ended_takes_no_connection_from_the_next(oauth: OAuthPeer) -> None:
    with OAuthSmtpPeer(oauth) as peer:
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((peer.host, peer.port), 5)
