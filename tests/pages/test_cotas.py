"""The page Cotas without a browser: filters, links, many accounts, files, what became of mail, a service's word."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from mailcore import Mailcore
from mailcore.quota import usage
from mailcore.quota.external_use import Entry
from mailcore.quota.locked_account import LockedAccount
from mailcore.storage.tables import MailServer
from tests.actors import ME
from tests.mailcore.quota.test_one_truth import excel_cells
from tests.pages import records
from tests.pages.drawn import (
    cards,
    of_table,
    open_page,
    press,
    row_of,
    rows_of,
    said,
    sent_to_the_browser,
    whole,
)
from tests.peers.elastic_server import ElasticPeer, Stall
from tests.peers.smtp_server import Say, SmtpPeer
from ui.context import library
from ui.cotas.files import both, days_table, to_csv, to_excel
from ui.cotas.palette import SERIES
from ui.listview.period import Span

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

EAST, WEST = "Pacific/Kiritimati", "Pacific/Niue"
"""UTC+14 and UTC-11: whatever the machine's clock says, one of them has another day."""


def register(core: Mailcore, name: str, used: int, limit: int | None = None, **changes: str) -> MailServer:
    server = records.register(core, None, name, daily_limit=limit, **changes)
    if used:
        core.reserve(server, used)
    return server


@pytest.mark.parametrize("zone", [EAST, WEST])
def test_external_use_begins_now_in_the_configured_zone(
    core: Mailcore, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("MAILCORE_TIMEZONE", zone)
    shop = register(core, "Loja", 1)
    before = datetime.now(ZoneInfo(zone)).replace(second=0, microsecond=0, tzinfo=None)
    app = open_page("cotas", servidor=str(shop.id))
    day = next(field for field in app.date_input if field.label == "Dia")
    (time,) = app.time_input
    assert before <= datetime.combine(day.value, time.value) <= datetime.now(ZoneInfo(zone)).replace(tzinfo=None)


def test_many_accounts_are_a_picture_of_the_biggest_and_those_near_their_limit(core: Mailcore) -> None:
    for number in range(25):
        register(core, f"Cliente {number:02}", 10 + number)
    register(core, "Apertada", 9, limit=10)
    app = open_page("cotas")
    legend = next(part.proto.body for part in app.get("html") if "mailcore-legend" in part.proto.body)
    shown = [f"Cliente {number}" for number in (24, 23, 22, 21)]
    assert all(f"</i>{name}: " in legend for name in (*shown, "Apertada"))
    assert legend.count("<li>") == len(SERIES)
    assert [caption.value for caption in app.caption if "Os outros 21 servidores usaram 420" in caption.value]


def shown(app: AppTest) -> list[str]:
    return [row["Conta"] for row in rows_of(app, "Cotas")]


def test_filters_find_accounts_and_live_in_the_link(core: Mailcore) -> None:
    for name, used in (("Açougue Central", 1), ("Padaria Central", 9), ("Padaria do Bairro", 2)):
        register(core, name, used, limit=10)
    app = open_page("cotas")
    assert shown(app)[0] == "Padaria Central"  # what needs somebody comes first
    app.text_input(key="cotas_busca").set_value("acougue")
    assert shown(whole(app.run())) == ["Açougue Central"]
    app.text_input(key="cotas_busca").set_value("PADARIA")
    assert len(shown(whole(app.run()))) == 2
    app.selectbox(key="cotas_estado").select("Perto do limite")
    assert shown(whole(app.run())) == ["Padaria Central"]
    assert app.query_params == {"busca": "PADARIA", "estado": "Perto do limite"}
    app.text_input(key="cotas_busca").set_value("ninguém")
    assert "Nenhuma conta combina com os filtros." in said(whole(app.run()))
    app = press(app, "Limpar filtros")
    assert len(shown(app)) == 3
    assert app.text_input(key="cotas_busca").value == ""
    # A link opens what was on screen; one that means nothing, everything.
    app = open_page("cotas", busca="PADARIA", estado="Perto do limite", ordem="-used")
    assert shown(app) == ["Padaria Central"]
    assert (app.text_input(key="cotas_busca").value, app.selectbox(key="cotas_estado").value) == (
        "PADARIA",
        "Perto do limite",
    )
    assert shown(open_page("cotas", ordem="-used")) == ["Padaria Central", "Padaria do Bairro", "Açougue Central"]
    assert len(shown(open_page("cotas", estado="Inventado", servidor="abc", pagina="-3"))) == 3


def test_a_thousand_accounts_in_pages_of_fifty(core: Mailcore) -> None:
    many(core, register(core, "Modelo", 0, limit=200), 999)
    app = open_page("cotas")
    assert "1.000 contas" in said(app).splitlines()
    first = rows_of(app, "Cotas")
    assert (len(first), first[0]["Estado"]) == (50, "✗ Sem cota")
    assert of_table(app, "Cotas")["total"] == 1000
    assert cards(app)["Usado"] == f"{sum(number % 201 for number in range(999)):,}".replace(",", ".")
    (pages,) = app.get("pagination")
    second = shown(whole(pages.set_value(2).run()))
    assert len(second) == 50
    assert not {row["Conta"] for row in first} & set(second)
    app.text_input(key="cotas_busca").set_value("cliente 0777")
    (row,) = rows_of(whole(app.run()), "Cotas")
    assert (row["Conta"], row["Usado"]) == ("Cliente 0777", str(777 % 201))
    assert to_csv(core, core.quotas()).decode("utf-8-sig").count("\n") == 1_001


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


def test_the_files_hold_the_figures_on_screen(core: Mailcore) -> None:
    formula = register(core, "=SOMA(A1)", 4, limit=10, from_address="formula@exemplo.com.br")
    register(core, "Loja", 7)
    entry = Entry(formula, datetime.now(UTC) - timedelta(hours=2), 3)
    core.record_external_use([entry], actor=ME)
    on_screen = {row["Conta"]: row for row in rows_of(open_page("cotas"), "Cotas")}
    text = to_csv(core, core.quotas()).decode("utf-8-sig")
    by_name = {row["Servidores"].lstrip("'"): row for row in csv.DictReader(StringIO(text), delimiter=";")}
    assert set(by_name) == set(on_screen) == {"=SOMA(A1)", "Loja"}
    for name, row in by_name.items():
        assert (row["Usado"], row["Resta"]) == (on_screen[name]["Usado"], on_screen[name]["Resta"])
    first = by_name["=SOMA(A1)"]
    assert (first["Usado"], first["Por este programa"], first["Consumo externo"]) == ("7", "4", "3")
    assert first["Libera quanto"] in on_screen["=SOMA(A1)"]["Libera"]
    assert not any(cell.startswith("=") for line in csv.reader(StringIO(text), delimiter=";") for cell in line)

    in_sheet = {row["Servidores"]: row for row in excel_cells(to_excel(core, core.quotas()))}
    assert set(in_sheet) == set(on_screen)  # a description that begins with "=" stays a text
    for name, cells in in_sheet.items():
        for column in ("Usado", "Por este programa", "Consumo externo", "Limite", "Resta", "Libera quanto", "Estado"):
            assert cells.get(column, "") == by_name[name][column]


def test_an_analyst_counts_outcomes_and_links_to_a_period(core: Mailcore) -> None:
    with SmtpPeer(script={"RCPT": [None, Say("550 5.1.1 no such user"), None]}) as peer:
        shop = records.register(core, peer, "Loja", daily_limit=50)
        for _ in range(3):
            records.send(core, shop)
    register(core, "Outra", 9)
    for view, label in (("Por causa", "não existe"), ("Por domínio", "66,6 %"), ("Semana a semana", "")):
        app = open_page("cotas", servidor=str(shop.id))
        app.session_state["cotas_resultados"] = view
        found = rows_of(whole(app.run()), view)
        assert any(label in text for text in found[0].values())
        assert len(found) == (8 if view == "Semana a semana" else 1)

    app.selectbox(key="cotas_periodo").select("Últimos 7 dias")
    assert "Últimos 7 dias" in [header.value for header in whole(app.run()).header]
    today = datetime.now(core.settings.zone).date()
    (quota,) = core.quotas(server_id=shop.id)
    week = Span("Últimos 7 dias", today - timedelta(days=6), today)
    heading, *days = both(partial(days_table, core, quota, week), "")[0]().decode("utf-8-sig").splitlines()
    assert heading == "Dia;Servidor;Número;Mensagens;Destinatários;Consumo externo"
    cells = [day.split(";") for day in days]
    assert {cell[1] for cell in cells} == {"Loja"}
    assert [sum(int(cell[at]) for cell in cells) for at in (3, 4, 5)] == [2, 2, 0]
    assert all(re.fullmatch(r"\d\d/\d\d/\d{4}", cell[0]) for cell in cells)

    first = today - timedelta(days=10)
    last = first + timedelta(days=2)
    app = open_page("cotas", servidor=str(shop.id), de=str(first), ate=str(last))
    assert f"De {first:%d/%m/%Y} a {last:%d/%m/%Y}" in [header.value for header in app.header]
    assert "Nada foi enviado neste período." in said(app)
    assert app.query_params["de"] == str(first)


KEY, SEND_ONLY_KEY, SILENT_KEY = "CHAVE-4410-ABCDEF", "CHAVE-SO-ENVIA-8823", "CHAVE-SEM-RESPOSTA-1190"


def test_the_services_own_figures_stand_in_the_row_and_in_the_details_as_far_as_it_tells_them(
    core: Mailcore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ElasticPeer(keys={KEY, SILENT_KEY}, send_only_keys={SEND_ONLY_KEY}) as elastic:
        monkeypatch.setenv("MAILCORE_ELASTIC_EMAIL_URL", elastic.url)
        monkeypatch.setattr(core, "settings", core.settings.model_copy(update={"elastic_email_url": elastic.url}))
        server = records.register_service(core, KEY, daily_limit=40)
        core.reserve(server, 2)
        sender = records.register_service(core, SEND_ONLY_KEY, name="Só envia")
        core.reserve(sender, 1)
        register(core, "Padaria", 0, limit=10)
        elastic.statistics |= {"EmailTotal": 17, "Delivered": 15}
        open_page("cotas")  # asks, and waits for nobody
        library().figures.now([server, sender], seconds=60)
        app = open_page("cotas", servidor=str(server.id))
        row = row_of(app, "Cotas", "Campanhas")
        assert re.fullmatch(r"17 de 50 \(lido \d\d:\d\d\)", row["No serviço"])
        # The service leaves 33 and our own count 38: the stricter one is shown.
        assert (row["Usado"], row["Resta"]) == ("17", "33")
        told = {"Limite diário": "50", "Créditos": "0", "Reputação": "91", "Situação": "Ativa"}
        assert cards(app).items() >= (told | {"Enviados hoje": "17", "Entregues hoje": "15"}).items()
        assert "Pelos números do serviço, restam 33 hoje." in said(app)
        assert re.search(r"^Lido do serviço às \d\d:\d\d:\d\d\.$", said(app), re.MULTILINE)
        sent = sent_to_the_browser(app)

        # A key that may only send costs the figures and not the page.
        app = open_page("cotas", servidor=str(sender.id))
        assert "Não foi possível ler tudo" in said(app)
        assert {cards(app)[name] for name in ("Limite diário", "Créditos", "Enviados hoje")} == {"—"}
        assert set(shown(app)) == {"Padaria", "Campanhas", "Só envia"}
        assert row_of(app, "Cotas", "Só envia")["Usado"] == "1"
        assert "Últimos 30 dias" in [header.value for header in app.header]
        sent += sent_to_the_browser(app)

        # A service that does not answer does not hold the page up.
        elastic.script["/v2/account/load"] = Stall()
        elastic.script["/v4/statistics"] = Stall()
        silent = records.register_service(core, SILENT_KEY, name="Muda")
        app = open_page("cotas", servidor=str(silent.id))
        assert "Lendo do serviço…" in said(app)
        assert "Últimos 30 dias" in [header.value for header in app.header]
        sent += sent_to_the_browser(app)
    for key in (KEY, SEND_ONLY_KEY, SILENT_KEY):
        assert key.encode() not in sent
