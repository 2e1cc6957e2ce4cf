"""What other programs show when sending failed, as customers paste it: logs, exceptions, dialogs of mail clients."""

from __future__ import annotations

import json
from pathlib import Path

from mailcore.diagnosis.explain import explain
from tests.tables import each_row

PASTED = [
    (each["text"], each["codes"])
    for path in sorted((Path(__file__).parent / "pasted").glob("*.jsonl"))
    for each in map(json.loads, path.read_text("utf-8").splitlines())
]
"""(text, the diagnoses of which one is right; none where the text holds no reply)"""


@each_row(("text", "codes"), PASTED)
def test_what_other_programs_show_is_explained_once(text: str, codes: list[str]) -> None:
    found = [each.diagnosis.code for each in explain(text)]
    if not codes:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0] in codes


def test_a_bare_status_does_not_outweigh_words() -> None:
    (found,) = explain(
        "Final-Recipient: rfc822; bia@example.org\nAction: delayed\nStatus: 4.0.0\n"
        "Diagnostic-Code: X-Postfix; mailbox full for user bia"
    )
    assert found.diagnosis.code == "recipient_full"


def test_one_reply_is_told_once_however_often_it_stands_there() -> None:
    bounce = """Reporting-MTA: dns; mail.exemplo.com.br

Final-Recipient: rfc822; bia@example.org
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <bia@example.org>: Recipient address rejected: User unknown in virtual mailbox table

<bia@example.org>: host mx.example.org[192.0.2.7] said: 550 5.1.1 <bia@example.org>: Recipient address rejected:
    User unknown in virtual mailbox table (in reply to RCPT TO command)

   ----- Transcript of session follows -----
<<< 550 5.1.1 <bia@example.org>: Recipient address rejected: User unknown
"""
    assert [each.diagnosis.code for each in explain(bounce)] == ["recipient_unknown"]


def test_two_recipients_are_two() -> None:
    text = "550 5.1.1 <bia@example.org>: User unknown\n550 5.1.1 <davi@example.org>: User unknown"
    assert len(explain(text)) == 2


def test_the_same_reply_with_another_id_is_the_same() -> None:
    text = (
        "550 5.4.5 Daily user sending limit exceeded. a12sm34567wrb.5 - gsmtp\n\n"
        "550 5.4.5 Daily user sending limit exceeded. b98sm76543wrb.6 - gsmtp"
    )
    assert [each.diagnosis.code for each in explain(text)] == ["gmail_quota_day"]


def test_whose_reply_it_is_is_told_by_the_host_that_said_it() -> None:
    text = "smtp.gmail.com aceitou o login. Depois, smtps.uol.com.br respondeu: 535 5.7.8 Error: authentication failed"
    assert [each.diagnosis.code for each in explain(text)] == ["uol_login"]


def test_several_hosts_beside_a_reply_name_nobody() -> None:
    text = "Servidores: smtp.gmail.com, smtp.mail.yahoo.com\n\nErro: 535 5.7.8 Error: authentication failed"
    (found,) = explain(text)
    assert found.diagnosis.code == "login_refused"


def test_words_without_a_code_say_what_decided() -> None:
    (found,) = explain("Socket Error # 11001\nHost not found.")
    assert found.diagnosis.evidence
