"""In the form, in place of the password: the application, how the authorisation stands, and ``Autorizar``.

The provider's page opens in a tab of its own and comes back to a route of the door (``ui/door/oauth_return.py``),
which may be another session than this one; so this page asks how it stands until it is done. Where the browser cannot
come back, the address at which it ended is pasted, or a code is typed elsewhere.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st
from streamlit import config

from mailcore.diagnosis.texts import diagnosis_for
from mailcore.errors import MailcoreError, ValidationError
from mailcore.oauth.authorizing import Progress, Wanted
from mailcore.oauth.faults import OAuthError
from mailcore.oauth.providers import providers
from mailcore.vocabulary import OAuthMode, OAuthState
from ui.assets import packed, part
from ui.cadastro.values import draft_of_form
from ui.context import library
from ui.door.knock import base_path
from ui.formats import plain
from ui.person import current_actor
from ui.session import OAUTH_PASTED

if TYPE_CHECKING:
    from mailcore.registry.drafts import ServerDraft
    from mailcore.storage.tables import MailServer
    from ui.cadastro.form import ServerForm

RETURN_PATH = "/oauth/retorno"
_ASK_EVERY = 2.0
_opener = st.components.v2.component("mailcore_open_page", js=part("open_page"))


def redirect_address() -> str:
    """Return where the provider sends the browser: made from settings, never from a header of a request."""
    own = f"http://localhost:{config.get_option('server.port')}{base_path()}"
    return (library().settings.public_url or own) + RETURN_PATH


def show_authorization(form: ServerForm, draft: ServerDraft) -> None:
    """How the authorisation stands, and the ways to give one."""
    app = next((app for app in library().servers.apps.all() if str(app.id) == str(draft.oauth_app_id)), None)
    if app is None:
        st.info(
            "Nenhum aplicativo escolhido. O administrador registra um, uma vez, em **Aplicativos OAuth**.",
            icon=":material/info:",
        )
        st.page_link("pages/aplicativos_oauth.py", label="Aplicativos OAuth", icon=":material/key:")
        return
    _state(form, draft)
    if app.mode is OAuthMode.APPLICATION:
        st.caption("O aplicativo trabalha sozinho: ninguém precisa autorizar. Teste a conexão e salve.")
        return
    with st.container(horizontal=True):
        st.button("Autorizar", key=form.button("authorize"), on_click=_begin, args=(form,), icon=":material/login:")
        if providers()[app.provider].device:
            st.button("Usar um código", key=form.button("authorize_device"), on_click=_begin_device, args=(form,))
    if form.oauth_fault:
        st.error(form.oauth_fault, icon=":material/error:")
    if form.begun is not None:
        _wait(form)


def _stored(form: ServerForm, draft: ServerDraft) -> MailServer | None:
    """The record as it is now, where the form has not moved away from what was authorised."""
    if form.opened is None:
        return None
    try:
        server = library().servers.get(form.opened.id)
    except MailcoreError:
        return None
    return server if (str(server.oauth_app_id), server.host, server.username) == _bound(draft) else None


def _bound(draft: ServerDraft) -> tuple[str, str, str]:
    """What an authorisation is bound to."""
    return str(draft.oauth_app_id), draft.host.strip(), draft.username.strip()


def _state(form: ServerForm, draft: ServerDraft) -> None:
    zone, stored = library().settings.zone, _stored(form, draft)
    if form.authorized is not None and form.begun_for == _bound(draft):
        user, at = form.authorized
        st.success(f"Autorizado como {plain(user)} em {at.astimezone(zone):%d/%m/%Y}", icon=":material/check:")
    elif stored is None or stored.oauth_state is OAuthState.NONE:
        st.warning("Não autorizado", icon=":material/lock:")
    elif stored.oauth_state is OAuthState.AUTHORIZED:
        when = f" em {stored.oauth_at.astimezone(zone):%d/%m/%Y}" if stored.oauth_at else ""
        st.success(f"Autorizado como {plain(stored.oauth_user)}{when}", icon=":material/check:")
    else:
        found = diagnosis_for(stored.oauth_code)
        st.error(f"Autorização recusada: {plain(found.title)}\n\n{plain(found.remedy)}", icon=":material/error:")


def _begin(form: ServerForm) -> None:
    _start(form, by_code=False)


def _begin_device(form: ServerForm) -> None:
    _start(form, by_code=True)


def _start(form: ServerForm, *, by_code: bool) -> None:
    draft = draft_of_form(form)
    form.errors, form.oauth_fault, form.begun = [], "", None
    form.begun_for = _bound(draft)
    server_id = form.opened.id if form.opened and _stored(form, draft) is not None else None
    authorizing, actor = library().servers.authorizing, current_actor()
    try:
        wanted = Wanted(int(str(draft.oauth_app_id)), draft.host.strip(), draft.username.strip(), server_id)
        if by_code:
            form.begun = authorizing.begin_device(wanted, actor=actor)
        else:
            form.begun = authorizing.begin(wanted, redirect=redirect_address(), actor=actor)
    except ValidationError as error:
        form.errors = error.errors
    except OAuthError as error:
        form.oauth_fault = _why(error.code, error.words)
    except MailcoreError as error:
        form.oauth_fault = plain(str(error))


def _wait(form: ServerForm) -> None:
    begun = form.begun
    assert begun is not None
    if not begun.user_code:
        _opener(key="oauth_open", data=packed({"address": begun.address, "token": begun.key}))
    if begun.user_code:
        st.markdown("Abra a página abaixo em qualquer computador ou celular, digite o código e entre.")
        st.code(begun.user_code, language=None)
        st.link_button("Abrir a página do código", begun.address, icon=":material/open_in_new:")
    else:
        st.link_button("Abrir a página do provedor", begun.address, type="primary", icon=":material/open_in_new:")
        st.caption("Entre com a conta de envio, em outra aba. Depois volte aqui: esta página percebe sozinha.")
        st.text_input(
            "Endereço em que o navegador terminou",
            key=OAUTH_PASTED.name,
            placeholder="Só se ele terminou numa página que não abre: copie o endereço inteiro e cole aqui",
            live="0ms",
            on_change="ignore",
        )
        st.button("Concluir", key=form.button("authorize_paste"), on_click=_take_pasted, args=(form,))
    st.fragment(_watch, run_every=begun.interval if begun.user_code else _ASK_EVERY)(form)


def _take_pasted(form: ServerForm) -> None:
    address = OAUTH_PASTED.take()
    try:
        _note(form, library().servers.authorizing.come_back(address, actor=current_actor()))
    except OAuthError as error:
        form.oauth_fault = _why(error.code, error.words)
        if error.code != "oauth_state":
            form.begun = None
    except MailcoreError as error:
        form.oauth_fault = plain(str(error))


def _watch(form: ServerForm) -> None:
    """Ask how it stands, again and again; once it is over, draw the page anew."""
    begun = form.begun
    if begun is None:
        return
    authorizing, actor = library().servers.authorizing, current_actor()
    try:
        asked = (
            authorizing.poll(begun.key, actor=actor)
            if begun.user_code
            else authorizing.progress(begun.key, actor=actor)
        )
    except OAuthError as error:
        if error.is_temporary:
            return
        form.begun, form.oauth_fault = None, _why(error.code, error.words)
        st.rerun()
    except MailcoreError:
        return  # asked again in a moment
    if isinstance(asked, Progress) and asked.status in ("done", "failed"):
        _note(form, asked)
        st.rerun()
    st.caption("Esperando a autorização…")


def _note(form: ServerForm, progress: Progress) -> None:
    begun, form.begun = form.begun, None
    if progress.status == "failed":
        form.oauth_fault = _why(progress.code, progress.words)
    elif progress.status == "done" and begun is not None:
        form.oauth_fault, form.authorization = "", begun.key
        form.authorized = (progress.user, datetime.now(UTC))


def _why(code: str, words: str) -> str:
    found = diagnosis_for(code)
    said = f"\n\n{plain(words)}" if words else ""
    return f"**{plain(found.title)}** {plain(found.cause)} {plain(found.remedy)}{said}"
