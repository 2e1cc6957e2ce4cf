"""The pages of batches: what can be done in each state, what a role sees, and what wrong input is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mailcore import LedgerQuery, Mailcore
from mailcore.batches.new_batch import NewBatch
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.storage.tables import Batch
from mailcore.vocabulary import BatchState, RecipientStatus, Security
from tests.actors import ME
from tests.pages.drawn import alerts, as_shown, give_file, labels, open_page, press, rows_of, said, whole
from tests.pages.records import spreadsheet
from tests.peers.smtp_server import Say, SmtpPeer
from ui.lote.result_file import to_csv, to_excel
from ui.session import BATCHES_SELECTED, Selection

LIST = "nome;e-mail\nBia;bia@x.br\nCaio;caio@x.br\n=1+1;dani@x.br"


@pytest.fixture
def core(core: Mailcore) -> Mailcore:
    """With a server at whose address nobody listens, which is known at once."""
    draft = ServerDraft(
        name="Loja",
        host="127.0.0.1",
        port=9,
        security=Security.NONE,
        security_auto=False,
        requires_auth=False,
        from_address="loja@x.br",
        daily_limit=2,
        is_default=True,
    )
    core.servers.create(draft, actor=ME)
    return core


def page(name: str = "envio_em_lote", **query: str) -> AppTest:
    return open_page(name, **query)


def make(core: Mailcore, *, start: bool = False, **changes: Any) -> int:
    values = {"server_id": core.all_servers()[0].id, "subject": "Oi {{nome}}", "text": "x"} | changes
    new = NewBatch(recipients=RecipientsFile(LIST, "a.csv"), **values)
    return core.batches.create(new, start=start, actor=ME).id


def test_a_batch_from_pasted_cells_to_its_end(core: Mailcore) -> None:
    app = press(page(), "Novo lote")
    app = press(app, "Conferir e ver a prévia")
    told = {as_shown(error.value).partition(":")[0] for error in app.error}
    assert told == {"Destinatários"}
    app.text_area(key="field_lote_colados").set_value(LIST + "\nsem arroba;x")
    app.run()
    assert "A lista tem 1 linha com problema" in as_shown(app.error[0].value)
    assert any("Linha 5, e-mail" in as_shown(each.value) for each in app.markdown)
    app.text_area(key="field_lote_colados").set_value(LIST)
    app.text_input(key="field_lote_assunto").set_value("Oi {{nome}}")
    app.text_area(key="field_lote_texto").set_value("Tudo bem, {{nome}}?")
    app = press(app.run(), "Conferir e ver a prévia")
    assert [error.value for error in app.error] == []
    batch = core.batches.find().batches[0]
    assert (batch.state, batch.total, batch.name) == (BatchState.DRAFT, 3, "Oi {{nome}}")
    assert any("**2** agora, **1** amanhã" in each.value for each in app.markdown)
    assert any("Tudo bem, Bia?" in each.value for each in app.code)

    app = press(app, "Iniciar")
    assert any("para **3 destinatários** por **Loja**?" in each.value for each in app.markdown)
    app = app.button(key="lote_dialogo_yes").click().run()
    assert core.batches.get(batch.id).state is BatchState.RUNNING
    assert {"Pausar", "Cancelar lote"} <= labels(app)
    app = press(app, "Pausar")
    assert core.batches.get(batch.id).state is BatchState.PAUSED
    app = press(app, "Retomar")
    assert core.batches.get(batch.id).state is BatchState.RUNNING
    app = app.selectbox(key="lote_situacao").select("Na fila").run()
    app = press(app, "Cancelar lote")
    assert core.batches.get(batch.id).state is BatchState.RUNNING
    app = app.button(key="lote_dialogo_yes").click().run()
    assert not app.exception
    assert core.batches.get(batch.id).state is BatchState.CANCELLED
    # Nobody is in line for it any more.
    assert {row["Situação"] for row in rows_of(app)} == {"Não enviada"}
    assert ("Não enviadas", "3") in {(card.label, card.value) for card in app.metric}
    assert to_csv(core, core.batches.get(batch.id)).decode("utf-8-sig").count(";Não enviada;") == 3
    assert not {"Pausar", "Retomar", "Cancelar lote"} & labels(app)
    app = press(app, "Todos os lotes")
    (row,) = rows_of(app)
    assert (row["Nome"], row["Estado"], row["Progresso"]) == ("Oi {{nome}}", "Cancelado", "0 de 3")


def test_a_spreadsheet_from_its_errors_to_who_gets_nothing_any_more(core: Mailcore) -> None:
    app = page(novo="1")
    app = give_file(app, spreadsheet(20, 7, 12), "clientes.xlsx")
    assert "A lista tem 2 linhas com problema." in alerts(app)
    assert "Linha 7, E-mail: em “sem arroba”" in said(app)
    app = give_file(app, spreadsheet(20), "clientes.xlsx")
    assert "20 destinatários" in said(app)
    app.text_input(key="field_lote_nome").set_value("Aviso de novembro")
    app.text_input(key="field_lote_assunto").set_value("Olá, {{Nome do cliente}}")
    app.text_area(key="field_lote_texto").set_value("O seu código é {{Cdigo}}.")
    app = press(app, "Conferir e ver a prévia")
    assert "nenhuma coluna dos destinatários se chama {{Cdigo}}" in alerts(app)
    app.text_area(key="field_lote_texto").set_value("O seu código é {{Código}}.")
    with SmtpPeer() as peer:
        (server,) = core.all_servers()
        core.servers.update(server, replace(draft_of(server), port=peer.port, daily_limit=None), actor=ME)
        app = press(app, "Conferir e ver a prévia")
        app.number_input(key="lote_linha").set_value(4)
        app = whole(app.run())
        assert "cliente3@exemplo.com.br" in said(app)
        assert "Olá, Ana & Filhos 3" in said(app)
        app.text_input(key="field_send_to__lote").set_value("eu@exemplo.com.br")
        app = press(app, "Enviar teste")
        assert "A mensagem foi aceita pelo servidor." in alerts(app)
        assert [received.recipients for received in peer.inbox] == [["eu@exemplo.com.br"]]

        peer.script["RCPT"] = [None, Say("550 5.1.1 <cliente2@exemplo.com.br>: User unknown")]
        app = press(app, "Iniciar")
        app = whole(app.button(key="lote_dialogo_yes").click().run())
        core.batches._worker.work()
        assert len(peer.inbox) == 20
    (batch,) = core.batches.find().batches
    app = whole(page(lote=str(batch.id)).selectbox(key="lote_situacao").select("Recusada").run())
    (refused,) = rows_of(app)
    assert (refused["Linha"], refused["Destinatário"]) == ("3", "cliente2@exemplo.com.br")
    told = to_csv(core, batch, RecipientStatus.REFUSED).decode("utf-8-sig").splitlines()
    assert [line.startswith("3;cliente2@exemplo.com.br;Recusada;") for line in told] == [False, True]
    app = page()
    (listed,) = rows_of(app)
    told_of = ("Nome", "Servidor", "Estado", "Progresso", "Enviadas", "Recusadas", "Incertas")
    assert [listed[name] for name in told_of] == [
        *("Aviso de novembro", "Loja", "Concluído", "20 de 20", "19", "1", "0")
    ]
    app.session_state[BATCHES_SELECTED.name] = Selection((batch.id,))
    assert "Aviso de novembro" in [header.value for header in press(whole(app.run()), "Abrir").header]
    app = page("supressoes")
    assert "1 endereço" in said(app).splitlines()
    assert [row["Endereço"] for row in rows_of(app)] == ["cliente2@exemplo.com.br"]


def test_a_draft_can_be_changed_and_an_unknown_one_is_told(core: Mailcore) -> None:
    number = make(core)
    app = press(page(lote=str(number)), "Alterar")
    assert core.batches.get(number).state is BatchState.CANCELLED
    assert "Conferir e ver a prévia" in labels(app)
    app = page(lote="999")
    assert "Não há lote com o número 999" in as_shown(app.warning[0].value)
    # One that waits for its hour has a state of the six, and says beside it when it begins.
    make(core, start=True, starts_at=datetime(2126, 11, 27, 8, tzinfo=core.settings.zone))
    (row, _) = rows_of(page())
    assert (row["Estado"], row["Estado below"]) == ("Aguardando cota", "começa em 27/11/2126 08:00")
    # A draft has not begun, whoever it leaves out.
    core.suppressions.add("bia@x.br", actor=ME)
    make(core)
    (row, *_) = rows_of(page())
    assert (row["Estado"], row["Progresso"]) == ("Rascunho", "0 de 3")


def test_a_batch_is_seen_where_its_account_and_its_messages_are(core: Mailcore) -> None:
    number = make(core, start=True)
    app = page("cotas")
    assert any(
        "Lotes em andamento: **3 mensagens ainda vão sair**, por 1 conta." in each.value for each in app.markdown
    )
    core.batches._worker.work()  # each try has its row
    everything = core.ledger.search(LedgerQuery()).matching
    assert everything > 0
    app = page("envios")
    (line,) = [each.proto for each in app.get("page_link") if "Lote" in each.proto.label]
    assert "Oi" in line.label
    assert f"lote={number}" in line.query_string
    assert not app.exception
    assert core.ledger.search(LedgerQuery(without_batches=True)).matching == 0
    app = page("envios", origem="Envio em lote")
    assert len(rows_of(app)) == everything


def test_the_result_is_a_file_in_the_words_of_the_screen(core: Mailcore) -> None:
    batch = core.batches.get(make(core))
    lines = to_csv(core, batch).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("Linha;Destinatário;Situação;Quando;O que houve;Resposta do servidor;Servidor;")
    assert lines[0].endswith(";Lista: nome;Lista: e-mail")
    assert lines[1].startswith("2;bia@x.br;Na fila;")
    # What a list holds is no formula of ours.
    assert lines[3].split(";")[-2] == "'=1+1"
    assert to_excel(core, batch).startswith(b"PK")
    # Nobody in that state: the headings all the same.
    assert to_csv(core, batch, RecipientStatus.UNCERTAIN).decode("utf-8-sig").splitlines() == lines[:1]


def test_suppressions_are_added_found_and_taken_out(core: Mailcore) -> None:
    app = page("supressoes")
    app.text_input(key="supressao_endereco_0").set_value("nada")
    app = press(app, "Adicionar à lista")
    assert as_shown(app.error[0].value).startswith("Endereço: ")
    app.text_input(key="supressao_endereco_0").set_value("bia@x.br")
    app.text_input(key="supressao_motivo_0").set_value("pediu por telefone")
    app = press(app, "Adicionar à lista")
    (row,) = rows_of(app)
    assert (row["Endereço"], row["Por quê below"], row["Não recebe"]) == (
        "bia@x.br",
        "pediu por telefone",
        "Todos os lotes",
    )
    searched = page("supressoes", busca="ninguém")
    assert [as_shown(each.value) for each in searched.info] == ["Nenhum endereço combina com a busca."]
    assert "Tirar da lista" in labels(app)
    # A link to what was searched for in vain says the same again.
    assert searched.query_params["busca"] == "ninguém"
    searched.text_input(key="supressoes_busca").set_value("bia")
    assert searched.run().query_params["busca"] == "bia"
    searched.text_input(key="supressoes_busca").set_value("zé")
    assert searched.run().query_params["busca"] == "zé"


def test_a_batch_whose_server_is_gone_offers_what_can_still_be_done(core: Mailcore) -> None:
    draft, paused, done = make(core), make(core, start=True), make(core, start=True)
    core.batches._worker.work()
    core.batches.pause(paused, actor=ME)
    with core.database.write() as session:
        batch = session.get_one(Batch, done)
        batch.state, batch.failed, batch.uncertain, batch.pending = BatchState.DONE, 1, 1, 0
    repeats = {"Tentar de novo as que falharam", "Tentar de novo as incertas"}
    assert "Retomar" in labels(page(lote=str(paused)))
    app = page(lote=str(done))
    assert repeats <= labels(app)
    app = press(app, "Tentar de novo as que falharam")
    assert any("Quem está em Supressões fica de fora" in each.value for each in app.markdown)
    core.servers.delete(core.all_servers()[0].id, actor=ME)

    app = page(lote=str(paused))
    assert "Retomar" not in labels(app)
    assert "O servidor deste lote foi apagado. Cancele o lote e faça outro" in as_shown(app.error[0].value)
    app = press(app, "Cancelar lote")
    assert app.button(key="lote_dialogo_yes")
    assert not repeats & labels(page(lote=str(done)))
    app = page(lote=str(draft))
    assert "O servidor deste lote foi apagado." in as_shown(app.error[0].value)
    assert {"Alterar", "Cancelar lote"} <= labels(app)
    assert "Iniciar" not in labels(app)


def test_a_new_batch_says_why_there_is_no_server_to_choose(core: Mailcore) -> None:
    app = page(novo="1")
    assert "Buscar servidor" not in {each.label for each in app.text_input}
    server = core.all_servers()[0]
    core.servers.update(server, replace(draft_of(server), is_active=False, is_default=False), actor=ME)
    app = page(novo="1")
    assert [as_shown(each.value) for each in app.info] == [
        "Não há servidor ativo para enviar. Ative um no cadastro dele."
    ]
    assert not app.warning
    core.servers.delete(server.id, actor=ME)
    assert "Ainda não há servidores registrados." in as_shown(page(novo="1").info[0].value)


def test_the_trail_counts_a_batchs_recipients_in_its_own_number(core: Mailcore) -> None:
    make(core, name="Onze: 1")
    new = NewBatch(
        server_id=core.all_servers()[0].id,
        recipients=RecipientsFile("e-mail\nbia@x.br", "a.csv"),
        subject="x",
        text="x",
    )
    core.batches.create(new, actor=ME)
    said = [row["Para"].partition(": ")[2] for row in rows_of(page("alteracoes"))]
    assert said[:2] == ["1 destinatário", "1”: 3 destinatários"]
