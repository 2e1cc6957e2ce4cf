"""The page "Usuários": the table, its dialogs, and the trail of who came in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st
from pydantic import SecretStr

from mailcore.access import trail
from mailcore.access.users import LINK_HOURS, UserDraft, draft_of
from mailcore.errors import MailcoreError
from mailcore.rights import ROLE_LABELS, Role
from ui.context import note
from ui.door.knock import base_path
from ui.formats import date_time, number, plain
from ui.listview.filters import Filters, Search, with_words
from ui.listview.table import Cell, Column, counted, nothing_found, pager, table
from ui.person import current_actor
from ui.session import (
    ENTRIES_PAGE,
    USERS_ASKED,
    USERS_LINK,
    USERS_PAGE,
    USERS_SAVED,
    USERS_SEARCH,
    USERS_SELECTED,
    select,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailcore import Mailcore
    from mailcore.storage.tables import AccessEvent, User

_COLUMNS = (
    Column("name", "Nome", 160, 2),
    Column("email", "E-mail", 200, 3),
    Column("role", "Papel", 120),
    Column("active", "Ativo", 70),
    Column("password", "Senha", 110),
    Column("seen", "Último acesso", 152),
)
_ENTRIES = (
    Column("at", "Quando", 152),
    Column("event", "O que", 130),
    Column("email", "Quem", 180, 2),
    Column("reason", "Por que", 160, 2),
    Column("by", "Feito por", 140, 1),
    Column("door", "Porta", 120),
    Column("address", "De onde", 120),
)
_FILTERS = Filters(Search("Buscar", "busca", USERS_SEARCH, placeholder="nome ou e-mail"), page=USERS_PAGE)
_PAGE_SIZE = 50
_MOST_SESSIONS = 10
_DOORS = {"accounts": "Senha", "oidc": "Login da empresa", "proxy": "Proxy"}


def everybody(core: Mailcore) -> list[User]:
    """Return every user, by name."""
    return core.access.users.everybody(actor=current_actor())


def searched(users: Sequence[User]) -> list[User]:
    """Draw the search, and return those whose name or address has every word of it.

    It ends where it would hide who was just saved.
    """
    saved = [user for user in users if user.id == USERS_SAVED.get()]
    if saved and not _found(saved):
        _FILTERS.clear()
    _FILTERS.draw()
    return _found(users)


def _found(users: Sequence[User]) -> list[User]:
    return with_words(USERS_SEARCH.get(), users, lambda user: f"{user.name} {user.email}")


def users_table(core: Mailcore, users: Sequence[User]) -> User | None:
    """Draw a page of the users and return the selected one, kept by its id; the selection ends with its search."""
    ids = [user.id for user in users]
    if (saved := USERS_SAVED.take()) in ids:
        USERS_PAGE.set(1 + ids.index(saved) // _PAGE_SIZE)
    shown = _FILTERS.shown_page(len(users), _PAGE_SIZE)
    first = _PAGE_SIZE * (shown - 1)
    if USERS_SELECTED.get().only not in ids:
        select(USERS_SELECTED)
    if users:
        cells = [(user.id, _cells(user, core)) for user in users[first : first + _PAGE_SIZE]]
        table("users", "Usuários", _COLUMNS, cells, first=first + 1, total=len(users), selection=USERS_SELECTED)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(counted(len(users), "usuário", "usuários"))
            pager(_FILTERS, shown=shown, matching=len(users), size=_PAGE_SIZE)
    else:
        nothing_found(
            _FILTERS, "Nenhum usuário combina com a busca." if _FILTERS.are_set() else "Nenhum usuário ainda."
        )
    _FILTERS.remember()
    return next((user for user in users if user.id == USERS_SELECTED.get().only), None)


def _cells(user: User, core: Mailcore) -> list[str | Cell]:
    seen = date_time(user.last_seen_at, core.settings.zone) if user.last_seen_at else "nunca"
    active = "Sim" if user.is_active else Cell("Não", tone="bad")
    return [user.name, user.email, ROLE_LABELS[user.role], active, _password(user), seen]


def _password(user: User) -> str:
    if not user.is_registered:
        return "pelo domínio"
    return "tem" if user.password_hash else "não tem"


def ask_new() -> None:
    """ "Novo usuário"."""
    USERS_ASKED.set(("new", None))


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
        USERS_ASKED.set((what, user.id))


def dialogs(core: Mailcore, users: Sequence[User]) -> None:
    """Open the dialog that was asked for."""
    what, user_id = USERS_ASKED.get()
    user = next((each for each in users if each.id == user_id), None)
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
                st.error(plain(str(error)), icon=":material/error:")
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
    select(USERS_SELECTED, stored.id)
    USERS_SAVED.set(stored.id)
    note(f"“{stored.name or stored.email}” foi salvo.")
    if wants_link and password is None:
        USERS_LINK.set((stored.email, people.make_link(stored, actor=actor)))


def show_link() -> None:
    """Show a new link once: it is kept nowhere."""
    email, link = USERS_LINK.take()
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
        if title == "Encerrar sessões":
            _sessions_of(core, user)
        confirmed, cancelled = _buttons("OK")
        if cancelled:
            _close()
            st.rerun()
        if confirmed:
            try:
                _do(core, user, title)
            except MailcoreError as error:
                st.error(plain(str(error)), icon=":material/error:")
                return
            _close()
            st.rerun()

    body()


def _sessions_of(core: Mailcore, user: User) -> None:
    """From where a person is signed in: what would end."""
    found = core.access.users.sessions(user, actor=current_actor())
    zone = core.settings.zone
    for session in found[:_MOST_SESSIONS]:
        door = plain(_DOORS.get(session.door, session.door))
        st.markdown(
            f"- {door}, de {plain(session.address or 'endereço desconhecido')}, "
            f"desde {date_time(session.created_at, zone)}, último uso {date_time(session.last_seen_at, zone)}  \n"
            f"  {plain(session.user_agent)}"
        )
    more = len(found) - _MOST_SESSIONS
    if more > 0:
        st.caption(f"e mais {number(more)}")
    elif not found:
        st.caption("Nenhuma sessão aberta.")
    else:
        st.caption(counted(len(found), "sessão", "sessões"))


def _do(core: Mailcore, user: User, title: str) -> None:
    people, actor = core.access.users, current_actor()
    if title == "Apagar usuário":
        people.remove(user, actor=actor)
        select(USERS_SELECTED)
        note(f"“{user.name or user.email}” foi apagado.")
    else:
        ended = people.end_sessions(user, actor=actor)
        note(f"{counted(ended, 'sessão encerrada', 'sessões encerradas')}.")


def _buttons(yes: str) -> tuple[bool, bool]:
    with st.container(horizontal=True):
        cancelled = st.button("Cancelar", key="user_dialog_cancel")
        confirmed = st.button(yes, key="user_dialog_ok", type="primary")
    return confirmed, cancelled


def _close() -> None:
    USERS_ASKED.forget()


def entries(core: Mailcore) -> None:
    """The trail of who came in and who was refused, folded; read only when it is opened."""
    panel = st.expander("Entradas e recusas", icon=":material/login:", on_change="rerun", key="users_trail")
    if not panel.open:
        return
    with panel:
        found = core.access.events(page=ENTRIES_PAGE.get(), actor=current_actor())
        first = 1 + trail.PAGE_SIZE * (ENTRIES_PAGE.get() - 1)
        rows = [(event.id, _entry(event, core)) for event in found.events]
        table("entries", "Entradas e recusas", _ENTRIES, rows, first=first, total=found.matching)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{counted(found.matching, 'registro', 'registros')}, dos últimos {trail.KEPT.days} dias")
            if found.matching > trail.PAGE_SIZE:
                st.pagination(-(-found.matching // trail.PAGE_SIZE), key=ENTRIES_PAGE.name)


def _entry(event: AccessEvent, core: Mailcore) -> list[str | Cell]:
    return [
        date_time(event.at, core.settings.zone),
        Cell(trail.EVENTS.get(event.event, event.event), tone="bad" if event.event == "refused" else ""),
        event.email,
        _reason(event),
        event.by,
        _DOORS.get(event.door, event.door),
        event.address,
    ]


def _reason(event: AccessEvent) -> str:
    roles = {role.value: label for role, label in ROLE_LABELS.items()}
    return trail.REASONS.get(event.reason, roles.get(event.reason, event.reason))
