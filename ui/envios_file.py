"""The ledger as a CSV and as an Excel file: in the screen's words, with the codes beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ui import words

if TYPE_CHECKING:
    import pandas as pd

    from mailcore import Mailcore
    from mailcore.sending.ledger import LedgerQuery

MOST_EXPORTED = 100_000
"""Rows of one file: more than a spreadsheet is comfortable with, and little enough to be made at once."""

COLUMNS = (
    *("Número", "Quando", "Servidor", "Resultado", "Unidades", "Destinatários", "O que houve", "Resposta do servidor"),
    *("Avisos", "Situação no serviço", "Falhas de entrega", "Origem", "Message-ID", "Número no serviço"),
    *("Número do servidor", "Resultado (código)", "O que houve (código)", "Origem (código)", "Quando (ISO 8601)"),
    "Quem",
)


def to_csv(core: Mailcore, query: LedgerQuery) -> bytes:
    """Return the rows that match, newest first, at most :data:`MOST_EXPORTED`; its columns are a promise.

    Raises:
        StorageError: the database could not be read.
    """
    from ui import spreadsheets

    return spreadsheets.to_csv(_table(core, query))


def to_excel(core: Mailcore, query: LedgerQuery) -> bytes:
    """Return the same as an .xlsx file.

    Raises:
        StorageError: the database could not be read.
    """
    from ui import spreadsheets

    return spreadsheets.to_excel(_table(core, query), "Envios")


def _table(core: Mailcore, query: LedgerQuery) -> pd.DataFrame:
    import pandas as pd

    from mailcore import frames

    frame = frames.sends(core, query=query, most=MOST_EXPORTED)
    columns = {
        "Número": frame["id"],
        "Quando": frame["at"].dt.tz_localize(None).dt.floor("s"),
        "Servidor": frame["server_name"],
        "Resultado": frame["status"].map(words.OUTCOME),
        "Unidades": frame["units"],
        "Destinatários": frame["recipients"],
        "O que houve": frame["diagnosis_title"],
        "Resposta do servidor": _one_line(frame["reply"]),
        "Avisos": _one_line(frame["warnings"]),
        "Situação no serviço": frame["follow_state"].map(words.FOLLOW_STATE),
        "Falhas de entrega": frame["follow_failures"],
        "Origem": frame["origin"].map(words.ORIGIN),
        "Message-ID": frame["message_id"],
        "Número no serviço": frame["provider_id"],
        "Número do servidor": frame["server_id"],
        "Resultado (código)": frame["status"],
        "O que houve (código)": frame["diagnosis_code"],
        "Origem (código)": frame["origin"],
        "Quando (ISO 8601)": [moment.isoformat(timespec="seconds") for moment in frame["at"]],
        "Quem": frame["who"],
    }
    return pd.DataFrame({name: columns[name] for name in COLUMNS})


def _one_line(column: pd.Series) -> list[str]:
    return [" ".join(text.split()) for text in column]
