"""Messages of a batch: what a template may hold, and that every recipient gets what its author meant."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcore.errors import ValidationError
from mailcore.messages.compose import Recipient
from mailcore.messages.html_text import text_of
from mailcore.messages.merge import Attachment, MergeMessage, MergeTemplate
from tests.properties import examples
from tests.tables import each_row

SENDER = Recipient("loja@exemplo.com.br", "Loja São João, Ltda.")
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.just("\n"), max_size=120)


def merged(subject: str = "Oi", text: str = "", html: str = "", **more: object) -> MergeMessage:
    return MergeMessage(MergeTemplate.parse(subject=subject, text=text, html=html), sender=SENDER, **more)  # type: ignore[arg-type]


def read(data: bytes) -> EmailMessage:
    """What a standard reader makes of it; every byte of it can go over SMTP as it is."""
    assert data.endswith(b"\r\n")
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
    assert max(map(len, data.split(b"\r\n"))) <= 78
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk() if part.defects] == []
    return message


def content(part: EmailMessage | None) -> str:
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def write(message: MergeMessage, address: str = "bia@exemplo.com.br", name: str = "Bia", **fields: str) -> EmailMessage:
    return read(message.write(address, name, fields, message_id="<1@exemplo.com.br>"))


@settings(max_examples=examples(60), deadline=None)
@given(before=ANY_TEXT, after=ANY_TEXT, nome=ANY_TEXT, valor=ANY_TEXT)
def test_every_recipient_reads_what_the_preview_shows(before: str, after: str, nome: str, valor: str) -> None:
    before, after = before.replace("{", "("), after.replace("{", "(")
    source = f"x{before}{{{{ nome }}}}{after}{{{{valor}}}}{{{{nome}}}}{before}"
    message = merged(subject="Fatura de {{nome}}", text=source, html=f"<p>{source}</p>")
    fields = {"nome": nome, "valor": valor}
    got, shown = write(message, **fields), message.preview(fields)
    assert got["Subject"] == shown.subject
    assert shown.text == f"x{before}{nome}{after}{valor}{nome}{before}"
    assert content(got.get_body(("plain",))).removesuffix("\n") == shown.text.removesuffix("\n")
    assert content(got.get_body(("html",))).removesuffix("\n") == shown.html.removesuffix("\n")


def test_a_field_is_escaped_in_html_and_cannot_break_out_of_a_header() -> None:
    message = merged(
        "Oi {{nome}}", html="<p title='{{nome}}'>{{ nome }} {{nome|upper}} {% if nome %}{{nome}}{% endif %}</p>"
    )
    evil = "<b onload='x'>\r\nBcc: vitima@exemplo.com.br\r\n\r\n\x00corpo"
    got = read(message.write("bia@exemplo.com.br", evil, {"nome": evil}, message_id="<1@exemplo.com.br>"))
    assert got["Subject"] == "Oi <b onload='x'> Bcc: vitima@exemplo.com.br corpo"
    assert got["Bcc"] is None
    assert [each.addr_spec for each in got["To"].addresses] == ["bia@exemplo.com.br"]
    html = content(got.get_body(("html",)))
    assert "<b" not in html.lower().replace("<body", "")
    assert html.lower().count("&lt;b onload=&#39;x&#39;&gt;") == 4


@each_row(
    ("text", "said"),
    [
        ("{% for a in b %}{% endfor %}", "“for” não pode ser usado"),
        ("{% for a in range(99999999) %}{{ a }}{% endfor %}", "“for” não pode ser usado"),
        ("{{ nome() }}", "“parênteses” não pode ser usado"),
        ("{{ ''.__class__.__mro__ }}", "“ponto” não pode ser usado"),
        ("{{ nome['x'] }}", "“colchetes” não pode ser usado"),
        ("{{ 9 ** 99999999 }}", "uma conta"),
        ("{{ 'x' * 99999999 }}", "uma conta"),
        ("{{ nome|safe }}", "não existe o filtro “safe”"),
        ("{{ nome|default(outro.x) }}", "“ponto” não pode ser usado"),
        ("{% include 'segredos' %}", "um comando"),
        ("{% set nome = 1 %}", "um comando"),
        ("{% macro a() %}{% endmacro %}", "um comando"),
        ("{{ nome }", "que não se entende"),
        ("{% if nome %}", "que não se entende"),
        ("{{ " + "(" * 5000 + "nome" + ")" * 5000 + " }}", "umas dentro das outras"),
    ],
)
def test_a_template_holds_fields_filters_and_if_and_nothing_else(text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        MergeTemplate.parse(subject="Oi", text=f"Primeira linha\n{text}", html="")
    assert refused.value.errors[0].field == "text"
    assert str(refused.value).startswith("Mensagem: ")


def test_a_field_finds_the_heading_as_it_stands_in_the_spreadsheet() -> None:
    text = "{{Nome do cliente}} {{ E-mail }} {{ Valor (R$)|upper }} {{&nbsp;2ª via }} {{nome_do_CLIENTE}} {{ codigo }}"
    message = merged(text=text)
    fields = {"Nome do cliente": "Bia", "E-mail": "b@x.br", "Valor (R$)": "r$ 3", "2ª via": "sim", "Código": "7"}
    assert message.preview(fields).text == "Bia b@x.br R$ 3 sim Bia 7"
    assert message.template.unknown(["nome do cliente", "e_mail", "2a via"]) == ["Valor (R$)", "codigo"]
    with pytest.raises(ValidationError, match=r"nenhuma coluna dos destinatários se chama \{\{codigo\}\}\."):
        message.check([name for name in fields if name != "Código"])


def test_filters_and_conditions() -> None:
    message = merged(
        text="{{ nome|title }}{% if vip == 'sim' and not novo %}, cliente VIP{% elif novo %}, boas-vindas{% endif %}"
        "{{ apelido|padrao('sem apelido') }}"
    )
    assert message.preview({"nome": "bia", "vip": "sim", "novo": "", "apelido": ""}).text == (
        "Bia, cliente VIPsem apelido"
    )
    assert message.preview({"nome": "bia", "vip": "", "novo": "x", "apelido": "B"}).text == "Bia, boas-vindasB"


def test_the_text_is_made_of_the_html_with_its_fields() -> None:
    html = """<html><head><title>fora</title><style>p{color:red}</style></head><body><h1>Olá, {{ nome }}</h1>
    <p>Sua fatura de&nbsp;<b>R$ {{ valor }}</b> &amp; juros.<br>Veja <a href="https://x.br/{{ n }}">aqui</a>.</p>
    <ul><li>um</li><li>{% if vip == "a<b" %}dois{% endif %}</li></ul></body></html>"""
    expected = "Olá, {nome}\n\nSua fatura de R$ {valor} & juros.\nVeja aqui (https://x.br/{n}).\n\n* um\n* dois\n"
    fields = {"nome": "Bia & Cia", "valor": "3", "n": "47", "vip": "a<b"}
    message = merged(html=html)
    assert message.preview(fields).text + "\n" == expected.format(**fields)
    assert content(write(message, **fields).get_body(("plain",))) == expected.format(**fields)
    # An "if" that stands in no visible place, and so loses its end: the text goes without it.
    assert text_of("<!-- {% if x %} --><p>a{% endif %}</p>") == "a{% endif %}\n"
    assert merged(html="<!-- {% if x %} --><p>a{% endif %}</p>").preview({"x": ""}).text == "a\n"


def test_attachments_for_all_and_for_one() -> None:
    all_of_them = Attachment('condições "gerais".pdf', "application/pdf", bytes(range(256)))
    own = Attachment("fatura 4711.xml", "quebrado\r\nX: y", b"<x/>")
    message = merged(text="Segue.", attachments=[all_of_them])
    data = message.write("b@x.br", "", {}, message_id="<1@x.br>", attachments=[own])
    got = list(read(data).iter_attachments())
    assert [each.get_filename() for each in got] == ["condições 'gerais'.pdf", "fatura 4711.xml"]
    assert [each.get_content_type() for each in got] == ["application/pdf", "application/octet-stream"]
    assert [each.get_content() for each in got] == [all_of_them.data, own.data]
    assert len(list(write(message).iter_attachments())) == 1
    assert content(read(data).get_body()) == "Segue.\n"


def test_marketing_says_how_to_unsubscribe_and_an_invoice_does_not() -> None:
    one_click = merged(text="{{descadastro}}", list_unsubscribe=lambda address: f"https://x.br/sair?a={address}")
    got = write(one_click)
    assert got["List-Unsubscribe"] == "<https://x.br/sair?a=bia@exemplo.com.br>"
    assert got["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert content(got) == "https://x.br/sair?a=bia@exemplo.com.br\n"
    assert (got["Precedence"], got["Auto-Submitted"]) == ("bulk", "auto-generated")
    by_mail = write(merged(text="x", list_unsubscribe=lambda _: "mailto:loja@exemplo.com.br?subject=sair"))
    assert by_mail["List-Unsubscribe"] == "<mailto:loja@exemplo.com.br?subject=sair>"
    assert by_mail["List-Unsubscribe-Post"] is None
    invoice = write(merged(text="x"))
    assert invoice["List-Unsubscribe"] is invoice["Precedence"] is None
    assert invoice["Auto-Submitted"] == "auto-generated"
    with pytest.raises(ValidationError, match="só no tipo Divulgação"):
        merged(text="{{descadastro}}").check([])


def test_a_service_that_merges_for_itself_makes_the_same_message() -> None:
    text, html = (
        "{{nome}} {% if vip %}VIP {{valor}}{% endif %} {fica}",
        "<style>p{a:b}</style><p>{{nome}} {{valor|upper}}</p>",
    )
    message = merged("Oi {{nome}}", text, html)
    fields = {"nome": "B & C", "vip": "1", "valor": "<r$ 3>"}
    template, name = message.placeholders()
    values = {f"{name}{number}": text for number, text in enumerate(message.merged("a@x.br", fields), 1)}
    shown = message.preview(fields)

    def fill(text: str) -> str:
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)
        return text

    assert [fill(part) for part in (template.subject, template.text, template.html)] == [
        shown.subject,
        shown.text,
        shown.html,
    ]
    assert message.placeholders() == merged("Oi {{nome}}", text, html).placeholders()


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValidationError, match=r"Assunto: preencha.*Mensagem: escreva o texto"):
        MergeTemplate.parse(subject=" ", text="", html="\n")
    with pytest.raises(ValidationError, match="Assunto: escreva numa linha só"):
        MergeTemplate.parse(subject="a\nBcc: b@c.br", text="x", html="")
    with pytest.raises(ValidationError, match="E-mail do remetente"):
        MergeMessage(MergeTemplate.parse(subject="a", text="b", html=""), sender=Recipient("nada"))
