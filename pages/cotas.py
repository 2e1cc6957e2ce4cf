"""How much of each account's quota is used, when it frees, and what is about to run out."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("cotas")
st.title("Cotas")  # painted while the rest is being loaded

from ui.context import faults, mailcore
from ui.cotas.charts import days_of, files_of_days, week_of_hours
from ui.cotas.columns import name_of
from ui.cotas.details import details
from ui.cotas.external_use import external_use
from ui.cotas.outcomes import outcomes
from ui.cotas.overview import (
    PERIOD,
    View,
    accounts,
    below_the_table,
    filters,
    note_what_is_named,
    overview,
)
from ui.listview.table import pair
from ui.shortcuts import shortcuts

core = mailcore()
filters()
note_what_is_named()


@st.fragment(run_every=30.0)
def live() -> View:
    """What refreshes itself; what a person types or chooses stands below it."""
    view = View()
    with faults():
        view = overview(core)
        table, detail = pair("quotas")
        with table:
            accounts(core, view)
        if view.chosen is not None:
            with detail:
                details(core, view.chosen)
        below_the_table(core, view)
    return view


seen = live()
st.set_page_config(page_title=f"Cotas — {name_of(seen.chosen)}" if seen.chosen else "Cotas")
with faults():
    external_use(core, seen.chosen)
    if seen.every:
        PERIOD.draw()
        span = PERIOD.span(core.settings.zone)
        st.header(span.label)
        days_of(core, seen.every, seen.chosen, span)
        files_of_days(core, seen.chosen, span)
        st.header("O que houve com as mensagens")
        outcomes(core, seen.chosen, span)
        st.header("Hora a hora, últimos 7 dias")
        week_of_hours(core, seen.chosen)
shortcuts({})
