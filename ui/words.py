"""What the screen calls the values of the library."""

from __future__ import annotations

from typing import Any

from mailcore.diagnosis.replies import diagnosis_for
from mailcore.vocabulary import CheckState, Kind, LimitUnit, LimitWindow, QuotaState, SameAddress, Security, SendStatus

KIND = {Kind.SMTP: "SMTP", Kind.ELASTIC_EMAIL: "Elastic Email"}
SECURITY = {
    Security.SSL_TLS: "SSL/TLS direto",
    Security.STARTTLS: "STARTTLS",
    Security.NONE: "Sem criptografia",
}
PAID = {False: "Gratuita", True: "Paga"}
UNIT = {LimitUnit.RECIPIENTS: "Destinatários", LimitUnit.MESSAGES: "Mensagens"}
WINDOW = {LimitWindow.ROLLING_24H: "24 horas corridas", LimitWindow.CALENDAR_DAY: "Dia civil"}
SAME_ADDRESS = {SameAddress.BLOCK: "Bloquear", SameAddress.WARN: "Avisar", SameAddress.ALLOW: "Permitir"}
CHECK_STATE = {
    CheckState.NEVER: "Nunca testado",
    CheckState.OK: "Funcionando",
    CheckState.FAILED: "Com falha",
}
QUOTA_STATE = {
    QuotaState.OK: "Em ordem",
    QuotaState.NEAR: "Perto do limite",
    QuotaState.FULL: "Sem cota",
    QuotaState.BLOCKED: "Bloqueada",
}
OUTCOME = {
    SendStatus.ACCEPTED: "Aceita",
    SendStatus.REFUSED: "Recusada",
    SendStatus.FAILED: "Não entregue",
    SendStatus.UNCERTAIN: "Incerta",
    SendStatus.REJECTED_BY_RULE: "Barrada por regra",
    SendStatus.STARTED: "Em andamento",
}
CATEGORY = {
    "auth": "Login",
    "quota": "Limite da conta",
    "throttled": "Ritmo de envio",
    "blocked": "Bloqueio",
    "recipient": "Destinatário",
    "temporary": "Passageiro",
    "config": "Configuração",
    "tls": "Criptografia",
    "dns": "DNS",
    "network": "Rede",
}
STEP = {
    "resolve": "Procurar o servidor na internet (DNS)",
    "connect": "Conectar",
    "greeting": "Saudação do servidor",
    "tls": "Criptografia",
    "ehlo": "Apresentação",
    "auth": "Login",
    "sender": "Remetente",
    "recipients": "Destinatários",
    "data": "Entrega da mensagem",
    "http": "Conexão com o serviço",
    "account": "Conta",
    "domain": "Domínio do remetente",
    "message": "Entrega da mensagem",
}
_WORDS_OF: dict[str, dict[Any, str]] = {
    "kind": {**KIND},
    "security": {**SECURITY},
    "is_paid": {**PAID},
    "limit_unit": {**UNIT},
    "limit_window": {**WINDOW},
    "same_address": {**SAME_ADDRESS},
    "security_auto": {True: "Automático", False: "escolhido por alguém"},
}


def value(field: str, stored: object) -> str:
    """Any field's value as the screen shows it, for "who changed what"."""
    if field == "secret":
        return "alterada"
    if field == "account_hold":
        return f"bloqueada ({diagnosis_for(str(stored)).title})" if stored else "liberada"
    if field in _WORDS_OF and stored in _WORDS_OF[field]:
        return _WORDS_OF[field][stored]
    if isinstance(stored, bool):
        return "sim" if stored else "não"
    return "(vazio)" if stored is None or stored == "" else str(stored)
