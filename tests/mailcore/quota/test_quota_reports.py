"""What the analysts see equals a count over the raw ledger; use made elsewhere; a service's own figures."""

from __future__ import annotations

import importlib.util
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from mailcore import Mailcore
from mailcore.audit import value_of
from mailcore.errors import HeldError, NotFoundError, ValidationError
from mailcore.health.service_figures import FiguresCache
from mailcore.quota.external_use import Entry, read_csv, record, template_csv
from mailcore.quota.reports import QuotaQuery, near_the_limit, quotas, runs_out_at
from mailcore.quota.rules import Quota
from mailcore.quota.series import days, hours
from mailcore.quota.usage import rename_account, roll_up
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.sending import housekeeping
from mailcore.sending.ledger import LedgerQuery
from mailcore.sending.reservation import Reservations, SendOutcome, SendRequest
from mailcore.settings import Settings
from mailcore.storage.tables import Change, ExternalUse, MailServer, Send, Usage
from mailcore.vocabulary import Kind, LimitUnit, LimitWindow, QuotaState, Security, SendStatus
from tests.actors import ME
from tests.databases import on_one_database
from tests.peers.elastic_server import Answer, ElasticPeer
from tests.peers.smtp_server import Say, SmtpPeer

ZONE = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 11, 23, 17, 2, 30, 250_000, tzinfo=UTC)
KEY = "CHAVE-DE-TESTE"


def register(core: Mailcore, name: str, login: str = "", **changes: Any) -> MailServer:
    draft = ServerDraft(
        name=name,
        host="smtp.exemplo.com.br",
        username=login or f"{name}@exemplo.com.br",
        from_address="a@exemplo.com.br",
        **changes,
    )
    return core.servers.create(draft, SecretStr("senha"), actor=ME).server


def sent(
    core: Mailcore, server: MailServer, units: int, at: datetime, status: str = "accepted", taken: int | None = None
) -> Send:
    key = f"{server.id}-{at.isoformat()}-{random.random()}"
    reservations = Reservations(core.database, core.quota_settings)
    row = reservations.reserve(SendRequest(server, key, unnamed=units), now=at).send
    if status == "started" or row.status is SendStatus.REJECTED_BY_RULE:
        return row
    return reservations.settle(row, SendOutcome(status=SendStatus(status), taken=taken), now=at)


def of(core: Mailcore, server: MailServer, now: datetime = NOW, *, every_slot: bool = True) -> Quota:
    query = QuotaQuery(server_id=server.id, every_slot=every_slot)
    (found,) = quotas(core.database, core.quota_settings, query, now=now)
    return found


def naive(core: Mailcore, key: str, since: datetime, *, by_messages: bool = False) -> int:
    """An independent count: every raw row after ``since``, one by one."""
    with core.database.read() as session:
        rows = session.scalars(select(Send).where(Send.account_key == key)).all()
        external = session.scalars(select(ExternalUse).where(ExternalUse.account_key == key)).all()
    counted = [row for row in rows if row.counted and row.at > since]
    own = len(counted) if by_messages else sum(row.counted for row in counted)
    return own + sum(each.units for each in external if each.at > since)


def test_every_figure_equals_a_count_over_the_raw_ledger(core: Mailcore) -> None:
    chance = random.Random(20261123)
    servers = [
        register(core, "Uma", daily_limit=900),
        register(core, "Outra", login="uma@exemplo.com.br"),
        register(core, "Mensagens", daily_limit=400, limit_unit=LimitUnit.MESSAGES),
        register(core, "Civil", daily_limit=500, limit_window=LimitWindow.CALENDAR_DAY),
        register(core, "Sem limite"),
    ]
    outcomes = ["accepted", "accepted", "accepted", "failed", "refused", "uncertain", "started"]
    for _ in range(400):
        at = NOW - timedelta(seconds=chance.uniform(0, 3 * 86_400))
        server, status = chance.choice(servers), chance.choice(outcomes)
        taken = 1 if status == "accepted" and chance.random() < 0.2 else None
        sent(core, server, chance.randint(1, 9), at, status, taken)
    record(core.database, core.quota_settings, [Entry(servers[0], NOW - timedelta(hours=3), 17)], now=NOW, actor=ME)
    found = quotas(core.database, core.quota_settings, now=NOW)
    assert len(found) == 4
    midnight = datetime(2026, 11, 23, tzinfo=ZONE) - timedelta(microseconds=1)
    for quota in found:
        name = quota.servers[0].name
        since = midnight if name == "Civil" else NOW - timedelta(hours=24)
        expected = naive(core, quota.account_key, since, by_messages=name == "Mensagens")
        assert (name, quota.used) == (name, expected)
        alone = of(core, quota.servers[0])
        assert (alone.used, sum(each.units for each in alone.frees)) == (expected, expected)
        assert quota.frees[0] == alone.frees[0]
    shared = next(each for each in found if len(each.servers) == 2)
    assert ({server.name for server in shared.servers}, shared.limit, shared.external) == ({"Uma", "Outra"}, 900, 17)

    by_day: dict[tuple[Any, int], int] = defaultdict(int)
    by_hour: dict[tuple[Any, int], int] = defaultdict(int)
    with core.database.read() as session:
        for row in session.scalars(select(Send).where(Send.counted > 0)):
            local = row.at.astimezone(ZONE)
            by_day[local.date(), row.server_id] += row.counted
            by_hour[local.date(), local.hour] += row.counted
    by_hour[(NOW - timedelta(hours=3)).astimezone(ZONE).date(), 11] += 17
    used = days(core.database, ZONE, now=NOW)
    assert {(each.day, each.server_id): each.recipients for each in used if each.recipients} == dict(by_day)
    assert sum(each.external for each in used) == 17
    assert {key: units for key, units in hours(core.database, ZONE, now=NOW).items() if units} == dict(by_hour)


def test_one_record_of_an_account_gives_the_figures_of_all(core: Mailcore) -> None:
    shared = "conta@exemplo.com.br"
    register(core, "Aberta", login=shared)
    tight = register(core, "Zelosa", login=shared, daily_limit=10)
    register(core, "Larga", login=shared, daily_limit=90, limit_unit=LimitUnit.MESSAGES)
    register(core, "Igual", login=shared, daily_limit=10, limit_unit=LimitUnit.MESSAGES)
    register(core, "Sem, por mensagens", login="sem@exemplo.com.br", limit_unit=LimitUnit.MESSAGES)
    first = register(core, "Sem", login="sem@exemplo.com.br")
    for server in (tight, first):
        sent(core, server, 4, NOW - timedelta(hours=2))
    every = quotas(core.database, core.quota_settings, now=NOW)
    keys = [quota.account_key for quota in every]
    alone = {
        quota.account_key: quota
        for quota in quotas(core.database, core.quota_settings, QuotaQuery(account_keys=keys, one_record=True), now=NOW)
    }
    assert {quota.account_key: quota.own for quota in every} == {key: quota.own for key, quota in alone.items()}
    found = [[server.id for server in quota.servers] for quota in alone.values()]
    assert sorted(found) == [[tight.id], [first.id]]
    assert {quota.used for quota in alone.values()} == {4}


def test_what_frees_when(core: Mailcore) -> None:
    server = register(core, "Uma", daily_limit=10)
    first = NOW - timedelta(hours=23)
    sent(core, server, 4, first)
    sent(core, server, 5, NOW - timedelta(hours=1))
    one = of(core, server)
    assert [(each.at, each.units) for each in one.frees] == [
        (first + timedelta(hours=24), 4),
        (NOW + timedelta(hours=23), 5),
    ]
    assert (one.used, one.remaining, one.state) == (9, 1, QuotaState.NEAR)
    assert one.fits_at(1, NOW) == NOW
    assert one.fits_at(5, NOW) == first + timedelta(hours=24)
    assert one.fits_at(11, NOW) is None
    # A hair before it still counts, at the moment itself it does not.
    assert of(core, server, first + timedelta(hours=24) - timedelta(microseconds=1)).used == 9
    assert of(core, server, first + timedelta(hours=24)).used == 5


def test_a_civil_day_frees_at_midnight_all_at_once(core: Mailcore) -> None:
    server = register(core, "Uma", daily_limit=10, limit_window=LimitWindow.CALENDAR_DAY)
    sent(core, server, 4, NOW - timedelta(hours=1))
    sent(core, server, 6, NOW - timedelta(minutes=1))
    one = of(core, server)
    midnight = datetime(2026, 11, 24, tzinfo=ZONE)
    assert [(each.at, each.units) for each in one.frees] == [(midnight, 10)]
    assert one.state is QuotaState.FULL
    assert of(core, server, midnight).used == 0


def test_the_forecast_goes_by_the_last_hour(core: Mailcore) -> None:
    server = register(core, "Uma", daily_limit=100)
    assert runs_out_at(of(core, server), NOW) is None
    sent(core, server, 40, NOW - timedelta(minutes=20))
    assert runs_out_at(of(core, server), NOW) == NOW + timedelta(minutes=90)
    slow = register(core, "Lenta", daily_limit=10_000)
    sent(core, slow, 1, NOW - timedelta(minutes=20))
    assert runs_out_at(of(core, slow), NOW) is None


def test_who_is_near_the_limit(core: Mailcore) -> None:
    for name, units in (("Longe", 79), ("Perto", 80), ("Cheia", 100)):
        sent(core, register(core, name, daily_limit=100), units, NOW - timedelta(hours=1))
    register(core, "Parada", daily_limit=100)
    found = near_the_limit(core.database, core.quota_settings, now=NOW)
    assert [(each.servers[0].name, each.state) for each in found] == [("Cheia", "full"), ("Perto", "near")]


def test_a_safety_margin_is_left_unused(open_core: Callable[[], Mailcore], settings: Settings) -> None:
    core = Mailcore(settings.model_copy(update={"limit_margin_percent": 15}))
    server = register(core, "Uma", daily_limit=10)
    assert sent(core, server, 8, NOW).status is SendStatus.ACCEPTED
    assert sent(core, server, 1, NOW).status is SendStatus.REJECTED_BY_RULE
    assert (of(core, server).limit, of(core, server).remaining) == (8, 0)
    core.close()


@on_one_database
@pytest.mark.parametrize("recipients", [0, -5, []])
def test_a_message_for_nobody_reserves_nothing(core: Mailcore, recipients: Any) -> None:
    server = register(core, "Uma", daily_limit=5)
    with pytest.raises(ValueError, match="at least one"):
        core.reserve(server, recipients)
    row = core.reserve(server, 5)
    core.settle(row, SendStatus.ACCEPTED, taken=-3)
    assert core.quotas(server_id=server.id)[0].used == 0


def test_a_process_of_the_same_number_is_another_one(open_core: Callable[[], Mailcore]) -> None:
    core = open_core()
    row = core.reserve(register(core, "Uma"), 1)
    with core.database.write() as session:
        session.execute(update(Send).where(Send.id == row.id).values(owner=f"{row.owner[:-8]}00000000"))
    again = open_core()
    with again.database.read() as session:
        assert session.get_one(Send, row.id).status is SendStatus.UNCERTAIN


def test_a_day_of_a_server_in_two_accounts_is_told_as_one(core: Mailcore) -> None:
    server = register(core, "Uma", daily_limit=10)
    sent(core, server, 2, NOW)
    with core.database.write() as session:
        session.execute(update(MailServer).values(account_key="smtp:another"))
    sent(core, core.servers.get(server.id), 3, NOW)
    used = days(core.database, ZONE, now=NOW)
    assert [(use.server_id, use.messages, use.recipients, use.external) for use in used] == [(server.id, 2, 5, 0)]


# ---------------------------------------------------------------------- use made elsewhere


def test_use_made_elsewhere_counts_and_stops_a_send(core: Mailcore) -> None:
    server = register(core, "Uma", daily_limit=10)
    record(core.database, core.quota_settings, [Entry(server, NOW - timedelta(hours=2), 9)], now=NOW, actor=ME)
    assert sent(core, server, 2, NOW).status is SendStatus.REJECTED_BY_RULE
    assert sent(core, server, 1, NOW).status is SendStatus.ACCEPTED
    assert (of(core, server).used, of(core, server).external) == (10, 9)


def test_an_entry_is_listed_and_undone_once(core: Mailcore) -> None:
    server, now = register(core, "Uma", daily_limit=10), datetime.now(UTC)
    old, new = Entry(server, now - timedelta(days=9), 4), Entry(server, now - timedelta(hours=2), 9)
    record(core.database, core.quota_settings, [old, new], actor=ME)
    roll_up(core.database)  # the older one is summed up with others
    listed = core.external_use(account_key=server.account_key)
    shown = [(each.server_name, each.units, each.at, each.noted_by) for each in listed.entries]
    assert shown == [("Uma", each.units, each.at, ME.name) for each in (new, old)]
    assert (listed.matching, core.external_use(account_key="smtp:other").entries) == (2, [])
    assert core.reserve(server, 2).status is SendStatus.REJECTED_BY_RULE
    for entry in listed.entries:
        assert core.undo_external_use(entry.id, actor=ME) == entry.units
        with pytest.raises(NotFoundError, match="já foi desfeito"):
            core.undo_external_use(entry.id, actor=ME)
    assert core.external_use().matching == 0
    assert sum(each.external for each in core.days()) == sum(core.hours().values()) == of(core, server, now).used == 0
    assert core.reserve(server, 2).status is SendStatus.STARTED
    noted = core.trail.read(server_id=server.id).changes[0]
    assert (noted.who, noted.server_name, noted.field) == (ME.name, "Uma", "external_use")
    assert value_of(noted.before) == {"units": 4, "at": old.at.astimezone(ZONE).isoformat(timespec="seconds")}


@on_one_database
@pytest.mark.parametrize(
    ("entry", "field"),
    [((NOW, 0), "units"), ((NOW, -1), "units"), ((NOW + timedelta(hours=1), 1), "at")],
)
def test_an_entry_that_cannot_be_takes_nothing_of_the_others(
    core: Mailcore, entry: tuple[datetime, int], field: str
) -> None:
    server = register(core, "Uma")
    with pytest.raises(ValidationError) as refused:
        record(core.database, core.quota_settings, [Entry(server, NOW, 1), Entry(server, *entry)], now=NOW, actor=ME)
    assert refused.value.errors[0].field == field
    assert of(core, server).used == 0


def test_a_file_is_read_whole_or_its_lines_are_named(core: Mailcore) -> None:
    server = register(core, "Uma")
    good = f"server_id;at;units\r\n{server.id};2026-11-23T09:00;5\r\n{server.id};2026-11-23 10:00-03:00;7\r\n"
    entries = read_csv(good.encode("utf-8-sig"), [server], core.quota_settings)
    assert [(each.at, each.units) for each in entries] == [
        (datetime(2026, 11, 23, 9, tzinfo=ZONE), 5),
        (datetime(2026, 11, 23, 10, tzinfo=ZONE), 7),
    ]
    people = f"Quando;Unidades;Número do servidor;Observação\r\n23/11/2026 09:00;5;{server.id};x\r\n"
    assert read_csv(people.encode("cp1252"), [server], core.quota_settings) == entries[:1]
    (sample,) = read_csv(template_csv(ZONE).encode("utf-8-sig"), [server], core.quota_settings)
    assert (sample.server.id, sample.units) == (1, 40)
    bad = f"server_id,at,units\n{server.id},ontem,5\n99,2026-11-23,1\nx,2026-11-23,1\n{server.id},2026-11-23,muitos\n"
    with pytest.raises(ValidationError) as refused:
        read_csv(bad.encode(), [server], core.quota_settings)
    lines = [error.message.partition(":")[0] for error in refused.value.errors]
    assert lines == ["Linha 2", "Linha 3", "Linha 4", "Linha 5"]
    for data in (b"", b"a,b\n1,2\n", b"server_id,at,units\n", b"\xff\xfe\x00"):
        with pytest.raises(ValidationError):
            read_csv(data, [server], core.quota_settings)


# ---------------------------------------------------------------------- holds


def test_a_hold_is_shown_lifted_and_noted(core: Mailcore) -> None:
    with SmtpPeer(script={"MAIL": Say("550 5.4.5 Daily user sending limit exceeded")}) as peer:
        draft = ServerDraft(
            name="Uma",
            host=peer.host,
            port=peer.port,
            security=Security.NONE,
            requires_auth=False,
            from_address="a@a.example",
        )
        server = core.servers.create(draft, actor=ME).server
        row = core.reserve(server, 1)
        core.settle(row, SendStatus.REFUSED, reply="550 5.4.5 Daily user sending limit exceeded", phase="mail")
        held = core.quotas(server_id=server.id)[0]
        assert (held.state, held.hold is not None) == (QuotaState.BLOCKED, True)
        refused = core.reserve(server, 1)
        assert (refused.status, "account_on_hold" in refused.diagnosis) == (SendStatus.REJECTED_BY_RULE, True)
        assert refused.frees_at == held.hold.held_until  # type: ignore[union-attr]
        core.lift_hold(server, actor=ME)
        assert core.quotas(server_id=server.id)[0].state is QuotaState.OK
        assert core.reserve(server, 1).status is SendStatus.STARTED
        assert peer.connections == 0
    with core.database.read() as session:
        change = session.scalars(select(Change).where(Change.field == "account_hold")).one()
    assert change.who


def test_nothing_is_even_tested_where_every_try_lengthens_the_block(core: Mailcore) -> None:
    draft = ServerDraft(name="Y", host="smtp.yandex.com", username="ana@yandex.com", from_address="ana@yandex.com")
    server = core.servers.create(draft, SecretStr("senha"), actor=ME).server
    row = core.reserve(server, 1)
    core.settle(row, SendStatus.REFUSED, reply="554 5.7.1 Spam limit exceeded", phase="data")
    hold = core.quotas(server_id=server.id)[0].hold
    assert hold is not None
    assert hold.held_code == "yandex_quota"
    assert hold.held_until is not None
    assert hold.held_until - row.at >= timedelta(hours=24)
    with pytest.raises(HeldError, match="aumenta o bloqueio"):
        core.check(server)
    (checked,) = core.check_all()
    assert (checked.ok, "aumenta o bloqueio" in checked.fault) == (False, True)


def test_a_login_that_works_again_ends_the_pause(core: Mailcore) -> None:
    with SmtpPeer(users={"ana": "certa"}) as peer:
        draft = ServerDraft(
            name="A", host=peer.host, port=peer.port, security=Security.NONE, username="ana", from_address="a@a.example"
        )
        server = core.servers.create(draft, SecretStr("certa"), actor=ME).server
        for _ in range(3):
            row = core.reserve(server, 1)
            core.settle(row, SendStatus.REFUSED, reply="535 5.7.8 wrong", phase="auth")
        assert core.quotas(server_id=server.id)[0].state is QuotaState.BLOCKED
        assert core.check(server).diagnosis is None
        assert core.quotas(server_id=server.id)[0].state is QuotaState.OK


# ---------------------------------------------------------------------- a service's own figures


@pytest.fixture
def elastic() -> Iterator[ElasticPeer]:
    with ElasticPeer(send_only_keys={"SO-ENVIO"}) as peer:
        yield peer


@pytest.fixture
def settings(settings: Settings, elastic: ElasticPeer) -> Settings:
    return settings.model_copy(update={"elastic_email_url": elastic.url})


def at_service(core: Mailcore, name: str = "Volume", key: str = KEY) -> MailServer:
    draft = ServerDraft(name=name, kind=Kind.ELASTIC_EMAIL, from_address="ana@exemplo.com.br")
    return core.servers.create(draft, SecretStr(key), actor=ME).server


@on_one_database
def test_the_services_own_figures(core: Mailcore, elastic: ElasticPeer) -> None:
    server = at_service(core)
    elastic.statistics = {"EmailTotal": 30, "Delivered": 28}
    figures = core.figures.now([server])[server.account_key]
    assert (figures.daily_limit.value, figures.reputation.value, figures.status.value) == (50, 91.0, "Active")
    assert (figures.sent_today.value, figures.delivered_today.value, figures.left_today) == (30, 28, 20)
    assert figures.unavailable() == []
    assert KEY not in repr(figures)
    asked = [request.path for request in elastic.requests]
    assert core.figures.latest(server) == figures
    assert [request.path for request in elastic.requests] == asked  # kept a minute
    assert not any(KEY in path for path in asked)


@on_one_database
def test_a_missing_access_level_costs_its_figures_alone(core: Mailcore, elastic: ElasticPeer) -> None:
    server = at_service(core)
    elastic.script["/v4/statistics"] = Answer(400, {"Error": "Access Denied."})
    figures = core.figures.now([server])[server.account_key]
    assert figures.daily_limit.value == 50
    assert [name for name, _ in figures.unavailable()] == ["sent_today", "delivered_today"]
    assert all(reason for _, reason in figures.unavailable())
    assert figures.left_today is None
    only_sends = at_service(core, "Só envio", "SO-ENVIO")
    nothing = core.figures.now([only_sends])[only_sends.account_key]
    assert len(nothing.unavailable()) == 6


@on_one_database
def test_odd_answers_and_no_service_at_all_are_reasons(core: Mailcore, elastic: ElasticPeer) -> None:
    server = at_service(core)
    elastic.script["/v2/account/load"] = Answer(
        200, {"success": True, "data": {"dailysendlimit": None, "reputation": []}}
    )
    elastic.script["/v4/statistics"] = Answer(200, [])
    figures = FiguresCache(core.servers, core.settings).now([server])[server.account_key]
    assert len(figures.unavailable()) == 6
    nowhere = core.settings.model_copy(update={"elastic_email_url": "http://127.0.0.1:1"})
    gone = FiguresCache(core.servers, nowhere).now([server])[server.account_key]
    assert len(gone.unavailable()) == 6


# ---------------------------------------------------------------------- the example in the README


def test_the_example_for_an_erp_keeps_within_the_quota(core: Mailcore, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[3] / "examples" / "erp.py"
    spec = importlib.util.spec_from_file_location("erp", path)
    assert spec is not None
    assert spec.loader is not None
    erp = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(erp)
    monkeypatch.setattr(erp.mailcore, "open_mailcore", lambda: core)
    with SmtpPeer() as peer:
        draft = ServerDraft(
            name="Uma",
            host=peer.host,
            port=peer.port,
            security=Security.NONE,
            requires_auth=False,
            from_address="a@a.example",
            daily_limit=2,
        )
        server = core.servers.create(draft, actor=ME).server
        assert [erp.main(server.id, "bia@b.example", f"{each}") for each in (1, 2, 2, 3)] == [0, 0, 3, 3]
        assert len(peer.inbox) == 2
        peer.script["RCPT"] = Say("550 5.1.1 no such user")
        core.servers.update(server, ServerDraft(**{**draft_values(draft), "daily_limit": 3}), actor=ME)
        assert erp.main(server.id, "nao@b.example", "4") == 4
    assert of(core, server, datetime.now(UTC)).used == 2


def draft_values(draft: ServerDraft) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in draft.__slots__}


# ---------------------------------------------------------------------- what a caller read long ago


def test_of_two_who_reserve_under_one_key_one_may_send(core: Mailcore) -> None:
    server = register(core, "Uma", daily_limit=5)
    rows = [core.reserve(server, 1, idempotency_key="nota-1") for _ in range(2)]
    assert [row.status for row in rows] == [SendStatus.STARTED, SendStatus.UNCERTAIN]
    assert core.quotas(server_id=server.id)[0].used == 1
    core.settle(rows[0], SendStatus.ACCEPTED)
    assert core.reserve(server, 1, idempotency_key="nota-1").status is SendStatus.ACCEPTED


def test_a_record_read_before_somebody_changed_it_reserves_nothing(core: Mailcore) -> None:
    old = register(core, "Uma", daily_limit=2)
    core.servers.update(old, replace(draft_of(old), username="outra@exemplo.com.br"), SecretStr("nova"), actor=ME)
    changed = core.reserve(old, 1)
    assert (changed.status, "server_changed" in changed.diagnosis) == (SendStatus.REJECTED_BY_RULE, True)
    fresh = core.servers.get(old.id)
    core.servers.update(fresh, replace(draft_of(fresh), is_active=False), actor=ME)
    assert "inactive" in core.reserve(fresh, 1).diagnosis
    core.servers.delete(old.id, actor=ME)
    assert "server_gone" in core.reserve(fresh, 1).diagnosis
    assert core.reserve(fresh, "ana@exemplo.com.br").units == 1


def test_a_limit_lowered_since_holds(core: Mailcore) -> None:
    old = register(core, "Uma", daily_limit=100)
    core.servers.update(old, replace(draft_of(old), daily_limit=1), actor=ME)
    assert [core.reserve(old, 1).status for _ in range(2)] == [SendStatus.STARTED, SendStatus.REJECTED_BY_RULE]


def test_a_renamed_account_takes_its_hold_and_what_is_under_way_along(core: Mailcore) -> None:
    server = register(core, "Uma", daily_limit=10)
    under_way, refused = core.reserve(server, 3), core.reserve(server, 1)
    core.settle(refused, SendStatus.REFUSED, reply="550 5.4.5 Daily user sending limit exceeded", phase="data")
    rename_account(core.database, server.id, server.account_key, "smtp:novo/uma")
    assert core.quotas(server_id=server.id)[0].hold is not None
    core.settle(under_way, SendStatus.FAILED)
    (quota,) = core.quotas(server_id=server.id)
    assert (quota.account_key, quota.used, quota.hold is not None) == ("smtp:novo/uma", 0, True)


def test_a_paused_account_is_left_out_when_all_are_tested(core: Mailcore) -> None:
    with SmtpPeer(users={"ana": "certa"}) as peer:
        draft = ServerDraft(name="A", host=peer.host, port=peer.port, security=Security.NONE, username="ana")
        server = core.servers.create(replace(draft, from_address="a@a.example"), SecretStr("errada"), actor=ME).server
        for _ in range(3):
            core.settle(core.reserve(server, 1), SendStatus.REFUSED, reply="535 5.7.8 wrong", phase="auth")
        (checked,) = core.check_all()
        assert (checked.ok, "em pausa" in checked.fault, peer.connections) == (False, True, 0)
        assert not core.check(server).ok
        assert peer.connections == 1


# ---------------------------------------------------------------------- two at once, and long files


def test_two_that_roll_up_at_once_add_nothing_twice(core: Mailcore) -> None:
    server = register(core, "Uma")
    old = NOW - timedelta(days=4)
    record(
        core.database,
        core.quota_settings,
        [Entry(server, old + timedelta(minutes=5 * each), 1) for each in range(48)],
        now=NOW,
        actor=ME,
    )
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        roll_up(core.database, now=NOW)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with core.database.read() as session:
        rows = session.execute(select(Usage.slot, Usage.external)).all()
    assert sum(row.external for row in rows) == 48
    assert {row.slot % 3_600 for row in rows} == {0}


def test_a_clock_wrong_by_weeks_at_a_start_frees_nothing(
    open_core: Callable[[], Mailcore], monkeypatch: pytest.MonkeyPatch
) -> None:
    core = open_core()
    server = register(core, "Uma", daily_limit=5)
    core.settle(core.reserve(server, 5), SendStatus.ACCEPTED)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=500)

    with monkeypatch.context() as patched:
        patched.setattr(housekeeping, "datetime", Later)
        open_core()
    again = open_core()
    assert again.quotas(server_id=server.id)[0].used == 5
    assert again.reserve(server, 1).status is SendStatus.REJECTED_BY_RULE
    assert len(again.ledger.search(LedgerQuery()).sends) == 2


def test_a_long_file_is_summed_before_it_is_counted(core: Mailcore) -> None:
    server = register(core, "Uma")
    entries = [Entry(server, NOW - timedelta(seconds=each), 100_000_000) for each in range(3_000)]
    record(core.database, core.quota_settings, entries, now=NOW, actor=ME)
    assert of(core, server).used == 3_000 * 100_000_000
