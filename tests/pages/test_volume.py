"""The rules of volume as the pages tell them: the limit, warnings of it, holds, mail to oneself, use made elsewhere."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mailcore.quota.holds import SHORTEST_HOLD
from mailcore.vocabulary import SameAddress, SendStatus
from tests.pages.drawn import (
    alerts,
    cards,
    database_of,
    give_file,
    labels,
    links,
    open_page,
    press,
    row_of,
    rows_of,
    said,
    sent_to_the_browser,
    turn_to,
    whole,
)
from tests.pages.records import TO, register, send, sent_before
from tests.peers.smtp_server import Say, SmtpPeer

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer

USER, PASSWORD, WRONG = "ana@exemplo.com.br", "Segrêdo-Único-7781", "Errada-Única-3307"


def counted(core: Mailcore) -> dict[str, int]:
    """What each account used in the last 24 hours, by the raw rows alone, read past all of our code."""
    since = (datetime.now(UTC) - timedelta(hours=24)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with closing(sqlite3.connect(core.settings.data_dir / "mailcore.db")) as raw:
        found = raw.execute("SELECT account_key, sum(counted) FROM send WHERE at > ? GROUP BY account_key", (since,))
        return {key: units for key, units in found if units}


def open_test(server: MailServer) -> AppTest:
    return open_page("enviar_teste", servidor=str(server.id))


def send_test(app: AppTest, to: str = TO) -> AppTest:
    app.text_input(key="field_send_to").set_value(to)
    return press(app, "Enviar")


def test_the_figures_are_those_of_the_raw_ledger(core: Mailcore, smtp: SmtpPeer) -> None:
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
    app = open_page("cotas")
    shown = {row["Conta"]: row for row in rows_of(app, "Cotas")}
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
    assert cards(app) == {"Usado": str(sum(raw.values())), "Resta": "7", "Perto do limite": "1", "Bloqueadas": "0"}
    assert "3 contas" in said(app).splitlines()


def test_two_records_with_one_login_are_one_row_and_the_smallest_limit_holds(core: Mailcore) -> None:
    with SmtpPeer(users={USER: PASSWORD}) as peer:
        login = {"requires_auth": True, "username": USER, "password": PASSWORD}
        notes = register(core, peer, "Notas", daily_limit=10, **login)
        bills = register(core, peer, "Boletos", daily_limit=4, **(login | {"username": USER.upper()}))
        assert notes.account_key == bills.account_key
        send(core, notes)
    app = open_page("cotas", servidor=str(notes.id))  # by either of its records
    assert "1 conta" in said(app).splitlines()
    (row,) = rows_of(app, "Cotas")
    assert (row["Conta"], row["Usado"], row["Limite"], row["Resta"]) == ("Boletos (+1)", "1", "4", "3")
    assert "Boletos (+1)" in said(app).splitlines()
    assert "4 destinatários, 24 horas corridas" in said(app)
    for server in (notes, bills):
        assert links(app)[f"{server.name} (número {server.id})"] == f"id={server.id}"


def test_from_no_servers_to_an_account_on_hold_that_a_person_lifts(core: Mailcore, smtp: SmtpPeer) -> None:
    app = open_page("cotas")
    assert "Ainda não há servidores registrados." in said(app)
    assert cards(app)["Usado"] == "0"
    server = register(core, smtp, "Padaria", daily_limit=100)
    smtp.script["RCPT"] = Say("550 5.4.6 Daily limit")
    app = send_test(open_test(server))
    assert "O limite diário da conta acabou" in alerts(app)
    connections = smtp.connections
    smtp.script.clear()
    app = send_test(app)
    assert "nada é tentado até ela liberar" in alerts(app)
    assert "A conta volta sozinha em" in said(app)
    assert "Esta conta está bloqueada e volta" in alerts(app)
    assert (smtp.connections, smtp.inbox) == (connections, [])
    hold = core.quotas(server_id=server.id)[0].hold
    assert hold is not None
    assert hold.held_until is not None
    assert hold.held_until > datetime.now(UTC) + SHORTEST_HOLD - timedelta(minutes=5)

    assert "bloqueada" in next(line for line in alerts(open_page("servidores")).splitlines() if "Padaria" in line)
    app = open_page("cotas", servidor=str(server.id))
    row = row_of(app, "Cotas", "Padaria")
    assert (row["Estado"], "volta" in row["Libera"], cards(app)["Bloqueadas"]) == ("⊘ Bloqueada", True, "1")
    until = hold.held_until.astimezone(core.settings.zone).strftime("%d/%m/%Y %H:%M")
    assert f"Bloqueada até {until}" in alerts(app)
    assert "550 5.4.6 Daily limit" in said(app)
    app = press(app, "Liberar agora")
    assert "Liberar agora" not in labels(app)
    assert (row_of(app, "Cotas", "Padaria")["Estado"], cards(app)["Bloqueadas"]) == ("✓ Em ordem", "0")

    noted = rows_of(turn_to(app, "alteracoes"))[0]
    assert (noted["Servidor"], noted["Campo"], noted["Para"]) == ("Padaria", "Bloqueio da conta", "liberada")
    assert noted["De"].startswith("bloqueada")
    assert noted["Quem"]
    assert "aceita" in alerts(send_test(open_test(server)))
    assert len(smtp.inbox) == 1


def test_refused_logins_pause_the_account_and_a_new_password_returns_it(core: Mailcore) -> None:
    with SmtpPeer(users={USER: PASSWORD}) as peer:
        server = register(core, peer, requires_auth=True, username=USER, from_address=USER, password=WRONG)
        app = open_test(server)
        for _ in range(3):
            app = send_test(app)
            assert "535 5.7.8" in said(app)
        connections = peer.connections
        app = send_test(app)
        assert "Esta conta está em pausa" in alerts(app)
        assert peer.connections == connections
        shown = sent_to_the_browser(app)
        app = open_page("cotas")
        assert row_of(app, "Cotas", "Padaria")["Estado"] == "⊘ Bloqueada"
        assert row_of(app, "Cotas", "Padaria")["Libera"] == "espera uma pessoa"

        app = turn_to(app, "cadastro", id=str(server.id))
        app.text_input(key="field_secret").set_value(PASSWORD)
        app = press(app, "Salvar")
        assert "1 de 1 servidor" in said(app)
        shown += sent_to_the_browser(app)
        app = open_test(server)
        assert "bloqueada" not in said(app)
        assert "aceita" in alerts(send_test(app))
        assert len(peer.inbox) == 1
        assert row_of(open_page("cotas"), "Cotas", "Padaria")["Estado"] == "✓ Em ordem"
    assert b"535 5.7.8" in shown  # it is what was on screen
    for secret in (WRONG, PASSWORD):
        assert secret.encode() not in shown + database_of(core)


def test_a_full_quota_refuses_here_says_when_and_offers_the_paid_server(core: Mailcore, smtp: SmtpPeer) -> None:
    server = register(core, smtp, "Padaria", daily_limit=2)
    paid = register(core, smtp, "Volume", is_paid=True)
    app = send_test(open_test(server))
    assert "aceita" in alerts(app)
    # What does not fit whole is refused whole.
    app = send_test(app, "a@outro.example, b@outro.example")
    assert "A cota desta conta não comporta esta mensagem" in alerts(app)
    app = send_test(app, "a@outro.example, b@outro.example, c@outro.example")
    assert "mais destinatários do que a cota inteira" in alerts(app)
    assert len(smtp.inbox) == 1
    app = send_test(app)
    assert "aceita" in alerts(app)
    assert len(smtp.inbox) == 2
    connections = smtp.connections
    app = send_test(app)
    assert "A cota desta conta não comporta esta mensagem" in alerts(app)
    assert "2 de 2 destinatários, e esta mensagem precisa de mais 1" in said(app)
    fits = core.quotas(server_id=server.id)[0].frees[0].at.astimezone(core.settings.zone)
    assert f"Cabe a partir de {fits:%d/%m às %H:%M}" in said(app)
    assert (smtp.connections, len(smtp.inbox)) == (connections, 2)
    app = press(app, "Usar o servidor pago Volume")
    assert "Usar o servidor pago Volume" not in labels(app)
    assert app.selectbox[0].value == paid.id
    assert "aceita" in alerts(send_test(app))
    assert smtp.inbox[-1].envelope_from == paid.from_address
    assert row_of(open_page("cotas"), "Cotas", "Padaria")["Estado"] == "✗ Sem cota"
    assert counted(core)[server.account_key] == 2


def test_warnings_at_80_and_at_95_percent_on_the_list_and_before_a_test(core: Mailcore, smtp: SmtpPeer) -> None:
    calm = register(core, smtp, "Calma", daily_limit=100)
    near = register(core, smtp, "Quase", daily_limit=100)
    very_near = register(core, smtp, "Muito perto", daily_limit=100)
    register(core, smtp, "Sem limite")
    for server, used in ((calm, 79), (near, 80), (very_near, 95)):
        sent_before(core, server, timedelta(hours=1), used)
    app = open_page("servidores")
    told = re.compile(r"Cota acabando[^:]*: Muito perto \([^)]*\)\. Cota acima de 80 %: Quase \([^)]*\)\.")
    (warned,) = [line for line in alerts(app).splitlines() if "Cota ac" in line]  # in one box, not in two
    assert told.fullmatch(warned)
    shares = {row["Descrição"]: row["Cota hoje"].removesuffix(" de 100") for row in rows_of(app)}
    assert shares == {"Calma": "79", "Quase": "80", "Muito perto": "95", "Sem limite": ""}
    assert "Cota: 80 de 100 destinatários; restam 20." in alerts(open_test(near))
    assert "Cota: 95 de 100 destinatários; restam 5. Libera 95" in alerts(open_test(very_near))
    app = open_test(calm)
    assert "Cota: 79 de 100" in said(app)
    assert "Cota:" not in alerts(app)
    app = send_test(app)
    assert "aceita" in alerts(app)
    assert "Cota: 80 de 100 destinatários; restam 20." in alerts(app)


def test_mail_to_oneself_is_stopped_warned_of_or_allowed_as_the_record_says(core: Mailcore, smtp: SmtpPeer) -> None:
    own, to = "ana.maria@gmail.com", "A.naMaria+teste@GoogleMail.com"
    server = register(core, smtp, from_address=own)
    assert server.same_address is SameAddress.BLOCK  # where a free account starts
    register(core, smtp, "Volume", is_paid=True)
    warns = register(core, smtp, "Avisa", from_address=own, same_address=SameAddress.WARN)
    app = send_test(open_test(server), f"{TO}, {to}")
    assert "O destino é o próprio remetente" in alerts(app)
    assert "contas gratuitas costumam ser bloqueadas por isso" in said(app)
    assert "Usar o servidor pago Volume" in labels(app)
    assert (smtp.connections, counted(core)) == (0, {})

    app = send_test(whole(app.selectbox[0].set_value(warns.id).run()), "anamaria+x@gmail.com")
    assert "aceita" in alerts(app)
    assert "A mensagem vai para o próprio remetente" in alerts(app)
    free = register(core, smtp, "Permite", from_address=own, is_paid=True)
    assert free.same_address is SameAddress.ALLOW  # where a paid account starts
    app = send_test(open_test(free), "anamaria@gmail.com")
    assert "aceita" in alerts(app)
    assert "próprio remetente" not in alerts(app)
    assert len(smtp.inbox) == 2


def test_use_made_elsewhere_is_entered_by_hand_and_by_file(core: Mailcore, smtp: SmtpPeer) -> None:
    bakery, shop = register(core, smtp, "Padaria", daily_limit=40), register(core, smtp, "Loja", daily_limit=40)
    send(core, bakery)

    def used() -> dict[str, int]:
        return {each.servers[0].name: each.used for each in core.quotas()}

    assert "Marque uma conta na tabela." in said(open_page("cotas"))
    app = open_page("cotas", servidor=str(bakery.id))
    assert "Conta: Padaria" in said(app)
    app = press(app, "Registrar")
    assert "Unidades: preencha este campo." in alerts(app)
    app.number_input[0].set_value(7)
    app = press(app, "Registrar")
    assert "Registrado: 7 unidades de consumo externo." in alerts(app)
    row = row_of(app, "Cotas", "Padaria")
    assert (row["Usado"], row["Resta"]) == ("8", "32")
    assert "1 por este programa e 7 de consumo externo" in said(app)
    assert app.number_input[0].value is None

    # A file is taken whole or not at all.
    moment = (datetime.now(core.settings.zone) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    good = f"server_id;at;units\n{bakery.id};{moment};30\n{shop.id};{moment};16\n"
    app.number_input[0].set_value(42)  # what is typed stays
    app = press(give_file(app, f"{good}{bakery.id};{moment};muitos\n99;{moment};1\n".encode()), "Registrar arquivo")
    assert "Linha 4: units: use um número inteiro a partir de 1." in alerts(app)
    assert "Linha 5: server_id: não há servidor com o número 99." in alerts(app)
    assert used() == {"Loja": 0, "Padaria": 8}
    assert app.number_input[0].value == 42
    app = press(give_file(app, good.encode()), "Registrar arquivo")
    assert "Registrado: 46 unidades de consumo externo." in alerts(app)
    assert {row["Conta"]: row["Usado"] for row in rows_of(app, "Cotas")} == {"Padaria": "38", "Loja": "16"}
    assert "Cota: 38 de 40" in alerts(open_test(bakery))
    assert counted(core) == {bakery.account_key: 1}  # our own count stays ours
