"""Messages and addresses: what is sent is what was meant, and nothing breaks out of a header."""

from __future__ import annotations

import email
import email.policy
import socket
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcore.errors import ValidationError
from mailcore.messages.addresses import HostInput, parse_address, parse_host, same_mailbox_key, split_addresses
from mailcore.messages.compose import OutgoingMessage, compose, from_eml
from tests.properties import examples
from tests.tables import each_row


def message(**changes: object) -> OutgoingMessage:
    fields = {"from_address": "ana@exemplo.com.br", "to": ["bia@exemplo.org"], "subject": "Oi", "text": "Oi."}
    return compose(**(fields | changes))  # type: ignore[arg-type]


def parsed(made: OutgoingMessage) -> EmailMessage:
    return email.message_from_bytes(made.mime.as_bytes(), policy=email.policy.default)  # type: ignore[return-value]


def complaints(**changes: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        message(**changes)
    return {error.field: error.message for error in caught.value.errors}


# ---------------------------------------------------------------------- compose


def test_a_message_says_what_was_meant() -> None:
    made = parsed(
        message(
            from_name="João, da “Loja”",
            reply_to="sac@exemplo.com.br",
            cc="caio@exemplo.org; Dora <dora@exemplo.org>",
            subject="Ação já — €",
            text="Linha 1\n.\nçã€😀\n",
        )
    )
    assert str(made["From"]) == '"João, da “Loja”" <ana@exemplo.com.br>'
    assert str(made["To"]) == "bia@exemplo.org"
    assert str(made["Cc"]) == "caio@exemplo.org, dora@exemplo.org"
    assert str(made["Reply-To"]) == "sac@exemplo.com.br"
    assert str(made["Subject"]) == "Ação já — €"
    assert made.get_content().splitlines() == ["Linha 1", ".", "çã€😀"]
    assert made.get_content_charset() == "utf-8"


def test_bytes_are_ascii_with_whole_line_ends() -> None:
    raw = message(subject="ção", text="é" * 5_000 + "\n" + "x" * 5_000).mime.as_bytes()
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998


def test_bcc_is_in_the_envelope_only() -> None:
    made = message(bcc=["oculta@exemplo.org"])
    assert made.recipients == ("bia@exemplo.org", "oculta@exemplo.org")
    assert b"oculta" not in made.mime.as_bytes()
    assert b"bcc:" not in made.mime.as_bytes().lower()  # without the colon it may stand in the Message-ID


def test_each_message_has_its_own_id_and_date(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object) -> str:
        raise AssertionError("the name of this machine is nobody's business")

    monkeypatch.setattr(socket, "getfqdn", never)
    monkeypatch.setattr(socket, "gethostname", never)
    first, second = message(), message()
    assert first.message_id != second.message_id
    assert first.message_id.startswith("<")
    assert first.message_id.endswith("@exemplo.com.br>")
    date = parsedate_to_datetime(str(first.mime["Date"]))
    assert abs(datetime.now(UTC) - date) < timedelta(seconds=5)


def test_recipients_are_each_once_in_order() -> None:
    made = message(to=["b@x.org", "A@x.org"], cc=["a@X.org", "c@x.org"], bcc=["B@x.org", "d@x.org"])
    assert made.recipients == ("b@x.org", "A@x.org", "c@x.org", "d@x.org")


@each_row("field", ["from_address", "from_name", "reply_to", "subject", "to", "cc", "bcc"])
@each_row("break_", ["\r\n", "\n", "\r", "\x00", "\u2028", "\x0b", "\x85"])
def test_nothing_breaks_out_of_a_header(field: str, break_: str) -> None:
    value = f"ana@exemplo.org{break_}Bcc: todos@exemplo.org"
    given_ = [value] if field in ("to", "cc", "bcc") else value
    found = complaints(**{field: given_})
    assert list(found) == [field]
    assert found[field].endswith(".")


@settings(max_examples=examples(60), deadline=None)
@given(*[st.text(st.characters(blacklist_categories=("Cc", "Zl", "Zp", "Cs")), max_size=200)] * 2)
def test_any_name_and_subject_keep_the_headers_as_they_are(name: str, subject: str) -> None:
    made = parsed(message(from_name=name, subject=subject))
    assert set(made.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert [address.addr_spec for address in made["From"].addresses] == ["ana@exemplo.com.br"]
    assert [address.addr_spec for address in made["To"].addresses] == ["bia@exemplo.org"]


@each_row("name", ["Silva, João " * 12, 'a"b\\c, ' * 20, "<x@y.z>, ", "x" * 200, "=?utf-8?q?a?="])
def test_names_with_signs_in_them_stay_one_name(name: str) -> None:
    addresses = parsed(message(from_name=name))["From"].addresses
    assert [address.addr_spec for address in addresses] == ["ana@exemplo.com.br"]
    # Python's reader puts spaces between the encoded pieces of a long name; they are not in the header.
    assert "".join(addresses[0].display_name.split()) == "".join(name.split())


def test_every_wrong_field_is_named() -> None:
    found = complaints(from_address="ana", to="bia@, caio@exemplo.org", subject="x" * 5_000, text="a\x00b")
    assert set(found) == {"from_address", "to", "subject", "text"}
    assert found["from_address"].startswith("E-mail do remetente: ")
    assert found["to"].startswith("Para: em “bia@”, ")
    assert "5000" in found["subject"]


def test_somebody_must_receive_it() -> None:
    assert set(complaints(to="")) == {"to"}
    assert message(to=[], bcc=["b@x.org"]).recipients == ("b@x.org",)


def test_smtputf8_is_needed_for_a_local_part_only() -> None:
    assert not message(to=["b@ação.example"], from_name="João", subject="ção").needs_smtputf8
    assert message(bcc=["joão@x.org"]).needs_smtputf8
    assert message(reply_to="joão@x.org").needs_smtputf8


# ---------------------------------------------------------------------- from a file


def eml(text: str | bytes, **envelope: object) -> OutgoingMessage:
    data = text if isinstance(text, bytes) else text.encode()
    fields = {"envelope_from": "ana@exemplo.com.br", "to": ["bia@exemplo.org"]}
    return from_eml(data, **(fields | envelope))  # type: ignore[arg-type]


def test_a_file_keeps_its_own_headers_but_for_bcc() -> None:
    made = eml(
        "From: Outra <outra@exemplo.org>\nTo: lista@exemplo.org\nBCC: oculta@exemplo.org\nX-Pedido: 37\n"
        "Subject: um assunto\n que continua\nMessage-ID: <meu@id>\nDate: Thu, 01 Jan 2026 00:00:00 -0300\n\ncorpo\n"
    )
    raw = made.mime.as_bytes()
    assert raw == (
        b"From: Outra <outra@exemplo.org>\r\nTo: lista@exemplo.org\r\nX-Pedido: 37\r\n"
        b"Subject: um assunto\r\n que continua\r\nMessage-ID: <meu@id>\r\n"
        b"Date: Thu, 01 Jan 2026 00:00:00 -0300\r\n\r\ncorpo\r\n"
    )
    assert made.message_id == "<meu@id>"
    assert made.recipients == ("bia@exemplo.org",)


def test_a_file_gets_what_it_lacks() -> None:
    made = eml("Subject: oi\n\ncorpo\n")
    assert made.message_id.endswith("@exemplo.com.br>")
    assert made.mime["Date"]
    assert str(made.mime["From"]) == "ana@exemplo.com.br"


@each_row("charset", ["utf-8", "latin-1"])
def test_bare_accents_in_the_headers_of_a_file_are_encoded(charset: str) -> None:
    made = eml("From: João <j@x.org>\nSubject: ação\n dois\n\ncorpo\n".encode(charset))
    head = made.mime.as_bytes().partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert str(parsed(made)["Subject"]) == "ação dois"
    assert parsed(made)["From"].addresses[0].display_name == "João"


def test_names_with_commas_in_a_file_stay_one_name() -> None:
    to = ", ".join(f'"Silva, Ana {number} da Silva e Silva" <a{number}@x.org>' for number in range(9))
    made = eml(f"Subject: oi\nTo: {to}, João <j@x.org>\n\ncorpo\n")
    addresses = parsed(made)["To"].addresses
    assert [address.addr_spec for address in addresses] == [*(f"a{number}@x.org" for number in range(9)), "j@x.org"]
    assert addresses[0].display_name == "Silva, Ana 0 da Silva e Silva"


@each_row("data", [b"", b"\n\n", b"isto nao tem cabecalho\nnem aqui\n", b"\x00\xff\xfe"])
def test_a_file_that_is_no_message(data: bytes) -> None:
    with pytest.raises(ValidationError) as caught:
        eml(data)
    assert [error.field for error in caught.value.errors] == ["eml"]


def test_the_attachments_of_a_file_arrive_as_they_were() -> None:
    source = EmailMessage()
    source["From"], source["Subject"] = "a@b.org", "anexo"
    source.set_content("ção")
    source.add_attachment(bytes(range(256)), maintype="application", subtype="octet-stream", filename="ç.bin")
    (part,) = parsed(eml(source.as_bytes())).iter_attachments()
    assert part.get_content() == bytes(range(256))
    assert part.get_filename() == "ç.bin"


# ---------------------------------------------------------------------- addresses


@each_row(
    ("typed", "address"),
    [
        (" Ana.Silva+x@Exemplo.COM.br ", "Ana.Silva+x@exemplo.com.br"),
        ("\u200bana@exemplo.com\xa0", "ana@exemplo.com"),
        ("ana@ação.com.br", "ana@xn--ao-siap.com.br"),
        ("joão@ação.com.br", "joão@xn--ao-siap.com.br"),
        ("ana@faß.de", "ana@xn--fa-hia.de"),
        ("ana@例え。jp", "ana@xn--r8jz45g.jp"),
        ("ana@exemplo.com.", "ana@exemplo.com"),
        ("o'hara_%x@x.org", "o'hara_%x@x.org"),
        ("ana@[127.0.0.1]", "ana@[127.0.0.1]"),
        ("ana@[IPv6:::1]", "ana@[IPv6:::1]"),
        ("ana@localhost", "ana@localhost"),
    ],
)
def test_an_address_goes_on_the_wire_as(typed: str, address: str) -> None:
    assert parse_address(typed) == address
    assert parse_address(address) == address


@each_row(
    ("typed", "words"),
    [
        ("ana", "falta o domínio"),
        ("ana@", "falta o domínio"),
        ("@exemplo.com", "falta o nome"),
        ("ana@exemplo", "incompleto"),
        ("ana@exemplo..com", "ponto sobrando"),
        ("ana@.com", "ponto sobrando"),
        (".ana@exemplo.com", "ponto sobrando"),
        ("a..na@exemplo.com", "ponto sobrando"),
        ("ana@ex_emplo.com", "ex_emplo"),
        ("ana@-x.com", "-x"),
        ("ana@x.123", "número"),
        ("ana@[1.2.3]", "IP"),
        ("ana@b.com, bia@b.com", "um endereço só"),
        ("ana silva@b.com", "espaços"),
        ("Ana <ana@b.com>", "sem o nome: ana@b.com"),
        ("mailto:ana@b.com", "mailto"),
        ('"ana"@b.com', "aspas"),
        ("an\u200ba@b.com", "invisível"),
        ("ana(x)@b.com", "antes do @"),
        ("a" * 65 + "@b.com", "64"),
        ("ana@" + "a" * 64 + ".com", "63"),
        ("ana@" + "a." * 130 + "com", "253"),
        ("a" * 60 + "@" + ("b" * 60 + ".") * 3 + "b" * 20 + ".com", "254"),
        ("ana@\U0001f600.com", "não existe"),
        ("", "falta o domínio"),
    ],
)
def test_what_is_no_address_is_told_why(typed: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        parse_address(typed)
    assert words in str(caught.value)


def test_several_addresses_in_one_field() -> None:
    text = '"Silva, Ana; a" <ana@x.org>; bia@x.org,\nCaio <caio@x.org>\r\n,, '
    assert split_addresses(text) == ["ana@x.org", "bia@x.org", "caio@x.org"]


def test_spellings_of_one_mailbox() -> None:
    gmail = {"ana.silva@gmail.com", "AnaSilva+x@googlemail.com", " anasilva@GMAIL.com."}
    assert len({same_mailbox_key(address) for address in gmail}) == 1
    assert same_mailbox_key("a+1@ação.com.br") == same_mailbox_key("A@xn--ao-siap.com.br")
    assert same_mailbox_key("a.b@x.org") != same_mailbox_key("ab@x.org")
    assert same_mailbox_key("ana") == "ana"


# ---------------------------------------------------------------------- hosts


@each_row(
    ("typed", "host", "port", "words"),
    [
        ("smtp.x.com", "smtp.x.com", None, []),
        (" SMTP.X.com ", "smtp.x.com", None, []),
        ("https://smtp.x.com/ ", "smtp.x.com", None, ["ficou smtp.x.com", "https://"]),
        ("https://smtp.x.com:8443/mail?x=1", "smtp.x.com", None, ["porta da página"]),
        ("smtps://smtp.x.com:465", "smtp.x.com", 465, ["smtps://", "465"]),
        ("smtp://ana:segredo@smtp.x.com", "smtp.x.com", None, ["o usuário"]),
        ("smtp.x.com.", "smtp.x.com", None, ["ponto do fim"]),
        ("smtp.x.com:587", "smtp.x.com", 587, ["porta 587"]),
        ("mail_server", "mail_server", None, []),
        ("localhost", "localhost", None, []),
        ("10.0.0.1", "10.0.0.1", None, []),
        ("[::1]:25", "::1", 25, ["porta 25"]),
        ("[2001:DB8::1]", "2001:db8::1", None, []),
        ("::1", "::1", None, []),
        ("correio.ação.com.br", "correio.xn--ao-siap.com.br", None, ["como a internet escreve"]),
    ],
)
def test_a_host_is_cleaned_and_said_so(typed: str, host: str, port: int | None, words: list[str]) -> None:
    made = parse_host(typed)
    assert (made.host, made.port) == (host, port)
    assert bool(made.note) is bool(words)
    assert all(word in made.note for word in words)
    assert "segredo" not in made.note
    assert parse_host(host) == HostInput(host, None, "")


@each_row(
    ("typed", "words"),
    [
        ("", "falta"),
        ("https://", "falta"),
        ("smtp x.com", "espaços"),
        ("smtp..x.com", "ponto sobrando"),
        (".x.com", "ponto sobrando"),
        ("a" * 64 + ".com", "63"),
        ("a." * 130 + "com", "253"),
        ("smtp.x.com:99999", "1 a 65535"),
        ("smtp.x.com:abc", "não é uma porta"),
        ("ana@x.com", "endereço de e-mail"),
        ("999.1.1.1", "IP"),
        ("[x]", "IP"),
        ("smtp,x.com", "smtp,x"),
        ("smtp.x.com\nsmtp.y.com", "quebras"),
    ],
)
def test_what_is_no_host_is_told_why(typed: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        parse_host(typed)
    assert words in str(caught.value)
