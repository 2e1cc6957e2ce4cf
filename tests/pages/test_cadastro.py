"""The page Cadastro without a browser: what it makes of what is typed, chosen and pressed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button, Element

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.registry.search import ServerQuery
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import CheckState, Kind, Security
from tests.actors import ME
from tests.faults import locked
from tests.pages.drawn import as_shown
from tests.peers.certificates import authority_pem, server_context
from tests.peers.smtp_server import SmtpPeer
from ui.session import FORM_TAB

SCREEN = str(Path(__file__).parents[2] / "screen.py")
USER, PASSWORD = "ana@exemplo.example", "Segredo-Único-5518"
GENERAL, AUTHENTICATION = "Geral", "Autenticação"
BAD_INPUT: list[tuple[str, dict[str, tuple[str, str]]]] = [
    (
        GENERAL,
        {
            "Descrição": ("", "Descrição: preencha este campo."),
            "Servidor": ("smtp exemplo", "Servidor: "),
            "E-mail do remetente": ("padaria", "E-mail do remetente: "),
            "Limite diário": ("0", "Limite diário: use um número inteiro a partir de 1"),
            "Observações": ("x" * 5_000, "Observações: o texto tem 5.000 caracteres; cabem até 4.000."),
        },
    ),
    (GENERAL, {"Limite diário": ("-1", "Limite diário: use um número inteiro a partir de 1")}),
    (GENERAL, {"Descrição": ("sao  JOAO", "Descrição: já existe um servidor com esta descrição")}),
    (
        AUTHENTICATION,
        {
            "Porta envio": ("70000", "Porta envio: use um número de 1 a 65535"),
            "Certificado da autoridade (PEM)": (
                "isto não é",
                "Certificado da autoridade (PEM): isto não é um certificado",
            ),
        },
    ),
]
GOOD = {
    "Descrição": "Outra",
    "Servidor": "smtp.outra.example",
    "E-mail do remetente": "o@outra.example",
    "Porta envio": "587",
    "Usuário": "o@outra.example",
    "Senha": PASSWORD,
}


def register(core: Mailcore, name: str = "Padaria", **changes: object) -> int:
    values = {"name": name, "host": "smtp.x.example", "port": 587, "username": USER, "from_address": USER} | changes
    return core.servers.create(ServerDraft(**values), SecretStr(PASSWORD), actor=ME).server.id


def stored(core: Mailcore) -> list[MailServer]:
    return core.servers.search(ServerQuery()).servers


class Form:
    """The page, by the words on the screen."""

    def __init__(self, server_id: int | None = None) -> None:
        self.app = AppTest.from_file(SCREEN, default_timeout=60)
        if server_id is not None:
            self.app.query_params["id"] = str(server_id)
        self.app.switch_page("pages/cadastro.py")
        self._run()

    def _run(self) -> None:
        self.app.run()
        assert not self.app.exception

    def fields(self) -> dict[str, Element]:
        parts = (self.app.text_input, self.app.text_area, self.app.selectbox, self.app.checkbox)
        return {element.label: element for part in parts for element in part}

    def type(self, **values: str) -> None:
        """Type into fields, by their labels with _ for the spaces: that alone runs nothing."""
        self.fill({label.replace("_", " "): value for label, value in values.items()})

    def fill(self, values: dict[str, str]) -> None:
        fields = self.fields()
        for label, value in values.items():
            fields[label].set_value(value)

    def choose(self, label: str, value: object) -> None:
        """Choose or tick."""
        self.fields()[label].set_value(value)
        self._run()

    def turn_to(self, tab: str) -> None:
        self.app.session_state[FORM_TAB.name] = tab

    def press(self, label: str) -> None:
        self.button(label).click()
        self._run()

    def button(self, label: str) -> Button:
        return next(button for button in self.app.button if button.label == label)

    def has_button(self, label: str) -> bool:
        return any(button.label == label for button in self.app.button)

    def says(self, sentence: str) -> bool:
        texts = [*self.app.error, *self.app.warning, *self.app.info, *self.app.markdown, *self.app.success]
        return any(sentence in as_shown(text.value) for text in texts)

    @property
    def title(self) -> str:
        return as_shown(self.app.title[0].value)

    @property
    def tab(self) -> str:
        return str(self.app.session_state[FORM_TAB.name])

    def __getitem__(self, label: str) -> object:
        return self.fields()[label].value


# -- What is typed, chosen and ticked


def test_bad_input_gets_its_sentence_its_tab_and_loses_nothing(core: Mailcore) -> None:
    register(core, "São João")
    form = Form()
    form.fill(GOOD)
    for own_tab, fields in BAD_INPUT:
        form.turn_to(AUTHENTICATION if own_tab == GENERAL else GENERAL)  # the error has to open its own
        form.fill({label: value for label, (value, _) in fields.items()})
        form.press("Salvar")
        assert form.tab == own_tab
        for label, (value, sentence) in fields.items():
            assert form.says(sentence), sentence
            assert form[label] == value
        assert len(stored(core)) == 1
        form.fill({label: GOOD.get(label, "") for label in fields})
    form.press("Salvar")
    assert form.title == "Servidores de e-mail"
    saved = next(server for server in stored(core) if server.name == "Outra")
    assert core.servers.secret(saved) == SecretStr(PASSWORD)


def test_the_account_follows_the_kind_and_the_rule_the_account_until_somebody_chooses(core: Mailcore) -> None:
    form = Form()
    for kind, is_paid, rule in ((Kind.ELASTIC_EMAIL, True, "allow"), (Kind.SMTP, False, "block")):
        form.choose("Tipo de envio", kind)
        assert (form["Conta"], form["Origem igual ao destino"]) == (is_paid, rule)
    form.choose("Conta", True)
    assert form["Origem igual ao destino"] == "allow"
    form.choose("Conta", False)
    assert form["Origem igual ao destino"] == "block"
    form.choose("Tipo de envio", Kind.ELASTIC_EMAIL)
    assert form["Conta"] is False
    form.choose("Origem igual ao destino", "allow")
    form.choose("Conta", True)
    form.choose("Conta", False)
    assert form["Origem igual ao destino"] == "allow"


def test_the_port_is_suggested_and_what_needs_a_login_or_ssl_can_be_filled_with_them_alone(core: Mailcore) -> None:
    form = Form()
    assert form.fields()["Porta envio"].placeholder == "587 (sugerida)"
    form.choose("Modo SSL", "SSL/TLS direto")
    assert form.fields()["Porta envio"].placeholder == "465 (sugerida)"
    form.type(Porta_envio="2465", Usuário="o@x.example")
    form.choose("Modo SSL", "STARTTLS")
    assert form["Porta envio"] == "2465"
    assert not form.says("viajam legíveis")
    form.choose("SSL", False)
    assert form.says("viajam legíveis")
    assert form.fields()["Modo SSL"].disabled
    form.choose("Meu servidor requer autenticação", False)
    assert form.fields()["Usuário"].disabled
    assert form.fields()["Senha"].disabled
    assert not form.says("viajam legíveis")
    form.choose("Meu servidor requer autenticação", True)
    assert not form.fields()["Usuário"].disabled
    assert form["Usuário"] == "o@x.example"


def test_another_kind_takes_its_own_fields_alone_and_what_was_typed_for_the_first_is_still_there(
    core: Mailcore,
) -> None:
    form = Form()
    form.fill(GOOD)
    form.choose("Tipo de envio", Kind.ELASTIC_EMAIL)
    assert not {"Servidor", "Usuário", "Senha", "Porta envio"} & form.fields().keys()
    form.choose("Tipo de envio", Kind.SMTP)
    assert {label: form[label] for label in GOOD if label != "Senha"} == {
        label: value for label, value in GOOD.items() if label != "Senha"
    }
    form.choose("Tipo de envio", Kind.ELASTIC_EMAIL)
    form.press("Salvar")
    assert form.tab == AUTHENTICATION
    assert form.says("Chave da API: preencha este campo.")
    form.fill({"Chave da API": "CHAVE-0099"})
    form.press("Salvar")
    (server,) = stored(core)
    assert (server.kind, server.name, server.host, server.username) == (Kind.ELASTIC_EMAIL, "Outra", "", "")
    assert core.servers.secret(server) == SecretStr("CHAVE-0099")


# -- The stored password


def test_a_stored_password_is_kept_asked_for_again_when_the_server_changes_and_removed(core: Mailcore) -> None:
    server_id = register(core)
    form = Form(server_id)
    assert form.fields()["Senha"].placeholder == "•••••••• (mantida)"
    form.type(Nome_do_remetente="Padaria Nova")
    form.press("Salvar")
    assert form.title == "Servidores de e-mail"
    assert core.servers.get(server_id).from_name == "Padaria Nova"
    assert core.servers.secret(core.servers.get(server_id)) == SecretStr(PASSWORD)

    form = Form(server_id)
    form.type(Servidor="smtp.outro.example")
    form.press("Salvar")
    assert form.tab == AUTHENTICATION
    assert form.says("Senha: digite de novo, porque você mudou Servidor")
    assert (form.fields()["Senha"].placeholder, form["Senha"]) == ("•••••••• (mantida)", "")
    form.type(Senha="nova-senha-88")
    form.press("Salvar")
    changed = core.servers.get(server_id)
    assert changed.host == "smtp.outro.example"
    assert core.servers.secret(changed) == SecretStr("nova-senha-88")

    # It is taken away with the save alone.
    form = Form(server_id)
    form.press("Remover senha")
    assert form.says("será removida quando você salvar")
    assert core.servers.get(server_id).secret_ref
    form.press("Salvar")
    assert core.servers.get(server_id).secret_ref is None


# -- Whoever saves meanwhile, and what is in the way


def test_somebody_elses_save_can_be_taken_or_overruled(core: Mailcore) -> None:
    server_id = register(core)
    form = Form(server_id)
    for ours, theirs, way_out in (
        ("O meu nome", {"from_name": "O nome dela"}, "Usar o da outra pessoa"),
        ("O meu nome", {"reply_to": "sac@exemplo.example"}, "Manter o meu"),
    ):
        form.type(Nome_do_remetente=ours)
        opened = core.servers.get(server_id)
        core.servers.update(opened, replace(draft_of(opened), **theirs), actor=ME)
        form.press("Salvar")
        assert form.says("foi alterado por outra pessoa")
        assert form.says(f"Mudou: {'Responder para' if 'reply_to' in theirs else 'Nome do remetente'}.")
        assert form["Nome do remetente"] == ours
        form.press(way_out)
        if "from_name" in theirs:
            assert form["Nome do remetente"] == "O nome dela"
            assert not form.says("foi alterado por outra pessoa")
    assert form.title == "Servidores de e-mail"
    assert (core.servers.get(server_id).from_name, core.servers.get(server_id).reply_to) == ("O meu nome", "")


def test_what_somebody_deleted_can_be_registered_anew_with_its_password(core: Mailcore) -> None:
    server_id = register(core)
    form = Form(server_id)
    form.type(Nome_do_remetente="Padaria")
    core.servers.delete(server_id, actor=ME)
    form.press("Salvar")
    assert form.says("foi apagado por outra pessoa")
    form.press("Registrar de novo")
    assert form.says("Senha: preencha este campo.")
    form.type(Senha=PASSWORD)
    form.press("Salvar")
    (server,) = stored(core)
    assert (server.from_name, core.servers.secret(server)) == ("Padaria", SecretStr(PASSWORD))


def test_a_locked_database_is_a_sentence_and_the_next_press_saves(
    core: Mailcore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailcore.storage.database.BUSY_TIMEOUT_SECONDS", 0.1)
    form = Form()
    form.fill(GOOD)
    with locked(core.database):
        form.press("Salvar")
        assert form.says("O banco de dados está ocupado com outra gravação.")
        assert {label: form[label] for label in GOOD} == GOOD
    form.press("Salvar")
    (server,) = stored(core)
    assert core.servers.secret(server) == SecretStr(PASSWORD)


@pytest.mark.parametrize(
    ("way", "discards", "leads_to"),
    [
        ("Novo", "Descartar e começar um novo", "Cadastro — novo servidor"),
        ("Cancelar", "Descartar e voltar à lista", "Servidores de e-mail"),
    ],
)
def test_what_was_typed_is_dropped_after_a_question_alone(
    core: Mailcore, way: str, discards: str, leads_to: str
) -> None:
    form = Form()
    form.type(Descrição="Quase")
    form.press(way)
    assert form.says("Há dados que ainda não foram salvos.")
    assert form.has_button("Continuar editando")
    assert form.has_button(discards)
    assert form["Descrição"] == "Quase"
    form.type(Descrição="")
    form.press(way)
    assert not form.has_button(discards)
    assert form.title == leads_to


# -- What was tested


def test_a_test_counts_for_exactly_what_is_saved(core: Mailcore) -> None:
    with SmtpPeer(security="starttls", tls=server_context(), users={USER: PASSWORD}) as peer:
        values = {"host": "127.0.0.1", "port": peer.port, "security": Security.STARTTLS, "ca_pem": authority_pem()}
        server_id = register(core, **values)
        for after_it, state in (("", CheckState.OK), ("outra@exemplo.example", CheckState.NEVER)):
            form = Form(server_id)
            form.type(Senha=PASSWORD, Nome_do_remetente=f"com {state}")
            form.press("Testar conexão")
            assert form.says("Funcionando: o servidor respondeu")
            if after_it:
                form.type(Usuário=after_it)
            form.press("Salvar")
            assert form.title == "Servidores de e-mail"
            assert core.servers.get(server_id).last_check_state == state
        assert len(peer.logins) == 2
