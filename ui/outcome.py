"""How the result of a check or of a send is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from mailcore.registry.fields import LABELS
from mailcore.sending.ledger import diagnosis_of
from mailcore.vocabulary import SendStatus
from ui.formats import plain
from ui.jobs import show_step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.health.check import CheckResult
    from mailcore.health.probing import Suggestion
    from mailcore.storage.tables import Send
    from mailcore.transports.base import Step

OUTCOME = "send_outcome"
"""The place of what became of a send: the eyes go there, for the button may stand at the lower edge of the window."""
FIELD_LABELS = {
    name: LABELS[name]
    for name in ("host", "port", "security", "auth", "username", "secret", "from_address", "daily_limit")
}
"""What a Diagnosis may blame."""


def show_check(result: CheckResult, server_id: int | None, use: Callable[[Suggestion], None]) -> None:
    """The outcome of "Testar conexão" in one sentence, why it failed, if it did, and the steps.

    Args:
        use: called when a suggestion's button is pressed, before the page is drawn again.
    """
    if result.ok:
        st.success("Funcionando: o servidor respondeu e aceitou o acesso. Nada foi enviado.", icon=":material/check:")
        for step in result.steps:
            if step.state == "warning" and step.detail:
                st.warning(plain(step.detail), icon=":material/warning:")
    elif result.diagnosis:
        show_diagnosis(result.diagnosis, server_id, lambda: _fixes(result.suggestions, use))
    show_steps(result.steps)


def _fixes(suggestions: Sequence[Suggestion], use: Callable[[Suggestion], None]) -> None:
    """A button for each thing that was tried and works."""
    with st.container(horizontal=True):
        for number, suggestion in enumerate(suggestions):
            st.button(
                plain(suggestion.label),
                key=f"use_suggestion_{number}",
                type="primary" if number == 0 else "secondary",
                icon=":material/auto_fix_high:",
                on_click=use,
                args=(suggestion,),
            )


def show_steps(steps: list[Step]) -> None:
    """The finished steps, folded away."""
    with st.expander("Passo a passo"):
        for step in steps:
            show_step(step)


def show_send(send: Send, steps: list[Step]) -> None:
    """The outcome of one message: the word for it, the server's reply, and why not, if not."""
    diagnosis = diagnosis_of(send)
    if send.status is SendStatus.ACCEPTED:
        st.success("A mensagem foi **aceita** pelo servidor.", icon=":material/check:")
        st.caption("Resposta do servidor")
        st.code(send.reply or "(sem texto)", language=None, wrap_lines=True)
        st.caption("Identificação da mensagem (Message-ID)")
        st.code(send.message_id, language=None, wrap_lines=True)
        if send.provider_id:
            st.caption("Identificação no serviço")
            st.code(send.provider_id, language=None, wrap_lines=True)
    elif diagnosis:
        show_diagnosis(diagnosis, send.server_id)
    else:
        st.warning(
            "Este envio ainda está em andamento ou foi interrompido: o resultado é **incerto**. Confira a caixa "
            "de entrada do destinatário antes de enviar de novo.",
            icon=":material/help:",
        )
    if steps:
        show_steps(steps)
    for warning in send.warnings.splitlines():
        st.warning(plain(warning), icon=":material/warning:")


def show_diagnosis(diagnosis: Diagnosis, server_id: int | None, fixes: Callable[[], None] | None = None) -> None:
    """What happened, why, what to do, the field to open, and the server's own words, ready to copy.

    Args:
        fixes: draws the buttons that do what is to do, right under it.
    """
    st.error(f"**{plain(diagnosis.title)}**", icon=":material/error:")
    st.markdown(f"**Por quê:** {plain(diagnosis.cause)}")
    st.markdown(f"**O que fazer:** {plain(diagnosis.remedy)}")
    if fixes is not None:
        fixes()
    if diagnosis.page:
        st.markdown(f"**Página do provedor:** <{diagnosis.page}>")
    if diagnosis.field:
        label = plain(diagnosis.field_label or FIELD_LABELS[diagnosis.field])
        if server_id is None:
            st.markdown(f"**Campo a conferir:** {label}")
        else:
            st.page_link(
                "pages/cadastro.py",
                label=f"Abrir o campo {label}",
                icon=":material/edit:",
                query_params={"id": str(server_id), "campo": diagnosis.field},
            )
    if diagnosis.reply:
        st.caption("O que o servidor respondeu")
        st.code(diagnosis.reply, language=None, wrap_lines=True)
        if diagnosis.evidence:
            words = ", ".join(f"“{plain(told)}”" for told in diagnosis.evidence)
            st.caption(f"O que decidiu nesta resposta: {words}")
