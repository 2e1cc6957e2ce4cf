"""What the values of the library are called in Portuguese: one table for screen, command line and files.

The words are written as at the beginning of a label; inside a sentence they go through :func:`inside`.
"""

from __future__ import annotations

from mailcore.vocabulary import (
    ChangeAction,
    CheckState,
    Kind,
    LimitUnit,
    LimitWindow,
    QuotaState,
    SameAddress,
    Security,
    SendStatus,
)

KIND = {Kind.SMTP: "SMTP", Kind.ELASTIC_EMAIL: "Elastic Email"}
SECURITY = {
    Security.SSL_TLS: "SSL/TLS direto",
    Security.STARTTLS: "STARTTLS",
    Security.NONE: "Sem criptografia",
}
PAID = {False: "Gratuita", True: "Paga"}
ACTIVE = {True: "Ativo", False: "Inativo"}
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
ACTION = {
    ChangeAction.CREATED: "Registrado",
    ChangeAction.CHANGED: "Alterado",
    ChangeAction.DELETED: "Apagado",
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


def inside(label: str) -> str:
    """Return a label as it stands inside a sentence: "sem criptografia", but "STARTTLS"."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def yes_or_no(value: object) -> str:
    """Return "sim" or "não"."""
    return "sim" if value else "não"
