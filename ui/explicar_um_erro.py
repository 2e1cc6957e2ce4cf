"""The page "Explicar um erro": what was pasted, and what each reply found in it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui.formats import number, plain
from ui.outcome import show_diagnosis

if TYPE_CHECKING:
    from mailcore import Mailcore


def pasted_text() -> str:
    """Draw the box and return what is in it. It stays in this browser session and is stored nowhere."""
    text = st.text_area(
        "Cole aqui o erro que o cliente mandou",
        key="field_pasted",
        height=180,
        placeholder="A resposta do servidor, um e-mail devolvido, linhas de um registro (log); pode ser mais de um.",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Explicar", key="explain", type="primary")
        st.caption("Nada do que você cola é guardado.")
    return text or ""


def show_explanations(core: Mailcore, text: str) -> None:
    """Say what each reply means, which registered server it seems to be about, and offer to open that."""
    if not text.strip():
        return
    explained = core.explain(text)
    if not explained:
        st.info(
            "Não encontrei nenhuma resposta de servidor neste texto. Cole a parte que tem o código, como "
            "“550 5.1.1 …” ou “535 …”, ou o e-mail devolvido inteiro.",
            icon=":material/search_off:",
        )
        return
    if len(explained) > 1:
        st.caption(f"Encontrei {number(len(explained))} respostas diferentes no texto.")
    for reply in explained:
        with st.container(border=True):
            if reply.server:
                st.caption("Parece ser deste servidor da lista:")
                st.page_link(
                    "pages/cadastro.py",
                    label=f"Abrir o cadastro de {plain(reply.server.name)}",
                    icon=":material/mail:",
                    query_params={"id": str(reply.server.id)},
                )
            show_diagnosis(reply.found.diagnosis, reply.server.id if reply.server else None)
