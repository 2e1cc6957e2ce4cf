"""What the fields of a batch are called on the screen."""

from __future__ import annotations

from mailcore.errors import FieldError, ValidationError

LABELS = {
    "name": "Nome",
    "server": "Servidor",
    "recipients": "Destinatários",
    "email_column": "Coluna do e-mail",
    "file_column": "Coluna do anexo",
    "subject": "Assunto",
    "text": "Mensagem",
    "html": "Mensagem em HTML",
    "kind": "Tipo",
    "starts_at": "Início",
    "attachments": "Anexos",
    "refusal_share": "Parar com recusas acima de",
    "row": "Linha",
    "address": "Endereço",
    "reason": "Motivo",
    "state": "Estado",
}


def refused(field: str, sentence: str) -> ValidationError:
    """Return the error of one field, its label before the sentence."""
    return ValidationError([FieldError(field, f"{LABELS[field]}: {sentence}")])
