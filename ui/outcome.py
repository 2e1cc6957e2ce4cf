"""How the result of a check or of a send is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import streamlit as st

from mailcore.models import SendStatus
from mailcore.replies import Diagnosis
from ui.formats import plain

if TYPE_CHECKING:
    from mailcore.check import CheckResult
    from mailcore.models import Send

FIELD_LABELS = {
    "host": "Servidor",
    "port": "Porta envio",
    "security": "SSL",
    "username": "Usuário",
    "secret": "Senha",
    "from_address": "E-mail do remetente",
    "daily_limit": "Limite diário",
}


def show_check(result: CheckResult) -> None:
    """The outcome of "Testar conexão" in one sentence, and why it failed, if it did."""
    if result.ok:
        st.success("Funcionando: o servidor respondeu e aceitou o acesso. Nada foi enviado.", icon=":material/check:")
        for step in result.steps:
            if step.state == "warning" and step.detail:
                st.warning(plain(step.detail), icon=":material/warning:")
    elif result.diagnosis:
        show_diagnosis(result.diagnosis)


def show_send(send: Send) -> None:
    """The outcome of one message: the word for it, the server's reply, and why not, if not."""
    diagnosis = Diagnosis(**json.loads(send.diagnosis)) if send.diagnosis else None
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
        show_diagnosis(diagnosis)
    else:
        st.warning(
            "Este envio ainda está em andamento ou foi interrompido: o resultado é **incerto**. Confira a caixa "
            "de entrada do destinatário antes de enviar de novo.",
            icon=":material/help:",
        )
    for warning in send.warnings.splitlines():
        st.warning(plain(warning), icon=":material/warning:")


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """What happened, why, what to do, and the server's own words, ready to copy."""
    st.error(f"**{plain(diagnosis.title)}**", icon=":material/error:")
    st.markdown(f"**Por quê:** {plain(diagnosis.cause)}")
    st.markdown(f"**O que fazer:** {plain(diagnosis.remedy)}")
    if diagnosis.reply:
        st.caption("O que o servidor respondeu")
        st.code(diagnosis.reply, language=None, wrap_lines=True)
