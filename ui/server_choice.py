"""The choice of the server that something is sent by, with a search where there are more than a list shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st

from mailcore.registry.search import ServerQuery

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer
    from ui.session import Key


def found_servers(core: Mailcore, search: Key[str], *, only_active: bool, persists: bool) -> dict[int, MailServer]:
    """Draw the search where it is needed, and return the servers that match it, by number.

    Where there is none to choose, say so: either nothing is registered that could send, or nothing matches.

    Args:
        search: what is typed into the search.
        only_active: leave out servers that send nothing now.
        persists: what is typed stays while one is on another page.
    """
    typed = search.get().strip()
    found = core.servers.search(ServerQuery(text=typed, is_active=True if only_active else None))
    if not found.matching and not typed:
        if found.total:
            st.info("Não há servidor ativo para enviar. Ative um no cadastro dele.", icon=":material/mail:")
            st.page_link("pages/servidores.py", label="Ver os servidores", icon=":material/list:")
        else:
            st.info("Ainda não há servidores registrados.", icon=":material/mail:")
            st.page_link("pages/cadastro.py", label="Registrar um servidor", icon=":material/add:")
        return {}
    if found.matching > len(found.servers) or typed:
        persist: Literal["session"] | None = "session" if persists else None
        st.text_input(
            "Buscar servidor",
            key=search.name,
            type="search",
            live="200ms",
            placeholder="descrição, servidor, usuário, remetente",
            persist_state=persist,
        )
    if not found.matching:
        st.warning("Nenhum servidor combina com a busca.")
    return {server.id: server for server in found.servers}


def in_words(server: MailServer) -> str:
    """A server as the choice shows it: "Loja — loja@exemplo.com.br"."""
    return f"{server.name} — {server.from_address}"
