"""Who is registered, their passwords and links, and what ends their sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from mailcore import Mailcore
from mailcore.access import passwords, sessions
from mailcore.access.trail import Visitor
from mailcore.access.users import UserDraft, draft_of
from mailcore.actor import Actor
from mailcore.errors import NotFoundError, SignInRefusedError, ValidationError
from mailcore.rights import Right, Role
from mailcore.storage.tables import AccessEvent, LoginSession, PasswordLink, User
from tests.actors import ME
from tests.databases import first_row_on_both, on_one_database
from tests.tables import each_row

PASSWORD = SecretStr("uma frase que só a Ana diria")
OTHER = SecretStr("outra frase bem diferente dela")
HERE = Visitor("192.0.2.7", "Navegador de teste")


def add(core: Mailcore, email: str = "ana@exemplo.com.br", role: Role = Role.ADMINISTRATOR) -> User:
    return core.access.users.add(UserDraft(email, role, "Ana Souza"), PASSWORD, actor=ME)


def events(core: Mailcore) -> list[tuple[str, str, str]]:
    with core.database.read() as session:
        return [(row.event, row.email, row.reason) for row in session.scalars(select(AccessEvent))]


def test_a_person_is_found_however_the_address_is_written(core: Mailcore) -> None:
    add(core, "Ana@Exemplo.com.br")
    assert core.access.users.get(" ANA@exemplo.COM.BR ", actor=ME).name == "Ana Souza"
    with pytest.raises(ValidationError, match="já há um usuário"):
        add(core, "ana@EXEMPLO.com.br")


@each_row("email", ["", "ana", "ana@", "ana@exemplo", "joão@exemplo.com.br", "a b@exemplo.com.br"])
def test_what_is_no_address_is_told_so(core: Mailcore, email: str) -> None:
    with pytest.raises(ValidationError) as raised:
        add(core, email)
    assert [error.field for error in raised.value.errors] == ["email"]
    assert core.access.users.is_empty()


@each_row(
    "password",
    [
        "curta",
        "onze letras",
        "senha1234567",
        "Senha1234567",
        "qwerty123456",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "123456789012",
        "abcdefghijkl",
        "ana@exemplo.com.br",
        "administrador",
        "x" * 257,
    ],
)
def test_a_password_that_is_guessed_first_is_refused(core: Mailcore, password: str) -> None:
    with pytest.raises(ValidationError) as raised:
        core.access.users.add(UserDraft("ana@exemplo.com.br", Role.SUPPORT), SecretStr(password), actor=ME)
    assert [error.field for error in raised.value.errors] == ["password"]
    assert password not in str(raised.value)


@on_one_database
@pytest.mark.parametrize("password", ["frase de doze", "correto cavalo bateria", "Ç~ü-ßé-漢字-çõ-x", "Tr0ub4dor&3-xyz"])
def test_a_password_of_twelve_characters_will_do(core: Mailcore, password: str) -> None:
    core.access.users.add(UserDraft("ana@exemplo.com.br", Role.SUPPORT), SecretStr(password), actor=ME)
    assert core.access.sign_in("ana@exemplo.com.br", SecretStr(password), HERE)


@pytest.mark.usefixtures("real_hashes")
def test_the_hash_is_argon2id_and_the_password_stands_nowhere(core: Mailcore) -> None:
    user = add(core)
    assert user.password_hash.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert PASSWORD.get_secret_value() not in user.password_hash


@pytest.mark.usefixtures("real_hashes")
def test_an_older_hash_is_made_anew_at_the_next_sign_in(core: Mailcore) -> None:
    from argon2 import PasswordHasher

    user = add(core)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD.get_secret_value())
    with core.database.write() as session:
        session.execute(update(User).where(User.id == user.id).values(password_hash=weak))
    core.access.sign_in(user.email, PASSWORD, HERE)
    stored = core.access.users.get(user.email, actor=ME)
    assert stored.password_hash != weak
    assert not passwords.is_outdated(stored.password_hash)


@first_row_on_both(
    "change",
    [{"role": Role.SUPPORT}, {"is_active": False}, {"password": OTHER}, {"remove": True}, {"end": True}],
    ids=lambda change: next(iter(change)),
)
def test_what_ends_a_session_ends_it_at_once(core: Mailcore, change: dict[str, object]) -> None:
    user = add(core)
    token = core.access.sign_in(user.email, PASSWORD, HERE)
    entered = core.access.sessions.of_token(token)
    assert entered is not None
    if "remove" in change:
        core.access.users.remove(user, actor=ME)
    elif "end" in change:
        assert core.access.users.end_sessions(user, actor=ME) == 1
    elif "password" in change:
        core.access.users.edit(user, draft_of(user), OTHER, actor=ME)
    else:
        core.access.users.edit(user, replace(draft_of(user), **change), actor=ME)
    assert core.access.sessions.of_token(token) is None
    assert core.access.sessions.get(entered.session_id) is None


def test_another_name_ends_no_session(core: Mailcore) -> None:
    user = add(core)
    token = core.access.sign_in(user.email, PASSWORD, HERE)
    core.access.users.edit(user, replace(draft_of(user), name="Ana S."), actor=ME)
    entered = core.access.sessions.of_token(token)
    assert entered is not None
    assert entered.actor == Actor("Ana S. (ana@exemplo.com.br)", Role.ADMINISTRATOR, user.id)


@first_row_on_both(
    ("column", "ago", "is_over"),
    [
        ("last_seen_at", timedelta(hours=11, minutes=59), False),
        ("last_seen_at", timedelta(hours=12, minutes=1), True),
        ("created_at", timedelta(days=6, hours=23), False),
        ("created_at", timedelta(days=7, minutes=1), True),
    ],
)
def test_a_session_ends_by_itself(core: Mailcore, column: str, ago: timedelta, is_over: bool) -> None:
    user = add(core)
    token = core.access.sign_in(user.email, PASSWORD, HERE)
    with core.database.write() as session:
        session.execute(update(LoginSession).values({column: datetime.now(UTC) - ago}))
    assert (core.access.sessions.of_token(token) is None) == is_over
    core.access.tidy(datetime.now(UTC))
    with core.database.read() as session:
        assert (session.scalar(select(LoginSession)) is None) == is_over


def test_use_keeps_a_session(core: Mailcore) -> None:
    user = add(core)
    token = core.access.sign_in(user.email, PASSWORD, HERE)
    entered = core.access.sessions.of_token(token)
    assert entered is not None
    later = datetime.now(UTC) + timedelta(hours=5)
    core.access.sessions.used(entered, later)
    again = core.access.sessions.of_token(token)
    assert again is not None
    assert abs(again.last_seen_at - later) < timedelta(seconds=1)
    assert core.access.users.get(user.email, actor=ME).last_seen_at == again.last_seen_at


def test_only_the_hash_of_a_token_is_kept_and_it_opens_nothing(core: Mailcore) -> None:
    user = add(core)
    token = core.access.sign_in(user.email, PASSWORD, HERE)
    (row,) = core.access.users.sessions(user, actor=ME)
    assert (row.door, row.address, row.user_agent) == ("accounts", HERE.address, HERE.user_agent)
    assert token not in repr(vars(row))
    assert core.access.sessions.of_token(row.token_hash) is None


def test_a_link_is_used_once_and_ends_the_sessions(core: Mailcore) -> None:
    user = add(core)
    token = core.access.sign_in(user.email, PASSWORD, HERE)
    link = core.access.users.make_link(user, actor=ME)
    assert core.access.link_is_good(link)
    assert core.access.link_is_good(link)  # looking, as a mail scanner does, does not use it up
    with pytest.raises(ValidationError):
        core.access.set_password(link, SecretStr("curta"), HERE)
    core.access.set_password(link, OTHER, HERE)
    assert core.access.sessions.of_token(token) is None
    assert core.access.sign_in(user.email, OTHER, HERE)
    with pytest.raises(SignInRefusedError) as raised:
        core.access.set_password(link, PASSWORD, HERE)
    assert raised.value.reason == "bad_link"
    assert not core.access.link_is_good(link)


def test_a_link_ends_after_a_day_with_a_newer_one_and_with_its_user(core: Mailcore) -> None:
    user = add(core)
    first = core.access.users.make_link(user, actor=ME)
    second = core.access.users.make_link(user, actor=ME)
    assert not core.access.link_is_good(first)
    with core.database.write() as session:
        session.execute(update(PasswordLink).values(ends_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert not core.access.link_is_good(second)
    with pytest.raises(SignInRefusedError):
        core.access.set_password(second, OTHER, HERE)
    third = core.access.users.make_link(user, actor=ME)
    core.access.users.remove(user, actor=ME)
    assert not core.access.link_is_good(third)
    with core.database.read() as session:
        assert [row.token_hash for row in session.scalars(select(PasswordLink))] == []


def test_who_is_signed_in_cannot_take_away_the_last_administrator(core: Mailcore) -> None:
    ana = add(core)
    bia = add(core, "bia@exemplo.com.br", Role.SUPPORT)
    by_ana = Actor("Ana", Role.ADMINISTRATOR, ana.id)
    for draft in (replace(draft_of(ana), role=Role.SUPPORT), replace(draft_of(ana), is_active=False)):
        with pytest.raises(ValidationError, match="último administrador"):
            core.access.users.edit(ana, draft, actor=by_ana)
    with pytest.raises(ValidationError, match="último administrador"):
        core.access.users.remove(ana, actor=by_ana)
    core.access.users.edit(bia, replace(draft_of(bia), role=Role.ADMINISTRATOR), actor=by_ana)
    core.access.users.remove(ana, actor=by_ana)
    core.access.users.remove(bia, actor=ME)  # the command line needs nobody to let it in
    assert core.access.users.is_empty()


def test_who_is_gone_is_said_to_be(core: Mailcore) -> None:
    user = add(core)
    core.access.users.remove(user, actor=ME)
    for act in (core.access.users.remove, core.access.users.make_link):
        with pytest.raises(NotFoundError, match="apagado"):
            act(user, actor=ME)
    with pytest.raises(NotFoundError, match=r"Não há usuário"):
        core.access.users.get(user.email, actor=ME)


def test_who_can_help_is_named(core: Mailcore) -> None:
    add(core)
    bia = add(core, "bia@exemplo.com.br", Role.SUPPORT)
    assert len(core.access.users.helpers(Right.OPERATE)) == 2
    assert core.access.users.helpers(Right.ADMINISTER) == ["Ana Souza (ana@exemplo.com.br)"]
    core.access.users.edit(bia, replace(draft_of(bia), is_active=False), actor=ME)
    assert len(core.access.users.helpers(Right.OPERATE)) == 1


def test_the_trail_names_who_did_what_and_forgets_after_ninety_days(core: Mailcore) -> None:
    user = add(core)
    core.access.users.edit(user, replace(draft_of(user), role=Role.SUPPORT), actor=ME)
    page = core.access.events(actor=ME)
    assert [(row.event, row.email, row.by, row.reason) for row in page.events] == [
        ("user_changed", user.email, ME.name, "support"),
        ("user_added", user.email, ME.name, "admin"),
    ]
    with core.database.write() as session:
        newest = page.events[0].id
        old = datetime.now(UTC) - timedelta(days=91)
        session.execute(update(AccessEvent).where(AccessEvent.id == newest).values(at=old))
    core.access.tidy(datetime.now(UTC))
    assert [event for event, _, _ in events(core)] == ["user_added"]


def test_a_token_is_long_and_random(core: Mailcore) -> None:
    user = add(core)
    tokens = {core.access.sign_in(user.email, PASSWORD, HERE) for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) >= 43 for token in tokens)  # 256 bits
    assert sessions.token_hash(tokens.pop()) not in tokens
