"""The registered servers, and the trail of what was changed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from mailcore.storage.tables.base import Base, partial_index
from mailcore.vocabulary import (
    Auth,
    ChangeAction,
    CheckState,
    Kind,
    LimitUnit,
    LimitWindow,
    OAuthState,
    SameAddress,
    Security,
)


class MailServer(Base):
    """One registered server. Its identity is ``id``, which is never used again after a delete.

    Spelled out here are the columns that code names; ``registry/columns.py`` adds the other fields of the table.
    """

    __tablename__ = "mail_server"
    shown = ("id", "name", "kind", "host", "port", "from_address", "is_active", "is_default")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    version: Mapped[int] = mapped_column(default=1)
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[str] = mapped_column(String(400))
    """``fold(name)``: what makes a description unique and what the list is sorted by."""
    kind: Mapped[Kind]
    host: Mapped[str] = mapped_column(String(255))
    port: Mapped[int | None]
    security: Mapped[Security]
    security_auto: Mapped[bool]
    """``security`` was derived from the port ("Automático") and follows it when it changes."""
    verify_certificate: Mapped[bool]
    ca_pem: Mapped[str] = mapped_column(Text)
    username: Mapped[str] = mapped_column(String(320))
    account_key: Mapped[str] = mapped_column(String(700), default="")
    """What the provider counts by (see ``ServerKind.account``): records that share it share a quota."""
    secret_ref: Mapped[str | None] = mapped_column(String(80), unique=True)
    """Where the secret is kept (backend and name), never the secret."""
    auth: Mapped[Auth] = mapped_column(default=Auth.PASSWORD)
    oauth_app_id: Mapped[int | None]
    """The registered application; no foreign key: one that records use is not removed."""
    oauth_provider: Mapped[str] = mapped_column(String(20), default="")
    """Whose the application is, which never changes; empty where there is none."""
    oauth_ref: Mapped[str | None] = mapped_column(String(80))
    """Where the refresh token is kept, never the token; None too for an application that works alone."""
    oauth_generation: Mapped[int] = mapped_column(default=0)
    """How often the refresh token was replaced."""
    oauth_state: Mapped[OAuthState] = mapped_column(default=OAuthState.NONE)
    oauth_user: Mapped[str] = mapped_column(String(320), default="")
    """Who signed in."""
    oauth_at: Mapped[datetime | None]
    """When the authorisation was given, or refused."""
    oauth_renewed_at: Mapped[datetime | None]
    """When it was last used at the provider, who ends one that nobody uses for long."""
    oauth_code: Mapped[str] = mapped_column(String(40), default="")
    """The Diagnosis that ended it; empty while it is good."""
    from_address: Mapped[str] = mapped_column(String(320))
    from_name: Mapped[str] = mapped_column(String(200))
    reply_to: Mapped[str] = mapped_column(String(320))
    is_paid: Mapped[bool]
    is_active: Mapped[bool]
    is_default: Mapped[bool]
    daily_limit: Mapped[int | None]
    limit_unit: Mapped[LimitUnit]
    limit_window: Mapped[LimitWindow]
    same_address: Mapped[SameAddress]
    notes: Mapped[str] = mapped_column(Text)
    search_text: Mapped[str] = mapped_column(Text)
    """What a search looks through, folded; each field ends in a line feed (see ``search.py``)."""
    last_check_state: Mapped[CheckState] = mapped_column(default=CheckState.NEVER)
    last_check_at: Mapped[datetime | None]
    last_check_category: Mapped[str | None] = mapped_column(String(20))
    last_check_code: Mapped[str | None] = mapped_column(String(40))
    """The Diagnosis of the last check; None where it worked, and where an older version of the program made it."""
    certificate_ends_at: Mapped[datetime | None]
    """Until when the certificate is valid that the last check met; None where it met none."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(String(200))

    __table_args__ = (
        Index("uq_mail_server_name_key", "name_key", unique=True),
        Index("uq_mail_server_oauth_ref", "oauth_ref", unique=True),
        partial_index("uq_mail_server_default", "is_default", where="is_default", unique=True),
        # Covers the list's filters, so counting 100,000 rows reads no table page.
        Index("ix_mail_server_filters", "is_active", "is_paid", "kind", "last_check_state"),
        # The orders that the list can be sorted by.
        Index("ix_mail_server_by_host", "host", "port", "name_key"),
        Index("ix_mail_server_by_paid", "is_paid", "name_key"),
        Index("ix_mail_server_by_check", "last_check_state", "last_check_at", "name_key"),
        Index("ix_mail_server_by_active", "is_active", "name_key"),
        Index("ix_mail_server_by_default", "is_default", "name_key"),
        Index("ix_mail_server_certificate", "certificate_ends_at"),
        Index("ix_mail_server_account", "account_key"),
        {"sqlite_autoincrement": True},
    )


class Change(Base):
    """The changes trail: one row for each field of each save, and one for a record that came or went."""

    __tablename__ = "change"
    shown = ("id", "at", "who", "server_id", "server_name", "action", "field")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(200))
    server_id: Mapped[int]
    """No foreign key: the trail outlives the record. 0 where it is an application of OAuth2."""
    server_name: Mapped[str] = mapped_column(String(200))
    action: Mapped[ChangeAction]
    field: Mapped[str] = mapped_column(String(40), default="")
    """Which field (see ``registry/fields.py``); empty where the whole record came or went."""
    before: Mapped[str] = mapped_column(Text, default="")
    """As JSON; empty for a secret, of which only is known that it changed."""
    after: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        Index("ix_change_server", "server_id", "id"),
        Index("ix_change_at", "at"),
        {"sqlite_autoincrement": True},
    )
