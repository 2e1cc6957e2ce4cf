"""Who is at this screen, and what they may do: asked of the door in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from streamlit import config, runtime

from mailcore.access.doors import is_local_address
from mailcore.access.trail import Visitor
from mailcore.actor import Actor, computer_user
from mailcore.errors import MailcoreError, NotAllowedError, SignInRefusedError
from mailcore.rights import ROLE_LABELS
from mailcore.settings import Door
from ui.assets import style
from ui.context import library, mailcore
from ui.door import tickets
from ui.door.knock import TICKET, base_path
from ui.formats import plain
from ui.session import HERE, PERSON, PERSON_SESSION, forget_everything

if TYPE_CHECKING:
    from mailcore.access.sessions import Entered
    from mailcore.rights import Right

_MOST_HELPERS = 5
_OVER = "Sua sessão terminou. O que foi digitado continua na tela: entre de novo em outra aba e volte para esta."


def enter() -> None:
    """Begin a run: see who is here; where that is another person than before, forget what the one before left.

    Where nobody who may be here is, say so and end the run.
    """
    mailcore()  # where it cannot be opened, this says why
    try:
        entered = _entered()
    except MailcoreError as error:
        st.error(plain(str(error)), icon=":material/lock:")
        st.link_button("Entrar", f"{base_path()}/entrar?next=/entrar/pronto")
        st.stop()
    person = entered.user_id if entered else 0
    if PERSON.start(person) != person:
        forget_everything()
        PERSON.set(person)
    PERSON_SESSION.set(entered.session_id if entered else None)
    HERE.set(entered)


def person_menu() -> None:
    """Show in the menu bar who is signed in, what they are here, the way to another password, and ``Sair``."""
    entered = HERE.get()
    if entered is None:
        return
    from ui.session_end import watch_session_end

    st.html("<style>" + style("person.css") + "</style>")
    with st.container(key="person_menu", horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover(plain(entered.label), type="tertiary"):
            st.markdown(f"{plain(entered.email)}  \nPapel: {ROLE_LABELS[entered.role]}")
            if entered.door == Door.ACCOUNTS:
                st.link_button("Trocar senha", f"{base_path()}/entrar/minha-senha")
        st.button("Sair", key="person_leave", type="tertiary", on_click=_leave)
    watch_session_end()


def _leave() -> None:
    """End the session; then Streamlit's own way out leads to the door's page, where the cookie goes."""
    entered = _entered()
    if entered is not None:
        visitor = Visitor(st.context.ip_address or "", st.context.headers.get("User-Agent", ""))
        library().access.sign_out(entered, visitor)
    st.logout()


def current_actor() -> Actor:
    """Return who acts: the person signed in, as they are registered now; without a login the computer's user.

    Raises:
        SignInRefusedError: the session is over.
        StorageError: the database could not be read.
    """
    entered = _entered()
    return entered.actor if entered else computer_user()


def may(right: Right) -> bool:
    """Whether whoever is here may do something; what they may not is not offered.

    This is as the door said at the beginning of the run: the act itself asks anew (:func:`current_actor`).
    """
    if not HERE.is_set():
        return False
    entered = HERE.get()
    return (entered.actor if entered else computer_user()).may(right)


def say_not_allowed(title: str, right: Right) -> None:
    """In place of a page that a role may not see: that it may not, and who can help."""
    st.title(title)
    helpers = library().access.users.helpers(right)
    whom = f" Fale com {', '.join(plain(each) for each in helpers[:_MOST_HELPERS])}." if helpers else ""
    st.error(f"{NotAllowedError.SENTENCE}{whom}", icon=":material/lock:")


def asks_for_login() -> bool:
    """Whether people sign in here; else the computer's user is here."""
    return HERE.get() is not None


def _entered() -> Entered | None:
    access = library().access
    ticket = tickets.find(st.context.headers.get(TICKET, ""))
    if ticket is not None:
        session_id = ticket.session_id
    elif tickets.is_standing():
        # The connection broke off while the run was under way: who began it is known.
        if not PERSON_SESSION.is_set():
            raise SignInRefusedError(_OVER, "no_ticket")
        session_id = PERSON_SESSION.get()
    else:
        _refuse_without_door(access.doors(is_local=_is_local()))
        session_id = None
    if session_id is None:
        return None
    entered = access.sessions.get(session_id)
    if entered is None:
        raise SignInRefusedError(_OVER, "no_session")
    return entered


def _refuse_without_door(doors: frozenset[Door]) -> None:
    """A script run past ``app.py`` has nobody who looks at who comes in."""
    if Door.NONE not in doors:
        raise SignInRefusedError("Comece o programa por app.py: streamlit run app.py.", "no_door")


def _is_local() -> bool:
    """Whether only this computer can reach the script; one that is run by a test is not served at all."""
    is_served = runtime.exists() and type(runtime.get_instance()) is runtime.Runtime  # a test has a mock there
    return not is_served or is_local_address(str(config.get_option("server.address") or ""))
