"""How many of the replies of real servers are read right. ``make bench`` prints the figures."""

from __future__ import annotations

from tests.mailcore.diagnosis.reply_data import by_source, cases, leaving_out, score, sets
from tests.tables import each_row


@each_row("name", sets())
def test_the_replies_at_hand_are_read_right(name: str) -> None:
    found = score([case for case in cases() if case.file == name])
    assert found.replies > 30
    assert found.category >= 95
    assert found.field >= 90


@each_row("name", by_source())
def test_no_source_is_needed_to_read_its_own_replies(name: str) -> None:
    """Without the phrases that this source alone speaks for: rules that know sentences by heart fall here."""
    assert leaving_out(name).category >= 85
