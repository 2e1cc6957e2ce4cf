"""Replies of real providers and what they mean."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import mailcore
from mailcore.catalog import providers
from mailcore.diagnosis import providers as own_meanings
from mailcore.diagnosis.replies import CATEGORIES, Diagnosis, all_diagnoses, classify, diagnose, diagnosis_for, texts
from mailcore.diagnosis.vocabulary import vocabulary
from mailcore.transports.base import TransportError
from mailcore.vocabulary import Kind, Outcome
from tests.mailcore.diagnosis.provider_replies import ELASTIC_EMAIL, GOOGLE, MICROSOFT, SERVICES, SMTP, YAHOO
from tests.tables import each_row

FIELDS = {"host", "port", "security", "auth", "username", "secret", "from_address", "daily_limit"}


def smtp(phase: str, reply: str, cause: str = "") -> TransportError:
    code = int(reply[:3]) if reply else 0
    second = reply[4:].split(" ")[0]
    enhanced = second if second.count(".") == 2 else ""
    return TransportError(phase=phase, cause=cause, code=code, enhanced=enhanced, reply=reply, outcome=Outcome.REFUSED)


@each_row(("phase", "reply", "category", "code"), SMTP)
def test_a_reply_means(phase: str, reply: str, category: str, code: str) -> None:
    diagnosis = diagnose(smtp(phase, reply), kind=Kind.SMTP)
    assert (diagnosis.category, diagnosis.code) == (category, code)
    assert diagnosis.reply == reply


@each_row(
    "words",
    ["Username and Password not accepted", "Authentication failed", "bad password", "5.7.8 invalid credentials", ""],
)
@each_row("code", [421, 432, 450, 451, 454])
def test_a_4xx_at_the_login_never_calls_the_password_wrong(code: int, words: str) -> None:
    diagnosis = diagnose(smtp("auth", f"{code} 4.7.0 {words}"), kind=Kind.SMTP)
    assert diagnosis.category in ("temporary", "throttled")
    assert diagnosis.field != "secret"


@each_row(("status", "words", "category", "code"), ELASTIC_EMAIL)
def test_an_answer_of_elastic_email_means(status: int, words: str, category: str, code: str) -> None:
    error = TransportError(phase="message", code=status, reply=f"{status} {words}", outcome=Outcome.REFUSED)
    diagnosis = diagnose(error, kind=Kind.ELASTIC_EMAIL)
    assert (diagnosis.category, diagnosis.code) == (category, code)


@each_row(("phase", "reply", "category", "code"), SMTP)
def test_a_bare_reply_means_the_same(phase: str, reply: str, category: str, code: str) -> None:
    diagnosis = classify(reply, phase=phase)
    assert (diagnosis.category, diagnosis.code) == (category, code)


@each_row(("phase", "reply", "category", "code"), [*GOOGLE, *MICROSOFT, *YAHOO, *SERVICES])
def test_without_its_phase_a_reply_is_not_taken_for_another_trouble(
    phase: str, reply: str, category: str, code: str
) -> None:
    """A customer pastes the line alone. What only the phase could tell may come out as the general refusal."""
    found = classify(reply)
    assert found.code == code or found.code in ("message_refused", "throttled", "temporary")


@each_row(("phase", "reply"), [(phase, reply) for phase, reply, *_ in SMTP if reply.startswith("4")])
def test_no_temporary_reply_ever_blames_the_password(phase: str, reply: str) -> None:
    found = classify(reply, phase="auth")
    assert (found.category, found.field) != ("auth", "secret")
    assert found.category != "auth"


@each_row(
    ("host_of", "phase", "reply", "code", "field"),
    [
        ("uol", "auth", "535 5.7.8 Error: authentication failed", "uol_login", "username"),
        ("bol", "auth", "535 5.7.8 Error: authentication failed", "uol_login", "username"),
        ("icloud", "auth", "535 5.7.8 Error: authentication failed", "icloud_login", "secret"),
        ("yahoo", "auth", "535 5.7.8 Authentication failed", "yahoo_login", "secret"),
        ("zoho_free", "auth", "535 Authentication Failed", "zoho_login", "secret"),
        ("microsoft365", "auth", "535 5.7.3 Authentication unsuccessful", "microsoft_login", "secret"),
        ("outlook_com_free", "auth", "535 5.7.3 Authentication unsuccessful", "basic_auth_disabled", "auth"),
        ("elastic_email", "auth", "535 Authentication failed", "elastic_smtp_login", "secret"),
        ("amazon_ses", "auth", "535 Authentication failed", "ses_login", "secret"),
        ("godaddy", "auth", "535 Authentication Failed", "godaddy_login", "secret"),
        ("yandex", "data", "550 Daily limit exceeded", "yandex_quota", "daily_limit"),
        ("gmail_free", "data", "550 5.4.5 limit", "gmail_quota_day", "daily_limit"),
    ],
)
def test_the_provider_makes_a_general_answer_its_own(
    host_of: str, phase: str, reply: str, code: str, field: str
) -> None:
    found = diagnose(smtp(phase, reply), kind=Kind.SMTP, provider=host_of)
    assert (found.code, found.field) == (code, field)


def test_the_command_lines_words_for_phases_are_understood() -> None:
    assert classify("550 5.7.1 no", phase="mail").code == "sender_refused"
    assert classify("550 5.7.1 no", phase="rcpt").code == "recipient_refused"
    assert classify("550 no", phase="connect").code == "connection_refused_by_policy"


@each_row("reply", ["", "Status", "5.7.1", "550", "999 what", "9.9.9", "550-", "\n\n", "٥٥٠ x"])
def test_anything_can_be_classified(reply: str) -> None:
    assert classify(reply).title


@each_row(
    ("phase", "reply", "category"),
    [
        # The same words about somebody else: whose quota, whose mailbox, whose speed.
        ("recipients", "552 5.2.2 Over quota", "recipient"),
        ("recipients", "450 4.2.2 mailbox full", "recipient"),
        ("data", "552 5.3.4 message exceeds the quota for its size", "config"),
        ("sender", "550 5.1.0 sender domain does not exist", "config"),
        ("auth", "535 5.7.8 user unknown", "auth"),
        ("data", "550 5.7.1 sentence about 15.4.50 apples", "config"),
        ("recipients", "550 5.1.1 no such user: the daily gazette", "recipient"),
    ],
)
def test_false_friends(phase: str, reply: str, category: str) -> None:
    assert classify(reply, phase=phase).category == category


def test_access_denied_by_an_smtp_server_is_not_about_a_key() -> None:
    assert diagnose(smtp("sender", "550 5.7.1 Access denied"), kind=Kind.SMTP).code == "sender_refused"


def test_uncertain_outweighs_everything() -> None:
    error = TransportError(phase="data", cause="timeout", reply="550 5.4.5 Daily limit", outcome=Outcome.UNCERTAIN)
    diagnosis = diagnose(error, kind=Kind.SMTP)
    assert diagnosis.code == "uncertain"
    assert "não envie de novo" in diagnosis.remedy.lower()


def test_what_our_own_side_saw_outweighs_the_reply() -> None:
    error = smtp("tls", "454 4.7.0 TLS not available", "starttls_refused")
    assert diagnose(error, kind=Kind.SMTP).code == "starttls_refused"


# ---------------------------------------------------------------------- the texts


@each_row("diagnosis", all_diagnoses())
def test_every_text_is_whole(diagnosis: Diagnosis) -> None:
    assert diagnosis.category in CATEGORIES
    assert diagnosis.field is None or diagnosis.field in FIELDS
    for sentence in (diagnosis.title, diagnosis.cause, diagnosis.remedy):
        assert sentence[0].isupper()
        assert sentence.endswith(".")


def test_every_diagnosis_has_a_text() -> None:
    assert {finding.code for finding in vocabulary().findings} <= set(texts())
    assert {code for said in vocabulary().codes.values() for code in said} <= set(texts())
    assert own_meanings.codes() <= set(texts())
    assert {each.code for each in all_diagnoses()} == set(texts())
    for code in ("uncertain", "inactive", "same_address"):
        assert diagnosis_for(code).title
    with pytest.raises(KeyError):
        diagnosis_for("there is none")


def test_every_provider_named_in_the_rules_is_in_the_catalogue() -> None:
    assert own_meanings.catalogue_ids() <= {provider.id for provider in providers()}


@each_row("one", [each for each in all_diagnoses() if each.page])
def test_a_providers_page_is_a_secure_address(one: Diagnosis) -> None:
    assert re.fullmatch(r"https://[\w.-]+/[\w./?=&-]*", one.page)


def test_every_cause_in_the_transports_has_a_text() -> None:
    """Each literal handed over as a cause, wherever it stands in mailcore/transports."""
    folder = Path(mailcore.__file__).parent / "transports"
    causes = {cause for path in folder.glob("*.py") for cause in _causes(ast.parse(path.read_text("utf-8")))}
    assert len(causes) > 20
    assert causes - set(texts()) == set()


def _causes(tree: ast.AST) -> set[str]:
    prefixes = ("dns_", "tls_", "connect_", "auth_", "starttls_", "api_key_", "idempotency_", "account_", "too_many_")
    found = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    known = {"timeout", "disconnected", "not_smtp", "redirected", "unreadable_answer", "secret_missing"}
    found = {text for text in found if text.isidentifier() and not text.endswith("_")}
    return {text for text in found if text in known or text.startswith(prefixes)}
