"""The tables. Times are stored in UTC; what a column means to the user is said in ``registry/fields.py``."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    and_,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.attributes import instance_dict

from mailcore.rights import Role
from mailcore.vocabulary import (
    Auth,
    BatchKind,
    BatchState,
    ChangeAction,
    CheckState,
    Kind,
    LimitUnit,
    LimitWindow,
    OAuthMode,
    OAuthState,
    Origin,
    RecipientStatus,
    SameAddress,
    Security,
    SendStatus,
    SuppressionScope,
    SuppressionSource,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC without a zone so that both databases sort and compare it alike."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class KindText(TypeDecorator[Kind]):
    """The id of a kind of server; any text is one, so that a record of a newer version can be read."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Kind | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Kind | None:
        return None if value is None else Kind(value)


def text_enum(kind: type[StrEnum]) -> Enum:
    """Store the value, not the Python name, as plain text: a new value needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=20,
        values_callable=lambda members: [member.value for member in members],
    )


def _plain(value: object) -> str:
    """A value as a person reads it: a member's word, a moment in ISO 8601."""
    if isinstance(value, StrEnum | Kind):
        return str(value)
    return value.isoformat() if isinstance(value, datetime | date) else repr(value)


class Base(DeclarativeBase):
    """Common ground of the tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UTCDateTime,
        Kind: KindText,
        **{
            kind: text_enum(kind)
            for kind in (
                Auth,
                BatchKind,
                BatchState,
                RecipientStatus,
                SuppressionScope,
                SuppressionSource,
                OAuthMode,
                OAuthState,
                Origin,
                Security,
                LimitUnit,
                LimitWindow,
                SameAddress,
                CheckState,
                SendStatus,
                ChangeAction,
                Role,
            )
        },
    }

    shown: ClassVar[tuple[str, ...]] = ()
    """The columns that ``repr`` shows: never a secret, nobody's address but a server's own."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return a row as it stands in the database.

        The constructor instead notes each value as a change to be written, which takes ten times as long.
        """
        row: Self = cls.__mapper__.class_manager.new_instance()
        row.take(values)
        return row

    def take(self, values: Mapping[str, Any]) -> None:
        """Take values that the database has already; to set them notes changes, as the constructor does."""
        instance_dict(self).update(values)

    def __repr__(self) -> str:
        # From what is loaded: to show a row must not read the database.
        values = ((name, self.__dict__[name]) for name in self.shown if name in self.__dict__)
        return f"{type(self).__name__}({', '.join(f'{name}={_plain(value)}' for name, value in values)})"


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
        Index(
            "uq_mail_server_default",
            "is_default",
            unique=True,
            sqlite_where=text("is_default"),
            postgresql_where=text("is_default"),
        ),
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


class OAuthApp(Base):
    """An application registered with a provider, by which records log in."""

    __tablename__ = "oauth_app"
    shown = ("id", "name", "provider", "mode")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[str] = mapped_column(String(400), unique=True)
    provider: Mapped[str] = mapped_column(String(20))
    client_id: Mapped[str] = mapped_column(String(320))
    tenant: Mapped[str] = mapped_column(String(255), default="")
    mode: Mapped[OAuthMode]
    secret_ref: Mapped[str | None] = mapped_column(String(80), unique=True)
    secret_ends_on: Mapped[date | None]
    """The provider's last day for the secret, as the administrator typed it: no provider tells."""
    created_at: Mapped[datetime]

    __table_args__ = ({"sqlite_autoincrement": True},)


class OAuthPending(Base):
    """A person's way through the provider's page, from ``Autorizar`` to the record that takes the authorisation."""

    __tablename__ = "oauth_pending"
    shown = ("app_id", "server_id", "status", "code")

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A hash of ``state``, which is known to the browser alone."""
    app_id: Mapped[int]
    server_id: Mapped[int | None]
    """None: for a form not saved yet."""
    host: Mapped[str] = mapped_column(String(255))
    username: Mapped[str] = mapped_column(String(320))
    redirect: Mapped[str] = mapped_column(Text, default="")
    """Where the provider sends the person; empty for a device code."""
    ref: Mapped[str | None] = mapped_column(String(80), unique=True)
    """The PKCE verifier, or the device code, in the keyring."""
    token_ref: Mapped[str | None] = mapped_column(String(80), unique=True)
    """The refresh token, until a record takes it."""
    who: Mapped[str] = mapped_column(String(200))
    """Who began, and who alone may finish."""
    status: Mapped[str] = mapped_column(String(20))
    """``waiting``, ``taken``, ``done`` or ``failed``."""
    code: Mapped[str] = mapped_column(String(40), default="")
    """The Diagnosis of a failed one."""
    words: Mapped[str] = mapped_column(Text, default="")
    user: Mapped[str] = mapped_column(String(320), default="")
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime]

    __table_args__ = (Index("ix_oauth_pending_ends", "ends_at"),)


class OAuthLease(Base):
    """Who is renewing an authorisation just now: one process at a time."""

    __tablename__ = "oauth_lease"
    shown = ("server_id", "until")

    server_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str] = mapped_column(String(40))
    until: Mapped[datetime]


class SecretJournal(Base):
    """Names of secrets that exist in a keyring but belong to no record (yet, or any more).

    A name is written here before its secret is stored, and taken out in the transaction that commits
    the record pointing at it; what a crash leaves behind is swept at the next start.
    """

    __tablename__ = "secret_journal"
    shown = ("ref", "condemned")

    ref: Mapped[str] = mapped_column(String(80), primary_key=True)
    condemned: Mapped[bool] = mapped_column(default=False)
    """A sweep has claimed it: no record may adopt it any more."""
    created_at: Mapped[datetime]


class StoredSecret(Base):
    """One ciphertext of the database keyring; the key is never in the database."""

    __tablename__ = "stored_secret"
    shown = ("name",)

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    ciphertext: Mapped[str] = mapped_column(Text)


class Send(Base):
    """The ledger: one row for one message handed, or about to be handed, to a server. No bodies."""

    __tablename__ = "send"
    shown = ("id", "status", "at", "server_id", "server_name", "units", "message_id", "frees_at")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(String(255), unique=True)
    server_id: Mapped[int]
    """No foreign key: the history outlives the record, and ids are never used again."""
    server_name: Mapped[str] = mapped_column(String(200))
    """The description at the time of sending."""
    status: Mapped[SendStatus]
    units: Mapped[int]
    recipients: Mapped[str] = mapped_column(Text)
    """One address a line."""
    message_id: Mapped[str] = mapped_column(String(998))
    provider_id: Mapped[str] = mapped_column(String(255), default="")
    reply: Mapped[str] = mapped_column(Text, default="")
    warnings: Mapped[str] = mapped_column(Text, default="")
    diagnosis: Mapped[str] = mapped_column(Text, default="")
    """The Diagnosis as JSON, or empty."""
    owner: Mapped[str] = mapped_column(String(80), default="")
    """The process that holds a ``started`` row (see ``reservation.py``)."""
    at: Mapped[datetime]
    account_key: Mapped[str] = mapped_column(String(700), default="")
    """The account it counts for, as it was when it was sent."""
    counted: Mapped[int] = mapped_column(default=0)
    """Recipients it counts; 0 once it is certain that the message was not taken."""
    frees_at: Mapped[datetime | None]
    """Refused for quota: when it would fit; None where it was not, or never will."""
    followed_at: Mapped[datetime | None]
    """When the service was last asked what became of it (Elastic Email); None where it never was."""
    follow_state: Mapped[str] = mapped_column(String(40), default="")
    """The service's own word for its state: ``submitted``, ``in_progress``, ``complete``."""
    follow_failures: Mapped[str] = mapped_column(Text, default="")
    """Recipients it could not be delivered to, as JSON: ``[{"address", "category", "error"}]``; or empty."""
    who: Mapped[str] = mapped_column(String(200), default="")
    """The person, or the program, on whose behalf it was sent; empty for what was sent before that was kept."""
    origin: Mapped[Origin] = mapped_column(default=Origin.UNKNOWN)
    """By what it was sent; of a message of a batch :attr:`batch_id` says so."""
    batch_id: Mapped[int | None]
    """The batch it is a part of, which may be gone."""

    __table_args__ = (
        Index("ix_send_server_at", "server_id", "at"),
        Index("ix_send_at", "at"),
        Index("ix_send_account", "account_key", "at", "counted"),
        # Apart from single sends, which pay nothing for it.
        Index(
            "ix_send_batch",
            "batch_id",
            "id",
            sqlite_where=text("batch_id IS NOT NULL"),
            postgresql_where=text("batch_id IS NOT NULL"),
        ),
        # At start the rows of dead processes are looked for: few among millions.
        Index(
            "ix_send_started",
            "status",
            sqlite_where=text("status = 'started'"),
            postgresql_where=text("status = 'started'"),
        ),
        {"sqlite_autoincrement": True},
    )


class Account(Base):
    """What is known of an account besides its use: whether it is on hold, and how often its login failed."""

    __tablename__ = "account"
    shown = ("key", "held_since", "held_until", "held_code", "auth_failures")

    key: Mapped[str] = mapped_column(String(700), primary_key=True)
    held_since: Mapped[datetime | None]
    """None where it is not on hold."""
    held_until: Mapped[datetime | None]
    """When it returns by itself; None while on hold: not before a person lifts it."""
    held_code: Mapped[str] = mapped_column(String(40), default="")
    """The Diagnosis that put it on hold."""
    held_reply: Mapped[str] = mapped_column(Text, default="")
    auth_failures: Mapped[int] = mapped_column(default=0)
    """Refused logins since the last one that worked."""


class Usage(Base):
    """What an account used, summed up in slots of time: sums cost the same whatever the number of sends.

    A slot is five minutes long; old ones are merged into hours, and those into days (see ``usage.py``).
    """

    __tablename__ = "usage"
    shown = ("account_key", "slot", "server_id", "messages", "recipients", "external")

    account_key: Mapped[str] = mapped_column(String(700), primary_key=True)
    slot: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """When it begins, in seconds since 1970 (UTC)."""
    server_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    messages: Mapped[int] = mapped_column(BigInteger)
    recipients: Mapped[int] = mapped_column(BigInteger)
    external: Mapped[int] = mapped_column(BigInteger)
    """Units used elsewhere, as somebody entered them."""
    last_at: Mapped[datetime]
    """The newest of what it holds."""

    __table_args__ = ({"sqlite_with_rowid": False},)


class DailyUsage(Base):
    """What went through a server on one day of the configured time zone."""

    __tablename__ = "daily_usage"
    shown = ("day", "account_key", "server_id", "messages", "recipients", "external")

    day: Mapped[date] = mapped_column(primary_key=True)
    account_key: Mapped[str] = mapped_column(String(700), primary_key=True)
    server_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    messages: Mapped[int] = mapped_column(BigInteger)
    recipients: Mapped[int] = mapped_column(BigInteger)
    external: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = ({"sqlite_with_rowid": False},)


class ExternalUse(Base):
    """Use of an account made elsewhere, entered by a person or from a file."""

    __tablename__ = "external_use"
    shown = ("id", "account_key", "server_id", "at", "units")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    account_key: Mapped[str] = mapped_column(String(700))
    server_id: Mapped[int]
    at: Mapped[datetime]
    units: Mapped[int]
    noted_at: Mapped[datetime]
    noted_by: Mapped[str] = mapped_column(String(200))

    __table_args__ = (Index("ix_external_use_account", "account_key", "at"), {"sqlite_autoincrement": True})


class Installation(Base):
    """Values this installation made for itself once, by name."""

    __tablename__ = "installation"
    shown = ("name",)

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


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


class User(Base):
    """A person who may enter. Not the table ``user``: PostgreSQL keeps that word for itself."""

    __tablename__ = "app_user"
    shown = ("id", "role", "is_active", "is_registered", "created_at", "last_seen_at")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    email: Mapped[str] = mapped_column(String(320))
    email_key: Mapped[str] = mapped_column(String(320), unique=True)
    """``email`` in lower case: how a person is found."""
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role]
    is_active: Mapped[bool]
    is_registered: Mapped[bool]
    """False for who came in only because of the domain of their address, and may do so only while that is listed."""
    password_hash: Mapped[str] = mapped_column(Text, default="")
    """argon2id, or empty where there is no password."""
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]

    __table_args__ = ({"sqlite_autoincrement": True},)


class LoginSession(Base):
    """One signed-in browser. Its token is known to the browser alone; here is only its hash."""

    __tablename__ = "login_session"
    shown = ("id", "user_id", "door", "created_at", "last_seen_at")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    door: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(300))

    __table_args__ = (Index("ix_login_session_user", "user_id"), {"sqlite_autoincrement": True})


class PasswordLink(Base):
    """A link of one use to set one's password; the link itself is kept nowhere, only its hash."""

    __tablename__ = "password_link"
    shown = ("user_id", "ends_at")

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"), unique=True)
    ends_at: Mapped[datetime]


class SignInTries(Base):
    """Failed tries to sign in, by account and by network address: each makes the next wait longer."""

    __tablename__ = "sign_in_tries"
    shown = ("failures", "last_at", "blocked_until")

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    """A hash of the account's or the network's address, for a person may have typed a password there."""
    failures: Mapped[int]
    last_at: Mapped[datetime]
    blocked_until: Mapped[datetime]

    __table_args__ = (Index("ix_sign_in_tries_last", "last_at"),)


class AccessEvent(Base):
    """The trail of who came in, who was refused and why, and of what was done to users."""

    __tablename__ = "access_event"
    shown = ("id", "at", "event", "door", "reason")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(30))
    """See ``mailcore.access.trail.EVENTS``."""
    email: Mapped[str] = mapped_column(String(320))
    """Whom it is about; empty where what was typed is no known user's: it may have been a password."""
    by: Mapped[str] = mapped_column(String(200))
    """Who did it, where that is somebody else."""
    door: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(40))

    __table_args__ = (Index("ix_access_event_at", "at"), {"sqlite_autoincrement": True})


class Batch(Base):
    """One message to many, and how far it has come; each recipient is a row of :class:`BatchRecipient`."""

    __tablename__ = "batch"
    shown = ("id", "name", "server_id", "state", "total", "pending", "sent", "refused", "failed", "uncertain")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    server_id: Mapped[int]
    """No foreign key: the batch outlives the record."""
    server_name: Mapped[str] = mapped_column(String(200))
    account_key: Mapped[str] = mapped_column(String(700))
    """The account it is sent through."""
    identity: Mapped[str] = mapped_column(Text, default="")
    """What of the record must not change while it is sent (see ``batches/lifecycle.py``); empty before the start."""
    kind: Mapped[BatchKind]
    subject: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text)
    email_column: Mapped[str] = mapped_column(String(200))
    file_column: Mapped[str] = mapped_column(String(200), default="")
    """The column that names each recipient's own attachment; empty where there is none."""
    columns: Mapped[str] = mapped_column(Text)
    """The names of the columns, as a JSON list; a recipient's ``fields`` are in this order."""
    state: Mapped[BatchState]
    is_loaded: Mapped[bool]
    """All its recipients are stored. Until then nobody sees it, and what a crash leaves is swept."""
    total: Mapped[int] = mapped_column(default=0)
    pending: Mapped[int] = mapped_column(default=0)
    sent: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    uncertain: Mapped[int] = mapped_column(default=0)
    suppressed: Mapped[int] = mapped_column(default=0)
    starts_at: Mapped[datetime | None]
    """Not before; None: as soon as it is started."""
    waits_until: Mapped[datetime | None]
    """When a waiting one goes on, as far as that is known."""
    retry_at: Mapped[datetime | None]
    """When the first recipient that was refused for now is tried again."""
    reason: Mapped[str] = mapped_column(Text, default="")
    """Why it waits or is paused: a Diagnosis as JSON, or empty."""
    wakes_by_itself: Mapped[bool] = mapped_column(default=False)
    """It is paused because its account is on hold, and goes on when a person lifts that."""
    refusal_share: Mapped[int] = mapped_column(default=10)
    """Percent of refused recipients at which it pauses."""
    judged_tries: Mapped[int] = mapped_column(default=0)
    judged_refused: Mapped[int] = mapped_column(default=0)
    """What the share is counted of: since the start, or since a person let it go on."""
    served_at: Mapped[datetime | None]
    """When a worker last took it up: of several of one account, the one that waited longest is next."""
    who: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_batch_state", "state", "account_key"),
        Index("ix_batch_server", "server_id"),
        {"sqlite_autoincrement": True},
    )

    @hybrid_property
    def waits_for_its_hour(self) -> bool:
        """Whether it waits to begin at the hour it was given, and not for quota; in a query, the condition of that."""
        return self.state is BatchState.WAITING and self.starts_at is not None and self.starts_at == self.waits_until

    @waits_for_its_hour.inplace.expression
    @classmethod
    def _waits_for_its_hour(cls) -> ColumnElement[bool]:
        return and_(cls.state == BatchState.WAITING, cls.starts_at.is_not(None), cls.starts_at == cls.waits_until)


class BatchRecipient(Base):
    """One recipient of a batch, and what became of the message to it."""

    __tablename__ = "batch_recipient"
    shown = ("batch_id", "row", "status", "at", "tries")

    batch_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The line of the file as a spreadsheet numbers it."""
    address: Mapped[str] = mapped_column(String(320))
    address_key: Mapped[str] = mapped_column(String(320))
    """``address`` in folded case: nobody is in a batch twice."""
    fields: Mapped[str] = mapped_column(Text)
    """The merge fields as a JSON list, in the order of the batch's columns."""
    status: Mapped[RecipientStatus]
    at: Mapped[datetime | None]
    """When its last try began: that of its row in the ledger."""
    reply: Mapped[str] = mapped_column(Text, default="")
    message_id: Mapped[str] = mapped_column(String(255), default="")
    provider_id: Mapped[str] = mapped_column(String(255), default="")
    diagnosis: Mapped[str] = mapped_column(Text, default="")
    tries: Mapped[int] = mapped_column(default=0)
    repeat: Mapped[int] = mapped_column(default=0)
    """How often a person had an uncertain message sent again: each time it gets a ledger row of its own."""
    next_at: Mapped[datetime | None]
    """When a deferred one is tried again."""
    owner: Mapped[str] = mapped_column(String(120), default="")
    """The lease under which it is being handed over."""

    __table_args__ = (
        Index("uq_batch_recipient_address", "batch_id", "address_key", unique=True),
        Index("ix_batch_recipient_status", "batch_id", "status", "row"),
        {"sqlite_with_rowid": False},
    )


class BatchFile(Base):
    """An attachment of a batch: for all, or for the recipients whose row names it."""

    __tablename__ = "batch_file"
    shown = ("id", "batch_id", "name", "content_type", "for_all")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    batch_id: Mapped[int]
    name: Mapped[str] = mapped_column(String(255))
    name_key: Mapped[str] = mapped_column(String(255))
    content_type: Mapped[str] = mapped_column(String(100))
    data: Mapped[bytes] = mapped_column(LargeBinary)
    for_all: Mapped[bool]

    __table_args__ = (Index("uq_batch_file_name", "batch_id", "name_key", unique=True), {"sqlite_autoincrement": True})


class BatchFollowUp(Base):
    """A group that a service took, to be asked about until each recipient has an end."""

    __tablename__ = "batch_follow_up"
    shown = ("id", "batch_id", "provider_id", "step", "next_at")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    batch_id: Mapped[int]
    server_id: Mapped[int]
    provider_id: Mapped[str] = mapped_column(String(255))
    since: Mapped[datetime]
    step: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    first_row: Mapped[int | None]
    """Between this row of the batch and :attr:`last_row` all its recipients are; unknown of old groups."""
    last_row: Mapped[int | None]

    __table_args__ = (
        Index("uq_batch_follow_up", "batch_id", "provider_id", unique=True),
        Index("ix_batch_follow_up_next", "next_at"),
        {"sqlite_autoincrement": True},
    )


class Suppression(Base):
    """An address that batches leave out."""

    __tablename__ = "suppression"
    shown = ("id", "scope", "source", "since")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    address: Mapped[str] = mapped_column(String(320))
    address_key: Mapped[str] = mapped_column(String(320))
    scope: Mapped[SuppressionScope]
    source: Mapped[SuppressionSource]
    reason: Mapped[str] = mapped_column(String(300), default="")
    since: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(200))

    __table_args__ = (
        Index("uq_suppression_address", "address_key", "scope", unique=True),
        Index("ix_suppression_since", "since"),
        {"sqlite_autoincrement": True},
    )


class AccountLease(Base):
    """Who is sending through an account: one row for each connection in use."""

    __tablename__ = "account_lease"
    shown = ("account_key", "slot", "owner", "until")

    account_key: Mapped[str] = mapped_column(String(700), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str] = mapped_column(String(120))
    until: Mapped[datetime]
    """Kept ahead of the clock while its process lives."""


class AccountPace(Base):
    """What was learnt of how fast a provider takes an account's messages."""

    __tablename__ = "account_pace"
    shown = ("account_key", "connections", "per_minute", "failures", "not_before")

    account_key: Mapped[str] = mapped_column(String(700), primary_key=True)
    connections: Mapped[int]
    per_minute: Mapped[int | None]
    """Messages a minute at most; None where no limit has shown itself."""
    window_units: Mapped[int] = mapped_column(default=0)
    """Messages since ``window_from``."""
    window_from: Mapped[datetime | None]
    """When the minute at hand began, with its first message."""
    grown: Mapped[int] = mapped_column(default=0)
    """Messages accepted since the last change of pace."""
    failures: Mapped[int] = mapped_column(default=0)
    """Tries in a row that brought nothing through."""
    not_before: Mapped[datetime | None]
    learnt_at: Mapped[datetime]
