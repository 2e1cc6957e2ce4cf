"""What customers paste, and the replies that are to be found in it."""

from __future__ import annotations

import textwrap
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from mailcore.diagnosis.explain import MAX_FOUND, explain
from mailcore.diagnosis.pasted import MAX_TEXT
from mailcore.diagnosis.replies import as_one_line, texts
from mailcore.transports.scrub import HIDDEN
from tests.mailcore.diagnosis.provider_replies import ELASTIC_EMAIL, SMTP, Case
from tests.properties import examples
from tests.tables import each_row

# Phases that a bounce names in words.
_IN_WORDS = {"recipients": "RCPT TO", "sender": "MAIL FROM", "data": "end of DATA", "auth": "AUTH", "ehlo": "EHLO"}
_WITH_WORDS = [case for case in SMTP if case[0] in _IN_WORDS and case[1][0] in "45" and not case[1].startswith("403")]


def codes(text: str) -> list[str]:
    return [each.diagnosis.code for each in explain(text)]


@each_row("case", _WITH_WORDS)
def test_postfix_writes_it_into_its_log(case: Case) -> None:
    phase, reply, category, code = case
    line = (
        "Nov 24 08:13:44 mail postfix/smtp[2211]: 4WxYz12: to=<bia@example.org>, relay=mx.example.org[192.0.2.7]:25, "
        "delay=1.1, delays=0.1/0/0.9/0.1, dsn=5.0.0, status=bounced (host mx.example.org[192.0.2.7] said: "
        f"{' '.join(reply.splitlines())} (in reply to {_IN_WORDS[phase]} command))"
    )
    (found,) = explain(line)
    assert (found.diagnosis.category, found.diagnosis.code) == (category, code)
    assert found.addresses[0] == "bia@example.org"
    assert "mx.example.org" in found.hosts


@each_row("width", [38, 55, 76])
@each_row("quote", ["", "> ", "> > "])
@each_row("case", _WITH_WORDS)
def test_a_bounce_is_read_wrapped_at_any_width_and_quoted(case: Case, quote: str, width: int) -> None:
    phase, reply, category, code = case
    body = (
        "This is the mail system at host mail.exemplo.com.br. I'm sorry to have to inform you that your message could "
        "not be delivered to one or more recipients."
    )
    reason = (
        f"<bia@example.org>: host mx.example.org[192.0.2.7] said: {' '.join(reply.splitlines())} "
        f"(in reply to {_IN_WORDS[phase]} command)"
    )
    wrapped = "\n\n".join(
        textwrap.fill(part, width, break_on_hyphens=False, break_long_words=False) for part in (body, reason)
    )
    pasted = "".join(f"{quote}{line}\n" for line in wrapped.splitlines())
    found = explain(pasted)
    assert [(each.diagnosis.category, each.diagnosis.code) for each in found] == [(category, code)]


def test_a_multi_line_reply_is_one() -> None:
    reply = (
        "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\n"
        "550-5.4.5 sending limits go to\n"
        "550 5.4.5 https://support.google.com/a/answer/166852 d9443c01a7336-gsmtp"
    )
    (found,) = explain(reply)
    assert found.reply == reply
    assert found.diagnosis.code == "gmail_quota_day"


def test_a_delivery_status_notification() -> None:
    (found,) = explain(
        """Reporting-MTA: dns; mail.exemplo.com.br
Arrival-Date: Tue, 24 Nov 2026 08:13:42 -0300 (-03)

Final-Recipient: rfc822; bia@example.org
Original-Recipient: rfc822;bia@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 <bia@example.org>: Recipient address rejected:
    User unknown in virtual mailbox table
"""
    )
    assert found.diagnosis.code == "recipient_unknown"
    assert found.reply.startswith("550 5.1.1 <bia@example.org>: Recipient address rejected: User unknown")
    assert "bia@example.org" in found.addresses


@each_row(
    ("pasted", "code"),
    [
        # Python
        (
            (
                r"smtplib.SMTPAuthenticationError: (535, b'5.7.8 Username and Password not accepted. For more, "
                r"go to\n5.7.8  https://support.google.com/mail/?p=BadCredentials d9443c01a7336 - gsmtp')"
            ),
            "gmail_login",
        ),
        (
            (
                "smtplib.SMTPRecipientsRefused: {'bia@example.org': (550, b'5.1.1 <bia@example.org>: Recipient address "
                "rejected: User unknown')}"
            ),
            "recipient_unknown",
        ),
        (
            "smtplib.SMTPSenderRefused: (530, b'5.7.0 Must issue a STARTTLS command first.', 'ana@x.com')",
            "starttls_required",
        ),
        ("smtplib.SMTPDataError: (550, b'5.4.5 Daily user sending limit exceeded.')", "gmail_quota_day"),
        ("smtplib.SMTPServerDisconnected: Connection unexpectedly closed", "disconnected"),
        ("socket.gaierror: [Errno -2] Name or service not known", "dns_not_found"),
        ("socket.gaierror: [Errno 11001] getaddrinfo failed", "dns_not_found"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "connect_refused"),
        ("TimeoutError: [Errno 110] Connection timed out", "connect_timeout"),
        (
            (
                "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has "
                "expired (_ssl.c:1006)"
            ),
            "tls_expired",
        ),
        ("certificate verify failed: self-signed certificate (_ssl.c:1006)", "tls_untrusted"),
        ("certificate verify failed: Hostname mismatch, certificate is not valid for 'smtp.x.com'.", "tls_hostname"),
        ("ssl.SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "tls_wrong_mode"),
        # .NET
        (
            (
                "System.Net.Mail.SmtpException: The SMTP server requires a secure connection or the client was not "
                "authenticated. The server response was: 5.7.0 Must issue a STARTTLS command first. a12-gsmtp"
            ),
            "starttls_required",
        ),
        (
            (
                "The SMTP server requires a secure connection or the client was not authenticated. Server response "
                "was: 5.7.57 Client not authenticated to send mail. [GR0P152CA0012.LAMP152.PROD.OUTLOOK.COM]"
            ),
            "login_required",
        ),
        # Delphi, PHP, Java, Node
        ("EIdSMTPReplyError com mensagem '535 5.7.8 Error: authentication failed'", "login_refused"),
        ("SMTP Error: Could not authenticate.", "login_refused"),
        (
            "javax.mail.AuthenticationFailedException: 534-5.7.9 Application-specific password required.",
            "gmail_app_password",
        ),
        ("Error: Invalid login: 535-5.7.8 Username and Password not accepted.", "gmail_login"),
        (
            "Error: Message failed: 554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
            "microsoft_quota_day",
        ),
        # Exim, qmail, Exchange, Gmail
        (
            (
                "2026-11-24 08:13:44 1tF2ab-0001Ab-2C ** bia@example.org R=dnslookup T=remote_smtp H=mx.example.org "
                "[192.0.2.7]: SMTP error from remote mail server after RCPT TO:<b@example.org>: 550 5.1.1 User unknown"
            ),
            "recipient_unknown",
        ),
        (
            (
                "<bia@example.org>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 5.1.1 No such user\n"
                "Giving up on 192.0.2.7."
            ),
            "recipient_unknown",
        ),
        (
            "Remote Server returned '550 5.7.708 Service unavailable. Access denied, traffic not accepted.'",
            "microsoft_tenant_blocked",
        ),
        (
            "A resposta do servidor remoto foi:\n\n550 5.1.1 The email account that you tried to reach does not exist.",
            "recipient_unknown",
        ),
        # Elastic Email
        ('{"Error":"APIKey Expired"}', "api_key"),
        ('HTTP 400 {"Error": "You cannot provide more than 50 transactional recipients"}', "too_many_recipients"),
        ('{"success":false,"error":"Access Denied."}', "api_access"),
        # Without any code
        ("Application-specific password required", "gmail_app_password"),
        ("Seu envio falhou: Daily user sending limit exceeded", "gmail_quota_day"),
        # HTML
        ("<p>550 5.7.26 This mail has been blocked because the sender is&nbsp;unauthenticated.</p>", "spf_dkim"),
        ("<b>Erro:</b> &#53;50 5.1.1 user unknown", "recipient_unknown"),
    ],
)
def test_what_programs_print(pasted: str, code: str) -> None:
    assert codes(pasted) == [code]


@each_row(("status", "words", "category", "code"), [case for case in ELASTIC_EMAIL if case[1]])
def test_the_apis_errors(status: int, words: str, category: str, code: str) -> None:
    assert codes(f'POST /v4/emails/transactional\nHTTP/1.1 {status}\n{{"Error":"{words}"}}') == [code]


def test_a_conversation_tells_the_phase() -> None:
    assert codes("C: MAIL FROM:<ana@exemplo.com.br>\nS: 550 5.7.1 no thanks, policy") == ["sender_refused"]
    assert codes("C: RCPT TO:<bia@example.org>\nS: 550 5.7.1 no thanks, policy") == ["recipient_refused"]
    assert codes("-> AUTH LOGIN\n<- 535 authentication failed") == ["login_refused"]


def test_several_replies_come_in_order_and_once() -> None:
    unknown, too_fast = "550 5.1.1 <a@x.com>: user unknown", "451 4.7.1 Ratelimit hostinger_out_ratelimit exceeded"
    text = f"{unknown}\n\n{too_fast}\n\n{unknown}"
    assert codes(text) == ["recipient_unknown", "hostinger_rate"]


def test_the_provider_is_told_by_the_host_beside() -> None:
    assert codes("smtps.uol.com.br respondeu: 535 5.7.8 Error: authentication failed") == ["uol_login"]
    assert [each.diagnosis.code for each in explain("535 5.7.8 authentication failed", provider="icloud")] == [
        "icloud_login"
    ]


def test_a_phase_given_outweighs_the_words() -> None:
    (found,) = explain("550 5.7.1 not today, policy (in reply to RCPT TO command)", phase="mail")
    assert found.diagnosis.code == "sender_refused"


@each_row(
    "text",
    [
        "",
        "   \n\n \t ",
        "Bom dia! Os e-mails pararam de sair desde ontem às 14:50.",
        "Enviamos para 550 pessoas em 24/11/2026 pela porta 587.",
        "550 pessoas foram convidadas para o evento",
        "Total: 554 clientes ativos",
        "O servidor é 250.1.1.1 e o telefone (11) 4501-5050",
        "Versão 5.4.5 do sistema, build 4.7.28.1",
        "NF 535 de 5.350,00 reais, pedido 451/2026",
        "smtp.exemplo.com.br:587 porta 465 fila 4WxYz550",
        "Ligue 0800 550 5050",
        "2026-11-24 05:35:00 INFO started in 451 ms",
        "250 2.0.0 OK  1732450424 d9443c01a7336 - gsmtp",
    ],
)
def test_what_is_no_reply_is_not_found(text: str) -> None:
    assert codes(text) == []


@each_row("code", ["gmail_app_password", "connect_refused", "tls_expired", "quota_day", "uncertain"])
def test_our_own_words_are_known_again(code: str) -> None:
    assert codes(f"Apareceu isto na tela:\n{texts()[code]['title']}") == [code]


@each_row(
    ("pasted", "secret"),
    [
        (
            "C: AUTH PLAIN AGFuYQBzZW5oYS1zZWNyZXRh\nS: 535 5.7.8 authentication failed AGFuYQ",
            "AGFuYQBzZW5oYS1zZWNyZXRh",
        ),
        ("smtp://ana:umasenha@smtp.x.com said: 535 5.7.8 bad login umasenha?", "ana:umasenha@"),
        ("X-ElasticEmail-ApiKey: 0123456789ABCDEF said: 550 5.7.1 relay denied by policy", "0123456789ABCDEF"),
        ("550 5.7.1 error; senha=segredo123 rejected", "segredo123"),
        ("535 5.7.8 rejected password: segredo123", "segredo123"),
    ],
)
def test_pasted_secrets_do_not_come_back(pasted: str, secret: str) -> None:
    found = explain(pasted)
    assert found
    assert secret not in repr(found)


def test_a_hidden_secret_leaves_its_mark() -> None:
    (found,) = explain("550 5.7.1 error; senha=segredo123 rejected")
    assert HIDDEN in found.reply


def test_no_more_than_fits_a_screen() -> None:
    text = "\n\n".join(f"550 5.1.1 <a{number}@x.com>: user unknown" for number in range(200))
    assert len(explain(text)) == MAX_FOUND


@each_row(
    "piece",
    [
        "550-",
        "5.",
        "5.7.1 ",
        "> ",
        "a@",
        "((550 ",
        "'\"",
        "smtp; ",
        "Status: ",
        "AUTH PLAIN ",
        "\n> 5",
    ],
)
def test_cost_grows_with_the_length_and_no_faster(piece: str) -> None:
    text = piece * (MAX_TEXT // 4 // len(piece))
    started = time.process_time()
    explain(text)
    # Not a timing but a stop: what grows faster would be at it for long.
    assert time.process_time() - started < 5


_FRAGMENTS = st.sampled_from(
    [
        "550",
        "-",
        " ",
        "5.1.1",
        "\n",
        "> ",
        "said:",
        "(in reply to",
        "'",
        '"',
        "user unknown",
        "{",
        "Status:",
        "smtp;",
        "b'",
    ]
)


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.one_of(_FRAGMENTS, st.text(max_size=12)), max_size=40).map("".join))
def test_any_text_is_read_and_nothing_is_invented(text: str) -> None:
    for found in explain(text):
        for word in as_one_line(found.reply).split():
            assert word.strip("#") in text or HIDDEN in found.reply or "&" in text or "\\" in text
        assert found.diagnosis.code in texts()
