"""What the list can be sorted by, in SQL, over every record that matches.

What the screen always shows has an index (migration 0005), so that a page of any place comes at once; the other
fields are sorted when somebody asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, case, func

from mailcore.registry.fields import FIELD, STORED, Sort
from mailcore.storage.tables import MailServer
from mailcore.text import fold

if TYPE_CHECKING:
    from mailcore.registry.field import Field

QUOTA = "quota"
"""By how much of its quota an account has used today: no column, see ``search.py``."""
SORTABLE = frozenset({QUOTA, "last_check", *STORED})
"""Names that a list can be sorted by: fields, and what the list shows besides."""

_INDEXED: dict[str, tuple[Any, ...]] = {
    "name": (MailServer.name_key,),
    "host": (MailServer.host, MailServer.port, MailServer.name_key),
    "is_paid": (MailServer.is_paid, MailServer.name_key),
    "last_check": (MailServer.last_check_state, MailServer.last_check_at, MailServer.name_key),
    "is_active": (MailServer.is_active, MailServer.name_key),
    "is_default": (MailServer.is_default, MailServer.name_key),
}


@dataclass(frozen=True, slots=True)
class Order:
    """By what a list is sorted; what is equal there is sorted by description."""

    by: str = "name"
    is_descending: bool = False

    def __post_init__(self) -> None:
        """Refuse what no list has.

        Raises:
            ValueError: ``by`` is not one of :data:`SORTABLE`.
        """
        if self.by not in SORTABLE:
            raise ValueError(f"a list cannot be sorted by {self.by!r}")

    @property
    def has_index(self) -> bool:
        """Whether the rows stand in this order already."""
        return self.by in _INDEXED

    def clauses(self) -> tuple[Any, ...]:
        """Return what to order by. What is empty comes last, whatever the direction, where no index says otherwise."""
        if self.by in _INDEXED:
            keys = _INDEXED[self.by]
            return tuple(key.desc() for key in keys) if self.is_descending else keys
        key = _key(FIELD[self.by])
        return (key.desc() if self.is_descending else key.asc()).nulls_last(), MailServer.name_key


BY_NAME = Order()


def _key(field: Field) -> ColumnElement[Any]:
    column: ColumnElement[Any] = getattr(MailServer, field.name)
    if field.sort is Sort.CHOICE:  # as the words stand in a dictionary, not the codes
        words = sorted(field.choices, key=lambda value: fold(field.choices[value]))
        return case(*((column == value, place) for place, value in enumerate(words)), else_=len(words))
    if field.sort in (Sort.NUMBER, Sort.FLAG):
        return column
    return func.nullif(func.lower(column), "")
