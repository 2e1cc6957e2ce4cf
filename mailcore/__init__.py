"""Outgoing e-mail servers: register them, prove that they work, send through them.

>>> import mailcore
>>> core = mailcore.open_mailcore()        # settings from the environment, see the README

The names in ``__all__`` are the public ones: documented, and kept from version to version. Whatever stands in the
packages below may move. :mod:`mailcore.frames` holds DataFrames for notebooks, and needs pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailcore import frames as frames
    from mailcore.actor import Actor, computer_user
    from mailcore.batches.new_batch import NewBatch, NewFile, RecipientsPlan
    from mailcore.batches.recipients_file import RecipientsFile
    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.errors import (
        ArgumentError,
        ConfigurationError,
        ConflictError,
        FieldChange,
        FieldError,
        HeldError,
        MailcoreError,
        NotAllowedError,
        NotFoundError,
        RecordGoneError,
        SecretError,
        StorageError,
        ValidationError,
    )
    from mailcore.health.check import CheckResult
    from mailcore.installation import Mailcore, open_mailcore
    from mailcore.messages.compose import OutgoingMessage, Recipient, compose, from_eml
    from mailcore.quota.rules import Quota
    from mailcore.registry.drafts import ServerDraft
    from mailcore.registry.named_in_text import Explained
    from mailcore.registry.search import ServerQuery
    from mailcore.rights import Right, Role
    from mailcore.sending.ledger import LedgerQuery
    from mailcore.settings import KeyringChoice, Settings, load_settings
    from mailcore.storage.tables import Batch, MailServer, Send
    from mailcore.transports.base import Step
    from mailcore.vocabulary import (
        BatchKind,
        BatchState,
        ChangeAction,
        CheckState,
        Kind,
        LimitUnit,
        LimitWindow,
        Origin,
        QuotaState,
        RecipientStatus,
        SameAddress,
        Security,
        SendStatus,
        StepState,
    )

__all__ = [
    "Actor",
    "ArgumentError",
    "Batch",
    "BatchKind",
    "BatchState",
    "ChangeAction",
    "CheckResult",
    "CheckState",
    "ConfigurationError",
    "ConflictError",
    "Diagnosis",
    "Explained",
    "FieldChange",
    "FieldError",
    "HeldError",
    "KeyringChoice",
    "Kind",
    "LedgerQuery",
    "LimitUnit",
    "LimitWindow",
    "MailServer",
    "Mailcore",
    "MailcoreError",
    "NewBatch",
    "NewFile",
    "NotAllowedError",
    "NotFoundError",
    "Origin",
    "OutgoingMessage",
    "Quota",
    "QuotaState",
    "Recipient",
    "RecipientStatus",
    "RecipientsFile",
    "RecipientsPlan",
    "RecordGoneError",
    "Right",
    "Role",
    "SameAddress",
    "SecretError",
    "Security",
    "Send",
    "SendStatus",
    "ServerDraft",
    "ServerQuery",
    "Settings",
    "Step",
    "StepState",
    "StorageError",
    "ValidationError",
    "compose",
    "computer_user",
    "from_eml",
    "load_settings",
    "open_mailcore",
]

_HOMES = {
    "actor": ("Actor", "computer_user"),
    "batches.new_batch": ("NewBatch", "NewFile", "RecipientsPlan"),
    "batches.recipients_file": ("RecipientsFile",),
    "diagnosis.replies": ("Diagnosis",),
    "errors": (
        *("ArgumentError", "ConfigurationError", "ConflictError", "FieldChange", "FieldError", "HeldError"),
        *(
            "MailcoreError",
            "NotAllowedError",
            "NotFoundError",
            "RecordGoneError",
            "SecretError",
            "StorageError",
            "ValidationError",
        ),
    ),
    "health.check": ("CheckResult",),
    "installation": ("Mailcore", "open_mailcore"),
    "messages.compose": ("OutgoingMessage", "Recipient", "compose", "from_eml"),
    "quota.rules": ("Quota",),
    "registry.drafts": ("ServerDraft",),
    "registry.named_in_text": ("Explained",),
    "registry.search": ("ServerQuery",),
    "rights": ("Right", "Role"),
    "sending.ledger": ("LedgerQuery",),
    "settings": ("KeyringChoice", "Settings", "load_settings"),
    "storage.tables": ("Batch", "MailServer", "Send"),
    "transports.base": ("Step",),
    "vocabulary": (
        *("BatchKind", "BatchState", "RecipientStatus"),
        *("ChangeAction", "CheckState", "Kind", "LimitUnit", "LimitWindow", "QuotaState", "SameAddress", "Security"),
        *("Origin", "SendStatus", "StepState"),
    ),
}
"""Module → the public names that live there."""

_MODULE_OF = {name: f"mailcore.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    # Loaded when first used, so that importing one small module does not load the database, nor pandas.
    if name == "frames":
        # Not in ``__all__``: ``from mailcore import *`` must work without pandas.
        return import_module("mailcore.frames")
    if name in _MODULE_OF:
        value: object = getattr(import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'mailcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
