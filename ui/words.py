"""The words of the screen: those of :mod:`mailcore.labels`, and any field's value in words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mailcore.diagnosis.replies import diagnosis_for
from mailcore.labels import (
    BATCH_KIND,
    BATCH_STATE,
    CATEGORY,
    CHECK_STATE,
    ORIGIN,
    OUTCOME,
    PAID,
    QUOTA_STATE,
    RECIPIENT_STATUS,
    SAME_ADDRESS,
    SECURITY,
    SUPPRESSION_SCOPE,
    SUPPRESSION_SOURCE,
    UNIT,
    WINDOW,
)
from mailcore.registry.fields import FIELD
from mailcore.transports import KIND_LABELS as KIND
from mailcore.transports import step_label
from mailcore.vocabulary import BatchState, RecipientStatus
from ui.formats import MOMENT, number

__all__ = [
    "BATCH_KIND",
    "BATCH_STATE",
    "CATEGORY",
    "CHECK_STATE",
    "FOLLOW_STATE",
    "KIND",
    "ORIGIN",
    "OUTCOME",
    "PAID",
    "QUOTA_STATE",
    "RECIPIENT_STATUS",
    "SAME_ADDRESS",
    "SECURITY",
    "SUPPRESSION_SCOPE",
    "SUPPRESSION_SOURCE",
    "UNIT",
    "WINDOW",
    "recipient_status",
    "step_label",
    "value",
]

FOLLOW_STATE = {"submitted": "na fila do serviço", "in_progress": "entregando", "complete": "terminou"}
"""What a service says of a message it took, in words."""


_AMOUNT = "daily_limit"
"""The one number of a record that counts something; a port is a name."""


def recipient_status(status: RecipientStatus, state: BatchState) -> str:
    """What became of one recipient of a batch; nobody is in line for one that was cancelled."""
    is_over = state is BatchState.CANCELLED and status is RecipientStatus.PENDING
    return "Não enviada" if is_over else RECIPIENT_STATUS[status]


def value(field: str, stored: object) -> str:
    """Any field's value as the screen shows it, for "who changed what"."""
    if field == "secret":
        return "alterada"
    if field == "account_hold":
        return f"bloqueada ({diagnosis_for(str(stored)).title})" if stored else "liberada"
    if field == "external_use":
        return _entry(stored) if isinstance(stored, dict) else "desfeito"
    if field == _AMOUNT and isinstance(stored, int):
        return number(stored)
    word = FIELD[field].word(stored) if field in FIELD else str(stored or "")
    return word or "(vazio)"


def _entry(stored: dict[str, Any]) -> str:
    """Of an entry of use made elsewhere, which was undone."""
    units = int(stored["units"])
    return (
        f"{number(units)} {'unidade' if units == 1 else 'unidades'} de {datetime.fromisoformat(stored['at']):{MOMENT}}"
    )
