"""Replies of real providers and what they mean."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mailcore
from mailcore.replies import CATEGORIES, KNOWN_TEXTS, diagnose, diagnosis_for, texts
from mailcore.transports.base import Kind, Outcome, TransportError

FIELDS = {"host", "port", "security", "username", "secret", "from_address", "daily_limit"}


def smtp(phase: str, reply: str, cause: str = "") -> TransportError:
    code = int(reply[:3]) if reply else 0
    second = reply[4:].split(" ")[0]
    enhanced = second if second.count(".") == 2 else ""
    return TransportError(phase=phase, cause=cause, code=code, enhanced=enhanced, reply=reply, outcome=Outcome.REFUSED)


# Texts as the providers print them in their public documentation and as public bug reports quote them.
@pytest.mark.parametrize(
    ("phase", "reply", "category", "code"),
    [
        (
            "data",
            "550-5.4.5 Daily user sending limit exceeded.\n550 5.4.5 https://support.google.com/a/answer/166852",
            "quota",
            "quota_day",
        ),
        (
            "auth",
            "535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials",
            "auth",
            "gmail_login",
        ),
        (
            "auth",
            "534-5.7.9 Application-specific password required. Learn more at\n534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor",
            "auth",
            "gmail_app_password",
        ),
        (
            "auth",
            "534-5.7.14 Please log in with your web browser and then try again.\n534 5.7.14 x",
            "auth",
            "browser_login",
        ),
        ("auth", "454 4.7.0 Too many login attempts, please try again later.", "throttled", "too_many_logins"),
        ("auth", "454 4.7.0 Cannot authenticate due to a temporary system problem.", "temporary", "login_temporary"),
        (
            "auth",
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
            "auth",
            "basic_auth_disabled",
        ),
        (
            "auth",
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
            "auth",
            "basic_auth_disabled",
        ),
        ("auth", "535 5.7.3 Authentication unsuccessful", "auth", "login_refused"),
        ("auth", "451 Authentication failed: Maximum credits exceeded", "quota", "quota_plan"),
        ("auth", "421 4.3.0 Temporary authentication failure", "temporary", "login_temporary"),
        ("data", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", "quota", "quota_day"),
        (
            "data",
            "554 5.2.0 STOREDRV.Submission.Exception:OutboundSpamException; Actual verdict is RefuseQuota",
            "quota",
            "quota_day",
        ),
        (
            "data",
            "554 5.2.0 STOREDRV.Submission.Exception:OutboundSpamException; Actual verdict is Suspend",
            "blocked",
            "account_blocked",
        ),
        (
            "data",
            "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiException",
            "config",
            "sender_mailbox_full",
        ),
        ("data", "432 4.3.2 Concurrent connections limit exceeded.", "throttled", "too_many_connections"),
        ("sender", "530 5.7.0 Must issue a STARTTLS command first.", "tls", "starttls_required"),
        ("sender", "530 5.7.57 Client not authenticated to send mail.", "auth", "login_required"),
        ("data", "550 5.7.60 Client does not have permissions to send as this sender", "config", "sender_not_allowed"),
        ("sender", "553 Relaying disallowed as ana@exemplo.com.br", "config", "sender_not_allowed"),
        ("data", "550 5.4.6 Unusual sending activity detected.", "blocked", "account_blocked"),
        ("data", "454 Throttling failure: Daily message quota exceeded", "quota", "quota_day"),
        ("data", "454 Throttling failure: Maximum sending rate exceeded", "throttled", "throttled"),
        (
            "recipients",
            "550 Domain x.com has exceeded the max emails per hour (5/5 (100%)) allowed. Message discarded.",
            "throttled",
            "throttled",
        ),
        (
            "recipients",
            "550 5.1.1 The email account that you tried to reach does not exist.",
            "recipient",
            "recipient_refused",
        ),
        ("recipients", "450 4.7.1 Greylisted", "throttled", "throttled"),
        ("recipients", "450 4.2.0 Greylisted", "temporary", "temporary"),
        ("data", "552 5.3.4 Your message exceeded Google's message size limits.", "config", "message_too_big"),
        ("data", "550 5.7.26 This mail has been blocked because the sender is unauthenticated.", "config", "spf_dkim"),
        ("greeting", "554 5.7.1 Service unavailable", "blocked", "connection_refused_by_policy"),
        ("greeting", "421 4.3.2 Service not available", "throttled", "throttled"),
        ("data", "554 5.7.1 I do not like it", "config", "message_refused"),
        ("ehlo", "550 who are you", "config", "refused"),
    ],
)
def test_a_reply_means(phase: str, reply: str, category: str, code: str) -> None:
    diagnosis = diagnose(smtp(phase, reply), kind=Kind.SMTP)
    assert (diagnosis.category, diagnosis.code) == (category, code)
    assert diagnosis.reply == reply


@pytest.mark.parametrize(
    "words",
    ["Username and Password not accepted", "Authentication failed", "bad password", "5.7.8 invalid credentials", ""],
)
@pytest.mark.parametrize("code", [421, 432, 450, 451, 454])
def test_a_4xx_at_the_login_never_calls_the_password_wrong(code: int, words: str) -> None:
    diagnosis = diagnose(smtp("auth", f"{code} 4.7.0 {words}"), kind=Kind.SMTP)
    assert diagnosis.category in ("temporary", "throttled")
    assert diagnosis.field != "secret"


@pytest.mark.parametrize(
    ("status", "words", "category", "code"),
    [
        (400, "APIKey Expired", "auth", "api_key"),
        (400, "Access Denied.", "auth", "api_access"),
        (401, "", "auth", "api_key"),
        (402, "", "quota", "quota_plan"),
        (403, "Forbidden", "auth", "api_access"),
        (412, "", "quota", "quota_plan"),
        (413, "You cannot provide more than 50 transactional recipients", "config", "too_many_recipients"),
        (429, "", "throttled", "throttled"),
        (400, "From email is unverified", "config", "sender_not_verified"),
        (400, "something else", "config", "service_refused"),
        (503, "busy", "temporary", "service_trouble"),
    ],
)
def test_an_answer_of_elastic_email_means(status: int, words: str, category: str, code: str) -> None:
    error = TransportError(phase="message", code=status, reply=f"{status} {words}", outcome=Outcome.REFUSED)
    diagnosis = diagnose(error, kind=Kind.ELASTIC_EMAIL)
    assert (diagnosis.category, diagnosis.code) == (category, code)


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


@pytest.mark.parametrize("code", sorted(texts()))
def test_every_text_is_whole(code: str) -> None:
    diagnosis = diagnosis_for(code)
    assert diagnosis.category in CATEGORIES
    assert diagnosis.field is None or diagnosis.field in FIELDS
    for sentence in (diagnosis.title, diagnosis.cause, diagnosis.remedy):
        assert sentence[0].isupper()
        assert sentence.endswith(".")


def test_every_diagnosis_has_a_text() -> None:
    assert {known.code for known in KNOWN_TEXTS} <= set(texts())
    for code in ("uncertain", "inactive", "same_address"):
        assert diagnosis_for(code).title
    with pytest.raises(KeyError):
        diagnosis_for("there is none")


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
    return {text for text in found if text in known or (text.startswith(prefixes) and text.isidentifier())}
