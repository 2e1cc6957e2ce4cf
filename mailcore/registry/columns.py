"""The columns of those fields of the table that no code names: made from their rows, as a migration made them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Integer, String, Text
from sqlalchemy.orm import mapped_column

from mailcore.registry.fields import FIELDS, Field, Sort
from mailcore.storage.tables import MailServer
from mailcore.storage.tables.base import text_enum


def add_columns() -> None:
    """Give :class:`MailServer` a column for each stored field that it does not spell out; again does nothing."""
    for row in FIELDS:
        if row.stored and row.name not in MailServer.__table__.columns:
            column = mapped_column(_type(row), nullable=row.sort is Sort.NUMBER, default=row.default)
            setattr(MailServer, row.name, column)


def _type(row: Field) -> Any:
    if row.sort is Sort.CHOICE:
        return text_enum(type(next(iter(row.choices))))
    return {
        Sort.LINE: String(row.max_length),
        Sort.ADDRESS: String(row.max_length),
        Sort.LINES: Text(),
        Sort.NUMBER: Integer(),
        Sort.FLAG: Boolean(),
    }[row.sort]
