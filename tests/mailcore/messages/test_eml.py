"""Messages from files: as they were, or refused with a sentence before anybody is contacted."""

from __future__ import annotations

import base64
import quopri

import pytest

from mailcore.errors import ValidationError
from mailcore.messages.compose import OutgoingMessage, from_eml
from tests.mailcore.messages.decoders import Entity, read
from tests.tables import each_row

SENDER = "ana@exemplo.com.br"


def eml(data: str | bytes) -> OutgoingMessage:
    return from_eml(data.encode() if isinstance(data, str) else data, envelope_from=SENDER, to=["bia@exemplo.org"])


def refusal(data: str | bytes) -> str:
    with pytest.raises(ValidationError) as caught:
        eml(data)
    (error,) = caught.value.errors
    assert error.field == "eml"
    assert error.message.startswith("Arquivo .eml: ")
    assert error.message.endswith((".", "”."))
    return error.message


def is_sendable(content: bytes, *, eight_bit: bool) -> bool:
    """By RFC 5321 §4.5.3.1.6 and §2.3.7: whole line ends, lines of up to 998 octets, no NUL."""
    lines = content.split(b"\r\n")
    assert lines[-1] == b""
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)
    assert max(map(len, lines)) <= 998
    return eight_bit or content.isascii()


# ---------------------------------------------------------------------- Message-ID


@each_row(
    "written",
    [
        "<[3b8a1c9f@mx.exchange.local]>", "<a,b@x.org>", "<a:b@x.org>", "\n <folded@x.org>", "<no-at-sign>",
        "<a@b@c>", "<x@y.org> (added by postmaster@y.org)", "<\"quoted\"@x.org>",
    ],
)  # fmt: skip
def test_a_message_id_is_read_as_it_stands(written: str) -> None:
    made = eml(f"Subject: oi\nMessage-ID: {written}\n\noi\n")
    assert made.message_id == written.strip().partition(" (")[0]
    assert f"Message-ID: {written}\r\n".replace("\n ", "\r\n ").encode() in made.content
    assert made.notes == ()


@each_row("written", ["", "<>", "sem sinais", "<a b@x.org>", "<é@x.org>", "<a@x.org> <b@x.org>", "<a\n b@x.org>"])
def test_a_message_id_that_will_not_do_is_replaced_and_said(written: str) -> None:
    made = eml(f"Subject: oi\nMessage-ID: {written}\n\noi\n")
    assert made.message_id.endswith("@exemplo.com.br>")
    assert made.content.lower().count(b"message-id:") == 1
    assert len(made.notes) == 1
    assert "Message-ID" in made.notes[0]
    assert eml("Subject: oi\n\noi\n").notes == ()


# ---------------------------------------------------------------------- what cannot be written


@each_row(
    ("data", "words"),
    [
        ('To: "\n\noi\n', "To"),
        ("To: <a@x.org\n\noi\n", "To"),
        ("Cc: (comment\n\noi\n", "Cc"),
        ("Subject: =?utf-8?q?a=0D=0ABcc:_todos=40x.org?=\n\noi\n", "quebra de linha"),
        ("X-A: =?utf-8?b?YQpi?=\n\noi\n", "quebra de linha"),
        ("Subject: a\x00b\n\noi\n", "controle"),
        ("Content-Type: multipart/mixed; boundary=b\n\nsem partes\n", "não tem nenhuma"),
        ("Content-Type: multipart/mixed; boundary=b\n\n--b--\n", "não tem nenhuma"),
        ("Content-Type: multipart/mixed\n\n--b\n\noi\n--b--\n", "boundary"),
        ("Content-Type: text/plain\nContent-Type: text/html\n\noi\n", "duas vezes"),
        ("Subject: oi\nisto nao e cabecalho\n\noi\n", "a 2ª"),
        ("References: <" + "a" * 2_000 + ">\n\noi\n", "998"),
        ("To: joão @x.org <a@x\u0301y@z>\n\noi\n", "To"),
        (b"Content-Type: text/plain; charset=nao-existe\n\n" + b"\xe1" * 1_200 + b"\n", "não existe"),
        (b"Subject: oi\n\n" + b"\xe1" * 1_200 + b"\n", "charset"),
    ],
)
def test_what_cannot_be_written_is_refused_with_a_sentence(data: str | bytes, words: str) -> None:
    assert words in refusal(data)


def test_deep_nesting_ends_in_a_sentence() -> None:
    data = "Subject: oi\n"
    for level in range(200):
        data += f"Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"
    assert "demais" in refusal(data + "\noi\n")


# ---------------------------------------------------------------------- long lines


LONG = "<p>" + "ação e reação " * 200 + "</p>"


@each_row("encoding", ["7bit", "8bit", "binary", ""])
def test_a_long_line_of_text_is_encoded_anew(encoding: str) -> None:
    label = f"Content-Transfer-Encoding: {encoding}\n" if encoding else ""
    made = eml(f"Subject: oi\nContent-Type: text/html; charset=utf-8\n{label}\n{LONG}\nfim\n")
    assert is_sendable(made.content, eight_bit=False)
    entity = read(made.content)
    assert entity.content.decode() == f"{LONG}\r\nfim\r\n"
    assert entity.value("MIME-Version") == b"1.0"


def test_long_lines_of_encodings_are_broken_anew() -> None:
    raw = bytes(range(256)) * 40
    in_base64 = base64.b64encode(raw).decode()
    in_quoted = quopri.encodestring("ã".encode() * 5_000).decode().replace("=\n", "")
    for encoding, body, content in (("base64", in_base64, raw), ("quoted-printable", in_quoted, "ã".encode() * 5_000)):
        head = f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n"
        made = eml(f"{head}{body}\n")
        assert is_sendable(made.content, eight_bit=False)
        assert read(made.content).content.removesuffix(b"\r\n") == content


def test_a_long_header_is_folded_where_it_has_blanks() -> None:
    ids = " ".join(f"<{number}.abcdef@exemplo.org>" for number in range(100))
    made = eml(f"Subject: oi\nReferences: {ids}\n\noi\n")
    assert is_sendable(made.content, eight_bit=False)
    assert read(made.content).value("References").decode() == ids


# ---------------------------------------------------------------------- signatures


SIGNED = (
    "Subject: oi\nContent-Type: multipart/signed; boundary=s; protocol=\"application/pgp-signature\"\n\n"
    "--s\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n"
    "--s\nContent-Type: application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----\nabc\n--s--\n"
)  # fmt: skip


def test_a_signed_message_goes_byte_for_byte() -> None:
    made = eml(SIGNED.format(text="olá  \n  tudo bem"))
    body = SIGNED.partition("\n\n")[2].format(text="olá  \n  tudo bem").replace("\n", "\r\n").encode()
    assert made.content.endswith(b"\r\n\r\n" + body)
    assert made.seven_bit == b""


@each_row("head", ["DKIM-Signature: v=1; d=x.org; b=abc\nContent-Type: text/html; charset=utf-8\n", ""])
def test_a_signature_that_would_break_is_refused(head: str) -> None:
    data = f"{head}Subject: oi\n\n{LONG}\n" if head else SIGNED.format(text=LONG)
    assert "assinatura" in refusal(data)


def test_dkim_does_not_hinder_what_need_not_change() -> None:
    made = eml("DKIM-Signature: v=1; b=abc\nContent-Type: text/plain; charset=utf-8\n\nolá\n")
    assert made.content.endswith("\r\n\r\nolá\r\n".encode())
    assert made.seven_bit == b""


# ---------------------------------------------------------------------- 8 bits, binary, NUL


def leaf(headers: str, body: bytes) -> Entity:
    made = eml(f"Subject: oi\nMIME-Version: 1.0\n{headers}\n\n".encode() + body)
    assert is_sendable(made.content, eight_bit=True)
    return read(made.content)


def test_a_binary_part_arrives_octet_for_octet() -> None:
    raw = bytes(range(256)) + b"\r\n--x\n\r" + bytes(255)
    data = (
        b"Content-Type: multipart/mixed; boundary=limite\n\n--limite\nContent-Type: text/plain\n\noi\n--limite\n"
        b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: binary\n\n" + raw + b"\n--limite--\n"
    )
    made = eml(data)
    assert is_sendable(made.seven_bit, eight_bit=False)
    for content in (made.content, made.seven_bit):
        assert [part.content for part in read(content).parts] == [b"oi", raw]


def test_text_with_nul_arrives() -> None:
    assert leaf("Content-Type: text/plain; charset=utf-8", b"a\x00b\n").content == b"a\x00b\r\n"


def test_utf_16_arrives() -> None:
    raw = "olá\r\nvocê".encode("utf-16-le")
    assert leaf("Content-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: binary", raw).content == raw


def test_eight_bit_text_without_a_charset_goes_as_it_is_or_not_at_all() -> None:
    made = eml(b"Subject: oi\n\nol\xe1\n")
    assert made.content.endswith(b"\r\n\r\nol\xe1\r\n")
    assert made.seven_bit == b""
    known = eml(b"Subject: oi\nContent-Type: text/plain; charset=iso-8859-1\n\nol\xe1\n")
    assert read(known.seven_bit).content == b"ol\xe1\r\n"
    assert is_sendable(known.seven_bit, eight_bit=False)


def test_an_attached_message_is_not_encoded_but_what_is_in_it() -> None:
    inner = "Subject: interna ç\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nolá\n"
    data = f"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n{inner}\n--b--\n"
    made = eml(data)
    assert inner.replace("\n", "\r\n").encode() in made.content
    assert is_sendable(made.seven_bit, eight_bit=False)
    (part,) = read(made.seven_bit).parts
    assert part.value("Content-Transfer-Encoding") in (b"", b"7bit")
    assert read(part.content).content.decode() == "olá\r\n"


def test_a_message_in_an_mbox_or_with_a_byte_order_mark_is_one() -> None:
    for data in ("From ana@x.org Thu Jan  1 00:00:00 2026\nSubject: oi\n\ncorpo\n", "\ufeffSubject: oi\n\ncorpo\n"):
        assert read(eml(data).content).value("Subject") == b"oi"
