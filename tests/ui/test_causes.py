"""The cause of a failed test in the list: two or three words for whatever a test can find."""

from __future__ import annotations

from mailcore.diagnosis.replies import all_diagnoses
from mailcore.storage.tables import MailServer
from tests.tables import each_row
from ui.servidores import causes
from ui.servidores.causes import cause

DIAGNOSES = {found.code: found for found in all_diagnoses()}


@each_row("code", DIAGNOSES)
def test_every_diagnosis_has_its_few_words(code: str) -> None:
    server = MailServer(last_check_category=DIAGNOSES[code].category, last_check_code=code)
    words = cause(server)
    assert 1 <= len(words.split()) <= 4
    assert len(words) <= 24
    # What an older version noted is the category alone.
    assert (
        cause(MailServer(last_check_category=DIAGNOSES[code].category)) == causes.OF_CATEGORY[DIAGNOSES[code].category]
    )


def test_no_words_are_kept_for_what_no_test_finds() -> None:
    assert set(causes._OF_CODE) <= set(DIAGNOSES)
    assert set(causes.OF_CATEGORY) == {found.category for found in DIAGNOSES.values()}


def test_what_is_noted_exactly_is_said_exactly() -> None:
    assert cause(MailServer(last_check_category="auth", last_check_code="microsoft_smtp_auth_off")) == "SMTP desligado"
    assert cause(MailServer(last_check_category="auth", last_check_code="login_refused")) == "senha recusada"
    assert cause(MailServer()) == ""
