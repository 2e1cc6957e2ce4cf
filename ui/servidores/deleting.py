""" "Apagar": the dialog that names what goes and what stays, and only then the deletion."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from mailcore.registry.search import ServerQuery
from ui.context import note
from ui.formats import number, plain
from ui.listview.table import counted
from ui.person import current_actor
from ui.question import confirm
from ui.session import DELETING, SELECTED, select

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer

_MOST_NAMED = 12


def delete_dialog(core: Mailcore, selected: list[MailServer], *, ask: bool) -> None:
    """Ask about what is selected, where that was wanted; the dialog is open while there are records to ask about.

    No callback of the button: it would be about what was selected when the button was drawn.
    """
    if ask:
        DELETING.set(tuple(server.id for server in selected))
    asked = DELETING.get()
    servers = core.servers.that_match(ServerQuery(), asked) if asked else []
    if servers:
        _dialog(core, servers)
    else:
        DELETING.forget()


def _dialog(core: Mailcore, servers: list[MailServer]) -> None:
    def say() -> None:
        _say_what_goes(servers)
        if any(server.is_default for server in servers):
            _say_who_follows(core, servers)

    title = "Apagar servidor" if len(servers) == 1 else f"Apagar {number(len(servers))} servidores"
    confirm(title, say, partial(_delete, core, servers), DELETING.forget, key="delete")


def _say_what_goes(servers: list[MailServer]) -> None:
    if len(servers) == 1:
        st.markdown(f"Apagar **{plain(servers[0].name)}**?")
        st.markdown("- Vão embora: o cadastro e a senha guardada.\n- Fica: o histórico dos envios feitos por ele.")
        return
    names = [f"- **{plain(server.name)}**" for server in servers[:_MOST_NAMED]]
    if len(servers) > _MOST_NAMED:
        names.append(f"- e mais {number(len(servers) - _MOST_NAMED)}")
    st.markdown("Apagar estes servidores?\n\n" + "\n".join(names))
    st.markdown("- Vão embora: os cadastros e as senhas guardadas.\n- Fica: o histórico dos envios feitos por eles.")


def _say_who_follows(core: Mailcore, servers: list[MailServer]) -> None:
    heir = core.servers.heir(*servers)
    who = "Este é o servidor padrão." if len(servers) == 1 else "Um deles é o servidor padrão."
    follows = (
        f"O padrão passa a ser **{plain(heir.name)}**." if heir else "Depois disso, nenhum servidor será o padrão."
    )
    st.warning(f"{who} {follows}", icon=":material/star:")


def _delete(core: Mailcore, servers: list[MailServer]) -> None:
    deleted = core.servers.delete_many([server.id for server in servers], actor=current_actor())
    if not deleted.servers:
        note("Este servidor já foi apagado por outra pessoa." if len(servers) == 1 else "Eles já foram apagados.")
    elif len(deleted.servers) == 1:
        note(f"“{deleted.servers[0].name}” foi apagado.")
    else:
        note(f"{counted(len(deleted.servers), 'servidor', 'servidores')} foram apagados.")
    if deleted.new_default:
        note(f"O servidor padrão agora é “{deleted.new_default.name}”.")
    select(SELECTED)
