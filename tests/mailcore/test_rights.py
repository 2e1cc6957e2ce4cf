"""What each role may do, in the library: every act is asked for its right where it is done, whoever asks."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from pydantic import SecretStr

import mailcore
from mailcore import Mailcore, frames
from mailcore.access.users import UserDraft
from mailcore.actor import Actor, computer_user, needs, right_of
from mailcore.batches.new_batch import NewBatch
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.errors import MailcoreError, NotAllowedError
from mailcore.oauth.apps import AppDraft
from mailcore.oauth.authorizing import Wanted
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from mailcore.rights import Right, Role, rights_of
from mailcore.settings import Settings
from mailcore.vocabulary import SendStatus
from tests.actors import ME
from ui.envios_file import to_csv

ROOT = Path(__file__).parents[2]

SEES = {
    *("Mailcore.all_servers", "Mailcore.attention", "Mailcore.days", "Mailcore.explain", "Mailcore.follow_up"),
    *(f"Mailcore.outcomes.by_{what}" for what in ("cause", "domain", "server", "week")),
    *("Mailcore.external_use", "quota.external_use.entries"),
    *("Mailcore.hours", "Mailcore.near_the_limit", "Mailcore.plan_import", "Mailcore.quotas"),
    *("Mailcore.read_external_use", "Mailcore.figures.accounts", "Mailcore.figures.latest", "Mailcore.figures.now"),
    *("Mailcore.figures.readings", "Mailcore.ledger.get", "Mailcore.ledger.search"),
    *("Mailcore.ledger.read_columns", "Mailcore.ledger.under_key", "Mailcore.used_shares", "Mailcore.servers.names"),
    *("Mailcore.servers.page_of", "Mailcore.servers.that_match", "quota.reports.used_shares"),
    *(
        f"frames.{name}"
        for name in ("external_use", "hours", "outcomes", "quotas", "sends", "sends_in_chunks", "servers", "usage")
    ),
    *("Mailcore.trail.read", "Mailcore.servers.default", "Mailcore.servers.get", "Mailcore.servers.heir"),
    *("Mailcore.servers.is_empty", "Mailcore.servers.name_for_copy", "Mailcore.servers.search"),
    *("Mailcore.servers.apps.all", "Mailcore.servers.apps.get", "Mailcore.servers.apps.consent_link"),
    *("Mailcore.access.users.helpers", "Mailcore.access.users.is_empty"),
    *("health.portfolio.active_servers", "health.portfolio.attention", "health.service_figures.read"),
    *("quota.holds.state_in", "quota.series.days", "quota.series.hours", "quota.reports.near_the_limit"),
    *("quota.reports.quotas", "registry.exchange.all_servers", "registry.exchange.plan_import"),
    *("registry.named_in_text.explain_of", "sending.delivery_status.follow_up"),
    *(f"Mailcore.batches.{name}" for name in ("find", "forecast", "get", "planned", "preview", "read_recipients")),
    *(f"Mailcore.batches.{name}" for name in ("recipients", "result", "sample_message")),
    *(f"batches.reading.{name}" for name in ("find", "get", "recipient", "recipients", "result")),
    *("batches.drafts.read_recipients", "Mailcore.suppressions.search"),
}
"""Acts that look and change nothing but what a service says of itself: every role has the right to see."""

DOOR = {
    *("Mailcore.access.doors", "Mailcore.access.enter_by_provider", "Mailcore.access.enter_by_proxy"),
    "Mailcore.access.change_password",
    *("Mailcore.suppressions.unsubscribe", "Mailcore.suppressions.unsubscriber"),
    *("Mailcore.access.link_is_good", "Mailcore.access.note_refusal", "Mailcore.access.set_password"),
    *("Mailcore.access.sign_in", "Mailcore.access.sign_out", "Mailcore.access.sessions.at_proxy"),
    *("Mailcore.access.sessions.get", "Mailcore.access.sessions.of_token", "Mailcore.access.sessions.used"),
}
"""What the door does for people who are nobody yet."""

INNER = {
    *("Mailcore.close", "Mailcore.tidy", "Mailcore.access.is_due", "Mailcore.access.tidy", "Mailcore.figures.close"),
    *("Mailcore.servers.accounts.identify", "Mailcore.servers.accounts.key_of", "Mailcore.servers.record_check"),
    "health.checks.note_result",
    *("registry.default_server.hand_on", "registry.default_server.make_way", "registry.rows.fill"),
    "registry.rows.touch",
    *(
        "Mailcore.servers.apps.client",
        "Mailcore.servers.tokens.keep_alive",
        "Mailcore.servers.tokens.keep_alive_until",
        "audit.note_application",
    ),
    *(f"Mailcore.servers.authorizing.{name}" for name in ("adopt_for", "forget_old", "hand_to")),
    *(f"Mailcore.servers.authorizing.{name}" for name in ("replace_token", "token_of")),
    *("Mailcore.servers.tokens.source_for", "Mailcore.servers.tokens.source_for_draft"),
    *("Mailcore.servers.secret", "Mailcore.servers.secret_for"),
    *("quota.usage.rename_account", "quota.usage.roll_up", "sending.abandoned.settle_abandoned"),
    *("quota.window_sums.every_slot", "quota.window_sums.window_sums"),
    *("sending.ledger.purge", "access.trail.read"),
    *("Mailcore.batches.close", "Mailcore.batches.consumer"),
    *(f"batches.drafts.{name}" for name in ("drop", "store_draft", "sweep_old", "sweep_unfinished")),
    *(f"batches.lifecycle.{name}" for name in ("cancel", "pause", "resume", "retry", "start")),
    *("batches.leases.clock", "batches.leases.recover", "batches.message.merge_message"),
    *(f"batches.pausing.{name}" for name in ("pause_for", "wake_due", "wake_freed")),
    *("batches.huey_queue.opened", "batches.suppressions.suppress"),
    *(f"audit.note_{what}" for what in ("batch", "changed", "created", "deleted", "lifted", "use_undone")),
}
"""Steps of other acts and the library's own housekeeping. The screen calls none of them: a test below."""

PARTS_OF_OTHERS = ("Mailcore.secrets.",)
"""The keyring, whose names are keyring's; what a person may do with it has a right of its own."""


def acts(core: Mailcore) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Everything public that does something to an installation: of the front door and its parts, and by function."""
    yield from _methods("Mailcore", core)
    for info in pkgutil.walk_packages(mailcore.__path__, "mailcore."):
        name = info.name.removeprefix("mailcore.")
        if name.partition(".")[0] in ("cli", "storage", "__main__"):
            continue
        module = import_module(info.name)
        for function_name, function in inspect.getmembers(module, inspect.isfunction):
            if function_name.startswith("_") or function.__module__ != info.name:
                continue
            parameters = inspect.signature(function).parameters
            kinds = {str(parameter.annotation) for parameter in parameters.values()}
            if kinds & {"Database", "Servers", "Mailcore"} or "actor" in parameters:
                yield f"{name}.{function_name}", function


def _methods(name: str, part: object) -> Iterator[tuple[str, Callable[..., Any]]]:
    for method_name, method in inspect.getmembers(type(part), inspect.isfunction):
        if not method_name.startswith("_"):
            yield f"{name}.{method_name}", method
    made_later = {
        attribute: getattr(part, attribute)
        for attribute, kept in vars(type(part)).items()
        if isinstance(kept, cached_property) and not attribute.startswith("_")
    }
    for attribute, value in (getattr(part, "__dict__", {}) | made_later).items():
        module = type(value).__module__
        if attribute.startswith("_") or not module.startswith("mailcore.") or isinstance(value, FunctionType):
            continue
        if not module.startswith(("mailcore.storage", "mailcore.settings")):
            yield from _methods(f"{name}.{attribute}", value)


def test_every_public_act_has_a_right(core: Mailcore) -> None:
    without = [
        name
        for name, act in acts(core)
        if right_of(act) is None and name not in SEES | DOOR | INNER and not name.startswith(PARTS_OF_OTHERS)
    ]
    assert without == [], "mark them with @needs(Right.…), or say above why everybody may"
    assert not [name for name, act in acts(core) if right_of(act) is not None and name in SEES | DOOR | INNER]


def test_what_takes_an_actor_asks_it(core: Mailcore) -> None:
    taking = [(name, act) for name, act in acts(core) if "actor" in inspect.signature(act).parameters]
    assert len(taking) > 20
    assert [name for name, act in taking if right_of(act) is None and name not in INNER] == []


def test_nothing_named_above_is_gone(core: Mailcore) -> None:
    assert {name for name, _ in acts(core)} >= SEES | DOOR | INNER


# Every role tries every act.


def server(core: Mailcore) -> Any:
    found = core.servers.search(ServerQuery()).servers
    return found[0] if found else core.servers.create(draft(), SecretStr("x" * 12), actor=ME).server


def draft(name: str = "Loja") -> ServerDraft:
    return ServerDraft(name=name, host="127.0.0.1", port=9, username="u", from_address="a@exemplo.com.br")


def app(core: Mailcore) -> Any:
    found = core.servers.apps.all()
    return found[0] if found else core.servers.apps.add(AppDraft("Entra", "microsoft", "1"), actor=ME)


def user(core: Mailcore) -> Any:
    found = core.access.users.everybody(actor=ME)
    return found[0] if found else core.access.users.add(UserDraft("bia@exemplo.com.br", Role.ANALYST), actor=ME)


def _message() -> Any:
    return mailcore.compose(from_address="a@exemplo.com.br", to=["b@exemplo.org"], subject="x", text="y")


def _import(core: Mailcore, actor: Actor) -> object:
    from mailcore.registry.exchange import apply_import, to_json

    plan = core.plan_import(to_json([server(core)], core.settings.zone).encode())
    return apply_import(core.servers, plan, actor=actor)


def _external(core: Mailcore, actor: Actor) -> object:
    from datetime import UTC, datetime

    from mailcore.quota.external_use import Entry

    return core.record_external_use([Entry(server(core), datetime.now(UTC), 1)], actor=actor)


def _undo(core: Mailcore, actor: Actor) -> object:
    _external(core, ME)
    return core.undo_external_use(core.external_use().entries[0].id, actor=actor)


def _settle(core: Mailcore, actor: Actor) -> object:
    return core.settle(core.reserve(server(core), 1), SendStatus.ACCEPTED, actor=actor)


TRIES: dict[str, tuple[Right, Callable[[Mailcore, Actor], object]]] = {
    "see servers": (Right.SEE, lambda core, _: core.servers.search(ServerQuery())),
    "see quotas": (Right.SEE, lambda core, _: core.quotas()),
    "see the ledger": (Right.SEE, lambda core, _: core.ledger.search(_ledger_query())),
    "explain an error": (Right.SEE, lambda core, _: core.explain("535 5.7.8 bad password")),
    "export": (Right.SEE, lambda core, _: core.all_servers()),
    "register": (Right.OPERATE, lambda core, who: core.servers.create(draft("Nova"), SecretStr("x"), actor=who)),
    "change": (Right.OPERATE, lambda core, who: core.servers.update(server(core), draft("Outra"), actor=who)),
    "test": (Right.OPERATE, lambda core, who: core.check(server(core), probe=False, actor=who)),
    "test all": (Right.OPERATE, lambda core, who: core.check_all(seconds=5, actor=who)),
    "test what is typed": (
        Right.OPERATE,
        lambda core, who: core.check_draft(draft(), SecretStr("x"), None, actor=who),
    ),
    "send": (Right.OPERATE, lambda core, who: core.send(server(core), _message(), actor=who)),
    "reserve": (Right.OPERATE, lambda core, who: core.reserve(server(core), 1, actor=who)),
    "settle": (Right.OPERATE, _settle),
    "lift a hold": (Right.OPERATE, lambda core, who: core.lift_hold(server(core), actor=who)),
    "use made elsewhere": (Right.OPERATE, _external),
    "undo use made elsewhere": (Right.OPERATE, _undo),
    "make active": (
        Right.OPERATE,
        lambda core, who: core.servers.set_active([server(core).id], is_active=False, actor=who),
    ),
    "delete many": (Right.DELETE_OR_BULK, lambda core, who: core.servers.delete_many([server(core).id], actor=who)),
    "delete": (Right.DELETE_OR_BULK, lambda core, who: core.servers.delete(server(core).id, actor=who)),
    "import": (Right.DELETE_OR_BULK, _import),
    "change many": (Right.DELETE_OR_BULK, lambda core, who: core.servers.apply([(None, draft("Z"))], actor=who)),
    "authorise": (
        Right.OPERATE,
        lambda core, who: core.servers.authorizing.begin(
            Wanted(app(core).id, "smtp.office365.com", "u@exemplo.com.br"), redirect="http://localhost/", actor=who
        ),
    ),
    "register an application": (
        Right.ADMINISTER,
        lambda core, who: core.servers.apps.add(AppDraft("Outro", "google", "2"), actor=who),
    ),
    "change an application": (
        Right.ADMINISTER,
        lambda core, who: core.servers.apps.edit(app(core).id, AppDraft("Novo", "microsoft", "1"), actor=who),
    ),
    "remove an application": (Right.ADMINISTER, lambda core, who: core.servers.apps.remove(app(core).id, actor=who)),
    "see users": (Right.ADMINISTER, lambda core, who: core.access.users.everybody(actor=who)),
    "see a user": (Right.ADMINISTER, lambda core, who: core.access.users.get(user(core).email, actor=who)),
    "add a user": (
        Right.ADMINISTER,
        lambda core, who: core.access.users.add(UserDraft("novo@exemplo.com.br", Role.ADMINISTRATOR), actor=who),
    ),
    "change a role": (
        Right.ADMINISTER,
        lambda core, who: core.access.users.edit(user(core), UserDraft("bia@exemplo.com.br", Role.SUPPORT), actor=who),
    ),
    "remove a user": (Right.ADMINISTER, lambda core, who: core.access.users.remove(user(core), actor=who)),
    "make a link": (Right.ADMINISTER, lambda core, who: core.access.users.make_link(user(core), actor=who)),
    "see sessions": (Right.ADMINISTER, lambda core, who: core.access.users.sessions(user(core), actor=who)),
    "end sessions": (Right.ADMINISTER, lambda core, who: core.access.users.end_sessions(user(core), actor=who)),
    "see who came in": (Right.ADMINISTER, lambda core, who: core.access.events(actor=who)),
    "make a batch": (Right.DELETE_OR_BULK, lambda core, who: batch(core, actor=who)),
    "start a batch": (Right.DELETE_OR_BULK, lambda core, who: core.batches.start(batch(core).id, actor=who)),
    "pause a batch": (Right.DELETE_OR_BULK, lambda core, who: core.batches.pause(running(core).id, actor=who)),
    "cancel a batch": (Right.DELETE_OR_BULK, lambda core, who: core.batches.cancel(batch(core).id, actor=who)),
    "suppress": (Right.OPERATE, lambda core, who: core.suppressions.add("c@exemplo.org", actor=who)),
    "rotate the keys": (Right.ADMINISTER, lambda core, who: core.secrets.database_keyring.rotate(actor=who)),
}


def batch(core: Mailcore, *, actor: Actor = ME) -> Any:
    new = NewBatch(server_id=server(core).id, recipients=RecipientsFile("b@exemplo.org"), subject="Oi", text="Oi")
    return core.batches.create(new, actor=actor)


def running(core: Mailcore) -> Any:
    return core.batches.start(batch(core).id, actor=ME)


def _ledger_query() -> Any:
    from mailcore.sending.ledger import LedgerQuery

    return LedgerQuery()


MAY = [(act, role) for act, (right, _) in TRIES.items() for role in Role if right in rights_of(role)]


@pytest.fixture
def sqlite_core(data_dir: Path) -> Iterator[Mailcore]:
    """A right is asked before the database is, so one kind of database will do."""
    core = Mailcore(Settings(data_dir=data_dir, keyring="database"))
    yield core
    core.close()


@pytest.mark.parametrize("role", Role)
def test_every_role_does_what_it_may(sqlite_core: Mailcore, role: Role) -> None:
    """One act after the other; each finds what it needs, or makes it."""
    core, done = sqlite_core, 0
    for act, (_, attempt) in TRIES.items():
        if (act, role) in MAY:
            server(core), user(core), app(core)
            try:
                attempt(core, Actor("Fulano", role, 4711))
            except MailcoreError as error:
                pytest.fail(f"{act}: {error}")
            done += 1
    assert done >= 5


@pytest.mark.parametrize("role", [role for role in Role if rights_of(role) != set(Right)])
def test_every_role_tries_every_act(core: Mailcore, role: Role) -> None:
    """What it may not do is refused, one act after the other, and leaves nothing behind."""
    server(core), user(core), app(core)
    tried = 0
    for act, (right, attempt) in TRIES.items():
        if (act, role) in MAY:
            continue
        before = _stored(core)
        with pytest.raises(NotAllowedError, match=r"^Seu papel não permite isto\. Quem pode: Administrador") as raised:
            attempt(core, Actor("Fulano", role, 4711))
        assert raised.value.right == right
        # "settle" reserves first, as the computer's user: what is refused is the settling.
        assert act == "settle" or _stored(core) == before, act
        tried += 1
    assert tried >= 10


def _stored(core: Mailcore) -> object:
    servers = [(each.id, each.version, each.last_check_state) for each in core.all_servers()]
    people = [(each.id, each.email, each.role, each.is_active) for each in core.access.users.everybody(actor=ME)]
    apps = [(each.id, each.name) for each in core.servers.apps.all()]
    return servers, people, apps, core.ledger.search(_ledger_query()).matching, core.access.events(actor=ME).matching


def test_the_table_of_rights() -> None:
    assert {role: sorted(rights_of(role)) for role in Role} == {
        Role.ADMINISTRATOR: ["administer", "delete_or_bulk", "operate", "see"],
        Role.SUPPORT: ["delete_or_bulk", "operate", "see"],
        Role.ANALYST: ["see"],
    }


def test_this_computers_user_and_a_program_that_names_nobody_may_everything(core: Mailcore) -> None:
    assert all(computer_user().may(right) for right in Right)
    sent = core.send(server(core), _message())
    assert sent.who == computer_user().name


def test_the_ledger_and_its_file_name_the_person(core: Mailcore) -> None:
    who = Actor("Bia Lima (bia@exemplo.com.br)", Role.SUPPORT, 7)
    sent = core.send(server(core), _message(), actor=who)
    reserved = core.reserve(server(core), 1, actor=who)
    assert {sent.who, reserved.who, core.ledger.get(sent.id).who} == {who.name}
    assert list(frames.sends(core)["who"]) == [who.name, who.name]
    lines = to_csv(core, _ledger_query()).decode("utf-8-sig").splitlines()
    assert lines[0].endswith(";Quem")
    assert all(line.endswith(who.name) for line in lines[1:])


def test_an_act_without_an_actor_cannot_be_marked_or_called() -> None:
    with pytest.raises(TypeError, match="actor"):
        needs(Right.SEE)(lambda: None)

    @needs(Right.SEE)
    def act(*, actor: Actor) -> str:
        return actor.name

    assert act(actor=Actor("Ana", Role.ANALYST)) == "Ana"
    with pytest.raises(TypeError, match="precisa de quem faz"):
        act()  # type: ignore[call-arg]


def test_the_sentence_is_an_error_of_ours() -> None:
    with pytest.raises(MailcoreError, match=r"Quem pode: Administrador ou Suporte\."):
        Actor("Ana", Role.ANALYST).must(Right.OPERATE)
    with pytest.raises(PermissionError, match=r"Quem pode: Administrador\."):
        Actor("Ana", Role.SUPPORT).must(Right.ADMINISTER)


# The screen.


def _calls(folder: Path) -> Iterator[tuple[str, str, ast.Call]]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                yield str(path.relative_to(ROOT)), name, node


def test_the_screen_says_who_acts_in_every_act_and_goes_round_none(core: Mailcore) -> None:
    """At the front door "who" may be left out, for programs: a page that forgot it would act with every right."""
    marked = {name.rpartition(".")[2] for name, act in acts(core) if right_of(act) is not None}
    # Names that other objects have too: a page's own functions and Streamlit's.
    marked -= {"get", "record", "update", "lift", "apply", "remove", "add", "edit", "sessions"}
    inner = {name.rpartition(".")[2] for name in INNER} - {"close", "read", "tidy", "purge", "fill"}
    # Of batches: other objects have these names too, and the app's own beginning starts the consumer.
    inner -= {"start", "pause", "resume", "cancel", "retry", "drop", "clock", "consumer"}
    silent, around = [], []
    for folder in (ROOT / "ui", ROOT / "pages"):
        for path, name, call in _calls(folder):
            if name in marked and isinstance(call.func, ast.Attribute) and not _is_not_ours(call):
                if "actor" not in {keyword.arg for keyword in call.keywords}:
                    silent.append(f"{path}:{call.lineno} {name}")
            elif name in inner and isinstance(call.func, ast.Attribute):
                around.append(f"{path}:{call.lineno} {name}")
    assert silent == []
    assert around == []


def _is_not_ours(call: ast.Call) -> bool:
    """Whether a call of that name goes to something else, as its written receiver shows."""
    receiver = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    return not receiver.startswith(("core", "self._keeper.core", "people", "library()"))
