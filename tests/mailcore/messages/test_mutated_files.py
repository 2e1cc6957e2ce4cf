"""Message files as programs write them, mutated at random: each ends in a sentence or arrives as it was meant.

What was meant is read from the file itself by decoders.py, which shares nothing with the code under test.
``make test`` tries a share of them; ``MAILCORE_REQUIRE_ALL_MUTATIONS=1`` all 10,000.
"""

from __future__ import annotations

import base64
import os
import quopri
import random
import re
from collections.abc import Callable
from functools import partial

from pydantic import SecretStr

from mailcore.errors import FieldError, ValidationError
from mailcore.messages.compose import OutgoingMessage, from_eml
from mailcore.transports.base import Connection, TransportError
from mailcore.transports.elastic_email import ElasticEmailTransport
from mailcore.transports.smtp import SmtpTransport
from mailcore.vocabulary import Kind, Outcome
from tests.mailcore.messages.decoders import (
    Entity,
    lenient_addresses,
    lenient_kind,
    lenient_text,
    read_file,
    whole_line_ends,
)
from tests.mailcore.messages.test_eml import is_sendable
from tests.mailcore.messages.test_headers import natural_subjects
from tests.peers.smtp_server import SmtpPeer

ALL = 10_000
SHARE = ALL if os.environ.get("MAILCORE_REQUIRE_ALL_MUTATIONS") else 1_000
SENDER = "ana@exemplo.com.br"
_SUBJECTS = natural_subjects(300)
_ADDRESSES = {"from", "to"}
_ADDED = {"from", "date", "message-id", "mime-version"}
_REWRITTEN = {"content-transfer-encoding", "content-type", "content-disposition", "message-id", "bcc", "resent-bcc"}


# ---------------------------------------------------------------------- files as programs write them


def leaf(choose: random.Random) -> bytes:
    """A part: text in one of the charsets and encodings in use, or some octets."""
    if choose.random() < 0.25:
        raw = choose.randbytes(choose.randint(0, 400))
        head = b'Content-Type: application/pdf; name="nota \xc3\xa9.pdf"\n'
        head += b"Content-Disposition: attachment; filename=nota.pdf\n"
        if choose.random() < 0.3:
            return head + b"Content-Transfer-Encoding: binary\n\n" + raw.replace(b"\n--", b"")
        return head + b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(raw)
    charset = choose.choice(["utf-8", "iso-8859-1", "windows-1252", "us-ascii"])
    words = [choose.choice(_SUBJECTS) for _ in range(choose.choice([1, 3, 30]))]
    text = choose.choice(["\n", "\n", " "]).join(words).encode(charset, "ignore") + choose.choice(
        [b"\n", b"", b"  \n.\nFrom x\n"]
    )
    kind = choose.choice(["plain", "plain", "html", "csv"])
    encoding = choose.choice(["8bit", "8bit", "quoted-printable", "base64", "7bit", ""])
    if encoding == "quoted-printable":
        text = quopri.encodestring(text)
    elif encoding == "base64":
        text = choose.choice([base64.encodebytes, base64.b64encode])(text)
    label = f"Content-Transfer-Encoding: {encoding}\n" if encoding else ""
    quote = choose.choice(['"', ""])
    return f"Content-Type: text/{kind}; charset={quote}{charset}{quote}\n{label}\n".encode() + text


def file(choose: random.Random) -> bytes:
    """A whole message."""
    subject = choose.choice(_SUBJECTS)
    sender = choose.choice(["Ana <ana@x.org>", "João da Silva <j@x.org>", '"Silva, Zé" <z@x.org>', "a@x.org (Zé)"])
    other = choose.choice(["Amigos: c@x.org;", "d@x.org", "=?utf-8?q?Jos=C3=A9?= <e@x.org>"])
    folded = b"=?iso-8859-1?Q?at=E9_?=\n =?iso-8859-1?Q?l=E1?="
    head = [
        f"From: {sender}".encode(),
        f"To: b@x.org, {other}".encode(),
        b"Subject: " + choose.choice([subject.encode(), subject.encode("cp1252", "ignore"), folded]),
        b"Date: Thu, 26 Nov 2026 05:00:00 -0300",
        b"Message-ID: " + choose.choice([b"<a@b>", b"<[x]@y>", b"\n <f@g>", b"<>", b"<\xe9@x>"]),
        b"MIME-Version: 1.0",
        b"X-Longo: " + b"palavra " * choose.choice([2, 300]),
    ]
    choose.shuffle(head)
    body = leaf(choose)
    for level in range(choose.choice([0, 0, 1, 2])):
        kind = choose.choice(["mixed", "alternative", "related", "signed", "report"])
        mark = f"limite{level}".encode()
        parts = [body, *(leaf(choose) for _ in range(choose.randint(0, 2)))]
        if choose.random() < 0.2:
            inner = b"Subject: interna \xc3\xa9\n" + leaf(choose)
            parts.append(b"Content-Type: message/rfc822\n\n" + inner)
        inside = b"".join(b"--" + mark + b"\n" + part + b"\n" for part in parts)
        body = (
            f'Content-Type: multipart/{kind}; boundary="limite{level}"\n\n'.encode() + inside + b"--" + mark + b"--\n"
        )
    return b"\n".join(head) + b"\n" + body


# ---------------------------------------------------------------------- mutations


def _cut(data: bytes, choose: random.Random) -> bytes:
    return data[: choose.randrange(len(data) + 1)]


def _drop(data: bytes, choose: random.Random) -> bytes:
    at = choose.randrange(len(data) + 1)
    return data[:at] + data[at + choose.choice([1, 2, 40]) :]


def _repeat_line(data: bytes, choose: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = choose.randrange(len(lines))
    return b"\n".join([*lines[: at + 1], *lines[at:]])


def _swap_lines(data: bytes, choose: random.Random) -> bytes:
    lines = data.split(b"\n")
    first, second = choose.randrange(len(lines)), choose.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def _put(data: bytes, choose: random.Random) -> bytes:
    at = choose.randrange(len(data) + 1)
    pieces = [
        b"\0",
        b"\r",
        b"\n",
        b"\r\n",
        b'"',
        b"(",
        b"<",
        b"\xff",
        b"=",
        b"=?",
        b"?=",
        b":",
        b";",
        b"--limite0\n",
        b"\t",
        b" ",
    ]
    more = [
        b"=?utf-8?q?=0A?=",
        b"\xc3\xa9",
        b"Content-Type: text/plain\n",
        b"x" * 1_200,
        b"\n\n",
        b"\x1a",
        b"--",
        b"\\",
    ]
    return data[:at] + choose.choice(pieces + more) + data[at:]


def _replace_octet(data: bytes, choose: random.Random) -> bytes:
    at = choose.randrange(max(len(data), 1))
    return data[:at] + choose.randbytes(1) + data[at + 1 :]


def _line_ends(data: bytes, choose: random.Random) -> bytes:
    return data.replace(b"\n", choose.choice([b"\r\n", b"\r", b"\n"]))


def _one_long_line(data: bytes, choose: random.Random) -> bytes:
    head, _, body = data.partition(b"\n\n")
    return head + b"\n\n" + body.replace(b"\n", b" ", choose.randint(1, 60))


MUTATIONS = (_cut, _drop, _repeat_line, _swap_lines, _put, _put, _replace_octet, _line_ends, _one_long_line)


def mutated(number: int) -> bytes:
    """The file of this number, always the same."""
    choose = random.Random(number)
    data = file(choose)
    for _ in range(choose.choice([0, 1, 1, 2, 5])):
        data = choose.choice(MUTATIONS)(data, choose)
    return data


# ---------------------------------------------------------------------- what was meant


def meant(entity: Entity) -> list[object]:
    """What a reader sees: the words of every header that is the sender's, and each part's content."""
    headers = [
        (name.lower(), (lenient_addresses if name.lower() in _ADDRESSES else lenient_text)(value))
        for name, value in entity.fields
        if name.lower() not in _REWRITTEN and lenient_text(value)
    ]
    content = whole_line_ends(entity.content).rstrip(b"\r\n")
    return [lenient_kind(entity), headers, content, [meant(part) for part in entity.parts]]


def as_read(content: bytes, given: set[str]) -> list[object]:
    entity = read_file(content)
    entity.fields = [
        (name, value) for name, value in entity.fields if name.lower() not in _ADDED or name.lower() in given
    ]
    return meant(entity)


def arrives_as_meant(data: bytes, made: OutgoingMessage) -> None:
    before = read_file(data)
    given = {name.lower() for name, value in before.fields if value.strip()}
    expected = meant(before)
    assert is_sendable(made.content, eight_bit=True)
    assert as_read(made.content, given) == expected
    head = made.content.partition(b"\r\n\r\n")[0]
    assert head.isascii() or made.needs_smtputf8
    assert len(re.findall(rb"(?im)^message-id:", head)) == 1
    assert not re.search(rb"(?im)^(resent-)?bcc:", head)
    if made.seven_bit:
        assert is_sendable(made.seven_bit, eight_bit=not made.seven_bit.partition(b"\r\n\r\n")[0].isascii())
        assert as_read(made.seven_bit, given) == expected


def outcome(data: bytes) -> OutgoingMessage | list[FieldError]:
    """The message a file becomes, or why it becomes none."""
    try:
        return from_eml(data, envelope_from=SENDER, to=["bia@exemplo.org"])
    except ValidationError as error:
        return error.errors


def fault(hand_over: Callable[[], object]) -> TransportError | None:
    """Why a message that can be written is not taken, or None."""
    try:
        hand_over()
    except TransportError as error:
        return error
    return None


def test_each_ends_in_a_sentence_or_arrives_as_it_was_meant() -> None:
    smtp = SmtpTransport(Connection(Kind.SMTP, "127.0.0.1", 25))
    elastic = ElasticEmailTransport(Connection(Kind.ELASTIC_EMAIL, secret=SecretStr("CHAVE"), base_url="https://x.org"))
    accepted = refused = 0
    for number in range(0, ALL, ALL // SHARE):
        data = mutated(number)
        made = outcome(data)
        if isinstance(made, list):
            assert [error.field for error in made] == ["eml"], number
            assert made[0].message.endswith((".", "”.")), number
            refused += 1
            continue
        try:
            arrives_as_meant(data, made)
        except AssertionError as error:
            raise AssertionError(f"file {number}: {data!r}") from error
        assert smtp.prepare(made) == made
        error = fault(partial(elastic.prepare, made))
        assert error is None or error.outcome is Outcome.FAILED, number
        accepted += 1
    assert accepted > refused


def test_some_of_them_arrive_at_a_real_server_as_they_were_meant() -> None:
    with SmtpPeer() as peer, SmtpPeer(eight_bit=False) as old:
        for number in range(150):
            data = mutated(number)
            made = outcome(data)
            if isinstance(made, list):
                continue
            given = {name.lower() for name, value in read_file(data).fields if value.strip()}
            for server in (peer, old):
                transport = SmtpTransport(Connection(Kind.SMTP, "127.0.0.1", server.port, from_address=SENDER))
                error = fault(partial(transport.send, made))
                if error is None:
                    assert as_read(server.inbox[-1].content, given) == meant(read_file(data)), number
                else:
                    assert error.outcome is Outcome.FAILED, number
                    assert error.cause in ("eight_bit_not_offered", "smtputf8_not_offered"), number
    assert len(peer.inbox) > 50
    assert len(old.inbox) > 50
