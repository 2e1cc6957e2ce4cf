"""What the buttons of the page Cadastro do, and what it says when something is in the way."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st

from mailcore.errors import (
    ConflictError,
    MailcoreError,
    NotFoundError,
    RecordGoneError,
    ValidationError,
)
from mailcore.health.checks import note_result
from mailcore.registry.field import Tab
from mailcore.registry.fields import FIELD, LABELS, SECRET_BOUND
from ui import words
from ui.cadastro.form import GENERAL, ServerForm, Tested, copy_form, open_form
from ui.cadastro.values import draft_of_form, fill, forget, is_unsaved, put, typed_secret, was_left
from ui.context import note
from ui.drafts import end_draft
from ui.formats import date_time, plain
from ui.jobs import watch
from ui.navigation import go
from ui.outcome import show_check
from ui.person import current_actor
from ui.session import (
    CHOSEN_SUGGESTION,
    FORM,
    FORM_TAB,
    LIST_QUERY,
    SAVED,
    SAVED_AND_CONTINUED,
    SELECTED,
    select,
)

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.errors import FieldError
    from mailcore.health.probing import Suggestion

_SECOND_PRESS = 1.0
"""Seconds within which a key pressed again is one press."""


def current_form(core: Mailcore) -> ServerForm:
    """Return the form on screen: the one this session has open, if it is of the record in the URL."""
    wanted, copied = _id_in_url("id"), _id_in_url("copia")
    form = FORM.get()
    if form is not None and _is_of(form, wanted, copied) and not was_left(form):
        return form
    try:
        if copied is not None and wanted is None:
            original = core.servers.get(copied)
            form = copy_form(original, core.servers.name_for_copy(original.name))
        else:
            form = open_form(core.servers.get(wanted) if wanted is not None else None)
    except NotFoundError:
        st.title("Cadastro")
        st.error("Este servidor não existe mais: foi apagado. Volte à lista ou registre um novo.")
        st.page_link("pages/servidores.py", label="Servidores de e-mail", icon=":material/list:")
        st.stop()
    _show(form)
    chosen = CHOSEN_SUGGESTION.take()
    if chosen is not None and chosen[0] == wanted:
        _use(form, chosen[1])
    asked_for = st.query_params.get("campo", "")
    if asked_for in LABELS:
        form.points_at = asked_for
    return form


def _is_of(form: ServerForm, wanted: int | None, copied: int | None) -> bool:
    return (form.opened.id if form.opened else None) == wanted and (wanted is not None or form.copy_of == copied)


def _id_in_url(name: str) -> int | None:
    text = st.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 18 else None


def save(core: Mailcore, form: ServerForm) -> None:
    """ "Salvar": store what stands in the fields and close to the list, which needs no more run of this page."""
    if _store(core, form):
        close()


def close() -> None:
    """Go back to the list, the way it was left."""
    _end_draft()
    FORM.forget()
    forget()
    go("pages/servidores.py", LIST_QUERY.get())


def save_and_continue(core: Mailcore, form: ServerForm) -> None:
    """ "Salvar e continuar": store, then an empty form."""
    if SAVED_AND_CONTINUED.get() == form.nonce and monotonic() - form.began < _SECOND_PRESS and not is_unsaved(form):
        return  # the key pressed twice: the second is no wish to save the new, empty form
    if _store(core, form):
        following = ServerForm()
        SAVED_AND_CONTINUED.set(following.nonce)
        _replace(following)


def start_new(form: ServerForm) -> None:
    """ "Novo": an empty form, asking first when something unsaved would be lost."""
    if is_unsaved(form):
        form.leads_to = "new"
    else:
        _replace(ServerForm())


def leave(form: ServerForm) -> None:
    """ "Cancelar": back to the list, asking first when something unsaved would be lost."""
    if is_unsaved(form):
        form.leads_to = "list"
    else:
        close()


def _end_draft() -> None:
    form = FORM.get()
    if form is not None:
        end_draft(form.nonce)


def _replace(form: ServerForm) -> None:
    _end_draft()
    _show(form)
    if form.opened is None:
        st.query_params.clear()
    else:
        st.query_params["id"] = str(form.opened.id)


def _show(form: ServerForm) -> None:
    FORM.set(form)
    FORM_TAB.set(GENERAL)
    fill(form)


def _store(core: Mailcore, form: ServerForm) -> bool:
    """Save once; a second press of the same form finds it saved and does nothing more."""
    if form.saved:
        return True
    _clear_messages(form)
    draft, secret = draft_of_form(form), typed_secret(form)
    try:
        if form.opened is None:
            saved = core.servers.create(draft, secret, actor=current_actor(), authorization=form.authorization)
        else:
            saved = core.servers.update(
                form.opened,
                draft,
                secret,
                remove_secret=form.remove_secret,
                actor=current_actor(),
                authorization=form.authorization,
            )
    except ValidationError as error:
        blame(form, error)
        return False
    except ConflictError as error:
        form.conflict = error
        return False
    except RecordGoneError:
        form.gone = True
        return False
    except MailcoreError as error:
        form.fault = str(error)
        return False
    form.saved = True
    if form.tested is not None and form.tested.is_of(draft, secret, form):
        with suppress(MailcoreError):  # it is saved; that its test is not noted need not be said
            note_result(core.servers, saved.server, form.tested.result)
    forget()
    select(SELECTED, saved.server.id)
    SAVED.set(saved.server.id)
    note(f"“{saved.server.name}” foi salvo.", *saved.notes)
    return True


def _clear_messages(form: ServerForm) -> None:
    form.errors, form.fault, form.conflict, form.gone, form.leads_to = [], "", None, False, ""
    form.check, form.points_at, form.pointed = None, None, False
    form.tries += 1


def blame(form: ServerForm, error: ValidationError) -> None:
    """Keep what is wrong with what was typed, and have the cursor go to the first field of it."""
    form.errors = sorted(error.errors, key=_in_the_form)
    form.points_at = form.errors[0].field


def _in_the_form(error: FieldError) -> tuple[int, int]:
    """Where the field stands: complaints are read, and the first of them mended, from top to bottom."""
    tabs = list(Tab)
    place = FIELD[error.field].place if error.field in FIELD else None
    return (tabs.index(place.tab), place.spot) if place else (len(tabs), 0)


def show_problems(form: ServerForm) -> None:
    """What a save or a test found wrong."""
    if form.errors:
        sentences = "\n".join(f"- {plain(error.message)}" for error in form.errors)
        st.error(f"Ainda não dá para continuar:\n\n{sentences}", icon=":material/error:")
    if form.fault:
        st.error(plain(form.fault), icon=":material/error:")


def show_conflict(core: Mailcore, form: ServerForm) -> None:
    """Somebody else saved or deleted the record meanwhile: say who and what, and offer the ways out."""
    if form.gone:
        st.warning("Este servidor **foi apagado por outra pessoa**. O que você digitou continua aqui.")
        st.button(
            "Registrar de novo",
            key=form.button("register_again"),
            on_click=_register_again,
            args=(core, form),
        )
    if form.conflict is None:
        return
    conflict = form.conflict
    when = date_time(conflict.when, core.settings.zone)
    fields = ", ".join(LABELS[change.field] for change in conflict.changes) or "nenhum campo visível"
    st.warning(
        f"Este servidor **foi alterado por outra pessoa** ({plain(conflict.who)}, em {when}). Mudou: {fields}. "
        "O que você digitou continua aqui.",
        icon=":material/group:",
    )
    with st.container(horizontal=True):
        st.button("Manter o meu", key=form.button("keep_mine"), on_click=_keep_mine, args=(core, form))
        st.button("Usar o da outra pessoa", key=form.button("take_theirs"), on_click=_take_theirs, args=(core, form))
    with st.expander("Ver as diferenças"):
        for change in conflict.changes:
            before, after = (words.value(change.field, value) for value in (change.before, change.after))
            if change.field == "secret":
                st.markdown(f"- **{LABELS['secret']}**: alterada")
            else:
                st.markdown(f"- **{LABELS[change.field]}**: {plain(before)} → {plain(after)}")


def _keep_mine(core: Mailcore, form: ServerForm) -> None:
    """Save what is typed over the other person's save."""
    if form.opened is None:
        return
    try:
        form.opened = core.servers.get(form.opened.id)
    except NotFoundError:
        form.conflict, form.gone = None, True
        return
    save(core, form)


def _take_theirs(core: Mailcore, form: ServerForm) -> None:
    if form.opened is None:
        return
    try:
        _replace(open_form(core.servers.get(form.opened.id)))
    except NotFoundError:
        form.conflict, form.gone = None, True


def _register_again(core: Mailcore, form: ServerForm) -> None:
    """Save what is typed as a new record; its password went with the old one and must be typed."""
    form.opened, form.gone = None, False
    st.query_params.clear()
    save(core, form)


def test_connection(core: Mailcore, form: ServerForm, *, start: bool) -> None:
    """ "Testar conexão": connect and log in with what is typed, unsaved; show the steps and the outcome."""
    if start:
        _clear_messages(form)
        draft, secret, opened = draft_of_form(form), typed_secret(form), form.opened
        form.tested = None
        actor, key = current_actor(), form.authorization
        try:
            result, _ = watch(
                uuid4().hex,
                "Testando a conexão",
                lambda on_step: core.check_draft(draft, secret, opened, on_step, actor=actor, authorization=key),
            )
            form.check, form.tested = result, Tested(draft, secret, opened, key, result)
        except ValidationError as error:
            blame(form, error)
        except MailcoreError as error:
            form.fault = str(error)
        if form.check is not None and form.check.diagnosis is not None and form.check.diagnosis.field:
            form.points_at = form.check.diagnosis.field
        st.rerun()
    if form.check is not None:
        show_check(form.check, None, lambda suggestion: _use(form, suggestion))


def _use(form: ServerForm, suggestion: Suggestion) -> None:
    """Fill in what was tried and works, and open the field that is next."""
    put(form, suggestion.values)
    _clear_messages(form)
    is_bound = any(name in SECRET_BOUND for name in suggestion.values)
    has_stored = form.opened is not None and form.opened.secret_ref is not None
    asks_again = is_bound and has_stored and typed_secret(form) is None
    form.points_at = "secret" if asks_again else suggestion.field
    what = "Digite a senha de novo, teste e salve." if asks_again else "Teste de novo e salve."
    note(f"Preenchido. {what}")


def ask_before_leaving(form: ServerForm) -> None:
    """Open the question that "Novo" and "Cancelar" lead to when something typed would be lost."""
    where, form.leads_to = form.leads_to, ""
    if where:
        _leave_dialog(form, where)


@st.dialog("Descartar o que foi digitado?")
def _leave_dialog(form: ServerForm, where: str) -> None:
    to_list = where == "list"
    consequence = "" if to_list else " Um cadastro novo começa vazio."
    st.write(f"Há dados que ainda não foram salvos.{consequence}")
    with st.container(horizontal=True):
        if st.button("Continuar editando", key=form.button("stay")):
            st.rerun()
        words_of_it = "Descartar e voltar à lista" if to_list else "Descartar e começar um novo"
        if st.button(words_of_it, key=form.button("discard")):
            if to_list:
                close()
            _replace(ServerForm())
            st.rerun()


def has_news(form: ServerForm) -> bool:
    """Whether a test or a save has something to say that is no complaint of a field."""
    return bool(form.check or form.conflict or form.gone or form.fault)
