"""What every table has in common: how moments, kinds and enums are stored, and how a row shows itself."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy import DateTime, Dialect, Enum, Index, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase
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


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of the rows for which ``where`` holds: a note of what the migrations have made.

    As an option of PostgreSQL the condition would have SQLAlchemy load that whole dialect, 28 modules, at every start.
    """
    return Index(name, *columns, unique=unique, info={"where": where})


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
