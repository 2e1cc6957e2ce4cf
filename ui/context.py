"""The opened library, shared by every session, and what a page does when something is wrong with it."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import streamlit as st

from ui.formats import plain
from ui.session import NOTICES

if TYPE_CHECKING:
    from mailcore import Mailcore

_log = logging.getLogger(__name__)

first_page = threading.Event()
"""Set once a page of this process has been drawn."""


@st.cache_resource(show_spinner=False)
def library() -> Mailcore:
    """Open the library, once in this process.

    Raises:
        MailcoreError: it cannot be opened now.
    """
    from mailcore import open_mailcore
    from mailcore.settings import load_settings
    from ui.door.knock import under_base_path

    settings = load_settings()
    return open_mailcore(settings.model_copy(update={"public_url": under_base_path(settings.public_url)}))


def mailcore() -> Mailcore:
    """Return the library; where it cannot be opened, say why and stop the page."""
    from mailcore.errors import MailcoreError

    try:
        core = library()
    except MailcoreError as error:
        st.error(plain(str(error)), icon=":material/error:")
        st.button("Tentar de novo", key="retry")
        st.stop()
    try:
        core.tidy()
    except MailcoreError:
        _log.exception("tidying failed")  # the page at hand need not suffer for it
    return core


@contextmanager
def faults() -> Iterator[None]:
    """Show what the library says of a fault, in place of what the block would have shown."""
    from mailcore.errors import MailcoreError

    try:
        yield
    except MailcoreError as error:
        st.error(plain(str(error)), icon=":material/error:")


@st.cache_resource(show_spinner=False)
def _spare_collections(page: str) -> None:  # noqa: ARG001 - what it is cached by
    """After the first run of each page: what it loaded stays for good and need not be looked through again.

    Streamlit has the garbage collector walk through everything after every run (1.67, ``script_runner.py``),
    which with the database and Arrow libraries loaded costs a tenth of a second each time.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def page_faults(page: str) -> Iterator[None]:
    """Around a whole page: a sentence for everything, the traceback to the log alone."""
    from mailcore.errors import MailcoreError

    try:
        yield
    except MailcoreError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except Exception:  # noqa: BLE001 - the last line before the screen
        _log.exception("a page failed")
        st.error(
            "Algo inesperado aconteceu nesta página. O que já estava salvo continua salvo: recarregue a página e, "
            "se continuar, mande o registro (log) do programa para quem cuida dele.",
            icon=":material/error:",
        )
    else:
        _spare_collections(page)
        first_page.set()


def note(*sentences: str) -> None:
    """Say something on the next page that is drawn."""
    NOTICES.set((*NOTICES.get(), *sentences))


def notices() -> None:
    """Show once what the page before had to say."""
    for sentence in NOTICES.take():
        st.toast(plain(sentence), icon=":material/check:", duration="long")
