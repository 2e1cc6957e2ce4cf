"""A batch of the demo, ready to start, and who gets nothing from batches any more."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING

from demo.portfolio import ANA, CARLA
from mailcore.batches.new_batch import NewBatch
from mailcore.batches.recipients_file import RecipientsFile

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer

NAME = "Lembretes de consulta"
RECIPIENTS = 60
_FIRST = ("Ana", "Bento", "Clara", "Davi", "Elisa", "Fábio", "Gisele", "Heitor", "Iara", "João", "Lia", "Mário")
_LAST = ("Alves", "Barros", "Costa", "Dias", "Freitas", "Gomes", "Lima", "Moura", "Nunes", "Prado")
_NOWHERE = frozenset({20, 40})
"""Rows whose address the stand-in does not know: refused, and left out of later batches."""
_UNSUBSCRIBED = "mario.prado@empresa.example"


def draft(core: Mailcore, server: MailServer) -> None:
    """Make the draft; nothing is sent before somebody presses "Iniciar"."""
    core.suppressions.add(_UNSUBSCRIBED, reason="Pediu por telefone", actor=ANA)
    listed = StringIO()
    rows = csv.writer(listed, delimiter=";")
    rows.writerow(["Nome", "E-mail", "Dia", "Hora"])
    for number in range(1, RECIPIENTS + 1):
        first, last = _FIRST[(number - 1) % len(_FIRST)], _LAST[(number - 1) % len(_LAST)]
        address = f"cliente{number}@empresa.example"
        if number in _NOWHERE:
            address = f"nao-existe{number}@empresa.example"
        elif number == RECIPIENTS:
            address = _UNSUBSCRIBED
        rows.writerow([f"{first} {last}", address, f"{1 + number % 28:02d}/12/2026", f"{8 + number % 10:02d}:30"])
    new = NewBatch(
        server_id=server.id,
        recipients=RecipientsFile(listed.getvalue().encode(), "consultas.csv"),
        subject="{{Nome}}, sua consulta é dia {{Dia}}",
        text="Olá, {{Nome}}!\n\nSua consulta é dia {{Dia}}, às {{Hora}}. Não pode vir? Avise-nos.\n\nClínica Bem Viver",
        name=NAME,
    )
    core.batches.create(new, actor=CARLA)
