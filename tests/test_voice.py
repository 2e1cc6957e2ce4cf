"""The Portuguese of screen, command line and help speaks with one voice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailcore import labels
from mailcore.vocabulary import SendStatus

REPOSITORY = Path(__file__).parents[1]
TEXTS = [
    file
    for folder in ("mailcore", "ui", "pages", "demo")
    for file in (REPOSITORY / folder).rglob("*.*")
    if file.suffix in (".py", ".toml", ".csv", ".md", ".js", ".json")
]
ONE_WORD = {
    r"\b(o|do|no|ao|pelo|um|deste|neste) Elastic Email": "a Elastic Email",
    r"\b1 de 1 servidores": "one server in the singular",
}
"""What nobody writes here → what is written in its place."""


@pytest.mark.parametrize("wrong", ONE_WORD)
def test_one_thing_has_one_word(wrong: str) -> None:
    assert len(TEXTS) > 200
    found = [
        f"{file.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for file in TEXTS
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if re.search(wrong, line, re.IGNORECASE)
    ]
    assert found == [], ONE_WORD[wrong]


def test_what_certainly_did_not_arrive_is_called_so_everywhere() -> None:
    words = {table[SendStatus.FAILED] for table in (labels.OUTCOME, labels.SENT)}
    assert words == {"Não entregue"}
    assert labels.OUTCOME_SENTENCE[SendStatus.FAILED].startswith("Não entregue")
