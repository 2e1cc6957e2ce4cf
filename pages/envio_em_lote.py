"""One message to many: the list of batches, a new one, and how far each is."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("envio_em_lote")
st.title("Envio em lote")  # painted while the rest is being loaded

from mailcore.rights import Right
from mailcore.vocabulary import BatchState
from ui.context import faults, mailcore, notices
from ui.lote.draft import draft
from ui.lote.form import new_batch
from ui.lote.listing import batches
from ui.lote.opened import HEADING, asked_for, heading, opened
from ui.lote.running import acts, progress, questions, recipients
from ui.outcome import OUTCOME
from ui.person import may
from ui.shortcuts import shortcuts

core = mailcore()
notices()
asked = asked_for()
tested = None
with faults():
    if asked == "novo" and may(Right.DELETE_OR_BULK):
        with st.container(key="lote_form"):
            new_batch(core)
    elif (batch := opened(core, asked)) is None:
        batches(core)
    else:
        heading(core, batch)
        if batch.state is BatchState.DRAFT and may(Right.DELETE_OR_BULK):
            tested = draft(core, batch)
            questions(core, batch)
        else:
            acts(core, batch)
            progress(core, batch)
        recipients(core, batch)
news = OUTCOME if tested else HEADING if asked.isdecimal() else None
shortcuts({}, focus_first=news, focus_token=(asked, tested))
