"""What the screen calls the values of the library."""

from __future__ import annotations

from mailcore.models import CheckState, LimitUnit, LimitWindow, SameAddress
from mailcore.transports.base import Kind, Security

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
_VALUES = {True: "sim", False: "não", None: "(vazio)", "": "(vazio)"}


def value(field: str, stored: object) -> str:
    """Any field's value as the screen shows it, for "who changed what"."""
    tables: dict[str, dict[object, str]] = {
        "kind": dict(KIND),
        "security": dict(SECURITY),
        "is_paid": dict(PAID),
        "limit_unit": dict(UNIT),
        "limit_window": dict(WINDOW),
        "same_address": dict(SAME_ADDRESS),
    }
    if field == "secret":
        return "alterada"
    if field in tables:
        return tables[field].get(stored, str(stored))
    if isinstance(stored, bool) or stored in (None, ""):
        return _VALUES[stored]  # type: ignore[index]
    return str(stored)
