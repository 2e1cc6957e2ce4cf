"""What one browser session remembers: every key of ours, named once, with the type of what it holds.

Nothing else in ``ui`` or ``pages`` reaches into ``st.session_state``; a widget whose value is read elsewhere gets
its key from here (``key=LIST_SEARCH.name``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st

if TYPE_CHECKING:
    from concurrent.futures import Future
    from datetime import date, time

    from mailcore.access.sessions import Entered
    from mailcore.batches.new_batch import NewFile, RecipientsPlan
    from mailcore.health.probing import Suggestion
    from mailcore.registry.exchange import ImportPlan
    from mailcore.storage.tables import MailServer, Send
    from mailcore.transports.base import Step
    from ui.cadastro.form import ServerForm
    from ui.servidores.actions import Begun, ListCheck
    from ui.servidores.portfolio import Run

T = TypeVar("T")


class Key(Generic[T]):
    """One value in the session, and what it is where nothing was put there yet."""

    __slots__ = ("_default", "name")

    def __init__(self, name: str, default: T) -> None:
        self.name = name
        self._default = default

    def get(self) -> T:
        """Return the value, or its default."""
        value: T = st.session_state.get(self.name, self._default)
        return value

    def set(self, value: T) -> None:
        """Remember a value; that of a widget only before the widget is drawn in this run."""
        st.session_state[self.name] = value

    def start(self, value: T) -> T:
        """Remember a value where none is remembered yet; return the one that is."""
        kept: T = st.session_state.setdefault(self.name, value)
        return kept

    def take(self) -> T:
        """Return the value, or its default, and forget it."""
        value: T = st.session_state.pop(self.name, self._default)
        return value

    def forget(self) -> None:
        """Drop the value."""
        st.session_state.pop(self.name, None)

    def is_set(self) -> bool:
        """Whether a value is remembered, by us or by its widget on the screen."""
        return self.name in st.session_state


@dataclass(frozen=True, slots=True)
class Selection:
    """The records selected in a list, by id."""

    ids: tuple[int, ...] = ()
    serial: int = 0
    """The number of the person's last choice (see ``ui/assets/rows.js``)."""

    @property
    def only(self) -> int | None:
        """The selected record where it is exactly one."""
        return self.ids[0] if len(self.ids) == 1 else None


def select(selection: Key[Selection], *ids: int) -> None:
    """Select records for the person."""
    selection.set(Selection(ids, selection.get().serial))


ENTERED = Key("entered_through_app", False)
NOTICES: Key[tuple[str, ...]] = Key("notices", ())
"""What the page before has to say on the next one, a sentence each."""

VIEWS: Key[tuple[tuple[float, dict[str, str]], ...]] = Key("views", ())
"""What a list has written into the address lately, and when (monotonic seconds); the last is what is on screen."""
VIEW_CHANGED = Key("view_changed", False)
"""Whether the message at hand changes a filter."""
LEAVING: Key[tuple[str, dict[str, str]] | None] = Key("leaving", None)
"""The page that a press leads to, and its query, where only the run can go there."""

# Who is here
PERSON: Key[int] = Key("person", 0)
"""The user this browser session belongs to; 0 where no login is asked."""
PERSON_SESSION: Key[int | None] = Key("person_session", None)
HERE: Key[Entered | None] = Key("here", None)
"""Who is here in this run; None where no login is asked. Decides what is offered, never what is done."""

# Usuários
USERS_SEARCH = Key("users_search", "")
USERS_PAGE = Key("users_page", 1)
USERS_SELECTED = Key("users_selected", Selection())
USERS_ASKED: Key[tuple[str, int | None]] = Key("users_asked", ("", None))
"""What a dialog is open for: ("new", None), or ("edit" | "end" | "remove", id)."""
USERS_SAVED = Key("users_saved", 0)
"""Who was saved just now, to be in sight."""
USERS_LINK: Key[tuple[str, str]] = Key("users_link", ("", ""))
"""A new link to set a password and whose it is, shown once."""
ENTRIES_PAGE = Key("users_trail_page", 1)

# Aplicativos OAuth
APPS_NONCE = Key("apps_nonce", 0)
"""Counts up with each application registered: the next form begins empty."""
APPS_ERRORS: Key[tuple[str, ...]] = Key("apps_errors", ())
APPS_EDITING: Key[int | None] = Key("apps_editing", None)
"""The application that is being changed; None while a new one is typed."""
APPS_REMOVING: Key[int | None] = Key("apps_removing", None)

# Servidores de e-mail
LIST_SEARCH = Key("busca", "")
LIST_KIND = Key("tipo", "")
LIST_SITUATION = Key("situacao", "")
LIST_ACCOUNT = Key("conta", "")
LIST_CHECK = Key("teste", "")
LIST_PAGE = Key("pagina", 1)
LIST_ORDER = Key("ordem", "")
"""The column that the list is sorted by, with "-" before it where it descends; empty is by description."""
LIST_COLUMNS: Key[list[str]] = Key("colunas", [])
"""Fields shown besides the usual columns."""
LIST_QUERY: Key[dict[str, str]] = Key("list_query", {})
"""The query string of the list as it was left: the form comes back to it."""
SELECTED = Key("selected", Selection())
ONLY: Key[int | None] = Key("only_id", None)
"""The one record that the search has left, selected once."""
SAVED: Key[int | None] = Key("saved_id", None)
"""The record the form has just saved, to be shown."""
DELETING: Key[tuple[int, ...]] = Key("deleting", ())
CHECK_BEGUN: Key[Begun | None] = Key("list_check_begun", None)
LAST_CHECK: Key[ListCheck | None] = Key("list_check", None)
PORTFOLIO_RUN: Key[Run | None] = Key("portfolio_run", None)
CHOSEN_SUGGESTION: Key[tuple[int, Suggestion] | None] = Key("chosen_suggestion", None)
"""What a test of a record in the list proposed, on its way to the form."""

# Cadastro
FORM: Key[ServerForm | None] = Key("cadastro", None)
FORM_TAB = Key("cadastro_tab", "Geral")
"""The open tab. The same widget for every form, so that the next form's fields take the places of the last."""
SAVED_AND_CONTINUED = Key("cadastro_seguinte", "")
"""The form that "Salvar e continuar" opened last."""
DRAFTS_ENDED: Key[tuple[str, ...]] = Key("drafts_ended", ())
"""Openings of the form whose typing is saved or given up."""
OFFER_FILLED = Key("offer_filled", False)
OAUTH_PASTED = Key("oauth_pasted", "")
"""The address at which the provider's page ended, pasted."""
MX_ASKED: Key[tuple[str, float, Future[list[str]]] | None] = Key("mx_asked", None)

# Enviar teste
SEND_SEARCH = Key("send_search", "")
SEND_FOR: Key[int | None] = Key("send_for", None)
SEND_TO = Key("field_send_to", "")
SEND_SUBJECT = Key("field_send_subject", "")
SEND_TEXT = Key("field_send_text", "")
SEND_ERRORS: Key[dict[str, str]] = Key("send_errors", {})
SEND_KEY = Key("send_key", "")
"""The idempotency key of the next message."""
SEND_OUTCOME: Key[tuple[int, Send, list[Step]] | None] = Key("send_outcome", None)
LAST_RECIPIENT = Key("last_recipient", "")

# Cotas
QUOTA_SEARCH = Key("cotas_busca", "")
QUOTA_STATE = Key("cotas_estado", "")
QUOTA_PAGE = Key("cotas_pagina", 1)
QUOTA_SORT = Key("cotas_ordenar", "")
"""The column that accounts are sorted by, with "-" before it where it descends; empty puts first what needs
somebody."""
QUOTA_SELECTED = Key("cotas_conta", Selection())
"""The account whose details are on screen, by the first of its records."""
QUOTA_NAMED: Key[tuple[object, ...]] = Key("cotas_escolhida", ())
"""What was selected and asked for when the whole page was drawn last: what does not refresh itself shows that."""
QUOTA_PLACES: Key[tuple[object, dict[str, int]]] = Key("cotas_ordem", (None, {}))
"""What was asked for, and which place each account had then: rows stay where they are while one reads."""
QUOTA_PERIOD = Key("cotas_periodo", "")
QUOTA_BEGINS: Key[date | None] = Key("cotas_de", None)
QUOTA_ENDS: Key[date | None] = Key("cotas_ate", None)
OUTCOME_SORT: Key[dict[str, str]] = Key("cotas_resultados_ordem", {})
"""For each table of outcomes the column it is sorted by, as :data:`QUOTA_SORT`."""
EXTERNAL_DONE = Key("external_done", "")
EXTERNAL_NONCE = Key("external_nonce", "")
EXTERNAL_SELECTED = Key("external_selected", Selection())
EXTERNAL_PAGE = Key("external_page", 1)

# Envios
LEDGER_PERIOD = Key("envios_periodo", "")
LEDGER_BEGINS: Key[date | None] = Key("envios_de", None)
LEDGER_ENDS: Key[date | None] = Key("envios_ate", None)
LEDGER_SERVER_NAME = Key("envios_servidor", "")
LEDGER_OUTCOME = Key("envios_resultado", "")
LEDGER_RECIPIENT = Key("envios_para", "")
LEDGER_ORIGIN = Key("envios_origem", "")
LEDGER_PAGE = Key("envios_pagina", 1)
LEDGER_SERVER: Key[MailServer | None] = Key("envios_um", None)
LEDGER_OPENED = Key("envios_aberto", Selection())

# Alterações
TRAIL_SEARCH = Key("trail_search", "")
TRAIL_PAGE = Key("trail_page", 1)
HISTORY_PAGE = Key("history_page", 1)
"""The page of the history of the record in the form."""
HISTORY_OF: Key[int | None] = Key("history_of", None)

# Importar e exportar
IMPORT_NONCE = Key("import_nonce", "")
IMPORT_PLAN: Key[tuple[str, ImportPlan] | None] = Key("import_plan", None)
IMPORT_DONE: Key[tuple[int, int, int] | None] = Key("import_done", None)
IMPORT_LATE = Key("import_late", "")
IMPORT_CHANGED_PAGE = Key("import_changed_page", 1)
IMPORT_CREATED_PAGE = Key("import_created_page", 1)

# Ajuda
DIAGNOSIS_SELECTED = Key("diagnosis_selected", Selection())


# Envio em lote
BATCHES_PAGE = Key("lotes_pagina", 1)
BATCHES_SELECTED = Key("lotes_escolhido", Selection())
BATCH_NAME = Key("field_lote_nome", "")
BATCH_SERVER: Key[int | None] = Key("field_lote_servidor", None)
BATCH_SERVER_SEARCH = Key("lote_servidor_busca", "")
BATCH_PASTED = Key("field_lote_colados", "")
BATCH_COLUMN = Key("lote_coluna", "")
"""The column of addresses, as it was found or chosen."""
BATCH_SUBJECT = Key("field_lote_assunto", "")
BATCH_TEXT = Key("field_lote_texto", "")
BATCH_HTML = Key("field_lote_html", "")
BATCH_KIND = Key("field_lote_tipo", "")
BATCH_WHEN = Key("field_lote_inicio", "")
BATCH_DAY: Key[date | None] = Key("lote_dia", None)
BATCH_TIME: Key[time | None] = Key("lote_hora", None)
BATCH_FILE_COLUMN = Key("field_lote_coluna_anexo", "")
BATCH_SHARE = Key("field_lote_recusas", 10)
BATCH_FILE: Key[tuple[str, bytes] | None] = Key("lote_arquivo", None)
"""The list of recipients that was chosen: its name and what is in it."""
BATCH_FILES: Key[tuple[NewFile, ...]] = Key("lote_anexos", ())
BATCH_NONCE = Key("lote_nonce", "")
"""Changes with each form: its uploads begin empty, and a press that was answered is answered once."""
BATCH_ERRORS: Key[dict[str, list[str]]] = Key("lote_erros", {})
BATCH_PLAN: Key[tuple[object, RecipientsPlan | None, str] | None] = Key("lote_lista", None)
"""What was read of which list, or what is wrong with it."""
BATCH_ASKED = Key("lote_pergunta", "")
"""What a dialog is open for: the name of an act."""
BATCH_ROW: Key[int | None] = Key("lote_linha", None)
BATCH_TEST_TO = Key("field_send_to__lote", "")
BATCH_TEST: Key[tuple[int, Send, list[Step]] | None] = Key("lote_teste", None)
BATCH_STATUS = Key("lote_situacao", "")
BATCH_RECIPIENTS_PAGE = Key("lote_destinatarios_pagina", 1)

# Supressões
SUPPRESSION_SEARCH = Key("supressoes_busca", "")
SUPPRESSION_PAGE = Key("supressoes_pagina", 1)
SUPPRESSION_SELECTED = Key("supressoes_escolhida", Selection())
SUPPRESSION_NONCE = Key("supressoes_nonce", 0)
"""Counts up with each address added: the next form begins empty."""


def forget_everything() -> None:
    """Drop what is remembered: another person is here."""
    st.session_state.clear()


def form_field(name: str) -> Key[Any]:
    """The widget of one field of the form; ``F1`` reads the field's name from its key."""
    return Key(f"field_{name}", None)


def component_value(name: str, value: str) -> Any:
    """Return what a component of ours with this key told, or None; of one that is not there too."""
    return (st.session_state.get(name) or {}).get(value)
