"""The page "Aplicativos OAuth": those registered, a new one, and how to register one with the provider."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import streamlit as st
from pydantic import SecretStr

from mailcore.errors import MailcoreError, ValidationError
from mailcore.labels import OAUTH_MODE, OAUTH_PROVIDER
from mailcore.oauth.apps import LABELS, AppDraft, draft_of
from mailcore.vocabulary import OAuthMode
from ui.cadastro.oauth import redirect_address
from ui.context import note
from ui.formats import plain
from ui.person import current_actor
from ui.session import APPS_EDITING, APPS_ERRORS, APPS_NONCE, APPS_REMOVING, Key

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.storage.tables import OAuthApp


def list_of_apps(core: Mailcore) -> None:
    """The registered applications, each with ``Alterar`` and ``Apagar``."""
    apps = core.servers.apps.all()
    if not apps:
        st.info("Nenhum aplicativo registrado ainda. Siga os passos abaixo e registre o primeiro.")
    for app in apps:
        with st.container(horizontal=True, vertical_alignment="center", border=True, key=f"app_{app.id}"):
            tenant = f" · locatário {plain(app.tenant)}" if app.tenant else ""
            with st.container(width="stretch", gap=None):
                st.markdown(
                    f"**{plain(app.name)}** · {OAUTH_PROVIDER[app.provider]} · {OAUTH_MODE[app.mode]} · {_secret(app)}"
                )
                st.caption(f"{plain(app.client_id)}{tenant}")
            if link := core.servers.apps.consent_link(app):
                with st.popover("Link de consentimento"):
                    st.markdown("Mande ao administrador da empresa, se ela não deixa cada pessoa consentir:")
                    st.code(link, language=None, wrap_lines=True)
            st.button("Alterar", key=f"app_edit_{app.id}", on_click=_begin_to_edit, args=(app,))
            st.button("Apagar", key=f"app_remove_{app.id}", on_click=APPS_REMOVING.set, args=(app.id,))
    wanted = APPS_REMOVING.take()
    chosen = next((app for app in apps if app.id == wanted), None)
    if chosen is not None:
        _ask(core, chosen)


def _secret(app: OAuthApp) -> str:
    if app.secret_ref is None:
        return "sem segredo"
    if app.secret_ends_on is None:
        return "com segredo"
    verb = "venceu" if app.secret_ends_on < datetime.now(UTC).date() else "vence"
    return f"segredo {verb} em {app.secret_ends_on:%d/%m/%Y}"


@st.dialog("Apagar aplicativo")
def _ask(core: Mailcore, app: OAuthApp) -> None:
    st.write(f"Apagar “{plain(app.name)}” e o segredo dele? O registro no provedor continua lá.")
    with st.container(horizontal=True):
        cancelled = st.button("Cancelar", key="app_remove_cancel")
        confirmed = st.button("OK", key="app_remove_ok", type="primary")
    if confirmed:
        try:
            core.servers.apps.remove(app.id, actor=current_actor())
            note(f"O aplicativo “{app.name}” foi apagado.")
        except MailcoreError as error:
            note(str(error))
    if cancelled or confirmed:
        st.rerun()


def app_form(core: Mailcore) -> tuple[str, OAuthMode]:
    """The fields of a new application, or of one to change; return for which provider and mode steps are wanted."""
    edited = next((app for app in core.servers.apps.all() if app.id == APPS_EDITING.get()), None)
    st.header(f"Alterar “{plain(edited.name)}”" if edited else "Novo aplicativo")
    for sentence in APPS_ERRORS.get():
        st.error(plain(sentence), icon=":material/error:")
    with st.container(key="app_form"):
        left, right = st.columns(2)
    with left:
        provider = st.selectbox(
            LABELS["provider"],
            list(OAUTH_PROVIDER),
            format_func=OAUTH_PROVIDER.__getitem__,
            key=_key("provider").name,
            disabled=edited is not None,
        )
        _text("name", placeholder="Entra da empresa")
        _text("client_id")
        _text("tenant", placeholder="em branco: qualquer um", hint="Só Microsoft: o ID do diretório (locatário).")
    with right:
        chosen = st.selectbox(
            LABELS["mode"], list(OAuthMode), format_func=OAUTH_MODE.__getitem__, key=_key("mode").name
        )
        mode = OAuthMode(chosen or OAuthMode.DELEGATED)
        _secret_fields(edited)
    with st.container(horizontal=True):
        name = "Salvar" if edited else "Registrar"
        st.button(name, key="app_save" if edited else "app_add", type="primary", on_click=_save, args=(core, edited))
        if edited:
            st.button("Cancelar", key="app_cancel", on_click=_empty_form)
    return provider or next(iter(OAUTH_PROVIDER)), mode


def field_to_change() -> str | None:
    """Where the cursor goes after "Alterar", which may stand a long list above the fields; None for a new one."""
    return _key("name").name if APPS_EDITING.get() is not None else None


def _secret_fields(edited: OAuthApp | None) -> None:
    has_secret = edited is not None and edited.secret_ref is not None
    # What is typed goes to the program and never back to the browser.
    st.text_input(
        LABELS["client_secret"],
        type="password",
        key=_key("client_secret").name,
        placeholder=("•••••••• (mantido)" if has_secret else "em branco se não há"),
        help="O Valor do segredo, ou o arquivo JSON da conta de serviço inteiro.",
        autocomplete="new-password",
        live="0ms",
        on_change="ignore",
    )
    if has_secret:
        st.checkbox("Remover segredo", key=_key("remove_secret").name)
    st.date_input(
        LABELS["secret_ends_on"],
        value=None,
        format="DD/MM/YYYY",
        key=_key("secret_ends_on").name,
        help="O provedor mostra o dia quando o segredo é criado e não avisa depois. O programa avisa 30 dias antes.",
    )


def _text(name: str, *, placeholder: str = "", hint: str | None = None) -> None:
    st.text_input(LABELS[name], key=_key(name).name, placeholder=placeholder, help=hint, live="0ms", on_change="ignore")


def _key(name: str) -> Key[Any]:
    return Key(f"app_{name}_{APPS_NONCE.get()}", None)


def _begin_to_edit(app: OAuthApp) -> None:
    _empty_form()
    APPS_EDITING.set(app.id)
    for name, value in asdict(draft_of(app)).items():
        _key(name).set(value)


def _empty_form() -> None:
    _key("client_secret").forget()
    APPS_ERRORS.set(())
    APPS_EDITING.forget()
    APPS_NONCE.set(APPS_NONCE.get() + 1)


def _save(core: Mailcore, edited: OAuthApp | None) -> None:
    typed = _key("client_secret").get()
    secret = SecretStr(typed) if typed else None
    draft = AppDraft(
        _key("name").get() or "",
        _key("provider").get() or "",
        _key("client_id").get() or "",
        _key("tenant").get() or "",
        OAuthMode(_key("mode").get() or OAuthMode.DELEGATED),
        _key("secret_ends_on").get(),
    )
    APPS_ERRORS.set(())
    apps, actor = core.servers.apps, current_actor()
    try:
        if edited is None:
            apps.add(draft, secret, actor=actor)
            said = "foi registrado. Agora, no cadastro, escolha a forma de login e autorize."
        else:
            gone = bool(_key("remove_secret").get()) and secret is None
            apps.edit(edited.id, draft, secret, remove_secret=gone, actor=actor)
            said = "foi salvo."
    except ValidationError as error:
        APPS_ERRORS.set(tuple(complaint.message for complaint in error.errors))
        return
    except MailcoreError as error:
        APPS_ERRORS.set((str(error),))
        return
    _empty_form()
    note(f"O aplicativo “{draft.name.strip()}” {said}")


def steps_to_register(provider: str, mode: OAuthMode) -> None:
    """The address to register, ready to copy, and what to do at the provider, step by step."""
    st.header("Como registrar no provedor")
    if mode is OAuthMode.DELEGATED:
        st.caption("Endereço de retorno")
        st.code(redirect_address(), language=None)
    st.markdown(files("ui").joinpath(f"oauth_steps/{provider}_{mode.value}.md").read_text("utf-8"))
