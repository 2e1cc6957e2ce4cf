"""The invariants of the design, one section each, on SQLite and on PostgreSQL."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import select

from mailcore import Mailcore
from mailcore.access.trail import Visitor
from mailcore.access.users import UserDraft
from mailcore.errors import (
    ConflictError,
    MailcoreError,
    RecordGoneError,
    SecretError,
    SignInRefusedError,
    StorageError,
    ValidationError,
)
from mailcore.messages.compose import OutgoingMessage, compose
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.registry.search import ServerQuery
from mailcore.rights import Role
from mailcore.settings import Settings
from mailcore.storage.tables import Base, MailServer, SecretJournal, Send, StoredSecret
from mailcore.vocabulary import CheckState, Kind, Security
from tests import forked
from tests.actors import ME
from tests.databases import first_row_on_both
from tests.peers.certificates import authority_pem, server_context
from tests.peers.smtp_server import Drop, Say, SmtpPeer, Stall

SECRET = "Segredo-Único-4471"
USER = "ana@exemplo.com.br"


class Crash(BaseException):
    """The process dies here: nothing that would tidy up afterwards may count on running."""


@pytest.fixture
def peer() -> Iterator[SmtpPeer]:
    with SmtpPeer(security="starttls", tls=server_context(), users={USER: SECRET}) as running:
        yield running


def draft(name: str = "Padaria", **changes: Any) -> ServerDraft:
    values = {"host": "smtp.exemplo.com.br", "port": 587, "username": USER, "from_address": USER}
    return ServerDraft(name=name, **(values | changes))


def register(core: Mailcore, name: str = "Padaria", **changes: Any) -> MailServer:
    return core.servers.create(draft(name, **changes), SecretStr(SECRET), actor=ME).server


def at_peer(core: Mailcore, peer: SmtpPeer, **changes: Any) -> MailServer:
    return register(core, host=peer.host, port=peer.port, ca_pem=authority_pem(), **changes)


def message(to: str = "cliente@outro.example") -> OutgoingMessage:
    return compose(from_address=USER, to=[to], subject="Teste", text="Olá")


def rows(core: Mailcore, table: Any) -> list[Any]:
    with core.database.read() as session:
        return list(session.scalars(select(table)))


# 1. A password lives in the keyring backend and in the transport's hands, nowhere else.


def test_1_no_byte_of_the_database_no_log_and_no_repr_has_the_secret(
    core: Mailcore, peer: SmtpPeer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = at_peer(core, peer)
    assert core.check(server).ok
    assert core.send(server, message()).status == "accepted"
    secret = core.servers.secret(server)
    assert secret is not None
    assert secret.get_secret_value() == SECRET
    shown = [repr(secret), repr(core.secrets.database_keyring), repr(draft_of(server)), caplog.text]
    for each in (*shown, *everything_stored(core)):
        assert SECRET not in each
        assert SECRET.encode().decode("latin-1") not in each


def everything_stored(core: Mailcore, *, but: str = "") -> list[str]:
    """Every row of every table there is, and of a SQLite file every byte too.

    Args:
        but: a column, as ``table.column``, that is left out; the bytes of the file are then, too.
    """
    stored = []
    with core.database.read() as session:
        for table in Base.metadata.sorted_tables:
            columns = [column for column in table.columns if f"{table.name}.{column.name}" != but]
            stored += [repr(row) for row in session.execute(select(*columns))]
    assert len(Base.metadata.sorted_tables) > 15
    if core.database.file and not but:
        core.database.dispose()
        stored += [path.read_bytes().decode("latin-1") for path in core.database.file.parent.iterdir()]
    return stored


def test_1_no_password_of_a_person_no_cookie_and_no_link_is_kept_or_logged(
    core: Mailcore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first, second = "Frase-Única-da-Ana-4471", "Frase-Nova-da-Ana-8812"
    here, access = Visitor("192.0.2.7", "Navegador"), core.access
    ana = access.users.add(UserDraft(USER, Role.SUPPORT, "Ana"), SecretStr(first), actor=ME)
    links = [access.users.make_link(ana, actor=ME) for _ in range(2)]
    with pytest.raises(SignInRefusedError):
        access.sign_in(USER, SecretStr(second), here)
    with pytest.raises(SignInRefusedError):
        access.sign_in(first, SecretStr(USER), here)  # typed into the wrong field
    tokens = [access.sign_in(USER, SecretStr(first), here) for _ in range(2)]
    entered = access.sessions.of_token(tokens[1])
    assert entered is not None
    tokens.append(access.change_password(entered, SecretStr(first), SecretStr(second), here))
    links.append(access.users.make_link(access.users.get(USER, actor=ME), actor=ME))
    events, user = access.events(actor=ME).events, access.users.get(USER, actor=ME)
    shown = [caplog.text, repr(entered), repr(user), repr(events), repr(access.users.sessions(user, actor=ME))]
    for each in (*shown, *everything_stored(core)):
        for secret in (first, second, *tokens, *links):
            assert secret not in each
            assert secret.encode().decode("latin-1") not in each
    # The hash stands in its one column.
    assert user.password_hash.startswith("$argon2id$")
    for each in (*shown, *everything_stored(core, but="app_user.password_hash")):
        assert user.password_hash not in each


def test_1_no_error_repeats_the_secret(core: Mailcore, peer: SmtpPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    server = at_peer(core, peer)
    peer.script["AUTH"] = Say(f"535 5.7.8 {SECRET} is wrong")
    result = core.check(server)
    assert not result.ok
    assert SECRET not in repr(result)
    monkeypatch.setattr(core.secrets.database_keyring, "set_password", lambda *_: 1 / 0)
    with pytest.raises(SecretError) as raised:
        register(core, "Outra")
    assert SECRET not in "".join(traceback.format_exception(raised.value))


# 2. An empty password keeps the stored one; another host, port, security or user asks for it again.


def test_2_an_empty_password_keeps_the_stored_one(core: Mailcore) -> None:
    server = register(core)
    saved = core.servers.update(server, replace(draft_of(server), from_name="Padaria São João"), actor=ME).server
    assert core.servers.secret(saved) == SecretStr(SECRET)
    assert saved.secret_ref == server.secret_ref


@first_row_on_both(
    "change",
    [
        {"host": "smtp.outro.example"},
        {"port": 465},
        {"security": Security.SSL_TLS},
        {"username": "outra@exemplo.com.br"},
        {"kind": Kind.ELASTIC_EMAIL},
    ],
    ids=lambda change: next(iter(change)),
)
def test_2_a_stored_secret_never_goes_elsewhere(core: Mailcore, change: dict[str, Any]) -> None:
    server = register(core)
    changed = replace(draft_of(server), **change)
    with pytest.raises(ValidationError) as saving:
        core.servers.update(server, changed, actor=ME)
    assert [error.field for error in saving.value.errors] == ["secret"]
    with pytest.raises(ValidationError) as testing:
        core.check_draft(changed, None, server)
    assert [error.field for error in testing.value.errors] == ["secret"]
    assert core.servers.get(server.id).version == server.version
    saved = core.servers.update(server, changed, SecretStr("nova"), actor=ME).server
    assert core.servers.secret(saved) == SecretStr("nova")


# 3. A ledger row is committed before the first byte of a message leaves; its outcome is told truly.


def test_3_the_row_is_there_before_the_first_byte(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    seen: list[str] = []

    def look(step: Any) -> None:
        seen.extend(row.status for row in rows(core, Send))

    core.send(server, message(), on_step=look)
    assert set(seen) == {"started"}
    assert [row.status for row in rows(core, Send)] == ["accepted"]


@first_row_on_both(
    ("moment", "action", "status"),
    [
        ("GREETING", Drop(), "failed"),
        ("AUTH", Say("535 5.7.8 no"), "refused"),
        ("RCPT", Say("550 5.1.1 nobody"), "refused"),
        ("DATA", Drop(), "failed"),
        (".", Drop(), "uncertain"),
        (".", Say("554 5.7.1 spam"), "refused"),
    ],
)
def test_3_the_outcome_is_what_is_known(core: Mailcore, peer: SmtpPeer, moment: str, action: Any, status: str) -> None:
    peer.script[moment] = action
    sent = core.send(at_peer(core, peer), message())
    assert sent.status == status
    assert sent.diagnosis
    assert [row.status for row in rows(core, Send)] == [status]


def _send_and_tell(settings: Settings, number: int, tells: Connection) -> None:
    core = Mailcore(settings)
    message = compose(from_address=USER, to=["cliente@outro.example"], text="x")
    core.send(core.servers.get(number), message, on_step=lambda step: tells.send(step.name))


def test_3_a_process_killed_mid_send_is_uncertain_at_the_next_start_and_not_resent(
    settings: Settings, open_core: Callable[[], Mailcore], peer: SmtpPeer
) -> None:
    core = open_core()
    server = at_peer(core, peer)
    peer.script["."] = Stall()
    hears, tells = forked.context.Pipe(duplex=False)
    process = forked.make(_send_and_tell, (settings, server.id, tells))
    process.start()
    tells.close()
    while hears.recv() != "data":
        pass
    process.kill()
    process.join()
    assert [row.status for row in rows(core, Send)] == ["started"]
    del peer.script["."]
    again = open_core()
    assert [row.status for row in rows(again, Send)] == ["uncertain"]
    assert peer.inbox == []


# 4 comes with the quotas.

# 5. One click is one message.


@pytest.mark.parametrize("answer", ["250 2.0.0 ok", "554 5.7.1 spam", None], ids=["accepted", "refused", "uncertain"])
def test_5_the_same_key_returns_the_first_outcome(core: Mailcore, peer: SmtpPeer, answer: str | None) -> None:
    server = at_peer(core, peer)
    if answer is None:
        peer.script["."] = [Drop()]
    elif not answer.startswith("250"):
        peer.script["."] = [Say(answer)]
    first = core.send(server, message(), idempotency_key="nota-1")
    taken = len(peer.inbox)
    second = core.send(server, message(), idempotency_key="nota-1")
    assert (second.id, second.status, second.reply) == (first.id, first.status, first.reply)
    assert len(peer.inbox) == taken <= 1


def test_5_only_a_failed_send_is_tried_anew_in_its_own_row(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    peer.script["DATA"] = [Drop()]
    first = core.send(server, message(), idempotency_key="nota-1")
    assert first.status == "failed"
    second = core.send(server, message(), idempotency_key="nota-1")
    assert (second.id, second.status) == (first.id, "accepted")
    assert len(peer.inbox) == len(rows(core, Send)) == 1


def test_5_a_double_click_is_one_message(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    start = threading.Barrier(4)

    def click() -> None:
        start.wait()
        core.send(server, message(), idempotency_key="clique")

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(peer.inbox) == len(rows(core, Send)) == 1


def test_5_our_own_rules_contact_nobody(core: Mailcore, peer: SmtpPeer) -> None:
    inactive = at_peer(core, peer, name="Inativo", is_active=False)
    own = at_peer(core, peer, name="Próprio")
    for server, to in ((inactive, "cliente@outro.example"), (own, USER.upper())):
        sent = core.send(server, message(to))
        assert (sent.status, bool(sent.diagnosis)) == ("rejected_by_rule", True)
    assert peer.inbox == []


# 6. A record edited by two people.


def test_6_the_second_save_is_told_who_changed_what(core: Mailcore) -> None:
    mine = register(core)
    theirs = core.servers.get(mine.id)
    saved = core.servers.update(
        theirs, replace(draft_of(theirs), reply_to="sac@exemplo.com.br", notes="dela"), actor=ME
    ).server
    with pytest.raises(ConflictError) as raised:
        core.servers.update(mine, replace(draft_of(mine), from_name="meu"), actor=ME)
    conflict = raised.value
    assert {change.field: change.after for change in conflict.changes} == {
        "reply_to": "sac@exemplo.com.br",
        "notes": "dela",
    }
    assert (conflict.who, conflict.when, conflict.version) == (saved.updated_by, saved.updated_at, saved.version)
    assert core.servers.get(mine.id).from_name == ""
    kept = core.servers.update(core.servers.get(mine.id), replace(draft_of(mine), from_name="meu"), actor=ME).server
    assert (kept.from_name, kept.reply_to) == ("meu", "")


def test_6_a_record_that_is_gone_is_said_to_be(core: Mailcore) -> None:
    mine = register(core)
    core.servers.delete(mine.id, actor=ME)
    with pytest.raises(RecordGoneError):
        core.servers.update(mine, draft_of(mine), actor=ME)
    with pytest.raises(RecordGoneError):
        core.servers.delete(mine.id, actor=ME)


def test_6_a_check_is_no_edit(core: Mailcore) -> None:
    mine = register(core)
    core.servers.record_check(mine, CheckState.OK, None)
    checked = core.servers.update(mine, replace(draft_of(mine), from_name="meu"), actor=ME).server
    assert checked.last_check_state is CheckState.OK
    moved = core.servers.update(checked, replace(draft_of(checked), from_address="b@exemplo.com.br"), actor=ME).server
    assert moved.last_check_state is CheckState.NEVER
    core.servers.record_check(checked, CheckState.FAILED, "auth")  # of a state that is no more
    assert core.servers.get(mine.id).last_check_state is CheckState.NEVER


# 7. A record and its secret are created, changed and deleted together.


def assert_whole(core: Mailcore) -> None:
    """Every record has its secret, and there is no secret without a record."""
    servers = rows(core, MailServer)
    assert all(core.servers.secret(server) is not None for server in servers if server.secret_ref)
    assert len(rows(core, StoredSecret)) == sum(1 for server in servers if server.secret_ref)
    assert rows(core, SecretJournal) == []


@pytest.mark.parametrize("moment", ["set_password", "adopt", "drop"])
@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_7_a_crash_leaves_no_half(
    open_core: Callable[[], Mailcore], monkeypatch: pytest.MonkeyPatch, moment: str, action: str
) -> None:
    core = open_core()
    server = register(core)
    crashed = False

    def crash(*_: object) -> None:
        nonlocal crashed
        crashed = True
        raise Crash

    with monkeypatch.context() as dying:
        if moment == "set_password":
            dying.setattr(core.secrets.database_keyring, "set_password", crash)
        else:
            dying.setattr(core.secrets, moment, crash)
        dying.setattr(core.secrets, "drop", crash)  # a dead process tidies nothing up
        try:
            if action == "create":
                register(core, "Nova")
            elif action == "update":
                core.servers.update(server, draft_of(server), SecretStr("nova"), actor=ME)
            else:
                core.servers.delete(server.id, actor=ME)
        except Crash:
            pass
    assert crashed or (action, moment) in {("create", "drop"), ("delete", "set_password"), ("delete", "adopt")}
    again = open_core()
    assert_whole(again)
    if action == "update":
        kept = "nova" if moment == "drop" else SECRET
        assert again.servers.secret(again.servers.get(server.id)) == SecretStr(kept)


def test_7_changes_and_deletes_leave_nothing_behind(core: Mailcore) -> None:
    server = register(core)
    server = core.servers.update(server, draft_of(server), SecretStr("nova"), actor=ME).server
    assert_whole(core)
    server = core.servers.update(server, draft_of(server), remove_secret=True, actor=ME).server
    assert server.secret_ref is None
    assert_whole(core)
    core.servers.update(server, draft_of(server), SecretStr("outra"), actor=ME)
    core.servers.delete(server.id, actor=ME)
    assert rows(core, StoredSecret) == []
    assert_whole(core)


def test_7_a_sweep_during_a_save_costs_nothing(core: Mailcore, monkeypatch: pytest.MonkeyPatch) -> None:
    real, swept = core.secrets.adopt, []

    def adopt(session: Any, ref: str) -> None:
        if not swept:
            swept.append(ref)
            raise SecretError("a sweep took it")
        real(session, ref)

    monkeypatch.setattr(core.secrets, "adopt", adopt)
    server = register(core)
    assert core.servers.secret(server) == SecretStr(SECRET)
    assert_whole(core)


def test_7_what_a_sweep_claimed_is_nobodys(core: Mailcore) -> None:
    ref = core.secrets.put(SecretStr("x"))
    with core.database.write() as session:
        session.get_one(SecretJournal, ref).condemned = True
    with pytest.raises(SecretError), core.database.write() as session:
        core.secrets.adopt(session, ref)
    assert core.secrets.sweep() == 1
    assert_whole(core)


def test_7_a_refused_save_leaves_no_secret(core: Mailcore) -> None:
    register(core)
    with pytest.raises(ValidationError):
        register(core, " padaria ")
    assert_whole(core)


# Keys: a wrong or missing one is a sentence, never another secret.


def test_a_missing_key_is_a_sentence_and_no_new_key_is_made(
    open_core: Callable[[], Mailcore], settings: Settings
) -> None:
    server = register(open_core())
    key_file = settings.data_dir / "secret.key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    key_file.unlink()
    again = open_core()
    with pytest.raises(SecretError, match="não foi encontrada"):
        again.servers.secret(server)
    assert not key_file.exists()


@pytest.mark.parametrize("key", [Fernet.generate_key().decode(), "isto não é uma chave"], ids=["another", "none"])
def test_a_wrong_key_is_a_sentence(open_core: Callable[[], Mailcore], settings: Settings, key: str) -> None:
    server = register(open_core())
    (settings.data_dir / "secret.key").write_text(key)
    with pytest.raises(SecretError) as raised:
        open_core().servers.secret(server)
    assert key not in str(raised.value)


def test_a_ciphertext_in_another_row_opens_nothing(core: Mailcore) -> None:
    one, other = register(core), core.servers.create(draft("Outra"), SecretStr("outra"), actor=ME).server
    with core.database.write() as session:
        first, second = session.scalars(select(StoredSecret)).all()
        first.ciphertext, second.ciphertext = second.ciphertext, first.ciphertext
    for server in (one, other):
        with pytest.raises(SecretError):
            core.servers.secret(server)


def test_rotation_moves_every_secret_to_the_first_key(settings: Settings) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))

    def opened(*keys: str) -> Mailcore:
        return Mailcore(settings.model_copy(update={"secret_keys": SecretStr(",".join(keys))}))

    server = register(opened(old))
    both = opened(new, old)
    assert both.secrets.database_keyring.rotate(actor=ME) == 1
    assert opened(new).servers.secret(server) == SecretStr(SECRET)
    with pytest.raises(SecretError):
        opened(old).servers.secret(server)


# The registry.


def test_a_description_is_unique_whatever_its_accents_and_case(core: Mailcore) -> None:
    register(core, "Padaria São João")
    with pytest.raises(ValidationError) as raised:
        register(core, "  PADARIA  sao joao ")
    assert [error.field for error in raised.value.errors] == ["name"]


def test_two_people_registering_the_same_description_get_one_record(core: Mailcore) -> None:
    start, errors = threading.Barrier(2), []

    def create() -> None:
        start.wait()
        try:
            register(core, "Corrida")
        except (ValidationError, StorageError) as error:
            errors.append(error)

    threads = [threading.Thread(target=create) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert core.servers.search(ServerQuery(text="corrida")).matching == len(errors) == 1
    assert_whole(core)


def test_there_is_one_default_and_it_is_handed_on(core: Mailcore) -> None:
    first = register(core, "Um", is_default=True)
    register(core, "Inativo", is_active=False)
    last = register(core, "Dois", is_default=True)
    stored = core.servers.get(first.id)
    assert (stored.is_default, stored.version) == (False, first.version + 1)
    heir = core.servers.heir(last)
    assert heir is not None
    deleted = core.servers.delete(last.id, actor=ME)
    assert deleted.new_default is not None
    assert deleted.new_default.id == heir.id == first.id
    default = core.servers.default()
    assert default is not None
    assert default.id == first.id
    assert core.servers.delete(first.id, actor=ME).new_default is None


def test_ids_are_never_used_again(core: Mailcore) -> None:
    first = register(core)
    core.servers.delete(first.id, actor=ME)
    assert register(core).id > first.id


def test_a_record_without_its_password_can_still_be_edited(core: Mailcore) -> None:
    server = register(core, "Sem chave", kind=Kind.ELASTIC_EMAIL)
    server = core.servers.update(server, draft_of(server), remove_secret=True, actor=ME).server
    assert core.servers.update(server, replace(draft_of(server), notes="x"), actor=ME).server.notes == "x"
    plain = core.servers.create(draft("Sem login", requires_auth=False, username=""), actor=ME).server
    with pytest.raises(ValidationError, match="Senha"):
        core.servers.update(plain, replace(draft_of(plain), requires_auth=True, username="u"), actor=ME)


def test_every_error_is_ours(core: Mailcore) -> None:
    with pytest.raises(MailcoreError):
        core.servers.get(4711)
