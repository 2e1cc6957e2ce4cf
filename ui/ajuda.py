"""How the help is shown: paragraphs in their sections, and the limits of the providers."""

from __future__ import annotations

from itertools import groupby
from urllib.parse import urlsplit

import streamlit as st

from mailcore.catalog import Provider, providers
from mailcore.diagnosis.replies import all_diagnoses
from mailcore.help import Topic, find_topics
from ui.formats import number
from ui.listview.filters import with_words
from ui.listview.table import Cell, Column, pair, table
from ui.outcome import show_diagnosis
from ui.session import DIAGNOSIS_SELECTED, select
from ui.words import CATEGORY

_ALL = "Todos"
_LIMITS = (
    Column("name", "Provedor", 200, 1.5, wraps=True),
    Column("limit", "Limite", 170, 1, wraps=True),
    Column("note", "Observação", 240, 3, wraps=True),
    Column("source", "Fonte", 190, 1),
    Column("read_on", "Lido em", 112),
)
_DIAGNOSES = (
    Column("category", "Assunto", 150),
    Column("title", "O que aconteceu", 220, 2, wraps=True),
    Column("remedy", "O que fazer", 260, 3, wraps=True),
)
_CONFIDENCE = {
    "official": "página do provedor",
    "secondary": "citada por terceiros",
    "unverified": "baixa: só vista em código público",
}


def topics_to_show(query: str | None) -> list[Topic]:
    """Return the paragraphs that match the search, or all."""
    return find_topics(query or "")


def show_topics(topics: list[Topic], *, opened: str) -> None:
    """Draw the paragraphs; the one asked for by F1 or a `?` stands first, open."""
    for topic in topics:
        if topic.key == opened:
            with st.container(border=True):
                st.subheader(topic.title)
                st.markdown(topic.text)
    if not topics:
        st.info("Nada na ajuda combina com a busca. Tente outra palavra.", icon=":material/search_off:")
    for section, group in groupby(topics, key=lambda topic: topic.section):
        st.header(section)
        for topic in group:
            with st.expander(topic.title):
                st.markdown(topic.text)


def limits_table(query: str | None) -> None:
    """Draw the providers that match the search with their limits, sources and dates."""
    shown = with_words(query, providers(), lambda provider: provider.name) or providers()
    table(
        "limits",
        "Limites por provedor",
        _LIMITS,
        [(row, _limits_of(provider)) for row, provider in enumerate(shown)],
    )


def _limits_of(provider: Provider) -> list[str | Cell]:
    where = provider.host if provider.port is None else f"{provider.host}:{provider.port}"
    page = urlsplit(provider.source)
    return [
        Cell(provider.name, below=where),
        _limit(provider),
        provider.note_pt,
        Cell(page.hostname or provider.source, below=_CONFIDENCE[provider.confidence], link=provider.source),
        provider.read_on.strftime("%d/%m/%Y"),
    ]


def _limit(provider: Provider) -> str:
    parts = [
        f"{number(figure)} {what}"
        for figure, what in (
            (provider.daily_messages, "mensagens/dia"),
            (provider.daily_recipients, "destinatários/dia"),
            (provider.hourly, "por hora"),
        )
        if figure is not None
    ]
    return ", ".join(parts) or "não publicado"


def diagnoses_table(query: str | None) -> None:
    """Draw every diagnosis the program can make, those that match the search where any do; the selected one whole."""
    every = list(enumerate(all_diagnoses(), 1))
    shown = with_words(query, every, lambda row: f"{row[1].title} {row[1].cause} {row[1].remedy}")
    category = st.selectbox(
        "Assunto", [_ALL, *CATEGORY.values()], key="diagnosis_category", filter_mode=None, width=240
    )
    shown = [(key, each) for key, each in shown or every if category in (_ALL, CATEGORY[each.category])]
    chosen = dict(shown).get(DIAGNOSIS_SELECTED.get().only or 0)
    if chosen is None:
        select(DIAGNOSIS_SELECTED)  # a selection that the search took out of the table ends
    place, detail = pair("diagnoses")
    with place:
        table(
            "diagnoses",
            "O que cada erro quer dizer",
            _DIAGNOSES,
            [(key, [CATEGORY[each.category], each.title, each.remedy]) for key, each in shown],
            selection=DIAGNOSIS_SELECTED,
            has_detail=True,
        )
    with detail:
        if chosen is not None:
            show_diagnosis(chosen, None)
        else:
            st.caption("Marque uma linha para ler a explicação inteira.")
