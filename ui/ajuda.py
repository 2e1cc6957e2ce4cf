"""How the help is shown: paragraphs in their sections, and the limits of the providers."""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from mailcore.catalog import Provider, providers
from mailcore.diagnosis.replies import all_diagnoses
from mailcore.help import Topic, find_topics
from mailcore.text import fold
from ui.formats import number
from ui.outcome import show_diagnosis
from ui.words import CATEGORY

_ALL = "Todos"
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
    import pyarrow as pa

    words = fold(query or "").split()
    shown = [provider for provider in providers() if all(word in fold(provider.name) for word in words)] or providers()
    table = pa.table(
        {
            "Provedor": [provider.name for provider in shown],
            "Servidor": [provider.host for provider in shown],
            "Porta": [str(provider.port or "") for provider in shown],
            "Limite": [_limit(provider) for provider in shown],
            "Observação": [provider.note_pt for provider in shown],
            "Confiança": [_CONFIDENCE[provider.confidence] for provider in shown],
            "Fonte": [provider.source for provider in shown],
            "Lido em": [provider.read_on.strftime("%d/%m/%Y") for provider in shown],
        }
    )
    link = st.column_config.LinkColumn(display_text=r"https?://([^/]+)")
    st.dataframe(table, hide_index=True, column_config={"Fonte": link}, alt="Limites por provedor")


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
    """Draw every diagnosis the program can make, those that match the search where any do; a tick opens one."""
    import pyarrow as pa

    words = fold(query or "").split()
    every = all_diagnoses()
    texts = [fold(f"{diagnosis.title} {diagnosis.cause} {diagnosis.remedy}") for diagnosis in every]
    shown = [diagnosis for diagnosis, text in zip(every, texts, strict=True) if all(word in text for word in words)]
    category = st.selectbox(
        "Assunto", [_ALL, *CATEGORY.values()], key="diagnosis_category", filter_mode=None, width=240
    )
    shown = [diagnosis for diagnosis in shown or every if category in (_ALL, CATEGORY[diagnosis.category])]
    table = pa.table(
        {
            "Assunto": [CATEGORY[diagnosis.category] for diagnosis in shown],
            "O que aconteceu": [diagnosis.title for diagnosis in shown],
            "O que fazer": [diagnosis.remedy for diagnosis in shown],
        }
    )
    ticked = st.dataframe(
        table,
        key=f"diagnoses_{category}_{'_'.join(words)}",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height=420,
        alt="O que cada erro quer dizer",
    )
    rows = ticked["selection"]["rows"]
    if rows and rows[0] < len(shown):
        show_diagnosis(shown[rows[0]], None)
    else:
        st.caption("Marque uma linha para ler a explicação inteira.")
