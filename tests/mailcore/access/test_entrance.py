"""Coming in by password, by an identity provider and by a proxy; delays, and what the trail says of refusals."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from statistics import median
from time import thread_time

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from mailcore import Mailcore
from mailcore.access import throttle
from mailcore.access.doors import is_local_address, open_doors, refusal_to_start
from mailcore.access.entrance import Access, Identity
from mailcore.access.trail import REASONS, Visitor
from mailcore.access.users import UserDraft
from mailcore.errors import ConfigurationError, SignInRefusedError, StorageError, ValidationError
from mailcore.rights import Role
from mailcore.settings import Door, Settings, load_settings
from mailcore.storage.tables import AccessEvent, LoginSession, SignInTries, User
from tests.actors import ME
from tests.databases import on_one_database
from tests.tables import each_row

EMAIL = "ana@exemplo.com.br"
PASSWORD = SecretStr("uma frase que só a Ana diria")
WRONG = SecretStr("uma frase que ninguém diria")
HERE = Visitor("192.0.2.7", "Navegador de teste")


@pytest.fixture
def access(core: Mailcore) -> Access:
    core.access.users.add(UserDraft(EMAIL, Role.SUPPORT, "Ana"), PASSWORD, actor=ME)
    return core.access


def last_refusal(core: Mailcore) -> AccessEvent:
    with core.database.read() as session:
        newest = select(AccessEvent).where(AccessEvent.event == "refused").order_by(AccessEvent.id.desc()).limit(1)
        return session.scalars(newest).one()


def refused(access: Access, email: str, password: SecretStr, visitor: Visitor = HERE) -> SignInRefusedError:
    with pytest.raises(SignInRefusedError) as raised:
        access.sign_in(email, password, visitor)
    return raised.value


def test_the_right_pair_enters_and_the_trail_says_so(core: Mailcore, access: Access) -> None:
    token = access.sign_in(f" {EMAIL.upper()} ", PASSWORD, HERE)
    entered = access.sessions.of_token(token)
    assert entered is not None
    assert (entered.email, entered.role, entered.door) == (EMAIL, Role.SUPPORT, "accounts")
    (event, *_) = core.access.events(actor=ME).events
    assert (event.event, event.email, event.door, event.address) == ("entered", EMAIL, "accounts", HERE.address)


@on_one_database
@pytest.mark.parametrize("email", [EMAIL, "ninguem@exemplo.com.br", "isto não é um endereço", ""])
def test_a_wrong_pair_says_the_same_whoever_it_is(core: Mailcore, access: Access, email: str) -> None:
    assert str(refused(access, email, WRONG)) == "E-mail ou senha não conferem."
    # What was typed may have been a password: only a known user's address is kept.
    assert last_refusal(core).email == (EMAIL if email == EMAIL else "")


def test_one_changes_ones_own_password_and_every_other_session_ends(core: Mailcore, access: Access) -> None:
    mine, stolen = (access.sign_in(EMAIL, PASSWORD, HERE) for _ in range(2))
    link = access.users.make_link(access.users.get(EMAIL, actor=ME), actor=ME)
    entered = access.sessions.of_token(mine)
    assert entered is not None
    fresh = SecretStr("uma frase nova e bem comprida")
    for current, new, said in (
        (WRONG, fresh, "A senha atual não confere."),
        (SecretStr(""), fresh, "A senha atual não confere."),
        (PASSWORD, SecretStr("curta"), "Senha: use pelo menos 12 caracteres"),
        (PASSWORD, PASSWORD, "Senha: a nova é igual à atual"),
    ):
        with pytest.raises((SignInRefusedError, ValidationError)) as raised:
            access.change_password(entered, current, new, HERE)
        assert str(raised.value).startswith(said)
    assert last_refusal(core).reason == "wrong_current"
    assert access.sessions.of_token(stolen) is not None
    token = access.change_password(entered, PASSWORD, fresh, HERE)
    assert [access.sessions.of_token(each) is not None for each in (token, mine, stolen)] == [True, False, False]
    assert not access.link_is_good(link)
    assert str(refused(access, EMAIL, PASSWORD)) == "E-mail ou senha não conferem."
    assert access.sign_in(EMAIL, fresh, HERE)
    assert ("password_set", "Ana (ana@exemplo.com.br)") in [
        (each.event, each.by) for each in access.events(actor=ME).events
    ]


def test_guessing_the_current_password_with_a_stolen_cookie_is_slowed_down(access: Access) -> None:
    entered = access.sessions.of_token(access.sign_in(EMAIL, PASSWORD, HERE))
    assert entered is not None
    for number in range(throttle.FREE_TRIES_OF_ACCOUNT + 2):
        with pytest.raises(SignInRefusedError) as raised:
            access.change_password(entered, SecretStr(f"chute {number}"), WRONG, HERE)
    assert raised.value.reason == "throttled"


def test_who_is_inactive_or_has_no_password_gets_the_same_answer(core: Mailcore, access: Access) -> None:
    ana = access.users.get(EMAIL, actor=ME)
    access.users.edit(ana, UserDraft(EMAIL, Role.SUPPORT, is_active=False), actor=ME)
    access.users.add(UserDraft("bia@exemplo.com.br", Role.ANALYST), actor=ME)
    assert str(refused(access, EMAIL, PASSWORD)) == str(refused(access, "bia@exemplo.com.br", SecretStr("")))
    assert last_refusal(core).reason == "wrong_pair"


@pytest.mark.usefixtures("real_hashes")
def test_an_unknown_address_takes_as_long_and_both_less_than_half_a_second(access: Access) -> None:
    def seconds(email: str) -> float:
        times = []
        for number in range(4):
            begun = thread_time()
            refused(access, email, WRONG, Visitor(f"192.0.2.{number}"))
            times.append(thread_time() - begun)
        return median(times)

    known, unknown = seconds(EMAIL), seconds("ninguem@exemplo.com.br")
    assert max(known, unknown) < 0.5  # of the processor: what others do on this machine does not count
    assert 0.5 < known / unknown < 2


def test_each_wrong_try_at_an_account_makes_the_next_wait_longer(core: Mailcore, access: Access) -> None:
    waits = []
    for number in range(throttle.FREE_TRIES_OF_ACCOUNT + 4):
        error = refused(access, EMAIL, WRONG, Visitor(f"198.51.100.{number}"))  # from elsewhere each time
        waits.append(error.wait_seconds)
        if error.wait_seconds:
            assert error.reason == "throttled"
            with core.database.write() as session:  # the time passes
                session.execute(update(SignInTries).values(blocked_until=datetime.now(UTC)))
            refused(access, EMAIL, WRONG, Visitor(f"198.51.100.{number}"))
    found = [wait for wait in waits if wait]
    assert len(found) >= 3
    assert found == sorted(found)
    assert found[-1] > found[0]


def test_an_unknown_account_waits_like_a_known_one(access: Access) -> None:
    def tries_until_delayed(email: str) -> int:
        for number in range(50):
            if refused(access, email, WRONG, Visitor(f"198.51.100.{number}")).wait_seconds:
                return number
        raise AssertionError("never delayed")

    assert tries_until_delayed(EMAIL) == tries_until_delayed("ninguem@exemplo.com.br")


def test_the_right_password_waits_too_and_then_clears_the_account(core: Mailcore, access: Access) -> None:
    while not refused(access, EMAIL, WRONG).wait_seconds:
        pass
    assert refused(access, EMAIL, PASSWORD).reason == "throttled"
    with core.database.write() as session:
        session.execute(update(SignInTries).values(blocked_until=datetime.now(UTC)))
    assert access.sign_in(EMAIL, PASSWORD, HERE)
    assert refused(access, EMAIL, WRONG).reason == "wrong_pair"


def test_many_accounts_from_one_address_are_delayed(access: Access) -> None:
    reasons = [refused(access, f"p{number}@exemplo.com.br", WRONG).reason for number in range(23)]
    assert reasons.index("throttled") == throttle.FREE_TRIES_OF_ADDRESS
    # Everybody there waits; from elsewhere they do not.
    assert refused(access, EMAIL, PASSWORD).reason == "throttled"
    assert access.sign_in(EMAIL, PASSWORD, Visitor("203.0.113.9"))


def test_an_account_of_ones_own_wipes_out_no_tries_at_others(access: Access) -> None:
    for number in range(30):
        if refused(access, f"p{number}@exemplo.com.br", WRONG).reason == "throttled":
            break
        try:
            access.sign_in(EMAIL, PASSWORD, HERE)
        except SignInRefusedError:
            break  # delayed, as everybody at this address
    assert number < 25


def test_a_network_of_ipv6_is_one_address(access: Access) -> None:
    visitors = [Visitor(f"2001:db8:1:2::{number:x}") for number in range(1, 24)]
    reasons = [refused(access, f"p{n}@exemplo.com.br", WRONG, each).reason for n, each in enumerate(visitors)]
    assert "throttled" in reasons


def test_tries_at_once_are_all_counted(core: Mailcore, access: Access) -> None:
    start, reasons = threading.Barrier(12), []

    def guess() -> None:
        start.wait()
        reasons.append(refused(access, EMAIL, WRONG).reason)

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reasons.count("wrong_pair") <= throttle.FREE_TRIES_OF_ACCOUNT


def test_tries_are_forgotten_after_an_hour(core: Mailcore, access: Access) -> None:
    while not refused(access, EMAIL, WRONG).wait_seconds:
        pass
    with core.database.write() as session:
        session.execute(update(SignInTries).values(last_at=datetime.now(UTC) - timedelta(hours=1, seconds=1)))
    assert access.sign_in(EMAIL, PASSWORD, HERE)
    access.tidy(datetime.now(UTC) + timedelta(hours=2))
    with core.database.read() as session:
        assert session.scalars(select(SignInTries)).all() == []


def test_a_clock_set_back_locks_nobody_out_for_longer(core: Mailcore, access: Access) -> None:
    with core.database.write() as session:
        throttle.claim(session, EMAIL, HERE.address, datetime.now(UTC))
        session.execute(update(SignInTries).values(blocked_until=datetime.now(UTC) + timedelta(days=300)))
    assert refused(access, EMAIL, PASSWORD).wait_seconds <= throttle.LONGEST_WAIT.total_seconds()


def test_a_sign_in_ends_the_session_the_browser_had(access: Access) -> None:
    first = access.sign_in(EMAIL, PASSWORD, HERE)
    second = access.sign_in(EMAIL, PASSWORD, HERE, earlier=first)
    assert access.sessions.of_token(first) is None
    assert access.sessions.of_token(second) is not None


def test_a_token_chosen_by_somebody_else_is_never_taken_over(access: Access) -> None:
    planted = "plantado-por-outra-pessoa"
    token = access.sign_in(EMAIL, PASSWORD, HERE, earlier=planted)
    assert token != planted
    assert access.sessions.of_token(planted) is None


def test_while_the_database_is_locked_nobody_is_let_in(
    core: Mailcore, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked() -> object:
        raise StorageError("O banco de dados está ocupado com outra gravação.")

    monkeypatch.setattr(core.database, "write", locked)
    with pytest.raises(StorageError, match="ocupado"):
        access.sign_in(EMAIL, PASSWORD, HERE)
    monkeypatch.undo()
    with core.database.read() as session:
        assert session.scalars(select(LoginSession)).all() == []
    assert access.sign_in(EMAIL, PASSWORD, HERE)


def test_a_password_changed_while_it_is_looked_at_lets_nobody_in(
    core: Mailcore, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailcore.access import entrance

    def fits_and_is_changed(kept: str, password: SecretStr) -> bool:
        with core.database.write() as session:
            session.execute(update(User).values(password_hash="changed"))
        return True

    monkeypatch.setattr(entrance, "verify", fits_and_is_changed)
    monkeypatch.setattr(entrance, "is_outdated", lambda _: False)
    assert refused(access, EMAIL, PASSWORD).reason == "wrong_pair"


def test_signing_out_ends_the_session(core: Mailcore, access: Access) -> None:
    token = access.sign_in(EMAIL, PASSWORD, HERE)
    entered = access.sessions.of_token(token)
    assert entered is not None
    access.sign_out(entered, HERE)
    assert access.sessions.of_token(token) is None
    assert core.access.events(actor=ME).events[0].event == "left"


# OpenID Connect: whom the provider vouches for.


def by_provider(settings: Settings, **changes: object) -> Access:
    core = Mailcore(settings.model_copy(update={"login": "oidc", **changes}))
    core.access.users.add(UserDraft(EMAIL, Role.SUPPORT, "Ana"), actor=ME)
    return core.access


def test_a_registered_person_enters_in_their_role(settings: Settings) -> None:
    access = by_provider(settings)
    token = access.enter_by_provider(Identity("google", EMAIL.upper(), True, "Outro nome"), HERE)
    entered = access.sessions.of_token(token)
    assert entered is not None
    assert (entered.email, entered.role, entered.door, entered.name) == (EMAIL, Role.SUPPORT, "oidc", "Ana")


@on_one_database
@pytest.mark.parametrize(
    ("identity", "changes", "reason"),
    [
        (Identity("g", EMAIL, False), {}, "email_unverified"),
        (Identity("g", EMAIL, None), {}, "email_unverified"),
        (Identity("g", EMAIL, False), {"oidc_trust_email": True}, "email_unverified"),
        (Identity("g", "", True), {}, "email_missing"),
        (Identity("g", "bia@exemplo.com.br", True), {}, "not_registered"),
        (Identity("g", "bia@exemplo.com.br", True), {"oidc_domains": "outra.com.br"}, "domain_not_listed"),
        (Identity("g", "bia@mau-exemplo.com.br", True), {"oidc_domains": "exemplo.com.br"}, "domain_not_listed"),
        (Identity("g", "bia@exemplo.com.br.mau.com", True), {"oidc_domains": "exemplo.com.br"}, "domain_not_listed"),
        (Identity("g", "bia@\u212aexemplo.com.br", True), {"oidc_domains": "kexemplo.com.br"}, "not_registered"),
    ],
)
def test_anybody_else_is_refused_with_one_sentence_and_told_apart_in_the_trail(
    settings: Settings, identity: Identity, changes: dict[str, object], reason: str
) -> None:
    access = by_provider(settings, **changes)
    with pytest.raises(SignInRefusedError) as raised:
        access.enter_by_provider(identity, HERE)
    assert str(raised.value) == ("Não foi possível entrar com esta conta. Fale com quem administra este programa.")
    assert raised.value.reason == reason
    assert reason in REASONS
    newest = access.events(actor=ME).events[0]
    assert (newest.event, newest.door, newest.reason, newest.email) == ("refused", "oidc", reason, identity.email)


def test_a_provider_that_never_says_it_can_be_trusted_by_a_setting(settings: Settings) -> None:
    access = by_provider(settings, oidc_trust_email=True)
    assert access.enter_by_provider(Identity("entra", EMAIL, None), HERE)


def test_a_listed_domain_enters_unregistered_and_only_while_it_is_listed(settings: Settings) -> None:
    access = by_provider(settings, oidc_domains="Exemplo.com.br, outra.com.br")
    bia = Identity("google", "Bia@exemplo.com.br", True, "Bia Lima")
    token = access.enter_by_provider(bia, HERE)
    entered = access.sessions.of_token(token)
    assert entered is not None
    assert (entered.name, entered.role) == ("Bia Lima", Role.ANALYST)
    assert not access.users.get(bia.email, actor=ME).is_registered
    other = Mailcore(settings.model_copy(update={"login": "oidc", "oidc_domains": "outra.com.br"})).access
    with pytest.raises(SignInRefusedError):
        other.enter_by_provider(bia, HERE)


def test_who_came_by_domain_can_be_made_inactive_or_be_given_a_role(settings: Settings) -> None:
    access = by_provider(settings, oidc_domains="exemplo.com.br")
    bia = Identity("google", "bia@exemplo.com.br", True)
    token = access.enter_by_provider(bia, HERE)
    user = access.users.get(bia.email, actor=ME)
    user = access.users.edit(user, UserDraft(bia.email, Role.SUPPORT), actor=ME)
    assert user.is_registered
    assert access.sessions.of_token(token) is None
    access.users.edit(user, UserDraft(bia.email, Role.SUPPORT, is_active=False), actor=ME)
    with pytest.raises(SignInRefusedError) as raised:
        access.enter_by_provider(bia, HERE)
    assert raised.value.reason == "inactive"


def test_two_first_entries_at_once_make_one_user(settings: Settings) -> None:
    access = by_provider(settings, oidc_domains="exemplo.com.br")
    start, tokens = threading.Barrier(4), []

    def enter() -> None:
        start.wait()
        tokens.append(access.enter_by_provider(Identity("g", "bia@exemplo.com.br", True), HERE))

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 4
    assert len(access.users.everybody(actor=ME)) == 2


# A proxy.


def test_the_proxy_names_a_registered_user(access: Access) -> None:
    entered = access.enter_by_proxy(EMAIL.upper(), HERE)
    again = access.enter_by_proxy(EMAIL, HERE)
    assert (entered.email, entered.door) == (EMAIL, "proxy")
    assert again.session_id == entered.session_id
    assert access.enter_by_proxy(EMAIL, Visitor("192.0.2.8", "Outro")).session_id != entered.session_id
    with pytest.raises(SignInRefusedError):
        access.enter_by_proxy("bia@exemplo.com.br", HERE)


# Doors and starting.


@each_row(
    ("login", "has_users", "is_local", "doors"),
    [
        ("auto", False, True, {Door.NONE}),
        ("auto", True, True, {Door.ACCOUNTS}),
        ("auto", False, False, {Door.ACCOUNTS}),
        ("auto", True, False, {Door.ACCOUNTS}),
        ("none", True, True, {Door.NONE}),
        ("accounts, oidc", False, True, {Door.ACCOUNTS, Door.OIDC}),
    ],
)
def test_which_doors_stand_open(login: str, has_users: bool, is_local: bool, doors: set[Door]) -> None:
    assert open_doors(Settings(login=login), has_users=has_users, is_local=is_local) == doors


def test_a_first_user_closes_the_open_house_for_good(core: Mailcore) -> None:
    assert core.access.doors(is_local=True) == {Door.NONE}
    user = core.access.users.add(UserDraft(EMAIL, Role.ADMINISTRATOR), actor=ME)
    assert core.access.doors(is_local=True) == {Door.ACCOUNTS}
    core.access.users.remove(user, actor=ME)
    assert core.access.doors(is_local=True) == {Door.ACCOUNTS}


SECRET = "segredo-do-proxy-1234"


@each_row(
    ("changes", "address", "has_users", "starts"),
    [
        ({}, "127.0.0.1", False, True),
        ({}, "::1", False, True),
        ({}, "localhost", False, True),
        ({}, "0.0.0.0", False, False),
        ({}, "", False, False),
        ({}, "::", False, False),
        ({}, "192.168.0.5", False, False),
        ({}, "no.such.name.example", False, False),
        ({}, "0.0.0.0", True, True),
        ({"login": "none"}, "0.0.0.0", True, False),
        ({"login": "none"}, "127.0.0.1", True, True),
        ({"login": "accounts"}, "0.0.0.0", False, False),
        ({"login": "oidc"}, "0.0.0.0", False, False),
        ({"login": "oidc", "oidc_domains": "exemplo.com.br"}, "0.0.0.0", False, True),
        ({"login": "accounts", "oidc_domains": "exemplo.com.br"}, "0.0.0.0", False, False),
        ({"login": "proxy", "proxy_secret": SECRET}, "0.0.0.0", False, False),
        ({"login": "proxy", "proxy_secret": SECRET}, "0.0.0.0", True, True),
    ],
)
def test_an_open_house_does_not_start(changes: dict[str, str], address: str, has_users: bool, starts: bool) -> None:
    sentence = refusal_to_start(Settings(**changes), address, has_users=has_users)
    assert (sentence == "") == starts
    assert starts or "users add" in sentence


def test_a_mapped_address_is_local() -> None:
    assert is_local_address("::ffff:127.0.0.1")
    assert is_local_address("[::1]")
    assert not is_local_address("::ffff:192.0.2.1")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("MAILCORE_LOGIN", "porta", "MAILCORE_LOGIN: use auto"),
        ("MAILCORE_LOGIN", "none,accounts", "none deixa entrar sem login"),
        ("MAILCORE_LOGIN", "proxy", "MAILCORE_PROXY_SECRET"),
        ("MAILCORE_PROXY_SECRET", "curto", "pelo menos 16"),
        ("MAILCORE_PROXY_ADDRESSES", "aqui", "endereços IP ou redes"),
        ("MAILCORE_OIDC_ROLE", "chefe", "MAILCORE_OIDC_ROLE"),
    ],
)
def test_a_wrong_setting_is_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert sentence in str(raised.value)
    assert name == "MAILCORE_LOGIN" or value not in str(raised.value)


def test_nobody_writes_a_line_of_the_log(access: Access, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    hostile = "x\naccess: signed_in email=chefe@exemplo.com.br \x1b[2K\u202e\ud800"
    visitor = Visitor(hostile, hostile)
    identity = Identity("https://a.example", hostile, is_verified=True, name=hostile)
    for act in (
        lambda: access.enter_by_provider(identity, visitor),
        lambda: access.sign_in(hostile, SecretStr(hostile), visitor),
        lambda: access.enter_by_proxy(hostile, visitor),
    ):
        with pytest.raises(SignInRefusedError):
            act()
    assert len(caplog.messages) == 3
    assert all(line.isprintable() and line.startswith("access: refused ") for line in caplog.messages)
