"""Invariant 9: every screen, file and command says the same of an account, and it is what the raw rows say."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from itertools import count
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as configured
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select, text

import mailcore.cli.quota as quota_command
import mailcore.quota.reports as reports
from mailcore import Mailcore, frames
from mailcore.cli import main
from mailcore.diagnosis.replies import classify
from mailcore.health.service_figures import FiguresCache
from mailcore.quota.external_use import Entry, record
from mailcore.quota.rules import Count, QuotaRule, ServiceReading, stricter
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from mailcore.sending.reservation import Reservations, SendOutcome, SendRequest
from mailcore.settings import Settings
from mailcore.storage.tables import Account, ExternalUse, MailServer, Send
from mailcore.vocabulary import Kind, LimitUnit, LimitWindow, SendStatus
from tests.actors import ME
from tests.peers.elastic_server import Answer, ElasticPeer, Request
from tests.properties import examples
from ui.cotas.columns import cells as cells_of_accounts
from ui.cotas.columns import columns as columns_of_accounts
from ui.cotas.files import to_csv, to_excel
from ui.listview.table import Cell
from ui.servidores.columns import cells as cells_on_the_list
from ui.servidores.columns import columns as columns_on_the_list
from ui.servidores.listing import _quotas as quotas_on_the_list

ZONE = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 11, 24, 15, 2, 30, tzinfo=UTC)
REFUSED_FOR_QUOTA = classify("550 5.4.5 Daily user sending limit exceeded", phase="data")
REFUSED_LOGIN = classify("535 5.7.8 wrong", phase="auth")
SCREEN_STATES = {"ok": "Em ordem", "near": "Perto do limite", "full": "Sem cota", "blocked": "Bloqueada"}
TEXT_STATES = {"ok": "em ordem", "near": "perto do limite", "full": "sem cota", "blocked": "bloqueada"}
_numbers = count(1)


class Clock(datetime):
    """The moment at which every figure is asked for."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return NOW.astimezone(tz)


# ---------------------------------------------------------------------- worlds made up by hypothesis


@dataclass(frozen=True)
class Record:
    """A registered server of an account."""

    limit: int | None
    unit: LimitUnit
    window: LimitWindow


@dataclass(frozen=True)
class Event:
    """A message, or use made elsewhere, so long ago."""

    minutes: int
    units: int
    outcome: str
    """A status; ``quota`` and ``auth`` are refusals for that; ``external`` is use made elsewhere."""


@dataclass(frozen=True)
class World:
    """An account, what it did, and what its service says of it (limit and use today, None where it does not)."""

    records: list[Record]
    events: list[Event]
    service: tuple[int | None, int | None] | None
    """None for an SMTP account."""


def worlds() -> st.SearchStrategy[list[World]]:
    record = st.builds(
        Record,
        st.none() | st.integers(1, 12) | st.integers(20, 60),
        st.sampled_from(LimitUnit),
        st.sampled_from(LimitWindow),
    )
    event = st.builds(
        Event,
        st.integers(0, 30 * 60),
        st.integers(1, 9),
        st.sampled_from(["accepted"] * 4 + ["failed", "uncertain", "started", "quota", "auth", "external"]),
    )
    number = st.none() | st.integers(0, 60)
    account = st.builds(
        World,
        st.lists(record, min_size=1, max_size=3),
        st.lists(event, max_size=9),
        st.none() | st.tuples(number, number),
    )
    return st.lists(account, min_size=1, max_size=4)


@dataclass
class CountingService(ElasticPeer):
    """The service, with an account of its own for each key."""

    told: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)

    def handle(self, request: Request) -> Answer:
        limit, sent = self.told[request.headers["x-elasticemail-apikey"]]
        if request.path.startswith("/v2/account/load"):
            data = {"statusnumber": 1} | ({} if limit is None else {"dailysendlimit": limit})
            return Answer(200, {"success": True, "data": data})
        return Answer(200, {} if sent is None else {"EmailTotal": sent})


@pytest.fixture(scope="module")
def service() -> Iterator[CountingService]:
    with CountingService() as peer:
        yield peer


@pytest.fixture
def settings(settings: Settings, service: CountingService) -> Settings:
    return settings.model_copy(update={"elastic_email_url": service.url})


def build(core: Mailcore, service: CountingService, world: World) -> None:
    number = next(_numbers)
    login, key = f"conta{number}@exemplo.com.br", f"CHAVE-{number}"
    if world.service is not None:
        service.told[key] = world.service
    servers = []
    for place, each in enumerate(world.records):
        draft = ServerDraft(
            name=f"Conta {number} {place}",
            from_address=login,
            daily_limit=each.limit,
            limit_unit=each.unit,
            limit_window=each.window,
            **({"kind": Kind.ELASTIC_EMAIL} if world.service else {"host": "smtp.exemplo.com.br", "username": login}),
        )
        servers.append(core.servers.create(draft, SecretStr(key), actor=ME).server)
    reservations = Reservations(core.database, core.quota_settings)
    for place, event in enumerate(sorted(world.events, key=lambda event: -event.minutes)):
        at, server = NOW - timedelta(minutes=event.minutes, seconds=place), servers[place % len(servers)]
        if event.outcome == "external":
            record(core.database, core.quota_settings, [Entry(server, at, event.units)], actor=ME, now=at)
            continue
        reservation = reservations.reserve(SendRequest(server, f"{number}-{place}", unnamed=event.units), now=at)
        if not reservation.may_send or event.outcome == "started":
            continue
        refusal = {"quota": REFUSED_FOR_QUOTA, "auth": REFUSED_LOGIN}.get(event.outcome)
        status = SendStatus.REFUSED if refusal else SendStatus(event.outcome)
        outcome = SendOutcome(status=status, diagnosis=refusal, host=server.host)
        reservations.settle(reservation.send, outcome, now=at)


# ---------------------------------------------------------------------- the naive count


@dataclass(frozen=True)
class Truth:
    """What is to be said of an account."""

    limit: int | None
    used: int
    remaining: int | None
    state: str


def naive(core: Mailcore, service: CountingService, server_ids: list[int]) -> Truth:
    """The rules once more, as simply as they can be, over the raw rows."""
    with core.database.read() as session:
        records = [session.get_one(MailServer, number) for number in server_ids]
        key = records[0].account_key
        sends = session.scalars(select(Send).where(Send.account_key == key)).all()
        external = session.scalars(select(ExternalUse).where(ExternalUse.account_key == key)).all()
        account = session.get(Account, key)
    limited = sorted((each for each in records if each.daily_limit), key=lambda each: (each.daily_limit, each.id))
    chosen = (limited or sorted(records, key=lambda each: each.name_key))[0]
    if chosen.limit_window is LimitWindow.ROLLING_24H:
        since = NOW - timedelta(hours=24)
    else:
        since = NOW.astimezone(ZONE).replace(hour=0, minute=0, second=0) - timedelta(microseconds=1)
    counted = [row for row in sends if row.counted and row.at > since]
    used = len(counted) if chosen.limit_unit is LimitUnit.MESSAGES else sum(row.counted for row in counted)
    used += sum(each.units for each in external if each.at > since)
    limit = chosen.daily_limit and max(1, chosen.daily_limit * (100 - core.quota_settings.margin_percent) // 100)
    sides = [(limit, used)]
    secret = core.servers.secret(records[0])
    if records[0].kind is Kind.ELASTIC_EMAIL and secret is not None:
        told_limit, told_used = service.told[secret.get_secret_value()]
        sides += [] if told_limit is None else [(told_limit, used if told_used is None else told_used)]

    def left_by(side: tuple[int | None, int]) -> tuple[float, float]:
        most, spent = side
        if most is None:
            return float("inf"), 0
        return max(0, most - spent), -(spent / most if most else 1)

    limit, used = min(sides, key=left_by)
    left, share = left_by((limit, used))
    held = account is not None and account.held_since is not None
    if held and (account.held_until is None or account.held_until > NOW):
        return Truth(limit, used, 0, "blocked")
    state = "full" if left == 0 else "near" if -share >= 0.8 else "ok"
    return Truth(limit, used, None if limit is None else int(left), state)


# ---------------------------------------------------------------------- what each place says


def by_json(out: str) -> dict[str, tuple[Truth, Any]]:
    """By the first server's description, which every place shows."""
    found = {}
    for document in json.loads(out):
        truth = Truth(*(document[name] for name in ("limit", "used", "remaining", "state")))
        found[document["server_ids"][0]] = (truth, document)
    return found


def digits(shown: str) -> int | None:
    return int(re.sub(r"\D", "", shown)) if re.search(r"\d", shown) else None


def by_text(out: str) -> dict[int, Truth]:
    found = {}
    head, *lines = out.splitlines()
    columns = [head.index(name) for name in ("Servidores", "Usado", "Limite", "Resta", "Estado", "Libera")]
    states = {shown: state for state, shown in TEXT_STATES.items()}
    for line in lines:
        cells = [line[a:b].strip() for a, b in zip(columns, [*columns[1:], None], strict=True)]
        state = next(state for shown, state in states.items() if cells[4].startswith(shown))
        number = int(cells[0].split()[0])
        found[number] = Truth(digits(cells[2]), int(cells[1]), digits(cells[3]), state)
    return found


def by_screen(core: Mailcore) -> dict[int, Truth]:
    states = {shown: state for state, shown in SCREEN_STATES.items()}
    found = {}
    for quota in core.quotas():
        shown = cells_of_accounts(quota, {}, ZONE, NOW)
        row = {column.label: cell for column, cell in zip(columns_of_accounts({}), shown, strict=True)}
        state = row["Estado"]
        assert isinstance(state, Cell)
        found[quota.servers[0].id] = Truth(
            digits(str(row["Limite"])),
            int(str(row["Usado"]).replace(".", "")),
            digits(str(row["Resta"])),
            states[state.text.split(" ", 1)[1]],
        )
    return found


def by_cells(cells: list[dict[str, Any]], keys: dict[str, int]) -> dict[int, Truth]:
    def number(value: Any) -> int | None:
        return None if value in ("", None) else int(float(value))

    states = {shown: state for state, shown in SCREEN_STATES.items()}
    return {
        keys[row["Conta"]]: Truth(
            number(row.get("Limite")), int(float(row["Usado"])), number(row.get("Resta")), states[row["Estado"]]
        )
        for row in cells
    }


def by_frame(core: Mailcore, keys: dict[str, int]) -> dict[int, Truth]:
    found = frames.quotas(core)
    columns = [found[name].astype(object).where(found[name].notna(), None) for name in ("limit", "used", "remaining")]
    shown = zip(found["account"], *columns, found["state"], strict=True)
    return {keys[account]: Truth(*figures) for account, *figures in shown}


def excel_cells(data: bytes) -> list[dict[str, Any]]:
    """The cells of the first sheet, by heading."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(BytesIO(data)) as file:
        shared = ET.fromstring(file.read("xl/sharedStrings.xml"))
        texts = ["".join(each.itertext()) for each in shared.iter(f"{space}si")]
        sheet = ET.fromstring(file.read("xl/worksheets/sheet1.xml"))
    found = []
    for line in sheet.iter(f"{space}row"):
        cells = {}
        for cell in line.iter(f"{space}c"):
            value = cell.findtext(f"{space}v") or ""
            column = re.sub(r"\d", "", cell.get("r") or "")
            cells[column] = texts[int(value)] if cell.get("t") == "s" else value
        found.append(cells)
    head, *lines = found
    return [{head[column]: value for column, value in line.items()} for line in lines]


def by_list(core: Mailcore, truths: dict[str, Truth]) -> None:
    """Hold the list's "Cota hoje" to what is to be said of each account."""
    page = core.servers.search(ServerQuery())
    quotas = quotas_on_the_list(core, page)
    place = [column.label for column in columns_on_the_list(())].index("Cota hoje")
    for server in page.servers:
        truth, shown = truths[server.account_key], cells_on_the_list(server, quotas, ())[place]
        used_of = "" if truth.limit is None else f"{truth.used} de {truth.limit}"
        if truth.state == "blocked":
            assert isinstance(shown, Cell)
            assert (shown.text, shown.below) == ("Bloqueada", used_of)
        elif truth.limit is None:
            assert shown == ""
        else:
            assert isinstance(shown, Cell)
            assert (shown.text, shown.bar) == (used_of, truth.used / truth.limit if truth.limit else 1.0)


def clear(core: Mailcore) -> None:
    with core.database.write() as session:
        for table in ("send", "usage", "daily_usage", "external_use", "account", "mail_server"):
            session.execute(text(f"DELETE FROM {table}"))


def compare(core: Mailcore, service: CountingService, made: list[World], run: Callable[..., str]) -> None:
    """Build the accounts, and hold every place to every other and to the naive count."""
    clear(core)
    for world in made:
        build(core, service, world)
    core.figures = FiguresCache(core.servers, core.settings)
    documents = by_json(run("quota", "--json"))
    truths = {number: truth for number, (truth, _) in documents.items()}
    assert len(truths) == len(made)
    for truth, document in documents.values():
        assert truth == naive(core, service, document["server_ids"])
        # What frees is of the same count: all that is used, and nothing else.
        assert sum(each["units"] for each in document["frees"]) == truth.used
    assert by_text(run("quota")) == truths
    assert by_screen(core) == truths
    quotas = core.quotas()
    keys = {quota.account_key: quota.servers[0].id for quota in quotas}
    in_csv = list(csv.DictReader(StringIO(to_csv(core, quotas).decode("utf-8-sig")), delimiter=";"))
    assert by_cells(in_csv, keys) == truths
    assert by_cells(excel_cells(to_excel(core, quotas)), keys) == truths
    assert by_frame(core, keys) == truths
    by_list(core, {key: truths[number] for key, number in keys.items()})
    near = {quota.servers[0].id for quota in core.near_the_limit()}
    assert near == {number for number, truth in truths.items() if truth.state != "ok"}


@pytest.fixture
def run(core: Mailcore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command on the open installation, at :data:`NOW`, and return what it writes."""
    monkeypatch.setattr(reports, "datetime", Clock)
    monkeypatch.setattr("mailcore.health.service_figures.datetime", Clock)
    monkeypatch.setattr(quota_command, "open_mailcore", lambda *_: core)
    monkeypatch.setattr(core, "close", lambda: None)

    def command(*arguments: str) -> str:
        capsys.readouterr()
        assert main(list(arguments)) == 0
        return capsys.readouterr().out

    return command


@configured(
    max_examples=examples(12),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(made=worlds())
def test_every_place_says_what_the_raw_rows_say(
    core: Mailcore, service: CountingService, run: Callable[..., str], made: list[World]
) -> None:
    compare(core, service, made, run)


@pytest.mark.parametrize("margin", [10, 33])
def test_with_a_safety_margin_too(
    core: Mailcore, service: CountingService, run: Callable[..., str], margin: int
) -> None:
    core.quota_settings = type(core.quota_settings)(ZONE, margin)
    rolling = LimitWindow.ROLLING_24H
    records = [Record(40, LimitUnit.RECIPIENTS, rolling), Record(12, LimitUnit.MESSAGES, LimitWindow.CALENDAR_DAY)]
    events = [Event(minutes, 3, "accepted") for minutes in (5, 300, 700, 1439, 1441)]
    compare(core, service, [World(records, events, told) for told in (None, (60, 50), (9, None), (None, 3))], run)


# ---------------------------------------------------------------------- which count is the stricter one


def count_of(limit: int | None, used: int, unit: LimitUnit = LimitUnit.RECIPIENTS) -> Count:
    return Count(QuotaRule(limit, unit, LimitWindow.ROLLING_24H, ZONE), used)


@pytest.mark.parametrize(
    ("own", "service", "shown"),
    [
        ((None, 0), (1_000, 37), (1_000, 37)),  # what JSON once told as limit 1000, used 0, remaining 963
        ((500, 0), (1_000, 37), (500, 0)),
        ((980, 10), (1_000, 37), (1_000, 37)),
        ((None, 7), (None, None), (None, 7)),
        ((40, 7), (None, 90), (40, 7)),
        ((None, 7), (50, None), (50, 7)),
        ((10, 12), (50, 50), (10, 12)),  # both leave nothing: the one that is further over
        ((100, 50), (1_000, 950), (1_000, 950)),
        ((50, 10), (50, 10), (50, 10)),
        ((None, 3), (0, 0), (0, 0)),
    ],
)
def test_the_count_that_leaves_less_is_shown_whole(
    own: tuple[int | None, int], service: tuple[int | None, int | None], shown: tuple[int | None, int]
) -> None:
    ours = count_of(*own)
    told = ServiceReading(NOW, *service).count(ours, ZONE, NOW)
    found = stricter(ours, told)
    assert (found.limit, found.used) == shown


def test_use_that_a_service_told_yesterday_does_not_count_today() -> None:
    ours = count_of(None, 4)
    told = ServiceReading(NOW - timedelta(days=1), 100, 99).count(ours, ZONE, NOW)
    assert told is not None
    assert (told.limit, told.used) == (100, 4)


def test_a_services_own_day_frees_at_midnight() -> None:
    told = ServiceReading(NOW, 100, 80).count(count_of(90, 4, LimitUnit.MESSAGES), ZONE, NOW)
    assert told is not None
    assert (told.rule.unit, told.rule.window) == (LimitUnit.RECIPIENTS, LimitWindow.CALENDAR_DAY)
    assert [(each.at, each.units) for each in told.frees] == [(datetime(2026, 11, 25, 3, tzinfo=UTC), 80)]
