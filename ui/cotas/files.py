"""The table of "Cotas" as CSV and as an Excel file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ui import words

if TYPE_CHECKING:
    import pandas as pd

    from mailcore import Mailcore
    from mailcore.quota.rules import Quota


def to_csv(core: Mailcore, quotas: list[Quota]) -> bytes:
    """Return the accounts as CSV, the way a Brazilian Excel opens it with a double click."""
    from ui import spreadsheets

    return spreadsheets.to_csv(_table(core, quotas))


def to_excel(core: Mailcore, quotas: list[Quota]) -> bytes:
    """Return the accounts as an .xlsx file, numbers as numbers and times as times."""
    from ui import spreadsheets

    return spreadsheets.to_excel(_table(core, quotas), "Cotas")


def _table(core: Mailcore, quotas: list[Quota]) -> pd.DataFrame:
    """The frame of the accounts under the screen's headings, in its words; times are of the local clock."""
    import pandas as pd

    from mailcore import frames

    frame = frames.quotas(core, quotas)
    return pd.DataFrame(
        {
            "Conta": frame["account"],
            "Servidores": frame["servers"],
            "Usado": frame["used"],
            "Por este programa": frame["own"],
            "Consumo externo": frame["external"],
            "Limite": frame["limit"],
            "Resta": frame["remaining"],
            "Contar por": frame["unit"].map(words.UNIT),
            "Janela": frame["window"].map(words.WINDOW),
            "Estado": frame["state"].map(words.QUOTA_STATE),
            "Bloqueada até": frame["blocked_until"].dt.tz_localize(None),
            "Libera quanto": frame["frees_units"],
            "Libera quando": frame["frees_at"].dt.tz_localize(None),
        }
    )
