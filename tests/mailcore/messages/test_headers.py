"""Headers, word for word: read back by a decoder written from the RFCs (decoders.py), not by the library's."""

from __future__ import annotations

import random

from mailcore.messages.compose import compose, from_eml
from mailcore.messages.encoded_words import decoded_words
from tests.mailcore.messages.decoders import Entity, header_text, read
from tests.tables import each_row

SENDER = "ana@exemplo.com.br"
_OPENINGS = (
    "Confirmação de", "Aviso sobre", "Reunião de", "Convite:", "Lembrete —", "Re: Encaminhamento de",
    "Fwd: Solicitação", "Segunda via da", "Atualização do", "Cobrança referente à", "Não responda:",
    "ATENÇÃO!", "Olá, Conceição!", "Você já viu a",
)  # fmt: skip
_MIDDLES = (
    "até amanhã às 10h", "nota fiscal nº 1.234", "férias coletivas", "matrícula do João",
    "relatório de vendas", "situação da sua inscrição", "pão de açúcar", "três propostas em análise",
    "orçamento (revisão 2)", "ação judicial", "alteração de endereço", "manutenção do elevador",
    "saldo de R$ 1.250,90", "cópia do contrato", "à vista ou a prazo", "prestação de contas",
    "câmbio e importação", "mês de março", "exceção à regra", "currículo da Letícia", "e-mail padrão",
)  # fmt: skip
_ENDINGS = (
    "", "– 3ª parcela", "para você", "no próximo sábado", "com 20% de desconto", "(é urgente)",
    "já disponível", "em São Paulo", "e a família", "; pedido #37", "hoje às 15h30", "= última chance?",
    "50 % até amanhã", "🎉", "“só hoje”", "a/c Sr. Antônio",
)  # fmt: skip


def natural_subjects(count: int) -> list[str]:
    """Subjects as people and programs in Brazil write them, always the same ones."""
    choose = random.Random(10)
    subjects = []
    for _ in range(count):
        middle = " e ".join(choose.sample(_MIDDLES, choose.randint(1, 3)))
        subjects.append(" ".join(part for part in (choose.choice(_OPENINGS), middle, choose.choice(_ENDINGS)) if part))
    return subjects


def composed(**changes: object) -> Entity:
    given = {"from_address": SENDER, "to": ["bia@exemplo.org"], "subject": "Oi", "text": "Oi."}
    return read(compose(**(given | changes)).content)  # type: ignore[arg-type]


def raw(entity: Entity, name: str) -> bytes:
    (found,) = [value for key, value in entity.fields if key == name]
    return found


def test_ten_thousand_subjects_arrive_word_for_word() -> None:
    for subject in natural_subjects(10_000):
        made = compose(from_address=SENDER, to=["bia@exemplo.org"], subject=subject).content
        head = made.partition(b"\r\n\r\n")[0]
        assert head.isascii()
        assert max(map(len, head.split(b"\r\n"))) <= 78
        written = raw(read(made), "Subject")
        assert header_text(written) == subject
        assert decoded_words(written.decode().replace("\r\n", "").strip()) == subject


def test_the_same_subjects_arrive_from_a_file_with_bare_accents() -> None:
    for subject in natural_subjects(500):
        made = from_eml(f"Subject: {subject}\n\noi\n".encode(), envelope_from=SENDER, to=["b@x.org"])
        assert header_text(raw(read(made.content), "Subject")) == subject


@each_row(
    "subject",
    [
        "a  b", "a" * 300, "á" * 300, "=?utf-8?q?ol=C3=A1?=", "termina em =", "? _ = ?=", "😀" * 60, "e\u0301" * 80,
        "Olá\u00a0mundo", "um " * 290 + "fim", "x=?y?=z", "日本語" * 40, "São Paulo, " * 30 + "fim",
    ],
)  # fmt: skip
def test_an_unusual_subject_arrives_word_for_word(subject: str) -> None:
    assert header_text(raw(composed(subject=subject), "Subject")) == subject


@each_row("header", ["Subject", "X-Departamento", "Comments", "Organization", "Thread-Topic"])
@each_row("charset", ["utf-8", "cp1252"])
def test_any_free_text_of_a_file_arrives_word_for_word(header: str, charset: str) -> None:
    text = "até amanhã às 10h, pão de açúcar e orçamento da ação nº 7 já disponível em São Paulo"
    made = from_eml(f"{header}: {text}\n\noi\n".encode(charset), envelope_from=SENDER, to=["b@x.org"])
    assert header_text(raw(read(made.content), header)) == text


def test_what_a_file_has_encoded_stays_byte_for_byte() -> None:
    folded = "Subject: =?iso-8859-1?Q?at=E9_?=\n =?iso-8859-1?Q?amanh=E3?=\n\t fim"
    made = from_eml(f"{folded}\n\noi\n".encode(), envelope_from=SENDER, to=["b@x.org"])
    assert folded.replace("\n", "\r\n").encode() + b"\r\n" in made.content


@each_row("name", ["João, da “Loja”", "Maria da Conceição " * 9, 'a"b\\c', "=?utf-8?q?a?=", "José  Silva"])
def test_a_name_arrives_word_for_word(name: str) -> None:
    written = raw(composed(from_name=name), "From")
    phrase, _, address = written.rpartition(b"<")
    assert address == b"ana@exemplo.com.br>"
    assert header_text(phrase.rstrip(b"\r\n ")) == name.strip()


def test_addresses_of_a_file_keep_names_comments_and_groups() -> None:
    to = '"Silva, Zé" <ze@x.org>, bia@x.org (é a Bia), Amigos: caio@x.org;'
    given = f"From: João Câmara <joao@ação.com.br>\nTo: {to}\n\noi\n"
    made = from_eml(given.encode(), envelope_from=SENDER, to=["b@x.org"])
    entity = read(made.content)
    assert header_text(raw(entity, "From")) == "João Câmara <joao@xn--ao-siap.com.br>"
    assert header_text(raw(entity, "To")) == "Silva, Zé <ze@x.org>, bia@x.org (é a Bia), Amigos: caio@x.org;"
    assert not made.needs_smtputf8


def test_smtputf8_is_not_asked_for_what_only_looks_like_it() -> None:
    """An address inside an encoded word is a name, and an international domain has a spelling in ASCII."""
    given = "From: =?utf-8?q?jo=C3=A3o=40x=2Eorg?= <j@x.org>\nTo: <b@ação.example>\nSubject: joão@x.org\n\noi\n"
    made = from_eml(given.encode(), envelope_from=SENDER, to=["b@ação.example"])
    assert not made.needs_smtputf8
    assert made.content.partition(b"\r\n\r\n")[0].isascii()
    truly = from_eml("From: joão@x.org\n\noi\n".encode(), envelope_from=SENDER, to=["b@x.org"])
    assert truly.needs_smtputf8
    assert "From: joão@x.org\r\n".encode() in truly.content


@each_row("charset", ["utf-8", "cp1252"])
def test_a_file_name_with_bare_accents_is_written_as_the_rfc_has_it(charset: str) -> None:
    name = "relatório de execução orçamentária – 3º trimestre de São Paulo.pdf"
    given = (
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/pdf\n"
        f'Content-Disposition: attachment; filename="{name}"\nContent-Transfer-Encoding: base64\n\nAAEC\n--b--\n'
    )
    entity = read(from_eml(given.encode(charset), envelope_from=SENDER, to=["b@x.org"]).content)
    assert entity.parts[0].parameter("Content-Disposition", "filename") == name
    assert entity.parts[0].content == b"\x00\x01\x02"
