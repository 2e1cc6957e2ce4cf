"""The ledger: what is found, exported, followed up and dropped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from mailcore import Mailcore
from mailcore.errors import NotFoundError
from mailcore.messages.compose import OutgoingMessage, compose
from mailcore.registry.drafts import ServerDraft
from mailcore.sending.delivery_status import can_follow, failure_text, failures_of
from mailcore.sending.ledger import LedgerQuery, purge
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer, Send
from mailcore.vocabulary import Kind, SendStatus
from tests.actors import ME
from tests.databases import first_row_on_both
from tests.peers.elastic_server import Answer, ElasticPeer
from tests.peers.smtp_server import SmtpPeer

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
USER = "ana@exemplo.com.br"


def add(core: Mailcore, **values: Any) -> int:
    """A row of the ledger as an earlier day would have left it."""
    with core.database.write() as session:
        count = session.scalar(select(func.count()).select_from(Send)) or 0
        row = Send(
            **{
                "idempotency_key": f"chave-{count}",
                "server_id": 1,
                "server_name": "Padaria",
                "status": SendStatus.ACCEPTED,
                "units": 1,
                "recipients": "bia@outro.example",
                "message_id": f"<{count}@exemplo.com.br>",
                "at": NOW,
            }
            | values
        )
        session.add(row)
        session.flush()
        return row.id


def ids(core: Mailcore, **conditions: Any) -> list[int]:
    return [send.id for send in core.ledger.search(LedgerQuery(**conditions)).sends]


def message(*to: str) -> OutgoingMessage:
    return compose(from_address=USER, to=list(to) or ["cliente@outro.example"], subject="Teste", text="Corpo secreto")


# ---------------------------------------------------------------------- finding


def test_each_filter_and_all_together(core: Mailcore) -> None:
    first = add(
        core, at=NOW - timedelta(days=2), status=SendStatus.REFUSED, recipients="Bia@Outro.example\nc@c.example"
    )
    second = add(core, server_id=2, server_name="Açougue 100%", at=NOW - timedelta(days=1))
    third = add(core, status=SendStatus.STARTED)
    fourth = add(core, status=SendStatus.UNCERTAIN, at=NOW + timedelta(seconds=1))
    assert ids(core) == [fourth, third, second, first]
    assert ids(core, server_id=2) == [second]
    assert ids(core, server_name="100%") == [second]
    assert ids(core, since=NOW) == [fourth, third]
    assert ids(core, until=NOW) == [second, first]
    assert ids(core, status=SendStatus.REFUSED) == [first]
    assert ids(core, status=SendStatus.UNCERTAIN) == [fourth, third]
    assert ids(core, recipient="c@C.ex") == [first]
    assert ids(core, recipient="bia@outro\0") == [fourth, third, second, first]
    assert ids(core, recipient="%") == []
    assert ids(core, server_id=1, since=NOW, status=SendStatus.UNCERTAIN, recipient="outro") == [fourth, third]


def test_pages(core: Mailcore) -> None:
    rows = [add(core, at=NOW - timedelta(minutes=number)) for number in range(5)]
    page = core.ledger.search(LedgerQuery(page=2, page_size=2))
    assert ([send.id for send in page.sends], page.matching, page.number) == (rows[2:4], 5, 2)
    past_the_end = core.ledger.search(LedgerQuery(page=9, page_size=2))
    assert ([send.id for send in past_the_end.sends], past_the_end.number) == (rows[4:], 3)
    nothing = core.ledger.search(LedgerQuery(recipient="ninguém"))
    assert (nothing.sends, nothing.matching, nothing.number) == ([], 0, 1)


def test_a_row_that_is_gone_says_why(core: Mailcore) -> None:
    with pytest.raises(NotFoundError, match="prazo de guarda"):
        core.ledger.get(17)


# ---------------------------------------------------------------------- retention


def test_purge_drops_what_is_old_but_never_what_is_under_way(core: Mailcore) -> None:
    old = NOW - timedelta(days=31)
    add(core, at=old)
    add(core, at=old, status=SendStatus.UNCERTAIN)
    running = add(core, at=old, status=SendStatus.STARTED)
    kept = add(core, at=NOW - timedelta(days=29))
    assert purge(core.database, 0, now=NOW) == 0
    assert purge(core.database, 30, now=NOW) == 2
    assert ids(core) == [kept, running]
    assert purge(core.database, 30, now=NOW) == 0


def test_old_rows_go_at_the_next_start(open_core: Any) -> None:
    first = open_core()
    add(first, at=datetime.now(UTC) - timedelta(days=first.settings.retention_days + 1))
    recent = add(first, at=datetime.now(UTC))
    assert ids(open_core()) == [recent]


# ---------------------------------------------------------------------- following up


@pytest.fixture
def elastic() -> Iterator[ElasticPeer]:
    with ElasticPeer() as peer:
        yield peer


@pytest.fixture
def settings(settings: Settings, elastic: ElasticPeer) -> Settings:
    return settings.model_copy(update={"elastic_email_url": elastic.url})


def registered(core: Mailcore, **changes: Any) -> MailServer:
    draft = ServerDraft(name="Padaria", from_address=USER, **({"security": "none", "requires_auth": False} | changes))
    secret = SecretStr("CHAVE-DE-TESTE") if draft.kind is Kind.ELASTIC_EMAIL else None
    return core.servers.create(draft, secret, actor=ME).server


def at_service(core: Mailcore) -> MailServer:
    return registered(core, kind=Kind.ELASTIC_EMAIL)


def test_what_became_of_a_message_at_the_service_is_kept(core: Mailcore, elastic: ElasticPeer) -> None:
    elastic.failures["nao@existe.example"] = {"Category": "NoMailbox", "Error": "no such user", "ErrorCode": 550}
    server = at_service(core)
    sent = core.send(server, message("bia@outro.example", "nao@existe.example"))
    assert can_follow(sent, server.kind)
    assert (sent.followed_at, failures_of(sent)) == (None, [])
    followed = core.follow_up(sent.id)
    assert followed.diagnosis is None
    stored = core.ledger.get(sent.id)
    assert (stored.status, stored.follow_state) == (SendStatus.ACCEPTED, "complete")
    assert stored.followed_at is not None
    (failed,) = failures_of(stored)
    assert (failed.address, failed.category, failed.code, failed.reply) == (
        "nao@existe.example",
        "NoMailbox",
        550,
        "no such user",
    )
    assert len(elastic.inbox) == 1


@first_row_on_both(
    ("answer", "code"),
    [
        (Answer(404, {"Error": "Not found"}), "not_found_at_service"),
        (Answer(400, {"Error": "Access Denied."}), "api_access"),
        (Answer(502, "<html>Bad gateway</html>"), "service_trouble"),
        (Answer(200, {"Status": 3}), "unreadable_answer"),
    ],
)
def test_a_service_that_does_not_tell_is_explained_and_nothing_is_kept(
    core: Mailcore, elastic: ElasticPeer, answer: Answer, code: str
) -> None:
    sent = core.send(at_service(core), message())
    elastic.script[f"/v4/emails/{sent.provider_id}/status"] = answer
    followed = core.follow_up(sent.id)
    assert followed.diagnosis is not None
    assert followed.diagnosis.code == code
    assert "CHAVE-DE-TESTE" not in repr(followed.diagnosis)
    assert core.ledger.get(sent.id).followed_at is None


def test_odd_members_of_an_answer_do_no_harm(core: Mailcore, elastic: ElasticPeer) -> None:
    sent = core.send(at_service(core), message())
    elastic.script[f"/v4/emails/{sent.provider_id}/status"] = Answer(
        200, {"Status": "In_Progress", "RecipientsCount": None, "Failed": [7, {"Address": None, "ErrorCode": "x"}]}
    )
    followed = core.follow_up(sent.id)
    assert followed.send.follow_state == "in_progress"
    assert [(each.address, each.code) for each in failures_of(followed.send)] == [("", 0)]


def test_a_send_by_smtp_cannot_be_followed(core: Mailcore) -> None:
    with SmtpPeer() as peer:
        server = registered(core, host=peer.host, port=peer.port)
        sent = core.send(server, message())
    assert not can_follow(sent, server.kind)
    with pytest.raises(ValueError, match="cannot be followed"):
        core.follow_up(sent.id)


def test_every_category_of_the_service_has_words_of_its_own() -> None:
    # Elastic Email's published API description, MessageCategory, 2026-11.
    names = ["Spam", "BlackListed", "NoMailbox", "GreyListed", "Throttled", "Timeout", "ConnectionProblem"]
    names += ["SPFProblem", "AccountProblem", "DNSProblem", "NotDeliveredCancelled", "CodeError", "ManualCancel"]
    names += ["ConnectionTerminated"]
    texts = [failure_text(name) for name in names]
    assert len(set(texts)) == len(names)
    assert failure_text("Novo") == failure_text("CodeError")
