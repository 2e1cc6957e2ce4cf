"""The page Envios without a browser: each filter, an opened row, and what became of it at the service."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING

import pytest

from mailcore import Actor, LedgerQuery, Mailcore, Origin
from mailcore.messages.compose import compose
from tests.pages.drawn import alerts, open_page, press, rows_of, said, sent_to_the_browser, whole
from tests.pages.records import register, register_service, send
from tests.peers.elastic_server import ElasticPeer
from tests.peers.smtp_server import Drop, Say, SmtpPeer
from ui.envios_file import to_csv

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

KEY = "CHAVE-DE-TESTE"


def count(app: AppTest) -> str:
    (told,) = [line for line in said(app).splitlines() if line.split()[-1] in ("envio", "envios") and line[0].isdigit()]
    return told


def test_a_row_opens_to_its_diagnosis_and_a_file_holds_what_is_filtered(core: Mailcore, smtp: SmtpPeer) -> None:
    smtp.script["RCPT"] = Say("550 5.1.1 The email account that you tried to reach does not exist")
    send(core, register(core, smtp, "Padaria"), "nao@gmail.example")
    smtp.script.clear()
    smtp.script["BODY"] = Drop()
    uncertain = send(core, register(core, smtp, "Oficina"), "bia@outro.example").id
    smtp.script.clear()
    send(core, register(core, smtp, "Loja"), "caio@outro.example")
    app = open_page("envios")
    assert count(app) == "3 envios"
    assert "Marque um envio" in said(app)
    app.text_input(key="envios_para").set_value("nao@gmail")
    assert count(whole(app.run())) == "1 envio"
    assert app.query_params["para"] == "nao@gmail"
    rows = csv.DictReader(StringIO(to_csv(core, LedgerQuery(recipient="nao@gmail")).decode("utf-8-sig")), delimiter=";")
    assert [row["Destinatários"] for row in rows] == ["nao@gmail.example"]

    app = open_page("envios", envio=str(uncertain))
    assert [header.value for header in app.header] == [f"Envio {uncertain}"]
    assert "Não envie de novo ainda" in said(app)


def test_only_what_was_asked_for(core: Mailcore, smtp: SmtpPeer) -> None:
    smtp.script["RCPT"] = Say("550 5.1.1 no such user")
    bakery = register(core, smtp, "Padaria")
    send(core, bakery, "nao@gmail.example")
    smtp.script.clear()
    accepted = send(core, register(core, smtp, "Loja"), "caio@outro.example").id
    assert count(open_page("envios", resultado="Aceita")) == "1 envio"
    app = open_page("envios", servidor=str(bakery.id))
    assert count(app) == "1 envio"
    app = press(app, "Só de Padaria: ver de todos")
    assert count(app) == "2 envios"
    # A link to the ledger, or Back, leads away from the one server too.
    app = open_page("envios", servidor=str(bakery.id))
    app.query_params.clear()
    app.query_params["periodo"] = "Tudo"
    assert count(whole(app.run())) == "2 envios"
    app.text_input(key="envios_servidor").set_value("ninguém")
    assert "Nenhum envio neste período" in alerts(whole(app.run()))
    assert "prazo de guarda" in alerts(open_page("envios", envio=str(accepted + 100)))


def test_a_row_says_by_what_it_was_sent_and_filters_and_days_live_in_the_link(core: Mailcore, smtp: SmtpPeer) -> None:
    server = register(core, smtp, "Loja")
    send(core, server, "caio@outro.example")
    message = compose(from_address=server.from_address, to=["bia@outro.example"], subject="Teste", text="Olá")
    tested = core.send(server, message, origin=Origin.TEST, actor=Actor("Bia Lima"))
    app = open_page("envios", envio=str(tested.id))
    first = rows_of(app)[0]
    assert (first["Quem"], first["Quem below"], first["Resultado"]) == ("Bia Lima", "Enviar teste", "✓ Aceita")
    assert "por Bia Lima (Enviar teste)" in said(app)
    app.selectbox(key="envios_origem").select("Enviar teste")
    assert count(whole(app.run())) == "1 envio"
    app.selectbox(key="envios_periodo").select("Escolher datas")
    assert whole(app.run()).query_params["origem"] == "Enviar teste"
    today = datetime.now(core.settings.zone).date()
    app = open_page("envios", de=str(today - timedelta(days=1)), ate=str(today), origem="Enviar teste")
    assert count(app) == "1 envio"
    app = open_page("envios", de=str(today - timedelta(days=9)), ate=str(today - timedelta(days=2)))
    assert "Nenhum envio neste período" in alerts(app)
    assert count(press(app, "Limpar filtros")) == "2 envios"


def test_what_became_of_it_at_the_service(core: Mailcore, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = {"nao@outro.example": {"Category": "NoMailbox", "Error": "no such user"}}
    with ElasticPeer(keys={KEY}, failures=failures) as elastic:
        monkeypatch.setenv("MAILCORE_ELASTIC_EMAIL_URL", elastic.url)
        open_page("ajuda")  # opens the library, by which the page sends and asks
        from ui.context import library

        sent = send(library(), register_service(core, KEY, name="Volume"), "nao@outro.example")
        app = open_page("envios", envio=str(sent.id))
        assert "Se ela chegou, só ele sabe" in said(app)
        app = press(app, "Consultar entrega")
        assert "A caixa do destinatário não existe" in said(app)
        assert KEY.encode() not in sent_to_the_browser(app)
        assert "A caixa do destinatário não existe" in said(open_page("envios", envio=str(sent.id)))
        assert len(elastic.inbox) == 1
