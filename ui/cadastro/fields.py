"""The widgets of the form's two tabs: row by row as the table of fields places them, each with its complaint.

Text fields commit as one types, without a rerun: no press can miss what was typed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from mailcore.help import field_help
from mailcore.registry.drafts import default_same_address
from mailcore.registry.fields import FIELD, Field, Sort, Tab, rows_of
from mailcore.transports import kind_of
from ui.cadastro import oauth
from ui.cadastro.form import AUTHENTICATION, GENERAL, field_key
from ui.cadastro.login_forms import LOGIN_FORMS, apps_of, login_label
from ui.cadastro.offers import offer, password_advice
from ui.cadastro.values import (
    SSL_MODES,
    WIDGET,
    draft_of_form,
    kind_of_form,
    logs_in,
    put,
    suggestion_of_port,
    uses_oauth,
    value_of,
)
from ui.formats import plain
from ui.session import FORM_TAB, form_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailcore.transports.kind import ServerKind
    from ui.cadastro.form import ServerForm

_KEPT_PLACEHOLDER = "•••••••• (mantida)"


def general_fields(form: ServerForm) -> None:
    """The tab "Geral"."""
    form.drawn = True
    _rows(form, Tab.GENERAL)


def authentication_fields(form: ServerForm) -> None:
    """The tab "Autenticação": how this kind of server is reached, and its secret."""
    _rows(form, Tab.AUTHENTICATION)


def point(form: ServerForm) -> str | None:
    """Open the tab of the field a complaint or a diagnosis points at; return its widget key, for the cursor."""
    name = form.points_at
    if name is None:
        return None
    if not form.pointed:
        form.pointed = True
        FORM_TAB.set(FIELD[name].place.tab.value if name in FIELD else GENERAL)
    if name == "secret":
        name = kind_of_form(form).secret_help
    return field_key(WIDGET.get(name, name))


def _rows(form: ServerForm, tab: Tab) -> None:
    hidden = "secret" if uses_oauth(form) else "oauth_app_id"
    for whole in rows_of(tab, value_of(form, "kind")):
        row = [item for item in whole if item.name != hidden]
        if not row:
            continue
        if any(item.name == "from_address" for item in row):
            _sender(form, row)
        elif all(item.sort is Sort.FLAG or item.name == "security" for item in row):
            with st.container(horizontal=True, gap="large"):
                for item in row:
                    _draw(form, item)
        else:
            _beside(form, row)
        if any(item.name == "security" for item in row):
            _warn_of_plain(form)
        if any(item.name == "oauth_app_id" for item in row):
            oauth.show_authorization(form, draft_of_form(form))


def _beside(form: ServerForm, row: list[Field]) -> None:
    if len(row) == 1:
        _draw(form, row[0])
        return
    has_box = any(item.sort is Sort.FLAG for item in row)
    places = st.columns([item.place.width for item in row], vertical_alignment="bottom" if has_box else "top")
    for place, item in zip(places, row, strict=True):
        with place:
            _draw(form, item)


@st.fragment
def _sender(form: ServerForm, row: list[Field]) -> None:
    """The row of the sender, and what the catalogue knows of the address: runs alone with each keystroke."""
    _beside(form, row)
    if "host" in kind_of_form(form).fields:
        offer(value_of(form, "from_address"), form.button("prefill"), partial(_take_offer, form))


def _take_offer(form: ServerForm, values: Mapping[str, Any]) -> None:
    """Fill in what the catalogue knows; the cursor goes where one goes on."""
    put(form, values)
    form.points_at, form.pointed = "from_name" if value_of(form, "name").strip() else "name", False
    form.tries += 1


def _draw(form: ServerForm, row: Field) -> None:
    """One field's widget, by its sort, and what there is to complain of it."""
    if row.name == "security_auto":
        _mode(form, row)
    elif row.name == "auth":
        _login_form(form, row)
    elif row.name == "oauth_app_id":
        _app(form, row)
    elif row.sort is Sort.SECRET:
        _secret(form, kind_of_form(form))
    elif row.sort is Sort.FLAG or row.name == "security":
        _check(form, row)
    elif row.sort is Sort.CHOICE:
        _select(form, row)
    elif row.sort is Sort.LINES:
        _area(form, row)
    else:
        _text(form, row)


def _is_disabled(form: ServerForm, row: Field) -> bool:
    if row.name == "username":
        return not logs_in(form)
    return row.name in ("security_auto", "verify_certificate", "ca_pem") and not value_of(form, "ssl")


def _warn_of_plain(form: ServerForm) -> None:
    if not value_of(form, "ssl") and logs_in(form):
        st.warning(
            "Sem SSL, o usuário e a senha viajam legíveis pela rede. Use só dentro de uma rede de confiança.",
            icon=":material/warning:",
        )


def _text(form: ServerForm, row: Field) -> None:
    st.text_input(
        row.label,
        key=field_key(row.name),
        help=field_help(row.name),
        placeholder=f"{suggestion_of_port(form)} (sugerida)" if row.name == "port" else row.placeholder,
        disabled=_is_disabled(form, row),
        live="0ms",
        on_change="rerun" if row.name == "from_address" else "ignore",
        persist_state="page",
    )
    _error(form, row.name)


def _secret(form: ServerForm, kind: ServerKind) -> None:
    # No value and no persisted state: what is typed goes to the program and never back to the browser.
    st.text_input(
        kind.secret_label,
        key=field_key(kind.secret_help),
        type="password",
        help=field_help(kind.secret_help),
        placeholder=_KEPT_PLACEHOLDER if form.has_stored_secret else "",
        autocomplete="new-password",
        disabled=not logs_in(form),
        live="0ms",
        on_change="ignore",
    )
    _error(form, "secret")
    is_open = FORM_TAB.get() == AUTHENTICATION  # once on the page: the other tab says it too
    if is_open and "host" in kind.fields and (advice := password_advice(value_of(form, "from_address"))):
        st.caption(f":material/key: {advice}")
    if form.has_stored_secret:
        st.button("Remover senha", key=form.button("remove_secret"), on_click=_remove_secret, args=(form,))
    elif form.remove_secret:
        st.info("A senha guardada será removida quando você salvar.", icon=":material/info:")


def _area(form: ServerForm, row: Field) -> None:
    st.text_area(
        row.label,
        key=field_key(row.name),
        help=field_help(row.name),
        placeholder=row.placeholder,
        disabled=_is_disabled(form, row),
        on_change="ignore",
        persist_state="page",
    )
    _error(form, row.name)


def _select(form: ServerForm, row: Field) -> None:
    callback = {"kind": _follow_kind, "is_paid": _touch_account, "same_address": _touch_same}.get(row.name)
    current = value_of(form, row.name)
    st.selectbox(
        row.label,
        # A kind that this version does not know is still what the record says.
        [*row.choices, *([] if current in row.choices else [current])],
        format_func=row.word,
        key=field_key(row.name),
        help=field_help(row.name),
        persist_state="page",
        filter_mode=None,
        on_change=callback,
        args=(form,) if callback else None,
    )
    _error(form, row.name)


def _mode(form: ServerForm, row: Field) -> None:
    name = WIDGET[row.name]
    st.selectbox(
        row.label,
        list(SSL_MODES),
        key=field_key(name),
        help=field_help(name),
        disabled=_is_disabled(form, row),
        persist_state="page",
        filter_mode=None,
    )
    _error(form, row.name)


def _login_form(form: ServerForm, row: Field) -> None:
    st.selectbox(
        row.label,
        LOGIN_FORMS,
        format_func=login_label,
        key=field_key(row.name),
        help=field_help(row.name),
        disabled=not logs_in(form),
        persist_state="page",
        filter_mode=None,
    )
    _error(form, row.name)


def _app(form: ServerForm, row: Field) -> None:
    apps = apps_of(value_of(form, "auth"))
    current = form_field(row.name).get()
    if current not in apps:  # of another provider, or none yet
        form_field(row.name).set(next(iter(apps), ""))
    st.selectbox(
        row.label,
        list(apps) or [""],
        format_func=lambda number: apps[number].name if number in apps else "(nenhum registrado)",
        key=field_key(row.name),
        help=field_help(row.name),
        persist_state="page",
        filter_mode=None,
    )
    _error(form, row.name)


def _check(form: ServerForm, row: Field) -> None:
    name = WIDGET.get(row.name, row.name)
    st.checkbox(
        row.label,
        key=field_key(name),
        help=field_help(name),
        disabled=_is_disabled(form, row),
        persist_state="page",
    )
    _error(form, row.name)


def _error(form: ServerForm, name: str) -> None:
    for error in form.errors:
        if error.field == name:
            st.markdown(f":red[:material/error: {plain(error.message)}]")


def _follow_kind(form: ServerForm) -> None:
    """A new account starts as its kind usually is, until the person chooses."""
    if form.opened is None and not form.chose_account:
        form_field("is_paid").set(kind_of(form_field("kind").get()).starts_paid)
        _follow_account(form)


def _touch_account(form: ServerForm) -> None:
    form.chose_account = True
    _follow_account(form)


def _follow_account(form: ServerForm) -> None:
    """A free account starts at "Bloquear", a paid one at "Permitir", until the person chooses."""
    if form.opened is None and not form.chose_same_address:
        form_field("same_address").set(default_same_address(form_field("is_paid").get()))


def _touch_same(form: ServerForm) -> None:
    form.chose_same_address = True


def _remove_secret(form: ServerForm) -> None:
    form.remove_secret = True
