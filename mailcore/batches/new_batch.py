"""What a person wants sent, and what a list of recipients holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailcore.vocabulary import BatchKind

if TYPE_CHECKING:
    from datetime import datetime

    from mailcore.batches.recipients_file import LineFault, RecipientsFile

DEFAULT_REFUSAL_SHARE = 10
"""Percent."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be attached."""

    name: str
    data: bytes = field(repr=False)
    content_type: str = ""
    """Empty: by the name."""
    for_all: bool = True
    """To every message; else to those whose row names it in the column of files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """A batch to be made."""

    server_id: int
    recipients: RecipientsFile = field(repr=False)
    subject: str
    text: str = ""
    html: str = ""
    """With HTML alone the text part is made of it."""
    name: str = ""
    """Empty: the subject."""
    email_column: str = ""
    """Empty: found by its heading or by what is in it."""
    kind: BatchKind = BatchKind.TRANSACTIONAL
    starts_at: datetime | None = None
    """Aware; None: as soon as it is started."""
    attachments: Sequence[NewFile] = ()
    file_column: str = ""
    """The column that names each recipient's own attachment; a recipient without a name in it gets none."""
    refusal_share: int = DEFAULT_REFUSAL_SHARE
    """Percent of refused recipients at which it pauses; 100 never pauses."""


@dataclass(frozen=True, slots=True)
class RecipientsPlan:
    """What a list of recipients holds, before anything is made of it."""

    columns: tuple[str, ...]
    email_column: str
    """The one given, or found."""
    total: int
    """Recipients, each once."""
    doubles: int
    """Rows with an address that was there before, case apart; they are left out."""
    suppressed: int
    """Of the total: those that get nothing from batches of this kind."""
    own: int
    """Of the total: the sender's own address, which the server's record refuses."""
    faults: tuple[LineFault, ...]
    """The first of them."""
    fault_count: int
    sample: tuple[tuple[int, tuple[str, ...]], ...]
    """The first recipients: row and fields."""
