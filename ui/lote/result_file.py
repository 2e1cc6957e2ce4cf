"""The result of a batch as a CSV and as an Excel file: what became of each recipient."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from mailcore.batches.reading import columns_of, fields_of, reason_of, shown_status
from ui import words

if TYPE_CHECKING:
    import pandas as pd

    from mailcore import Mailcore
    from mailcore.storage.tables import Batch
    from mailcore.vocabulary import RecipientStatus

MOST_ROWS = 1_000_000
"""What a sheet of Excel takes."""
_HEADINGS = (
    *("Linha", "Destinatário", "Situação", "Quando", "O que houve", "Resposta do servidor", "Servidor", "Message-ID"),
    *("Número no serviço", "Situação (código)"),
)
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def buttons(core: Mailcore, batch: Batch, status: RecipientStatus | None) -> None:
    """Draw "Baixar resultado" for both kinds of file; one is made when it is asked for."""
    for kind, ending, mime, make in (("CSV", "csv", "text/csv", to_csv), ("Excel", "xlsx", _EXCEL, to_excel)):
        st.download_button(
            f"Baixar resultado ({kind})",
            data=partial(make, core, batch, status),
            file_name=f"lote-{batch.id}.{ending}",
            mime=mime,
            key=f"lote_resultado_{ending}",
            on_click="ignore",
            icon=":material/download:",
        )


def to_csv(core: Mailcore, batch: Batch, status: RecipientStatus | None = None) -> bytes:
    """Return a batch's recipients as CSV, the way a Brazilian Excel opens it with a double click.

    Raises:
        StorageError: the database could not be read.
    """
    from ui import spreadsheets

    return spreadsheets.to_csv(_table(core, batch, status))


def to_excel(core: Mailcore, batch: Batch, status: RecipientStatus | None = None) -> bytes:
    """Return the same as an .xlsx file.

    Raises:
        StorageError: the database could not be read.
    """
    from ui import spreadsheets

    return spreadsheets.to_excel(_table(core, batch, status), "Resultado")


def _table(core: Mailcore, batch: Batch, status: RecipientStatus | None) -> pd.DataFrame:
    import pandas as pd

    columns = columns_of(batch)
    rows: list[dict[str, Any]] = []
    for each, _ in zip(core.batches.result(batch.id, status=status), range(MOST_ROWS), strict=False):
        reason = reason_of(each)
        shown = shown_status(each)
        at = each.at.astimezone(core.settings.zone) if each.at else None
        rows.append(
            {
                "Linha": each.row,
                "Destinatário": each.address,
                "Situação": words.recipient_status(shown, batch.state),
                "Quando": at.replace(tzinfo=None, microsecond=0) if at else None,
                "O que houve": reason.title if reason else "",
                "Resposta do servidor": " ".join(each.reply.split()),
                "Servidor": batch.server_name,
                "Message-ID": each.message_id,
                "Número no serviço": each.provider_id,
                "Situação (código)": shown.value,
                # The list's own columns come back as they came, whatever they are called.
                **{f"Lista: {name}": value for name, value in fields_of(columns, each).items()},
            }
        )
    # With headings also where no recipient is in this state.
    return pd.DataFrame(rows, columns=[*_HEADINGS, *(f"Lista: {name}" for name in columns)])
