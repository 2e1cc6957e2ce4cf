"""How much of each account's quota is used, when it frees, and what is about to run out."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("cotas")
st.title("Cotas")  # painted while the rest is being loaded

from mailcore.rights import Right
from ui.context import faults, mailcore
from ui.cotas.charts import thirty_days, week_of_hours
from ui.cotas.external_use import external_use
from ui.cotas.overview import details, filters, overview
from ui.person import may
from ui.shortcuts import shortcuts

core = mailcore()
filters()


@st.fragment(run_every="30s")
def live() -> None:
    """What refreshes itself; what a person types stands below it."""
    with faults():
        view = overview(core)
        if view.chosen is not None:
            details(core, view.chosen)
        if view.matching:
            st.subheader("Últimos 30 dias")
            thirty_days(core, view.chosen)
            st.subheader("Hora a hora, últimos 7 dias")
            week_of_hours(core, view.chosen)


live()
if may(Right.OPERATE):
    with faults():
        external_use(core)
shortcuts({})
