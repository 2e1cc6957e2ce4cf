"""Reading lists of recipients, as people have them."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from mailcore import Mailcore
from mailcore.batches.number_format import shown
from mailcore.batches.recipients_file import Recipients, RecipientsFile
from mailcore.errors import ValidationError
from mailcore.vocabulary import BatchKind, SuppressionScope
from tests.actors import ME
from tests.mailcore.batches.sending import SENDER, at_peer, new_batch, statuses
from tests.peers.smtp_server import SmtpPeer
from tests.tables import each_row


def read(data: bytes | str, email_column: str = "") -> tuple[Recipients, list[tuple[int, str, list[str]]]]:
    found = Recipients(RecipientsFile(data), email_column)
    return found, [(row.row, row.address, row.fields) for row in found.rows()]


def sheet(*rows: list[Any], formats: dict[str, str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    for row in rows:
        page.append(row)
    for cell, number_format in (formats or {}).items():
        page[cell].number_format = number_format
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


TABLE = "Nome;E-mail;Valor\nAna Lima;ana@exemplo.com.br;1.234,50\n"


@each_row(
    "data",
    [
        TABLE.encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        TABLE.encode("cp1252"),
        TABLE.replace(";", "\t").encode(),
        TABLE.replace("1.234,50", '"1.234,50"').replace(";", ",").encode(),
        TABLE.replace("\n", "\r\n").encode(),
        TABLE,
    ],
)
def test_a_table_in_any_of_the_ways_it_is_saved(data: bytes | str) -> None:
    found, rows = read(data)
    assert (found.columns, found.email_column) == (["Nome", "E-mail", "Valor"], "E-mail")
    assert rows == [(2, "ana@exemplo.com.br", ["Ana Lima", "ana@exemplo.com.br", "1.234,50"])]
    assert not found.faults.count


def test_a_row_is_numbered_as_a_spreadsheet_numbers_it() -> None:
    _, rows = read('email,nota\na@b.com,"duas\nlinhas"\n\nc@d.com,x\n')
    assert [row for row, _, _ in rows] == [2, 4]


def test_pasted_addresses() -> None:
    found, rows = read('"Lima, Ana" <ana@x.com.br>\n\nb@y.com.br\n')
    assert found.columns == ["email", "nome"]
    assert rows == [(1, "ana@x.com.br", ["ana@x.com.br", "Lima, Ana"]), (3, "b@y.com.br", ["b@y.com.br", ""])]
    assert [row for row, _, _ in read("a@x.com; b@x.com\nc@x.com")[1]] == [1, 2, 3]


def test_a_file_without_headings() -> None:
    found, rows = read(b"Ana,ana@x.com.br\nBia,bia@x.com.br\n")
    assert (found.columns, found.email_column) == (["coluna 1", "email"], "email")
    assert [row for row, _, _ in rows] == [1, 2]


def test_a_spreadsheet_reads_as_brazilian_excel_shows_it() -> None:
    data = sheet(
        ["Cliente", "E-mail", "Vence", "Valor", "CPF", "Código", "Nota 😀"],
        ["Zé, o padeiro", "ze@exemplo.com.br", date(2026, 11, 26), 1234.5, 1234567890, 12345678901234, None],
        [None, None, None, None, None, None, None],
        ["Ana", "ana@exemplo.com.br", date(2026, 1, 2), 0.125, "x", 7.0, True],
        formats={"D2": '"R$" #,##0.00', "D4": "0.0%", "E2": '000"."000"."000\\-00'},
    )
    _, rows = read(data)
    assert rows[0] == (
        2,
        "ze@exemplo.com.br",
        [
            *("Zé, o padeiro", "ze@exemplo.com.br", "26/11/2026", "R$ 1.234,50"),
            *("012.345.678-90", "12345678901234", ""),
        ],
    )
    assert rows[1] == (
        4,
        "ana@exemplo.com.br",
        ["Ana", "ana@exemplo.com.br", "02/01/2026", "12,5%", "x", "7", "VERDADEIRO"],
    )


def test_a_formula_gives_its_stored_value_and_an_error_is_a_fault() -> None:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file)
    page = book.add_worksheet()
    page.write_row(0, 0, ["email", "total"])
    page.write_row(1, 0, ["a@x.com.br"])
    page.write_formula(1, 1, "=1+1", None, 2)
    page.write_row(2, 0, ["b@x.com.br"])
    page.write_formula(2, 1, "=1/0", None, "#DIV/0!")
    book.close()
    found, rows = read(file.getvalue())
    assert rows == [(2, "a@x.com.br", ["a@x.com.br", "2"])]
    assert [str(fault) for fault in found.faults.first] == ["Linha 3, total: a fórmula deu erro (#DIV/0!)."]


@each_row(
    ("value", "number_format", "text"),
    [
        *((1234.5, "General", "1234,5"), (1234567, "#,##0", "1.234.567"), (-5.5, "#,##0.00;(#,##0.00)", "(5,50)")),
        *((5, "00000", "00005"), (0.1 + 0.2, "0.00", "0,30"), (2.5, "0", "3"), (1.5, "# ?/?", "1,5")),
        *((7, "0.###", "7"), (-12.5, "#,##0.00;[Red]-#,##0.00", "-12,50"), (1e15, "General", "1000000000000000")),
        *((-3, "#,##0.00;;", "-3"), (-0.5, "0;(0)", "(1)"), (1e-7, "General", "0,0000001")),
        *((1e30, "0.00", f"1{'0' * 30}"), (1e300, "General", f"1{'0' * 300}")),
    ],
)
def test_numbers_as_they_are_formatted(value: float, number_format: str, text: str) -> None:
    assert shown(value, number_format) == text


@each_row(
    ("whole", "damaged"),
    [
        (b"<v>7.5</v>", b"<v>abc</v>"),
        (b"<v>7.5</v>", b"<v>7.5"),
        (b'r="B3"', b'r="B3" s="99"'),
        (b'r="B3"', b'r="??"'),
        (b'<row r="3"', b'<row r="x"'),
    ],
)
def test_a_spreadsheet_that_is_damaged_inside_names_the_line(whole: bytes, damaged: bytes) -> None:
    file = io.BytesIO()
    book = zipfile.ZipFile(io.BytesIO(sheet(["email", "valor"], ["a@x.com.br", 5.5], ["b@x.com.br", 7.5])))
    with zipfile.ZipFile(file, "w") as changed:
        for name in book.namelist():
            part = book.read(name)
            is_sheet = name.endswith("sheet1.xml")
            assert not is_sheet or whole in part
            changed.writestr(name, part.replace(whole, damaged) if is_sheet else part)
    with pytest.raises(ValidationError, match=r"linha 3: Não consegui ler a planilha daqui em diante\. Salve-a"):
        read(file.getvalue())


@each_row(
    ("data", "field", "sentence"),
    [
        (b"", "recipients", "Destinatários: não há nada na lista"),
        (b"\n\n", "recipients", "não há nada na lista"),
        (b"\xd0\xcf\x11\xe0rest", "recipients", "planilha antiga"),
        (b"PK\x03\x04rest", "recipients", "não abre"),
        (b"\x00\x01\x02", "recipients", "não é um arquivo CSV"),
        (
            b"nome,cidade\nAna,Bauru\n",
            "recipients",
            "nenhuma coluna tem endereços de e-mail. As colunas são: nome, cidade.",
        ),
    ],
)
def test_what_is_no_list_is_a_sentence(data: bytes, field: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as raised:
        read(data)
    assert [error.field for error in raised.value.errors] == [field]
    assert sentence in str(raised.value)


def test_the_column_of_addresses_by_name_or_by_what_is_in_it() -> None:
    table = "contato,E-mail cobrança\na@x.com,b@x.com\n"
    assert read(table)[0].email_column == "E-mail cobrança"
    assert read(table, "CONTATO")[0].email_column == "contato"
    with pytest.raises(ValidationError, match=r"Coluna do e-mail: não há coluna “fone”\. As colunas são: contato"):
        read(table, "fone")


def test_every_bad_line_is_named_and_nothing_is_made(core: Mailcore) -> None:
    with SmtpPeer() as peer:
        server = at_peer(core, peer)
        lines = ["email,nome", *("ruim,x" if number % 3 == 0 else f"p{number}@x.com,y" for number in range(1_000))]
        lines[3] = "a@x.com,b,c"
        with pytest.raises(ValidationError) as raised:
            core.batches.create(new_batch(server, recipients=RecipientsFile("\n".join(lines))), actor=ME)
    said = [error.message for error in raised.value.errors]
    assert said[0] == "Linha 2, email: em “ruim”, falta o domínio, a parte depois do @, como em nome@exemplo.com.br."
    assert said[1] == "Linha 4: há 3 células, e só 2 colunas."
    assert len(said) == 101
    assert said[-1] == "Destinatários: há mais 235 linhas com erro."
    assert core.batches.find().matching == 0


def test_doubles_suppressed_and_the_own_address_are_told_apart(core: Mailcore) -> None:
    with SmtpPeer() as peer:
        server = at_peer(core, peer)
        core.suppressions.add("saiu@x.com", scope=SuppressionScope.MARKETING, actor=ME)
        core.suppressions.add("Morto@x.com", reason="voltou", actor=ME)
        pasted = f"a@x.com\nA@X.com\nsaiu@x.com\nmorto@x.com\n{SENDER.upper()}\n"
        source = RecipientsFile(pasted)
        plan = core.batches.read_recipients(source, server_id=server.id, kind=BatchKind.MARKETING)
        assert (plan.total, plan.doubles, plan.suppressed, plan.own, plan.fault_count) == (4, 1, 2, 1, 0)
        batch = core.batches.create(new_batch(server, recipients=source, subject="Oi"), actor=ME)
    assert (batch.total, batch.pending, batch.refused, batch.suppressed) == (4, 2, 1, 1)
    assert statuses(core, batch) == {
        "a@x.com": "pending",
        "saiu@x.com": "pending",
        "morto@x.com": "suppressed",
        SENDER.upper().partition("@")[0] + "@exemplo.com.br": "refused",
    }


def test_a_missing_attachment_is_named_by_its_row(core: Mailcore, tmp_path: Path) -> None:
    from mailcore.batches.new_batch import NewFile

    with SmtpPeer() as peer:
        server = at_peer(core, peer)
        table = "email,fatura\na@x.com,Um.pdf\nb@x.com,\nc@x.com,três.pdf\n"
        files = [NewFile("um.PDF", b"1", for_all=False)]
        with pytest.raises(ValidationError, match=r"Linha 4, fatura: o anexo “três\.pdf” não está entre os arquivos\."):
            core.batches.create(
                new_batch(
                    server, recipients=RecipientsFile(table), subject="x", attachments=files, file_column="Fatura"
                ),
                actor=ME,
            )
