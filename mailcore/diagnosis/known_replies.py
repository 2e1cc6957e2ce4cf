"""Words and codes by which a provider's reply is known, in the order they are looked for.

Data only; :mod:`mailcore.diagnosis.replies` reads it. The first rule that matches wins, so what is particular stands
before what is general: "unauthenticated senders not allowed" is no SPF trouble, a recipient who is over quota
is no daily limit, and "suspended due to abuse" in a relay's refusal is no matter of relaying.

Sources, read up to November 2026: Google "Gmail SMTP errors and codes" (support.google.com/a/answer/3726730);
Microsoft's articles on throttling of SMTP AUTH, on NDR codes and on restricted users (learn.microsoft.com);
Yahoo "SMTP error codes" (senders.yahooinc.com); Amazon SES "Errors related to the sending quotas"
(docs.aws.amazon.com); SendGrid "SMTP errors"; Emailit, IONOS, StartMail, Proton, Universo Net and Yandex help
pages; and for Zoho, Hostinger, MailerSend and cPanel hosts, replies quoted in public bug reports. Google's page
has since August 2025 printed 5.7.80, 5.7.90 and 5.7.40 where its servers say 5.7.8, 5.7.9 and 5.7.4, so those
are known by their words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailcore.vocabulary import Kind


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to know a reply. Any one of ``words``, ``enhanced`` and ``pattern`` is enough."""

    code: str
    """The diagnosis it means."""
    words: tuple[str, ...] = ()
    """Lower case, as they stand in the reply once it is one line."""
    enhanced: tuple[str, ...] = ()
    """Enhanced status codes (RFC 3463) that only this provider or matter uses."""
    pattern: re.Pattern[str] | None = None
    """For what words cannot say; matched on the lower-cased line."""
    temporary: bool | None = None
    """True: only a 4xx; False: only a 5xx."""
    kind: Kind | None = None
    """Only for this kind of server."""
    not_at: tuple[str, ...] = ()
    """Phases in which the same words mean something else."""
    plain: bool = True
    """False: common words, which mean something only in a reply and nothing in a text without one."""


_BEFORE_RECIPIENTS = ("greeting", "ehlo", "tls", "auth", "sender")

RULES = (
    # -- the sender: whose address it is, and whether it was confirmed
    Rule("sender_not_allowed", ("send as this sender", "sendasdenied", "not owned by user", "relaying disallowed")),
    Rule("sender_not_allowed", enhanced=("5.7.60", "5.2.252")),
    Rule("ses_not_authorized", ("not authorized to perform", "ses:sendrawemail")),
    Rule("ses_not_verified", ("email address is not verified", "identities failed the check")),
    Rule("sendgrid_sender", ("verified sender identity", "not authorized to send from that email")),
    Rule("login_required", ("unauthenticated senders not allowed",)),
    Rule("sender_not_verified", ("not verified", "unverified", "not been verified"), plain=False),
    Rule("sender_not_verified", pattern=re.compile(r"sender domain .{0,60}validat|dom[ií]nio .{0,60}validad")),
    Rule("sender_mailbox_full", ("mailbox full; storedrv", "mailbox full;storedrv", "shutoff)quotaexceeded")),
    # -- encryption first
    Rule("starttls_required", ("issue a starttls command",)),
    Rule("starttls_required", pattern=re.compile(r"(?:requires?|must use) (?:an? )?(?:tls|ssl|encrypt|secure)")),
    # -- the day's limit
    Rule("gmail_relay_quota_org", ("daily smtp relay sending limit exceeded", "relay limit exceeded for customer")),
    Rule("gmail_relay_peak", ("peak smtp relay limit",)),
    Rule("gmail_quota_day", ("daily user sending limit", "daily user sending quota", "daily smtp relay")),
    Rule(
        "microsoft_tenant_quota",
        ("daily limit for external recipients", "tenant external recipient rate"),
        ("5.7.233",),
    ),
    Rule(
        "microsoft_quota_day",
        ("submissionquota", "submission quota", "daily limit for message recipients"),
        ("5.1.90",),
    ),
    Rule("outlook_quota_day", ("refusequota",)),
    Rule("ses_quota_day", ("daily message quota exceeded",)),
    Rule("emailit_quota_day", ("resets 00:00 utc",)),
    Rule("yandex_quota", ("spam limit exceeded", "rejected under suspicion")),
    Rule("proton_hourly", pattern=re.compile(r"hourly (?:external )?(?:\(?bcc\)? )?sending limit")),
    Rule("sendgrid_credits", ("maximum credits exceeded",)),
    Rule("quota_plan", ("email quota limit", "not enough credit", "out of credit", "insufficient credit")),
    Rule(
        "quota_day",
        pattern=re.compile(r"daily (?:\w+ ){0,2}(?:\(?bcc\)? )?(?:sending |message |email )?(?:limit|quota)"),
    ),
    Rule("quota_day", ("daily message quota", "daily message limit", "exceeded your daily"), ("5.4.5",)),
    # -- size and number
    Rule("too_many_recipients", ("too many recipients", "more than 50 transactional recipients")),
    Rule("message_too_big", ("message size", "size limit", "message too large", "message too big"), ("5.3.4", "5.2.3")),
    # -- too fast
    Rule("message_id_repeated", ("same message-id",)),
    Rule("gmail_unsolicited", ("unusual rate of",), ("5.7.28",), temporary=False),
    Rule("gmail_unusual_rate", ("unusual rate of",), ("4.7.28",)),
    Rule(
        "recipient_too_fast",
        ("user you are trying to contact is receiving", "message receive limit"),
        ("5.2.121", "5.2.122"),
    ),
    Rule("recipient_too_fast", ("recipient thread limit",)),
    Rule("too_many_logins", ("too many login attempts", "too many bad auth", "too many failed login", "too many auth")),
    Rule("microsoft_connections", ("concurrent connections limit exceeded", "sender thread limit")),
    Rule(
        "too_many_connections",
        pattern=re.compile(r"too many (?:concurrent |simultaneous )?(?:smtp )?(?:connections|sessions)"),
    ),
    Rule("cpanel_hourly", ("max emails per hour", "max defers and failures per hour")),
    Rule("hostinger_rate", ("hostinger_out_ratelimit",)),
    Rule("ses_rate", ("maximum sending rate exceeded",)),
    Rule("sender_throttled", ("throttle delay", "sender is throttled")),
    Rule(
        "hourly_limit", ("mail send limit exceeded", "your mail limit has been reached", "too many messages this hour")
    ),
    Rule("microsoft_ip_reputation", ("rate limited due to ip reputation", "(s775)")),
    Rule("microsoft_ip_reputation", pattern=re.compile(r"\b4\.7\.[56]\d\d\b")),
    # -- a domain that does not vouch for this server, content
    Rule(
        "spf_dkim",
        ("sender is unauthenticated", "unauthenticated email", "email is unauthenticated"),
        ("5.7.26", "4.7.26"),
    ),
    Rule("content_security", ("potential security issue",)),
    Rule("content_spam", ("likely unsolicited", "likely spam", "detected as spam", "looks like spam")),
    # -- blocked for abuse: the account, then the address it goes out from
    Rule("zoho_unusual_activity", ("unusual sending activity", "zoho.com/unblockme")),
    Rule("zoho_blocked", ("sender address blocked",)),
    Rule("outlook_verify_account", ("outboundspam", "hipnotify", "showtierupgrade")),
    Rule("microsoft_tenant_blocked", ("tenant has exceeded threshold",), pattern=re.compile(r"\b5\.7\.7[0-4]\d\b")),
    Rule("microsoft_restricted", ("bad outbound sender",), ("5.1.8", "5.7.501", "5.7.502", "5.7.503", "5.7.511")),
    Rule("proton_banned", ("temporarily banned from sending",)),
    Rule("gmail_suspended", ("email relay denied",)),
    Rule("address_blocked", ("spamhaus", "blacklist", "blocklist", "block list", "[bl21]", "[bl23]")),
    Rule(
        "yahoo_refused", ("permanently deferred", "retrying will not succeed"), pattern=re.compile(r"\[tss(?:09|11)\]")
    ),
    Rule("yahoo_deferred", ("temporarily deferred",), pattern=re.compile(r"\[tss?\d\d\]")),
    Rule("yahoo_policy", ("message not accepted for policy reasons",), pattern=re.compile(r"\[ph\d\d\]")),
    Rule("yahoo_reconnect", ("max message per connection", "max messages per connection")),
    Rule(
        "account_blocked", ("banned", "suspended due to abuse", "has been suspended", "account suspended"), plain=False
    ),
    Rule(
        "account_blocked",
        pattern=re.compile(r"account (?:is |has been )?(?:temporarily )?(?:disabled|blocked|locked|suspended)"),
    ),
    Rule("address_blocked", ("has been blocked", "ip blocked", "poor reputation", "bad reputation"), plain=False),
    Rule(
        "throttled",
        (
            "rate limit",
            "ratelimit",
            "throttl",
            "too many messages",
            "per second limit",
            "send limit exceeded",
            "per hour",
        ),
        plain=False,
    ),
    # -- the login
    Rule("gmail_app_password", ("application-specific password", "invalidsecondfactor")),
    Rule(
        "browser_login",
        ("with your web browser", "through your web browser", "via your web browser", "webloginrequired"),
    ),
    Rule("microsoft_smtp_auth_off", ("smtpclientauthentication is disabled",)),
    Rule("microsoft_security_defaults", ("security defaults policy",)),
    Rule(
        "basic_auth_disabled",
        ("basic authentication is disabled", "basic authentication is not supported"),
        ("5.7.30",),
    ),
    Rule("gmail_login", ("username and password not accepted", "badcredentials")),
    Rule("ses_login", ("authentication credentials invalid",)),
    Rule("sendgrid_login", ("bad username / password", "the provided authorization grant is invalid")),
    Rule("yahoo_login", pattern=re.compile(r"#auth0\d\d")),
    Rule("api_key", kind=Kind.ELASTIC_EMAIL, pattern=re.compile(r"api ?key|unauthori[sz]ed"), plain=False),
    Rule("api_access", ("access denied",), kind=Kind.ELASTIC_EMAIL, plain=False),
    # -- the recipient, or whoever may not write to one
    Rule(
        "relay_denied",
        ("relay access denied", "relay not permitted", "relaying denied", "unable to relay", "relaying not allowed"),
        not_at=("auth",),
    ),
    Rule(
        "recipient_full",
        (
            "over quota",
            "out of storage",
            "mailbox full",
            "mailbox is full",
            "quota exceeded (mailbox",
            "exceeded storage",
        ),
        ("5.2.2", "4.2.2"),
        not_at=_BEFORE_RECIPIENTS,
    ),
    Rule(
        "recipient_unknown",
        ("does not exist", "user unknown", "unknown user", "no such user", "recipient not found", "no mailbox here"),
        ("5.1.1", "5.1.10"),
        not_at=_BEFORE_RECIPIENTS,
        plain=False,
    ),
    Rule(
        "recipient_unknown",
        pattern=re.compile(r"this user doesn.t have an? [\w.]{1,40} account"),
        not_at=_BEFORE_RECIPIENTS,
    ),
)

AT_PROVIDER = {
    "login_refused": {
        "gmail_free": "gmail_login",
        "google_workspace": "gmail_login",
        "yahoo": "yahoo_login",
        "aol": "yahoo_login",
        "icloud": "icloud_login",
        "fastmail": "app_password_login",
        "yandex": "app_password_login",
        "yandex_360": "app_password_login",
        "zoho_free": "zoho_login",
        "zoho_paid": "zoho_login",
        "uol": "uol_login",
        "bol": "uol_login",
        "amazon_ses": "ses_login",
        "amazon_ses_sa_east_1": "ses_login",
        "sendgrid": "sendgrid_login",
        "elastic_email": "elastic_smtp_login",
        "microsoft365": "microsoft_login",
        "outlook_com_free": "basic_auth_disabled",
        "outlook_com_m365": "basic_auth_disabled",
        "proton_free": "proton_login",
        "proton_paid": "proton_login",
        "godaddy": "godaddy_login",
    },
    "quota_day": {
        "gmail_free": "gmail_quota_day",
        "google_workspace": "gmail_quota_day",
        "gmail_smtp_relay": "gmail_relay_quota_org",
        "microsoft365": "microsoft_quota_day",
        "amazon_ses": "ses_quota_day",
        "amazon_ses_sa_east_1": "ses_quota_day",
        "yandex": "yandex_quota",
        "yandex_360": "yandex_quota",
    },
    "throttled": {
        "amazon_ses": "ses_rate",
        "amazon_ses_sa_east_1": "ses_rate",
        "hostinger": "hostinger_rate",
        "hostinger_premium": "hostinger_rate",
    },
}
"""What a general diagnosis becomes where the provider is known (ids of ``mailcore/catalog/providers.csv``)."""

AT_PROVIDER["login_other_way"] = AT_PROVIDER["login_refused"]
