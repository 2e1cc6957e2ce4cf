"""The page "Cotas", and every rule of volume at work, in a real browser against real servers."""

from __future__ import annotations

import csv
import re
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.messages.compose import compose
from mailcore.quota import usage
from mailcore.quota.external_use import Entry
from mailcore.quota.holds import SHORTEST_HOLD
from mailcore.quota.locked_account import LockedAccount
from mailcore.registry.drafts import ServerDraft
from mailcore.sending.reservation import Reservations, SendOutcome, SendRequest
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import Kind, SameAddress, Security, SendStatus
from tests.actors import ME
from tests.peers.elastic_server import ElasticPeer, Stall
from tests.peers.smtp_server import Say, SmtpPeer

from .driver import choose, expect, field, go, open_form, open_list, press, rows, select_row, settled, tab

USER, PASSWORD, WRONG = "ana@exemplo.com.br", "Segrêdo-Único-7781", "Errada-Única-3307"
KEY, SEND_ONLY_KEY = "CHAVE-4410-ABCDEF", "CHAVE-SO-ENVIA-8823"
TO = "cliente@outro.example"
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    """An SMTP server that takes mail from anybody."""
    with SmtpPeer() as peer:
        yield peer


@pytest.fixture
def elastic(elastic_port: int) -> Iterator[ElasticPeer]:
    with ElasticPeer(keys={KEY}, send_only_keys={SEND_ONLY_KEY}, port=elastic_port) as peer:
        yield peer


# -- What a test begins with


def register(core: Mailcore, peer: SmtpPeer | None, name: str = "Padaria", **changes: Any) -> MailServer:
    """A record without login; its sender is what its account is known by."""
    values: dict[str, Any] = {
        "name": name,
        "host": "127.0.0.1",
        "port": peer.port if peer else 587,
        "security": Security.NONE,
        "requires_auth": False,
        "from_address": f"{name.lower().replace(' ', '.')}@exemplo.com.br",
    }
    password = changes.pop("password", None)
    return core.servers.create(
        ServerDraft(**(values | changes)), SecretStr(password) if password else None, actor=ME
    ).server


def register_service(core: Mailcore, key: str = KEY, **changes: Any) -> MailServer:
    values: dict[str, Any] = {
        "name": "Campanhas",
        "kind": Kind.ELASTIC_EMAIL,
        "from_address": "news@exemplo.com.br",
        "is_paid": True,
    }
    return core.servers.create(ServerDraft(**(values | changes)), SecretStr(key), actor=ME).server


def send(core: Mailcore, server: MailServer, *to: str) -> Any:
    """Send really, through the peer."""
    recipients = list(to) or [TO]
    return core.send(server, compose(from_address=server.from_address, to=recipients, subject="Nota", text="Olá"))


def sent_before(core: Mailcore, server: MailServer, ago: timedelta, units: int) -> None:
    """A send of a while ago, through the same door as any other."""
    at = datetime.now(UTC) - ago
    key = f"antes-{server.id}-{ago.total_seconds()}"
    reservations = Reservations(core.database, core.quota_settings)
    reservation = reservations.reserve(SendRequest(server, key, unnamed=units), now=at)
    assert reservation.may_send
    reservations.settle(reservation.send, SendOutcome(status=SendStatus.ACCEPTED), now=at)


def counted(core: Mailcore) -> dict[str, int]:
    """What each account used in the last 24 hours, by the raw rows alone, read past all of our code."""
    since = (datetime.now(UTC) - timedelta(hours=24)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with closing(sqlite3.connect(core.settings.data_dir / "mailcore.db")) as raw:
        found = raw.execute("SELECT account_key, sum(counted) FROM send WHERE at > ? GROUP BY account_key", (since,))
        return {key: units for key, units in found if units}


# -- What a person does


def open_quotas(page: Any, url: str, query: str = "") -> None:
    go(page, f"{url}/cotas{query}")
    expect(page.get_by_role("heading", name="Cotas", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    settled(page)


def row_of(page: Any, name: str) -> dict[str, str]:
    return next(row for row in rows(page) if name in (row.get("Conta"), row.get("Descrição")))


def card(page: Any, name: str) -> str:
    metric = page.get_by_test_id("stMetric").filter(has=page.get_by_text(name, exact=True)).first
    return str(metric.get_by_test_id("stMetricValue").inner_text()).strip()


def pick(page: Any, name: str) -> None:
    """Click the row of an account, and see its details."""
    position = [row["Conta"] for row in rows(page)].index(name)
    row = page.locator(".st-key-quotas tbody tr").nth(position)
    row.click()
    expect(row).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    settled(page)


def open_test(page: Any, url: str, server: MailServer) -> None:
    go(page, f"{url}/enviar_teste?servidor={server.id}")
    expect(field(page, "Para")).to_be_visible()
    settled(page)


def send_test(page: Any, to: str = TO) -> None:
    field(page, "Para").fill(to)
    press(page, "Enviar")
    settled(page)


def accepted(page: Any) -> None:
    expect(page.get_by_text("aceita", exact=True)).to_be_visible()


def alert(page: Any, text: str) -> Any:
    return page.get_by_test_id("stAlert").filter(has_text=text)


def open_form_of_use(page: Any) -> None:
    page.get_by_text("Registrar consumo externo", exact=True).click()
    expect(page.get_by_text("Mensagens que saíram desta conta por outro programa", exact=False)).to_be_visible()
    settled(page)


def downloaded(page: Any, kind: str) -> bytes:
    with page.expect_download() as download:
        press(page, f"Baixar {kind}")
    assert download.value.suggested_filename == f"cotas.{'csv' if kind == 'CSV' else 'xlsx'}"
    return Path(download.value.path()).read_bytes()


def sheet_rows(data: bytes, folder: Path) -> list[list[str]]:
    """The cells of the first sheet of an .xlsx file, as texts."""
    path = folder / "cotas.xlsx"
    path.write_bytes(data)
    with zipfile.ZipFile(path) as book:
        strings = [
            "".join(part.text or "" for part in item.iter(f"{SHEET}t"))
            for item in ET.fromstring(book.read("xl/sharedStrings.xml")).iter(f"{SHEET}si")
        ]
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
    found = []
    for row in sheet.iter(f"{SHEET}row"):
        cells = {}
        for cell in row.iter(f"{SHEET}c"):
            value = cell.findtext(f"{SHEET}v", "")
            column = re.sub(r"\d", "", cell.attrib["r"])
            cells[column] = strings[int(value)] if cell.attrib.get("t") == "s" else value
        found.append([cells.get(chr(ord("A") + column), "") for column in range(13)])
    return found


def no_traceback(page: Any, app: Any) -> None:
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_text("Algo inesperado aconteceu")).to_have_count(0)
    assert "Traceback" not in app.output()


def no_trace_of(secret: str, app: Any, frames: list[bytes]) -> None:
    files = Path(app.env["MAILCORE_DATA_DIR"]).glob("mailcore.db*")
    for data in (*frames, app.output().encode(), *(path.read_bytes() for path in files)):
        assert secret.encode() not in data


# -- The figures


def test_the_figures_are_those_of_the_raw_ledger(page: Any, app: Any, core: Mailcore, smtp: SmtpPeer) -> None:
    bakery = register(core, smtp, "Padaria", daily_limit=10)
    garage = register(core, smtp, "Oficina", daily_limit=5)
    shop = register(core, smtp, "Loja")
    sent_before(core, bakery, timedelta(hours=24, minutes=1), 2)  # no more
    sent_before(core, bakery, timedelta(hours=23, minutes=57), 3)  # still counts
    sent_before(core, shop, timedelta(days=3), 40)
    smtp.script["RCPT"] = [None, Say("550 5.1.1 no such user")]
    assert send(core, bakery, "um@outro.example", "dois@outro.example").counted == 1  # the second was refused
    smtp.script["RCPT"] = Say("550 5.1.1 no such user")
    assert send(core, garage).status is SendStatus.REFUSED
    smtp.script.clear()
    for _ in range(4):
        send(core, garage)
    send(core, shop, "a@outro.example", "b@outro.example", "c@outro.example")

    raw = counted(core)
    assert raw == {bakery.account_key: 4, garage.account_key: 4, shop.account_key: 3}
    open_quotas(page, app.url)
    shown = {row["Conta"]: row for row in rows(page)}
    assert set(shown) == {"Padaria", "Oficina", "Loja"}
    for server in (bakery, garage, shop):
        assert shown[server.name]["Usado"] == str(raw[server.account_key])
    assert (shown["Padaria"]["Limite"], shown["Padaria"]["Resta"]) == ("10", "6")
    assert (shown["Oficina"]["Limite"], shown["Oficina"]["Resta"]) == ("5", "1")
    assert (shown["Loja"]["Limite"], shown["Loja"]["Resta"]) == ("sem limite", "")
    assert [shown[name]["Estado"] for name in ("Padaria", "Oficina", "Loja")] == [
        "✓ Em ordem",
        "! Perto do limite",
        "✓ Em ordem",
    ]
    assert float(re.sub(r"[^\d.]", "", shown["Oficina"]["Uso"].replace(",", "."))) == 80
    assert re.fullmatch(r"libera 3 (amanhã )?às \d\d:\d\d", shown["Padaria"]["Libera"])
    assert re.fullmatch(r"libera 4 amanhã às \d\d:\d\d", shown["Oficina"]["Libera"])
    cards = {name: card(page, name) for name in ("Usado", "Resta", "Perto do limite", "Bloqueadas")}
    assert cards == {"Usado": str(sum(raw.values())), "Resta": "7", "Perto do limite": "1", "Bloqueadas": "0"}
    expect(page.get_by_text("3 contas", exact=True)).to_be_visible()

    # Two records with one login are one row, and the smallest limit holds.
    for server in (bakery, garage, shop):
        core.servers.delete(server.id, actor=ME)
    with SmtpPeer(users={USER: PASSWORD}) as peer:
        login = {"requires_auth": True, "username": USER, "password": PASSWORD}
        notes = register(core, peer, "Notas", daily_limit=10, **login)
        bills = register(core, peer, "Boletos", daily_limit=4, **(login | {"username": USER.upper()}))
        assert notes.account_key == bills.account_key
        send(core, notes)
    page.locator(".st-key-quotas table").get_by_role("button", name="Conta").click()
    expect(page.get_by_text("1 conta", exact=True)).to_be_visible()
    (row,) = rows(page)
    assert (row["Conta"], row["Usado"], row["Limite"], row["Resta"]) == ("Boletos (+1)", "1", "4", "3")
    pick(page, "Boletos (+1)")
    expect(page.get_by_text("4 destinatários, 24 horas corridas")).to_be_visible()
    for server in (notes, bills):
        link = page.get_by_test_id("stMain").get_by_role("link", name=f"{server.name} (número {server.id})")
        expect(link).to_have_attribute("href", re.compile(rf"cadastro\?id={server.id}$"))
    no_traceback(page, app)


# -- Filters, links, files


def test_filters_and_the_chosen_account_live_in_the_link(page: Any, app: Any, core: Mailcore, smtp: SmtpPeer) -> None:
    for name, used in (("Açougue Central", 1), ("Padaria Central", 9), ("Padaria do Bairro", 2)):
        sent_before(core, register(core, smtp, name, daily_limit=10), timedelta(hours=2), used)
    open_quotas(page, app.url)
    assert rows(page)[0]["Conta"] == "Padaria Central"  # what needs somebody comes first
    field(page, "Buscar").fill("acougue")
    expect(page.get_by_text("1 conta", exact=True)).to_be_visible()
    settled(page)
    assert "busca=acougue" in page.url
    field(page, "Buscar").fill("PADARIA")
    expect(page.get_by_text("2 contas", exact=True)).to_be_visible()
    settled(page)
    choose(page, "Estado", "Perto do limite")
    expect(page.get_by_text("1 conta", exact=True)).to_be_visible()
    pick(page, "Padaria Central")
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_role("heading", name="Padaria Central", exact=True)).to_be_visible()
    settled(page)
    expect(field(page, "Buscar")).to_have_value("PADARIA")
    assert [row["Conta"] for row in rows(page)] == ["Padaria Central"]
    expect(page.get_by_role("combobox", name="Estado", exact=True)).to_have_value("Perto do limite")
    assert page.url == link
    field(page, "Buscar").fill("ninguém")
    expect(page.get_by_text("Nenhuma conta combina com os filtros.")).to_be_visible()
    settled(page)
    press(page, "Limpar filtros")
    expect(page.get_by_text("3 contas", exact=True)).to_be_visible()
    expect(field(page, "Buscar")).to_have_value("")
    open_quotas(page, app.url, "?estado=Inventado&servidor=abc&pagina=-3")
    expect(page.get_by_text("3 contas", exact=True)).to_be_visible()
    no_traceback(page, app)


def test_the_files_hold_the_figures_on_screen(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer, tmp_path: Path
) -> None:
    formula = register(core, smtp, "=SOMA(A1)", daily_limit=10, from_address="formula@exemplo.com.br")
    other = register(core, smtp, "Loja", from_address="loja@exemplo.com.br")
    sent_before(core, formula, timedelta(hours=1), 4)
    sent_before(core, other, timedelta(hours=1), 7)
    entry = Entry(formula, datetime.now(UTC) - timedelta(hours=2), 3)
    core.record_external_use([entry], actor=ME)
    open_quotas(page, app.url)
    on_screen = {row["Conta"]: row for row in rows(page)}
    text = downloaded(page, "CSV").decode("utf-8-sig")
    by_name = {row["Servidores"].lstrip("'"): row for row in csv.DictReader(StringIO(text), delimiter=";")}
    assert set(by_name) == set(on_screen) == {"=SOMA(A1)", "Loja"}
    for name, row in by_name.items():
        assert (row["Usado"], row["Resta"]) == (on_screen[name]["Usado"], on_screen[name]["Resta"])
    first = by_name["=SOMA(A1)"]
    assert (first["Usado"], first["Por este programa"], first["Consumo externo"]) == ("7", "4", "3")
    assert first["Libera quanto"] in on_screen["=SOMA(A1)"]["Libera"]
    assert not any(cell.startswith("=") for cell in next(iter(csv.reader(StringIO(text), delimiter=";"))))

    heading, *cells = sheet_rows(downloaded(page, "Excel"), tmp_path)
    in_sheet = {row["Servidores"]: row for row in (dict(zip(heading, line, strict=True)) for line in cells)}
    assert set(in_sheet) == set(on_screen)  # a description that begins with "=" stays a text
    for name in in_sheet:
        for column in ("Usado", "Por este programa", "Consumo externo", "Limite", "Resta", "Libera quanto", "Estado"):
            assert in_sheet[name][column] == by_name[name][column]

    field(page, "Buscar").fill("loja")
    expect(page.get_by_text("1 conta", exact=True)).to_be_visible()
    settled(page)
    assert downloaded(page, "CSV").decode("utf-8-sig").count("\n") == 2  # what is filtered out is not in the file


# -- Blocked


def test_from_no_servers_to_an_account_on_hold_that_a_person_lifts(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer
) -> None:
    open_quotas(page, app.url)
    expect(page.get_by_text("Ainda não há servidores registrados.")).to_be_visible()
    assert card(page, "Usado") == "0"
    no_traceback(page, app)
    server = register(core, smtp, "Padaria", daily_limit=100)
    smtp.script["RCPT"] = Say("550 5.4.6 Daily limit")
    open_test(page, app.url, server)
    send_test(page)
    expect(alert(page, "O limite diário da conta acabou").first).to_be_visible()
    connections = smtp.connections
    smtp.script.clear()
    send_test(page)
    expect(alert(page, "nada é tentado até ela liberar")).to_be_visible()
    expect(page.get_by_text("A conta volta sozinha em", exact=False)).to_be_visible()
    expect(alert(page, "Esta conta está bloqueada e volta")).to_be_visible()
    assert (smtp.connections, smtp.inbox) == (connections, [])
    hold = core.quotas(server_id=server.id)[0].hold
    assert hold is not None
    assert hold.held_until is not None
    assert hold.held_until > datetime.now(UTC) + SHORTEST_HOLD - timedelta(minutes=5)

    open_list(page, app.url)
    expect(alert(page, "Padaria")).to_contain_text("bloqueada")
    open_quotas(page, app.url, f"?servidor={server.id}")
    assert row_of(page, "Padaria")["Estado"] == "⊘ Bloqueada"
    assert "volta" in row_of(page, "Padaria")["Libera"]
    assert card(page, "Bloqueadas") == "1"
    until = hold.held_until.astimezone(core.settings.zone).strftime("%d/%m/%Y %H:%M")
    expect(alert(page, f"Bloqueada até {until}")).to_be_visible()
    expect(page.get_by_text("550 5.4.6 Daily limit")).to_be_visible()
    press(page, "Liberar agora")
    expect(page.get_by_role("button", name="Liberar agora")).to_have_count(0)
    settled(page)
    assert row_of(page, "Padaria")["Estado"] == "✓ Em ordem"
    assert card(page, "Bloqueadas") == "0"

    go(page, f"{app.url}/alteracoes")
    expect(page.get_by_role("heading", name="Alterações")).to_be_visible()
    noted = rows(page)[0]
    assert (noted["Servidor"], noted["Campo"], noted["Para"]) == ("Padaria", "Bloqueio da conta", "liberada")
    assert noted["De"].startswith("bloqueada")
    assert noted["Quem"]
    open_test(page, app.url, server)
    send_test(page)
    accepted(page)
    assert len(smtp.inbox) == 1
    no_traceback(page, app)


def test_refused_logins_pause_the_account_and_a_new_password_returns_it(
    page: Any, app: Any, core: Mailcore, page_frames: list[bytes]
) -> None:
    with SmtpPeer(users={USER: PASSWORD}) as peer:
        server = register(core, peer, requires_auth=True, username=USER, from_address=USER, password=WRONG)
        open_test(page, app.url, server)
        for _ in range(3):
            send_test(page)
            expect(page.get_by_text("535 5.7.8", exact=False).first).to_be_visible()
        connections = peer.connections
        send_test(page)
        expect(alert(page, "Esta conta está em pausa")).to_be_visible()
        assert peer.connections == connections
        open_quotas(page, app.url)
        assert row_of(page, "Padaria")["Estado"] == "⊘ Bloqueada"
        assert row_of(page, "Padaria")["Libera"] == "espera uma pessoa"

        open_form(page, app.url, server.id)
        tab(page, "Autenticação")
        field(page, "Senha").fill(PASSWORD)
        press(page, "Salvar")
        expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
        open_test(page, app.url, server)
        expect(page.get_by_text("bloqueada", exact=False)).to_have_count(0)
        send_test(page)
        accepted(page)
        assert len(peer.inbox) == 1
        open_quotas(page, app.url)
        assert row_of(page, "Padaria")["Estado"] == "✓ Em ordem"
    no_trace_of(WRONG, app, page_frames)
    no_trace_of(PASSWORD, app, page_frames)


# -- The limit


def test_a_full_quota_refuses_here_says_when_and_offers_the_paid_server(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer
) -> None:
    server = register(core, smtp, "Padaria", daily_limit=2)
    paid = register(core, smtp, "Volume", is_paid=True)
    open_test(page, app.url, server)
    send_test(page)
    accepted(page)
    # What does not fit whole is refused whole.
    send_test(page, "a@outro.example, b@outro.example")
    expect(alert(page, "A cota desta conta não comporta esta mensagem")).to_be_visible()
    send_test(page, "a@outro.example, b@outro.example, c@outro.example")
    expect(alert(page, "mais destinatários do que a cota inteira")).to_be_visible()
    assert len(smtp.inbox) == 1
    send_test(page)
    accepted(page)
    assert len(smtp.inbox) == 2
    connections = smtp.connections
    send_test(page)
    expect(alert(page, "A cota desta conta não comporta esta mensagem")).to_be_visible()
    expect(page.get_by_text("2 de 2 destinatários, e esta mensagem precisa de mais 1", exact=False)).to_be_visible()
    fits = core.quotas(server_id=server.id)[0].frees[0].at.astimezone(core.settings.zone)
    expect(page.get_by_text(f"Cabe a partir de {fits:%d/%m às %H:%M}", exact=False)).to_be_visible()
    assert (smtp.connections, len(smtp.inbox)) == (connections, 2)
    page.get_by_role("button", name="Usar o servidor pago Volume").click()
    expect(page.get_by_role("button", name="Usar o servidor pago Volume")).to_have_count(0)
    settled(page)
    expect(page.get_by_role("combobox", name="Servidor", exact=True)).to_have_value(re.compile("^Volume"))
    send_test(page)
    accepted(page)
    assert smtp.inbox[-1].envelope_from == paid.from_address
    open_quotas(page, app.url)
    assert row_of(page, "Padaria")["Estado"] == "✗ Sem cota"
    assert counted(core)[server.account_key] == 2


def test_warnings_at_80_and_at_95_percent_on_the_list_and_before_a_test(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer
) -> None:
    calm = register(core, smtp, "Calma", daily_limit=100)
    near = register(core, smtp, "Quase", daily_limit=100)
    very_near = register(core, smtp, "Muito perto", daily_limit=100)
    register(core, smtp, "Sem limite")
    for server, used in ((calm, 79), (near, 80), (very_near, 95)):
        sent_before(core, server, timedelta(hours=1), used)
    open_list(page, app.url)
    told = re.compile(r"Cota acabando[^:]*: Muito perto \([^)]*\)\. Cota acima de 80 %: Quase \([^)]*\)\.")
    expect(alert(page, "Cota ac")).to_have_text(told)  # in one box, not in two
    shares = {row["Descrição"]: row["Cota hoje"].removesuffix(" de 100") for row in rows(page)}
    assert shares == {"Calma": "79", "Quase": "80", "Muito perto": "95", "Sem limite": ""}
    select_row(page, [row["Descrição"] for row in rows(page)].index("Quase"))
    press(page, "Enviar teste")
    expect(alert(page, "Cota: 80 de 100 destinatários; restam 20.")).to_be_visible()
    open_test(page, app.url, very_near)
    expect(alert(page, "Cota: 95 de 100 destinatários; restam 5. Libera 95")).to_be_visible()
    open_test(page, app.url, calm)
    expect(page.get_by_text("Cota: 79 de 100", exact=False)).to_be_visible()
    expect(alert(page, "Cota:")).to_have_count(0)
    send_test(page)
    accepted(page)
    expect(alert(page, "Cota: 80 de 100 destinatários; restam 20.")).to_be_visible()
    no_traceback(page, app)


# -- Origin = destination


def test_mail_to_oneself_is_stopped_warned_of_or_allowed_as_the_record_says(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer
) -> None:
    own, to = "ana.maria@gmail.com", "A.naMaria+teste@GoogleMail.com"
    server = register(core, smtp, from_address=own)
    assert server.same_address is SameAddress.BLOCK  # where a free account starts
    register(core, smtp, "Volume", is_paid=True)
    register(core, smtp, "Avisa", from_address=own, same_address=SameAddress.WARN)
    open_test(page, app.url, server)
    send_test(page, f"{TO}, {to}")
    expect(alert(page, "O destino é o próprio remetente")).to_be_visible()
    expect(page.get_by_text("contas gratuitas costumam ser bloqueadas por isso", exact=False)).to_be_visible()
    expect(page.get_by_role("button", name="Usar o servidor pago Volume")).to_be_visible()
    assert (smtp.connections, counted(core)) == (0, {})

    choose(page, "Servidor", f"Avisa — {own}")
    send_test(page, "anamaria+x@gmail.com")
    accepted(page)
    expect(alert(page, "A mensagem vai para o próprio remetente")).to_be_visible()
    free = register(core, smtp, "Permite", from_address=own, is_paid=True)
    assert free.same_address is SameAddress.ALLOW  # where a paid account starts
    settled(page)  # the cursor goes to the outcome, which would close an open list
    choose(page, "Servidor", "Volume — volume@exemplo.com.br")  # by which the page hears of the new one
    choose(page, "Servidor", f"Permite — {own}")
    send_test(page, "anamaria@gmail.com")
    accepted(page)
    expect(alert(page, "próprio remetente")).to_have_count(0)
    assert len(smtp.inbox) == 2


# -- Use made elsewhere


def test_use_made_elsewhere_is_entered_by_hand_and_by_file(page: Any, app: Any, core: Mailcore, smtp: SmtpPeer) -> None:
    bakery, shop = register(core, smtp, "Padaria", daily_limit=40), register(core, smtp, "Loja", daily_limit=40)
    send(core, bakery)

    def used() -> dict[str, int]:
        return {each.servers[0].name: each.used for each in core.quotas()}

    open_quotas(page, app.url)
    open_form_of_use(page)
    expect(page.get_by_text("Marque uma conta na tabela.")).to_be_visible()
    pick(page, "Padaria")
    expect(page.get_by_text("Conta: Padaria")).to_be_visible()
    press(page, "Registrar")
    expect(alert(page, "Unidades: preencha este campo.")).to_be_visible()
    box = field(page, "Unidades")
    box.fill("7")
    press(page, "Registrar")
    expect(alert(page, "Registrado: 7 unidades de consumo externo.")).to_be_visible()
    settled(page)
    assert (row_of(page, "Padaria")["Usado"], row_of(page, "Padaria")["Resta"]) == ("8", "32")
    expect(page.get_by_text("1 por este programa e 7 de consumo externo")).to_be_visible()
    expect(box).to_have_value("")

    # The form names the account that is chosen now, and two clicks enter its use once.
    pick(page, "Loja")
    expect(page.get_by_text("Conta: Loja")).to_be_visible()
    box.fill("4")
    page.get_by_role("button", name="Registrar", exact=True).dblclick()
    expect(alert(page, "Registrado: 4 unidades")).to_be_visible()
    settled(page)
    assert used() == {"Loja": 4, "Padaria": 8}
    expect(box).to_have_value("")

    # What is being typed survives the page refreshing around it.
    at = page.get_by_role("group", name="Hora", exact=True)
    at.get_by_role("spinbutton").first.click()
    page.keyboard.type("0015")
    page.keyboard.press("Tab")
    settled(page)
    typed = at.get_by_role("spinbutton").all_text_contents()
    assert typed[:2] == ["00", "15"]
    box.click()
    box.press_sequentially("42")
    for search, found in (("loja", "1 conta"), ("", "2 contas")):
        field(page, "Buscar").fill(search)  # runs the whole page
        expect(page.get_by_text(found, exact=True)).to_be_visible()
        settled(page)
        expect(box).to_have_value("42")
    assert at.get_by_role("spinbutton").all_text_contents() == typed
    expect(page.get_by_text("Conta: Loja")).to_be_visible()
    expect(page.get_by_role("button", name="Registrar", exact=True)).to_be_visible()
    assert used() == {"Loja": 4, "Padaria": 8}

    # A file is taken whole or not at all.
    moment = (datetime.now(core.settings.zone) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    good = f"server_id;at;units\n{bakery.id};{moment};30\n{shop.id};{moment};12\n"
    tab(page, "Arquivo CSV")
    put(page, "consumo.csv", f"{good}{bakery.id};{moment};muitos\n99;{moment};1\n".encode())
    press(page, "Registrar arquivo")
    expect(alert(page, "Linha 4: units: use um número inteiro a partir de 1.")).to_be_visible()
    expect(alert(page, "Linha 5: server_id: não há servidor com o número 99.")).to_be_visible()
    settled(page)
    assert used() == {"Loja": 4, "Padaria": 8}
    tab(page, "Digitar")
    expect(box).to_have_value("42")
    tab(page, "Arquivo CSV")
    put(page, "consumo.csv", good.encode())
    press(page, "Registrar arquivo")
    expect(alert(page, "Registrado: 42 unidades de consumo externo.")).to_be_visible()
    settled(page)
    assert row_of(page, "Padaria")["Usado"] == "38"
    assert row_of(page, "Loja")["Usado"] == "16"
    open_test(page, app.url, bakery)
    expect(alert(page, "Cota: 38 de 40")).to_be_visible()
    assert counted(core) == {bakery.account_key: 1}  # our own count stays ours
    no_traceback(page, app)


def put(page: Any, name: str, data: bytes) -> None:
    files = [{"name": name, "mimeType": "text/csv", "buffer": data}]
    page.locator('input[type="file"]').set_input_files(files)
    expect(page.get_by_role("button", name="Registrar arquivo", exact=True)).to_be_visible()
    settled(page)


def test_an_analyst_sorts_undoes_counts_outcomes_and_links_to_a_period(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer
) -> None:
    """One walk through what the page has besides the figures of now."""
    for name, used in (("Nove", 9), ("Centenas", 131), ("Milhares", 1_486)):
        sent_before(core, register(core, smtp, name), timedelta(hours=2), used)
    shop = register(core, smtp, "Loja", daily_limit=50)
    smtp.script["RCPT"] = [None, Say("550 5.1.1 no such user"), None]
    for _ in range(3):
        send(core, shop)
    core.record_external_use([Entry(shop, datetime.now(UTC) - timedelta(hours=1), 40)], actor=ME)

    open_quotas(page, app.url)
    table = page.locator(".st-key-quotas table")
    table.get_by_role("button", name="Usado").click()
    expect(table.locator("tbody tr").first).to_contain_text("Nove")
    assert [row["Usado"] for row in rows(page)] == ["9", "42", "131", "1.486"]
    table.get_by_role("button", name="Usado").click()
    expect(table.locator("tbody tr").first).to_contain_text("Milhares")
    assert [row["Usado"] for row in rows(page)] == ["1.486", "131", "42", "9"]
    assert "ordem=-used" in page.url
    number = table.locator('tbody td[data-column="used"]').first
    assert number.evaluate("(cell) => getComputedStyle(cell).textAlign") == "end"

    pick(page, "Loja")
    expect(page).to_have_title("Cotas — Loja")
    row = table.locator('[aria-selected="true"]').bounding_box()
    detail = page.get_by_role("heading", name="Loja", exact=True).bounding_box()
    assert 0 <= detail["y"] - (row["y"] + row["height"]) < 250  # right under it, both in one look
    near = table.locator("tbody tr").filter(has_text="Loja").locator('td[data-column="state"]')
    expect(near).to_have_text("! Perto do limite")
    assert "tone-warn" in near.get_attribute("class")

    table.locator('[aria-selected="true"]').press("Escape")
    expect(page).to_have_title("Cotas")
    settled(page)
    pick(page, "Loja")

    page.get_by_role("tab", name="Por causa").click()
    causes = page.locator(".st-key-outcomes_cause table")
    expect(causes.locator("tbody tr")).to_have_count(1)
    expect(causes).to_contain_text("não existe")
    page.get_by_role("tab", name="Por domínio").click()
    expect(page.locator(".st-key-outcomes_domain tbody tr")).to_contain_text("66,6 %")
    page.get_by_role("tab", name="Semana a semana").click()
    expect(page.locator(".st-key-outcomes_week tbody tr")).to_have_count(8)
    settled(page)

    page.get_by_text("Consumo externo registrado", exact=True).click()
    entry = page.locator(".st-key-external_entries tbody tr")
    expect(entry).to_have_count(1)
    expect(page.get_by_role("button", name="Desfazer")).to_be_disabled()
    entry.click()
    expect(page.get_by_role("button", name="Desfazer")).to_be_enabled()
    settled(page)
    page.get_by_role("button", name="Desfazer").dblclick()
    expect(alert(page, "Desfeito: 40 unidades de consumo externo")).to_be_visible()
    settled(page)
    assert row_of(page, "Loja")["Usado"] == "2"
    assert core.external_use().matching == 0
    assert core.trail.read().changes[0].field == "external_use"

    choose(page, "Período", "Últimos 7 dias")
    expect(page.get_by_role("heading", name="Últimos 7 dias", exact=True)).to_be_visible()
    with page.expect_download() as download:
        press(page, "Baixar CSV dos dias")
    heading, *days = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert heading == "Dia;Servidor;Número;Mensagens;Destinatários;Consumo externo"
    of_shop = [day.split(";") for day in days if ";Loja;" in day]
    assert [sum(int(day[at]) for day in of_shop) for at in (3, 4, 5)] == [2, 2, 0]
    assert all(re.fullmatch(r"\d\d/\d\d/\d{4}", day[0]) for day in of_shop)
    first = datetime.now(core.settings.zone).date() - timedelta(days=10)
    last = first + timedelta(days=2)
    page.goto("about:blank")
    open_quotas(page, app.url, f"?servidor={shop.id}&de={first}&ate={last}")
    expect(page.get_by_role("heading", name=f"De {first:%d/%m/%Y} a {last:%d/%m/%Y}", exact=True)).to_be_visible()
    expect(page.get_by_text("Nada foi enviado neste período.")).to_be_visible()
    assert f"de={first}" in page.url
    no_traceback(page, app)


# -- Elastic Email's own figures


def test_the_services_own_figures_stand_in_the_row_and_in_the_details_as_far_as_it_tells_them(
    page: Any, app: Any, core: Mailcore, elastic: ElasticPeer, smtp: SmtpPeer, page_frames: list[bytes]
) -> None:
    server = register_service(core, daily_limit=40)
    send(core, server)
    send(core, server)
    sender = register_service(core, SEND_ONLY_KEY, name="Só envia")
    assert send(core, sender).status is SendStatus.ACCEPTED
    register(core, smtp, "Padaria", daily_limit=10)
    elastic.statistics |= {"EmailTotal": 17, "Delivered": 15}
    open_quotas(page, app.url, f"?servidor={server.id}")

    def read() -> None:
        expect(page.get_by_text("Lido do serviço às", exact=False)).to_be_visible(timeout=2_000)
        settled(page)
        assert "No serviço" in row_of(page, "Campanhas")  # the row was there before the reading in the run that got it

    until(page, read)
    assert re.fullmatch(r"17 de 50 \(lido \d\d:\d\d\)", row_of(page, "Campanhas")["No serviço"])
    # The service leaves 33 and our own count 38: the stricter one is shown.
    assert (row_of(page, "Campanhas")["Usado"], row_of(page, "Campanhas")["Resta"]) == ("17", "33")
    expected = {
        "Limite diário": "50",
        "Créditos": "0",
        "Reputação": "91",
        "Situação": "Ativa",
        "Enviados hoje": "17",
        "Entregues hoje": "15",
    }
    assert {name: card(page, name) for name in expected} == expected
    expect(page.get_by_text("Pelos números do serviço, restam 33 hoje.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Lido do serviço às \d\d:\d\d:\d\d\."))).to_be_visible()

    # A key that may only send costs the figures and not the page.
    pick(page, "Só envia")
    until(page, lambda: expect(page.get_by_text("Não foi possível ler tudo", exact=False)).to_be_visible(timeout=2_000))
    settled(page)
    assert [card(page, name) for name in ("Limite diário", "Créditos", "Enviados hoje")] == ["—", "—", "—"]
    assert {row["Conta"] for row in rows(page)} == {"Padaria", "Campanhas", "Só envia"}
    assert row_of(page, "Só envia")["Usado"] == "1"
    expect(page.get_by_role("heading", name="Últimos 30 dias")).to_be_visible()

    # A service that does not answer does not hold the page up.
    elastic.script["/v2/account/load"] = Stall()
    elastic.script["/v4/statistics"] = Stall()
    silent_key = "CHAVE-SEM-RESPOSTA-1190"  # the figures of another key are known from before
    elastic.keys.add(silent_key)
    register_service(core, silent_key, name="Muda")
    field(page, "Buscar").fill("muda")
    expect(page.get_by_text("1 conta", exact=True)).to_be_visible()
    pick(page, "Muda")
    expect(page.get_by_text("Lendo do serviço…")).to_be_visible()
    expect(page.get_by_role("heading", name="Últimos 30 dias")).to_be_visible()
    for key in (KEY, SEND_ONLY_KEY, silent_key):
        no_trace_of(key, app, page_frames)
    no_traceback(page, app)


def until(page: Any, holds: Callable[[], object], tries: int = 8) -> None:
    """Look again, by running the page again, until something read in the background is on screen."""
    for left in range(tries - 1, -1, -1):
        try:
            holds()
        except AssertionError:
            if not left:
                raise
            page.reload()
        else:
            return


# -- Many


def test_a_thousand_accounts_in_pages_of_fifty(page: Any, app: Any, core: Mailcore, smtp: SmtpPeer) -> None:
    model = register(core, smtp, "Modelo", daily_limit=200)
    many(core, model, 999)
    open_quotas(page, app.url)
    expect(page.get_by_text("1.000 contas", exact=True)).to_be_visible()
    table = page.locator(".st-key-quotas table")
    expect(table).to_have_attribute("aria-rowcount", "1001")  # of the whole list, and its heading is one
    expect(table.locator("tbody tr")).to_have_count(50)
    first = [row["Conta"] for row in rows(page)]
    assert rows(page)[0]["Estado"] == "✗ Sem cota"
    used = sum(number % 201 for number in range(999))
    assert card(page, "Usado") == f"{used:,}".replace(",", ".")
    page.get_by_role("button", name="Próxima página").click()
    expect(table.get_by_text(first[0], exact=True)).to_have_count(0)
    second = [row["Conta"] for row in rows(page)]
    expect(table.locator("tbody tr")).to_have_count(50)
    assert not set(first) & set(second)
    field(page, "Buscar").fill("cliente 0777")
    expect(page.get_by_text("1 conta", exact=True)).to_be_visible()
    assert [row["Conta"] for row in rows(page)] == ["Cliente 0777"]
    assert rows(page)[0]["Usado"] == str(777 % 201)
    pick(page, "Cliente 0777")
    field(page, "Buscar").fill("")
    expect(page.get_by_text("1.000 contas", exact=True)).to_be_visible()
    assert downloaded(page, "CSV").decode("utf-8-sig").count("\n") == 1_001
    no_traceback(page, app)


def many(core: Mailcore, model: MailServer, count: int) -> None:
    """Records like this one, each an account of its own that used a bit, straight into the tables."""
    skipped = {"id", "secret_ref", "is_default"}
    columns = [column.key for column in MailServer.__table__.columns if column.key not in skipped]
    with core.database.write() as session:
        for number in range(count):
            name = f"Cliente {number:04}"
            address = f"c{number}@exemplo.com.br"
            own = {
                "name": name,
                "name_key": name.lower(),
                "from_address": address,
                "account_key": f"smtp:127.0.0.1/-/{address}",
                "search_text": f"{name.lower()}\n",
            }
            values = {column: getattr(model, column) for column in columns} | own
            session.add(MailServer(**values, is_default=False))
        session.flush()
        ids = [(server.id, server.account_key, server.name) for server in session.query(MailServer)]
    at = datetime.now(UTC) - timedelta(hours=3)
    with core.database.fast_write() as cursor:
        for server_id, key, name in ids:
            if name.startswith("Cliente"):
                units = int(name[-4:]) % 201
                amount = usage.Amount(messages=1, recipients=units)
                usage.add(LockedAccount(core.database, cursor, core.quota_settings, key), server_id, at, amount)
