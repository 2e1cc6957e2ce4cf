"""What the values of the library are called in Portuguese: one table for screen, command line and files.

The words are written as at the beginning of a label; inside a sentence they go through :func:`inside`. The kinds
of server and the steps of a check are called what :mod:`mailcore.transports` says.
"""

from __future__ import annotations

from mailcore.vocabulary import (
    Auth,
    BatchKind,
    BatchState,
    ChangeAction,
    CheckState,
    LimitUnit,
    LimitWindow,
    OAuthMode,
    OAuthState,
    Origin,
    QuotaState,
    RecipientStatus,
    SameAddress,
    Security,
    SendStatus,
    SuppressionScope,
    SuppressionSource,
)

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
"""Of a message, which is feminine."""
SENT = {
    SendStatus.ACCEPTED: "Aceito",
    SendStatus.REFUSED: "Recusado",
    SendStatus.FAILED: "Não entregue",
    SendStatus.UNCERTAIN: "Incerto",
    SendStatus.REJECTED_BY_RULE: "Barrado",
    SendStatus.STARTED: "Incerto",
}
"""Of a send, in one word; one that another process has not finished is uncertain to everybody else."""
OUTCOME_SENTENCE = {
    SendStatus.ACCEPTED: "Aceita pelo servidor.",
    SendStatus.REFUSED: "Recusada pelo servidor.",
    SendStatus.FAILED: "Não entregue ao servidor.",
    SendStatus.UNCERTAIN: "O resultado é incerto.",
    SendStatus.REJECTED_BY_RULE: "Não enviada, por uma regra do cadastro.",
    SendStatus.STARTED: "O resultado é incerto: o envio está em andamento ou foi interrompido.",
}
ORIGIN = {
    Origin.UNKNOWN: "",
    Origin.TEST: "Enviar teste",
    Origin.COMMAND_LINE: "Linha de comando",
    Origin.PROGRAM: "Programa",
    Origin.BATCH: "Envio em lote",
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


AUTH = {Auth.NONE: "Sem login", Auth.PASSWORD: "Senha", Auth.OAUTH2: "OAuth2"}
OAUTH_STATE = {
    OAuthState.NONE: "Não autorizado",
    OAuthState.AUTHORIZED: "Autorizado",
    OAuthState.REFUSED: "Recusada",
    OAuthState.EXPIRED: "Expirada",
}
OAUTH_PROVIDER = {"microsoft": "Microsoft", "google": "Google"}
OAUTH_MODE = {OAuthMode.DELEGATED: "Pessoa autoriza", OAuthMode.APPLICATION: "Aplicativo sozinho"}
BATCH_STATE = {
    BatchState.DRAFT: "Rascunho",
    BatchState.RUNNING: "Enviando",
    BatchState.WAITING: "Aguardando cota",
    BatchState.PAUSED: "Pausado",
    BatchState.DONE: "Concluído",
    BatchState.CANCELLED: "Cancelado",
}
BATCH_KIND = {BatchKind.TRANSACTIONAL: "Transacional", BatchKind.MARKETING: "Divulgação"}
BATCH_ACT = {
    "batch_created": "Lote criado",
    "batch_started": "Lote iniciado",
    "batch_paused": "Lote pausado",
    "batch_resumed": "Lote retomado",
    "batch_cancelled": "Lote cancelado",
    "batch_retried": "Lote: nova tentativa",
}
"""What the trail says of batches: the field, as it calls it, and its value is the batch and how many recipients."""
RECIPIENT_STATUS = {
    RecipientStatus.PENDING: "Na fila",
    RecipientStatus.DEFERRED: "Na fila",
    RecipientStatus.STARTED: "Na fila",
    RecipientStatus.ACCEPTED: "Aceita",
    RecipientStatus.REFUSED: "Recusada",
    RecipientStatus.FAILED: "Não entregue",
    RecipientStatus.UNCERTAIN: "Incerta",
    RecipientStatus.SUPPRESSED: "Suprimida",
}
"""Of one recipient's message, which is feminine."""
SUPPRESSION_SCOPE = {SuppressionScope.ALL: "Todos os lotes", SuppressionScope.MARKETING: "Só divulgação"}
SUPPRESSION_SOURCE = {
    SuppressionSource.HAND: "Alguém da equipe",
    SuppressionSource.REFUSAL: "O servidor disse que não existe",
    SuppressionSource.SERVICE: "O serviço não conseguiu entregar",
    SuppressionSource.UNSUBSCRIBED: "Pediu para sair",
}


def login(auth: Auth, oauth_provider: str) -> str:
    """Return a record's form of login as the form calls it: "Microsoft OAuth2"."""
    named = OAUTH_PROVIDER.get(oauth_provider) if auth is Auth.OAUTH2 else None
    return f"{named} {AUTH[auth]}" if named else AUTH[auth]


def inside(label: str) -> str:
    """Return a label as it stands inside a sentence: "sem criptografia", but "STARTTLS"."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def yes_or_no(value: object) -> str:
    """Return "sim" or "não"."""
    return "sim" if value else "não"
