"""The tables. Times are stored in UTC; what a column means to the user is said in ``registry/fields.py``."""

from mailcore.storage.tables.access import AccessEvent, LoginSession, PasswordLink, SignInTries, User
from mailcore.storage.tables.base import Base, KindText, UTCDateTime
from mailcore.storage.tables.batches import (
    AccountLease,
    AccountPace,
    Batch,
    BatchFile,
    BatchFollowUp,
    BatchRecipient,
    Suppression,
)
from mailcore.storage.tables.ledger import Account, DailyUsage, ExternalUse, Send, Usage
from mailcore.storage.tables.oauth import OAuthApp, OAuthLease, OAuthPending
from mailcore.storage.tables.registry import Change, MailServer
from mailcore.storage.tables.secrets import Installation, SecretJournal, StoredSecret

__all__ = [
    "AccessEvent",
    "Account",
    "AccountLease",
    "AccountPace",
    "Base",
    "Batch",
    "BatchFile",
    "BatchFollowUp",
    "BatchRecipient",
    "Change",
    "DailyUsage",
    "ExternalUse",
    "Installation",
    "KindText",
    "LoginSession",
    "MailServer",
    "OAuthApp",
    "OAuthLease",
    "OAuthPending",
    "PasswordLink",
    "SecretJournal",
    "Send",
    "SignInTries",
    "StoredSecret",
    "Suppression",
    "UTCDateTime",
    "Usage",
    "User",
]
