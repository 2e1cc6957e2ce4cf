"""Origin = destination, and what a send says of it and of recipients the server would not take."""

from __future__ import annotations

from mailcore import Mailcore
from mailcore.messages.compose import compose
from mailcore.registry.drafts import ServerDraft
from mailcore.sending.same_address import own_recipients
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import SameAddress, Security
from tests.actors import ME
from tests.peers.smtp_server import Say, SmtpPeer
from tests.tables import each_row


@each_row(
    ("sender", "login", "recipient", "own"),
    [
        ("ana@exemplo.com.br", "", "ANA@Exemplo.com.br", True),
        ("ana@exemplo.com.br", "", "ana+nota@exemplo.com.br", True),
        ("a.na@gmail.com", "", "an.a@googlemail.com", True),
        ("outra@exemplo.com.br", "ana@exemplo.com.br", "ana@exemplo.com.br", True),
        ("ana@são.com.br", "", "ana@xn--so-sia.com.br", True),
        ("a.na@exemplo.com.br", "", "ana@exemplo.com.br", False),
        ("ana@exemplo.com.br", "ana", "cliente@exemplo.com.br", False),
    ],
)
@each_row("where", ["to", "cc", "bcc"])
def test_the_same_mailbox_is_known_under_any_spelling(
    sender: str, login: str, recipient: str, own: bool, where: str
) -> None:
    others = {"to": ["cliente@outro.example"]} if where != "to" else {}
    message = compose(from_address=sender, text="x", **({where: [recipient]} | others))
    server = MailServer(from_address=sender, username=login)
    assert bool(own_recipients(server, message)) is own


def test_a_warning_lets_it_through_and_a_refused_recipient_is_named(core: Mailcore) -> None:
    with SmtpPeer() as peer:
        draft = ServerDraft(
            name="Avisa",
            host=peer.host,
            port=peer.port,
            security=Security.NONE,
            requires_auth=False,
            from_address="ana@exemplo.com.br",
            same_address=SameAddress.WARN,
        )
        server = core.servers.create(draft, actor=ME).server
        peer.script["RCPT"] = [None, Say("550 5.1.1 nobody here")]
        to = ["ana@exemplo.com.br", "ninguem@outro.example"]
        sent = core.send(server, compose(from_address="ana@exemplo.com.br", to=to, text="x"))
        assert (sent.status, sent.units) == ("accepted", 1)
        own, refused = sent.warnings.splitlines()
        assert "ana@exemplo.com.br" in own
        assert "ninguem@outro.example" in refused
        assert [received.recipients for received in peer.inbox] == [["ana@exemplo.com.br"]]
