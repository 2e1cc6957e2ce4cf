"""Each way in which an explanation may be wrong and do harm, in several wordings each.

What stands here is not among the replies the scores are measured on.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from mailcore.diagnosis.replies import Diagnosis, classify, texts
from tests.tables import each_row

_NAMES = re.compile(
    r"Google|Gmail|Microsoft|Outlook|Yahoo|AOL|Amazon|SES\b|SendGrid|Zoho|Yandex|Hostinger|Proton|GoDaddy|UOL|Emailit"
)


def names_a_provider(diagnosis: Diagnosis) -> bool:
    return bool(_NAMES.search(f"{diagnosis.title} {diagnosis.cause}"))


# ---------------------------------------------------------------- 1. a provider is named only on its own evidence
@each_row(
    ("phase", "reply", "category", "field"),
    [
        ("mail", "550 5.1.8 <ana@exemplo.com.br>: Sender address rejected: Domain not found", "config", "from_address"),
        ("", "553 5.1.8 <ana@exemplo.com.br>... Domain of sender address does not exist", "config", "from_address"),
        ("", "501 5.1.8 Bad sender's system address", "config", "from_address"),
        ("rcpt", "451 4.1.8 Domain of sender address ana@exemplo.com.br does not resolve", "config", "from_address"),
        ("auth", "535 5.7.8 Authentication credentials invalid", "auth", "secret"),
        ("", "535 Authentication credentials invalid", "auth", "secret"),
        ("rcpt", "451 4.7.1 Your message has been temporarily deferred, try again later", "temporary", None),
        ("", "421 4.3.2 All mail temporarily deferred, please retry", None, None),
        ("data", "554 5.7.1 Message rejected under suspicion of spam", "blocked", None),
        ("data", "550 Your message was rejected under suspicion of SPAM by our filter", "blocked", None),
        ("data", "550 5.7.1 potential security issue found in attachment", "config", None),
        ("data", "550 5.4.5 Daily sending quota of this account exceeded", "quota", "daily_limit"),
        ("", "421 4.7.0 Maximum sending rate exceeded", "throttled", None),
        ("data", "554 5.7.9 Not accepted for policy reasons by this site", "blocked", None),
    ],
)
def test_a_provider_is_named_only_on_its_own_evidence(
    phase: str, reply: str, category: str | None, field: str | None
) -> None:
    found = classify(reply, phase=phase)
    assert not names_a_provider(found), found.title
    assert category is None or (found.category, found.field) == (category, field)


@each_row(
    ("reply", "provider", "code"),
    [
        ("550 5.1.8 Access denied", "microsoft365", "microsoft_restricted"),
        ("550 5.1.8 Access denied. [GR0P.NAMPRD15.PROD.OUTLOOK.COM]", "", "microsoft_restricted"),
        ("535 Authentication Credentials Invalid", "amazon_ses", "ses_login"),
        ("421 4.7.0 Messages from 192.0.2.1 temporarily deferred; see https://postmaster.yahooinc.com/x", "", None),
        ("554 5.7.1 Message rejected under suspicion of SPAM; https://ya.cc/1IrBc", "", "yandex_quota"),
        ("554 5.1.8 Email Outgoing Blocked. Sender address blocked", "zoho_free", "zoho_blocked"),
    ],
)
def test_and_it_is_named_where_there_is_some(reply: str, provider: str, code: str | None) -> None:
    found = classify(reply, provider=provider)
    assert names_a_provider(found)
    assert code is None or found.code == code


# ---------------------------------------------------------------- 2. who is at fault: never the recipient instead
@each_row(
    ("reply", "category", "field"),
    [
        ("550-Callout verification failed:\n550 550 Sender verify failed", "config", "from_address"),
        ("550 Could not complete sender verify callout", "config", "from_address"),
        (
            "450 4.1.7 <ana@exemplo.com.br>: Sender address rejected: unverified address: user unknown",
            "config",
            "from_address",
        ),
        ("553 5.1.8 Sender domain exemplo.com.br does not exist", "config", "from_address"),
        ("550 Helo command rejected: Host not found", "config", None),
        ("504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", "config", None),
        ("550 EHLO argument does not match calling host", "config", None),
        ("550 5.7.1 <bia@example.org>: Recipient address rejected: SPF check failed", "config", "from_address"),
        ("550 5.7.23 Message rejected due to: SPF fail - not authorized", "config", "from_address"),
        ("550 authentication required", "auth", "username"),
        ("550 5.7.1 Authentication is required to send to external recipients", "auth", "username"),
        ("550 É necessário autenticar antes de enviar", "auth", "username"),
        ("451 4.7.1 <bia@example.org>: Recipient address rejected: rate limit exceeded for sender", "throttled", None),
        (
            "550 5.7.1 <bia@example.org>: Recipient address rejected: You have sent too many messages this hour",
            "throttled",
            None,
        ),
        ("452 4.5.3 <bia@example.org>: Sender exceeded daily limit of recipients", "quota", "daily_limit"),
    ],
)
def test_what_is_the_senders_at_rcpt_does_not_blame_the_recipient(reply: str, category: str, field: str | None) -> None:
    for phase in ("rcpt", ""):
        found = classify(reply, phase=phase)
        assert (found.category, found.field) == (category, field), (phase, found)


@each_row(
    "reply",
    [
        "550 5.2.1 <bia@example.org>: mailbox disabled, not accepting messages",
        "554 The recipient's account has been suspended",
        "550 User account is disabled",
        "550 5.7.1 Recipient mailbox is blocked",
        "550 bia@example.org: this account has been deactivated",
        "550 5.1.1 Account blocked due to inactivity",
        "550 A conta do destinatário está suspensa",
        "550 5.2.1 Caixa postal desativada",
        "552 Mailbox locked for this user",
    ],
)
@each_row("phase", ["rcpt", "data", ""])
def test_the_recipients_own_disabled_mailbox_is_not_our_account(reply: str, phase: str) -> None:
    found = classify(reply, phase=phase)
    assert found.category == "recipient", found
    assert "pare de enviar" not in found.remedy.lower()


@each_row(
    "reply",
    [
        "550 Your account has been suspended for sending spam",
        "550 5.7.1 Outgoing mail from this account is blocked",
        "554 5.7.1 Sua conta está bloqueada para envio",
        "550 Sender account disabled",
    ],
)
@each_row("phase", ["mail", "rcpt", "data", ""])
def test_and_ours_is_ours(reply: str, phase: str) -> None:
    assert classify(reply, phase=phase).category == "blocked"


# ---------------------------------------------------------------- 3. at the login
@each_row(
    ("reply", "category"),
    [
        ("530 5.7.0 Must issue a STARTTLS command first", "tls"),
        ("554 5.7.3 Unable to initialize security subsystem, TLS required for authentication", "tls"),
        ("523 5.7.10 Encryption needed", "tls"),
        ("535 5.7.0 Plaintext authentication disallowed on non-secure (SSL/TLS) connections", "tls"),
        ("550 5.7.1 TLS 1.0 is no longer supported, upgrade your client", "tls"),
        ("535 5.7.8 Error: authentication failed: Connection lost to authentication server", "temporary"),
        ("535 5.7.0 Authentication backend unavailable, try again later", "temporary"),
        ("535 Temporary authentication failure: database error", "temporary"),
        ("535 5.7.0 Too many authentication failures, try again in 10 minutes", "throttled"),
        ("550 Too many failed login attempts. Your IP is temporarily blocked", "throttled"),
        ("535 Muitas tentativas de login, aguarde", "throttled"),
        ("535 5.7.1 Relaying is not enabled for this user", None),
        ("535 5.7.8 SMTP access is not enabled for this account", "auth"),
        ("535 Envio por SMTP desabilitado para esta conta", "auth"),
        ("535 5.7.0 Your account has to be activated in the panel first", "auth"),
        ("553 5.7.1 Sender address does not match the authenticated user", "config"),
        ("535 5.7.0 Account suspended", "blocked"),
        ("550 5.7.1 I do not like you", "auth"),
    ],
)
def test_not_everything_at_the_login_is_a_wrong_password(reply: str, category: str | None) -> None:
    found = classify(reply, phase="auth")
    assert not found.refuses_credentials, found
    assert found.field != "secret"
    assert category is None or found.category == category, found


@each_row(
    "reply",
    [
        "535 5.7.8 Error: authentication failed: authentication failure",
        "535 Incorrect authentication data",
        "535 5.7.8 Username and Password not accepted.",
        "535 5.7.3 Authentication unsuccessful",
        "535 Usuário ou senha inválidos",
        "535 5.7.8 Falha na autenticação: senha incorreta",
        "501 5.7.0 authentication failed (bad login or password)",
    ],
)
def test_and_a_wrong_password_is_one(reply: str) -> None:
    found = classify(reply, phase="auth")
    assert (found.category, found.field, found.refuses_credentials) == ("auth", "secret", True)


def test_only_causes_about_the_password_or_user_count_towards_a_pause() -> None:
    counting = {code for code, text in texts().items() if text.get("refuses_credentials")}
    assert all(texts()[code]["category"] == "auth" for code in counting)
    assert all(texts()[code].get("field") in ("secret", "username") for code in counting)
    for code in ("login_required", "login_temporary", "login_unclear", "smtp_not_enabled", "starttls_required",
                 "too_many_logins", "basic_auth_disabled", "microsoft_smtp_auth_off", "browser_login", "api_access",
                 "auth_no_method", "account_blocked"):  # fmt: skip
        assert code not in counting


# ---------------------------------------------------------------- 4. limits in any wording
@each_row(
    ("reply", "category"),
    [
        ("550 5.7.1 You may only send 100 messages per day", "quota"),
        ("452 4.3.1 daily limit of 250 emails reached for this mailbox", "quota"),
        ("550 Limite diário de envio excedido", "quota"),
        ("550 5.7.1 Limite de envio excedido para esta conta", "quota"),
        ("554 Sending quota exceeded for the current period", "quota"),
        ("550 quota exceeded for the current period", "quota"),
        ("550 User has reached the maximum of 500 recipients in 24 hours", "quota"),
        ("550 Cota de e-mails do plano esgotada", "quota"),
        ("552 5.7.1 Monthly sending limit exceeded", "quota"),
        ("451 4.7.1 max emails per hour reached, wait", "throttled"),
        ("550 5.7.1 Domain exemplo.com.br exceeded the hourly limit of 300 e-mails", "throttled"),
        ("550 Limite de 200 mensagens por hora atingido", "throttled"),
        ("421 Too many messages per session, reconnect", "throttled"),
        ("550 only 20 messages per connection are accepted", "throttled"),
        ("550 Mail frequency limited, try later", "throttled"),
        ("451 You are sending too fast, slow down", "throttled"),
        ("550 too many recipients this hour", "throttled"),
        ("452 4.4.5 too many messages in a short period of time", "throttled"),
        ("421 Too many connections from your IP", "throttled"),
        ("452 Muitas mensagens em pouco tempo, tente mais tarde", "throttled"),
    ],
)
@each_row("phase", ["rcpt", "data", ""])
def test_a_limit_is_seen_in_any_wording(reply: str, category: str, phase: str) -> None:
    found = classify(reply, phase=phase)
    assert found.category == category, found
    assert found.code != "too_many_recipients"


@each_row(
    "reply",
    [
        "552 5.2.2 mailbox quota exceeded",
        "552 Quota exceeded (mailbox for user is full)",
        "550 Caixa postal cheia",
        "452 4.2.2 User is over quota",
    ],
)
def test_and_a_full_mailbox_is_no_limit_of_ours(reply: str) -> None:
    assert classify(reply, phase="rcpt").code == "recipient_full"


# ---------------------------------------------------------------- 5. a 4xx that waiting does not help
@each_row(
    ("reply", "category"),
    [
        ("421 4.7.66 TLS 1.0 and 1.1 are not supported", "tls"),
        ("454 4.7.0 TLS version too old, use TLS 1.2", "tls"),
        ("451 5.7.3 STARTTLS is required to send mail", "tls"),
        ("421 Account not activated: please activate your account first", "auth"),
        ("450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", "blocked"),
        ("421 4.7.1 PTR record not found for 192.0.2.1", "blocked"),
        ("450 4.7.1 Reverse DNS lookup failed", "blocked"),
        ("454 4.7.1 <bia@example.org>: Relay access denied", "config"),
        ("451 Relaying not permitted", "config"),
        ("450 4.1.8 <ana@exemplo.com.br>: Sender address rejected: Domain not found", "config"),
    ],
)
@each_row("phase", ["rcpt", ""])
def test_a_4xx_is_not_judged_by_its_first_digit(reply: str, category: str, phase: str) -> None:
    found = classify(reply, phase=phase)
    assert found.category == category, found
    assert not found.remedy.startswith("Espere")


# ---------------------------------------------------------------- 6. spam, policy, blocklists, form, expiry
@each_row(
    ("reply", "category", "field"),
    [
        ("554 5.7.1 This message has been classified as junk", "blocked", None),
        ("550 message content considered unsolicited", "blocked", None),
        ("550 Mensagem rejeitada: suspeita de spam", "blocked", None),
        ("554 Your IP 192.0.2.1 is on our denylist", "blocked", None),
        ("550 5.7.1 Mail from 192.0.2.1 refused, see rbl.example.net", "blocked", None),
        ("550 Rejected because 192.0.2.1 is listed at psbl.example.org", "blocked", None),
        ("550 Seu IP está em uma lista negra", "blocked", None),
        ("550 5.7.1 Rejected for policy reasons", "blocked", None),
        ("550 Message is not RFC 5322 compliant", "config", None),
        ("554 5.6.0 Message contains more than one From header", "config", None),
        ("550 Missing Date header", "config", None),
        ("552 5.7.0 Banned attachment type: .exe", "config", None),
        ("550 Attachments of this type are not allowed", "config", None),
        ("550 Anexo bloqueado pela política", "config", None),
        ("554 5.7.1 Message contains a virus", "config", None),
        ("550 4.4.7 Message delayed, delivery time expired", "network", None),
        ("554 5.4.7 Delivery expired (message too old)", "network", None),
        ("550 5.4.316 Message expired, connection refused(Socket error code 10061)", "network", None),
    ],
)
def test_verdicts_are_known_without_a_known_sentence(reply: str, category: str, field: str | None) -> None:
    found = classify(reply, phase="data")
    assert (found.category, found.field) == (category, field), found


# ---------------------------------------------------------------- 7. the field of what the From is to blame for
@each_row(
    "reply",
    [
        "550 5.7.1 SPF validation failed for exemplo.com.br",
        "550 DKIM signature did not verify",
        "554 5.7.1 rejected: DMARC policy of exemplo.com.br is quarantine",
        "550 5.7.1 Message failed DMARC evaluation",
        "550 5.7.509 Access denied, sending domain does not pass DMARC verification",
        "550 O domínio não passou na verificação SPF",
        "553 5.7.1 You are not allowed to send from this address",
        "550 5.7.1 From address not allowed for this login",
        "553 Remetente não autorizado para este usuário",
        "550 Sender address must match the login",
    ],
)
@each_row("phase", ["mail", "rcpt", "data", ""])
def test_spf_dkim_dmarc_and_a_from_not_allowed_open_the_from(reply: str, phase: str) -> None:
    found = classify(reply, phase=phase)
    assert (found.category, found.field) == ("config", "from_address"), found


# ---------------------------------------------------------------- negation, word order, whose words
@each_row(
    ("reply", "not_code"),
    [
        ("550 Your IP is not blacklisted, but the user is unknown", "address_blocked"),
        ("450 mailbox is not full, try again", "recipient_full"),
        ("550 5.1.1 User spam@exemplo.com.br unknown", "content_spam"),
        ("550 5.1.1 <daily-limit@exemplo.com.br>: User unknown", "quota_day"),
        ("550 5.1.1 no such user at password-reset.exemplo.com.br", "login_refused"),
    ],
)
def test_names_and_denials_do_not_decide(reply: str, not_code: str) -> None:
    assert classify(reply).code != not_code


def test_it_says_which_words_decided() -> None:
    found = classify("550 5.7.1 <bia@example.org>: Recipient address rejected: SPF check failed", phase="rcpt")
    assert any("SPF" in piece for piece in found.evidence)
    assert classify("535 nope", phase="auth").evidence == ("535",)
    assert classify("550 zzz").evidence == ()


def test_words_are_shown_as_they_were_written() -> None:
    found = classify("550 A caixa do destinatário está Cheia")
    assert any("Cheia" in piece for piece in found.evidence)
    assert classify("550 5.4.5 Daily User Sending limit exceeded.").evidence == ("Daily User Sending limit",)


# ---------------------------------------------------------------- where the evidence is thin
@each_row("reply", ["554 5.7.1 zzz", "550 5.7.0 qwerty", "550 5.7.999 whatever happens"])
def test_an_unknown_57x_is_not_given_advice_about_the_text(reply: str) -> None:
    for phase in ("mail", "rcpt", "data", "connect", ""):
        found = classify(reply, phase=phase)
        assert "mude o texto" not in found.remedy.lower()
        assert found.code in (
            "message_refused", "refused", "sender_refused", "recipient_refused", "connection_refused_by_policy",
            "policy_refused",
        )  # fmt: skip


# ---------------------------------------------------------------- many short wordings, several languages
_WORDINGS = [
    (each["reply"], each["accept"])
    for each in map(json.loads, (Path(__file__).parent / "wordings.jsonl").read_text("utf-8").splitlines())
]


@each_row(("reply", "accept"), _WORDINGS)
def test_a_short_wording_is_understood_without_phase_or_provider(reply: str, accept: list[list[str | None]]) -> None:
    found = classify(reply)
    assert [found.category, found.field] in accept, found
