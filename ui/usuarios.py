"""The page "Usuários": the table, its dialogs, and the trail of who came in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import streamlit as st
from pydantic import SecretStr

from mailcore.access import trail
from mailcore.access.users import LINK_HOURS, UserDraft, draft_of
from mailcore.errors import MailcoreError
from mailcore.rights import ROLE_LABELS, Role
from ui.context import current_actor
from ui.door.knock import base_path
from ui.formats import date_time, number, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from mailcore import Mailcore
    from mailcore.storage.tables import AccessEvent, User

_ASKED = "users_asked"
"""What a dialog is open for: ("new", None), or ("edit" | "end" | "remove", id)."""
_CHOSEN = "users_chosen"
_LINK = "users_link"
_WIDTHS = {"Nome": 220, "E-mail": 300, "Papel": 130, "Ativo": 80, "Senha": 110, "Último acesso": 160}


def everybody(core: Mailcore) -> list[User]:
    """Return every user, by name."""
    return core.access.users.everybody(actor=current_actor())


def table(core: Mailcore, users: Sequence[User]) -> User | None:
    """Draw the users and return the one that is ticked, kept by its id."""
    import pyarrow as pa

    zone = core.settings.zone
    ids = [user.id for user in users]
    key = f"users_{hash(tuple(ids)) & 0xFFFFFFFF:x}"
    columns: dict[str, list[Any]] = {
        "Nome": [user.name for user in users],
        "E-mail": [user.email for user in users],
        "Papel": [ROLE_LABELS[user.role] for user in users],
        "Ativo": ["sim" if user.is_active else "não" for user in users],
        "Senha": [_password(user) for user in users],
        "Último acesso": [date_time(user.last_seen_at, zone) if user.last_seen_at else "nunca" for user in users],
    }
    kept = st.session_state.get(_CHOSEN)
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        on_select=lambda: _choose(key, ids),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(kept)] if kept in ids else []}},
        height="content" if len(ids) <= 12 else 460,
        column_config={name: st.column_config.Column(width=width) for name, width in _WIDTHS.items()},
        alt="Usuários",
    )
    chosen = next((user for user in users if user.id == kept), None)
    st.caption(f"{number(len(users))} usuários" if len(users) != 1 else "1 usuário")
    if chosen is not None:
        st.caption(f"Selecionado: **{plain(chosen.name or chosen.email)}**")
    return chosen


def _password(user: User) -> str:
    if not user.is_registered:
        return "pelo domínio"
    return "tem" if user.password_hash else "não tem"


def _choose(key: str, ids: list[int]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    st.session_state[_CHOSEN] = ids[rows[0]] if rows and rows[0] < len(ids) else None


def ask_new() -> None:
    """ "Novo usuário"."""
    st.session_state[_ASKED] = ("new", None)


def ask_to_change(user: User | None) -> None:
    """ "Alterar"."""
    _ask("edit", user)


def ask_to_end_sessions(user: User | None) -> None:
    """ "Encerrar sessões"."""
    _ask("end", user)


def ask_to_remove(user: User | None) -> None:
    """ "Apagar"."""
    _ask("remove", user)


def _ask(what: str, user: User | None) -> None:
    if user is not None:
        st.session_state[_ASKED] = (what, user.id)


def dialogs(core: Mailcore, users: Sequence[User]) -> None:
    """Open the dialog that was asked for."""
    what, user_id = st.session_state.get(_ASKED, ("", None))
    user = next((one for one in users if one.id == user_id), None)
    if what == "new":
        _form(core, None)
    elif user is not None and what == "edit":
        _form(core, user)
    elif user is not None and what == "end":
        _question(core, user, "Encerrar sessões", "Quem está com a tela aberta para no próximo clique.")
    elif user is not None and what == "remove":
        _question(core, user, "Apagar usuário", "Não entra mais. O que já fez continua no histórico.")


def _form(core: Mailcore, user: User | None) -> None:
    @st.dialog("Novo usuário" if user is None else "Alterar usuário", on_dismiss=_close)
    def body() -> None:
        before = draft_of(user) if user else UserDraft("", Role.ANALYST)
        name = st.text_input("Nome", value=before.name, max_chars=200, live="0ms", on_change="ignore")
        email = st.text_input("E-mail", value=before.email, max_chars=254, live="0ms", on_change="ignore")
        role = st.selectbox(
            "Papel",
            list(ROLE_LABELS),
            index=list(ROLE_LABELS).index(before.role),
            format_func=lambda one: ROLE_LABELS[one],
            filter_mode=None,
        )
        active = st.checkbox("Ativo", value=before.is_active)
        password = st.text_input(
            "Senha",
            type="password",
            live="0ms",
            on_change="ignore",
            placeholder="vazia: a pessoa cria a sua por um link" if user is None else "vazia: fica como está",
        )
        wants_link = st.checkbox("Mostrar um link para a pessoa criar a senha", value=user is None)
        saved, cancelled = _buttons("Salvar")
        if cancelled:
            _close()
            st.rerun()
        if saved:
            draft = replace(before, name=name or "", email=email or "", role=role, is_active=active)
            try:
                _save(core, user, draft, SecretStr(password) if password else None, wants_link=wants_link)
            except MailcoreError as error:
                st.error(str(error), icon=":material/error:")
                return
            _close()
            st.rerun()

    body()


def _save(core: Mailcore, user: User | None, draft: UserDraft, password: SecretStr | None, *, wants_link: bool) -> None:
    people, actor = core.access.users, current_actor()
    if user is None:
        stored = people.add(draft, password, actor=actor)
    else:
        stored = people.edit(user, draft, password, actor=actor)
    st.session_state[_CHOSEN] = stored.id
    st.session_state["notices"] = [f"“{stored.name or stored.email}” foi salvo."]
    if wants_link and password is None:
        st.session_state[_LINK] = (stored.email, people.make_link(stored, actor=actor))


def show_link() -> None:
    """Show a new link once: it is kept nowhere."""
    email, link = st.session_state.pop(_LINK, ("", ""))
    if not link:
        return
    page = urlsplit(st.context.url or "")
    with st.container(border=True):
        st.markdown(f"Mande a **{plain(email)}** este link. Vale por {LINK_HOURS} h e uma só vez; não aparece de novo.")
        st.code(f"{page.scheme}://{page.netloc}{base_path()}/entrar/senha?link={link}", language=None, wrap_lines=True)


def _question(core: Mailcore, user: User, title: str, consequence: str) -> None:
    @st.dialog(title, on_dismiss=_close)
    def body() -> None:
        st.markdown(f"**{plain(user.name or user.email)}** ({plain(user.email)})")
        st.markdown(consequence)
        confirmed, cancelled = _buttons("OK")
        if cancelled:
            _close()
            st.rerun()
        if confirmed:
            try:
                _do(core, user, title)
            except MailcoreError as error:
                st.error(str(error), icon=":material/error:")
                return
            _close()
            st.rerun()

    body()


def _do(core: Mailcore, user: User, title: str) -> None:
    people, actor = core.access.users, current_actor()
    if title == "Apagar usuário":
        people.remove(user, actor=actor)
        st.session_state[_CHOSEN] = None
        st.session_state["notices"] = [f"“{user.name or user.email}” foi apagado."]
    else:
        ended = people.end_sessions(user, actor=actor)
        st.session_state["notices"] = ["Uma sessão encerrada." if ended == 1 else f"{ended} sessões encerradas."]


def _buttons(yes: str) -> tuple[bool, bool]:
    with st.container(horizontal=True):
        cancelled = st.button("Cancelar", key="user_dialog_cancel")
        confirmed = st.button(yes, key="user_dialog_ok", type="primary")
    return confirmed, cancelled


def _close() -> None:
    st.session_state.pop(_ASKED, None)


def entries(core: Mailcore) -> None:
    """The trail of who came in and who was refused, folded; read only when it is opened."""
    panel = st.expander("Entradas e recusas", icon=":material/login:", on_change="rerun", key="users_trail")
    if not panel.open:
        return
    with panel:
        found = core.access.events(page=st.session_state.get("users_trail_page", 1), actor=current_actor())
        if not found.matching:
            st.caption("Nada registrado.")
            return
        st.dataframe(_events(found.events, core), hide_index=True, height=460, alt="Entradas e recusas")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{number(found.matching)} registros, dos últimos {trail.KEPT.days} dias")
            if found.matching > trail.PAGE_SIZE:
                st.pagination(-(-found.matching // trail.PAGE_SIZE), key="users_trail_page")


def _events(events: Sequence[AccessEvent], core: Mailcore) -> pa.Table:
    import pyarrow as pa

    zone = core.settings.zone
    return pa.table(
        {
            "Quando": [date_time(event.at, zone) for event in events],
            "O que": [trail.EVENTS.get(event.event, event.event) for event in events],
            "Quem": [event.email for event in events],
            "Por que": [_reason(event) for event in events],
            "Feito por": [event.by for event in events],
            "Porta": [_DOORS.get(event.door, event.door) for event in events],
            "De onde": [event.address for event in events],
        }
    )


def _reason(event: AccessEvent) -> str:
    roles = {role.value: label for role, label in ROLE_LABELS.items()}
    return trail.REASONS.get(event.reason, roles.get(event.reason, event.reason))


_DOORS = {"accounts": "Senha", "oidc": "Login da empresa", "proxy": "Proxy"}
