"""The page "Aplicativos OAuth": those registered, a new one, and how to register one with the provider."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import streamlit as st
from pydantic import SecretStr

from mailcore.errors import MailcoreError, ValidationError
from mailcore.labels import OAUTH_MODE
from mailcore.oauth.apps import LABELS, AppDraft
from mailcore.vocabulary import OAuthMode
from ui.cadastro.oauth import redirect_address
from ui.context import current_actor, note
from ui.formats import plain
from ui.session import APPS_ERRORS, APPS_NONCE, APPS_REMOVING, Key

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.storage.tables import OAuthApp

_PROVIDERS = {"microsoft": "Microsoft", "google": "Google"}


def list_of_apps(core: Mailcore) -> None:
    """The registered applications, each with ``Apagar``."""
    apps = core.servers.apps.all()
    if not apps:
        st.info("Nenhum aplicativo registrado ainda. Siga os passos abaixo e registre o primeiro.")
    for app in apps:
        with st.container(horizontal=True, vertical_alignment="center"):
            tenant = f" · locatário {plain(app.tenant)}" if app.tenant else ""
            secret = "com segredo" if app.secret_ref else "sem segredo"
            st.markdown(
                f"**{plain(app.name)}** · {_PROVIDERS[app.provider]} · {OAUTH_MODE[app.mode]} · "
                f"{plain(app.client_id)}{tenant} · {secret}"
            )
            st.button("Apagar", key=f"app_remove_{app.id}", on_click=APPS_REMOVING.set, args=(app.id,))
    wanted = APPS_REMOVING.take()
    chosen = next((app for app in apps if app.id == wanted), None)
    if chosen is not None:
        _ask(core, chosen)


@st.dialog("Apagar aplicativo")
def _ask(core: Mailcore, app: OAuthApp) -> None:
    st.write(f"Apagar “{plain(app.name)}” e o segredo dele? O registro no provedor continua lá.")
    with st.container(horizontal=True):
        if st.button("OK", key="app_remove_ok"):
            try:
                core.servers.apps.remove(app.id, actor=current_actor())
                note(f"O aplicativo “{app.name}” foi apagado.")
            except MailcoreError as error:
                note(str(error))
            st.rerun()
        if st.button("Cancelar", key="app_remove_cancel"):
            st.rerun()


def new_app(core: Mailcore) -> tuple[str, OAuthMode]:
    """The fields of a new application; return for which provider and mode the steps are wanted."""
    st.subheader("Novo aplicativo")
    for sentence in APPS_ERRORS.get():
        st.error(plain(sentence), icon=":material/error:")
    left, right = st.columns(2)
    with left:
        provider = st.selectbox(
            LABELS["provider"], list(_PROVIDERS), format_func=_PROVIDERS.__getitem__, key=_key("provider").name
        )
        _text("name", placeholder="Entra da empresa")
        _text("client_id")
    with right:
        chosen = st.selectbox(
            LABELS["mode"], list(OAuthMode), format_func=OAUTH_MODE.__getitem__, key=_key("mode").name
        )
        mode = OAuthMode(chosen or OAuthMode.DELEGATED)
        _text("tenant", placeholder="só Microsoft: o ID do diretório; em branco vale para qualquer um")
        # What is typed goes to the program and never back to the browser.
        st.text_input(
            LABELS["client_secret"],
            type="password",
            key=_key("client_secret").name,
            placeholder="o Valor do segredo, ou o arquivo JSON da conta de serviço inteiro; em branco se não há",
            autocomplete="new-password",
            live="0ms",
            on_change="ignore",
        )
    st.button("Registrar", key="app_add", type="primary", on_click=_add, args=(core,))
    return provider, mode


def _text(name: str, *, placeholder: str = "") -> None:
    st.text_input(LABELS[name], key=_key(name).name, placeholder=placeholder, live="0ms", on_change="ignore")


def _key(name: str) -> Key[str]:
    return Key(f"app_{name}_{APPS_NONCE.get()}", "")


def _add(core: Mailcore) -> None:
    secret = _key("client_secret").get()
    draft = AppDraft(
        _key("name").get(),
        _key("provider").get(),
        _key("client_id").get(),
        _key("tenant").get(),
        OAuthMode(_key("mode").get()),
    )
    APPS_ERRORS.set(())
    try:
        app = core.servers.apps.add(draft, SecretStr(secret) if secret else None, actor=current_actor())
    except ValidationError as error:
        APPS_ERRORS.set(tuple(complaint.message for complaint in error.errors))
        return
    except MailcoreError as error:
        APPS_ERRORS.set((str(error),))
        return
    _key("client_secret").forget()
    APPS_NONCE.set(APPS_NONCE.get() + 1)
    note(f"O aplicativo “{app.name}” foi registrado. Agora, no cadastro, escolha a forma de login e autorize.")


def steps_to_register(provider: str, mode: OAuthMode) -> None:
    """The address to register, ready to copy, and what to do at the provider, step by step."""
    st.subheader("Como registrar no provedor")
    if mode is OAuthMode.DELEGATED:
        st.caption("Endereço de retorno")
        st.code(redirect_address(), language=None)
    st.markdown(files("ui").joinpath(f"oauth_steps/{provider}_{mode.value}.md").read_text("utf-8"))
