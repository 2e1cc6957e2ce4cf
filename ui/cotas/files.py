"""The tables and series of "Cotas" as CSV and as Excel files: the frames of the library under the screen's words.

Beside a word stands its code, by which a program knows it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ui import words

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from mailcore import LedgerQuery, Mailcore
    from mailcore.quota.rules import Quota
    from ui.listview.period import Span

OUTCOME_HEADINGS = {"server": "Servidor", "domain": "Domínio do destinatário", "cause": "Causa", "week": "Semana de"}
"""By what outcomes are counted → what the first column is called."""


def to_csv(core: Mailcore, quotas: list[Quota]) -> bytes:
    """Return the accounts as CSV, the way a Brazilian Excel opens it with a double click."""
    from ui import spreadsheets

    return spreadsheets.to_csv(_table(core, quotas))


def to_excel(core: Mailcore, quotas: list[Quota]) -> bytes:
    """Return the accounts as an .xlsx file, numbers as numbers and times as times."""
    from ui import spreadsheets

    return spreadsheets.to_excel(_table(core, quotas), "Cotas")


def both(make: Callable[[], pd.DataFrame], sheet: str) -> tuple[Callable[[], bytes], Callable[[], bytes]]:
    """Return what makes a table a CSV file, and what makes it an Excel file with a sheet of this name."""
    return partial(_as_csv, make), partial(_as_excel, make, sheet)


def _as_csv(make: Callable[[], pd.DataFrame]) -> bytes:
    from ui import spreadsheets

    return spreadsheets.to_csv(make())


def _as_excel(make: Callable[[], pd.DataFrame], sheet: str) -> bytes:
    from ui import spreadsheets

    return spreadsheets.to_excel(make(), sheet)


def days_table(core: Mailcore, chosen: Quota | None, span: Span) -> pd.DataFrame:
    """Return the use of each day of a period, one row for a day and a server."""
    import pandas as pd

    from mailcore import frames

    ids = [server.id for server in chosen.servers] if chosen else None
    frame = frames.usage(core, span.days, server_ids=ids, until=span.last)
    return pd.DataFrame(
        {
            "Dia": frame["day"].dt.date,
            "Servidor": frame["server"].astype("str"),
            "Número": frame["server_id"],
            "Mensagens": frame["messages"],
            "Destinatários": frame["recipients"],
            "Consumo externo": frame["external"],
        }
    )


def hours_table(core: Mailcore, chosen: Quota | None) -> pd.DataFrame:
    """Return the use of each hour of the last seven days."""
    import pandas as pd

    from mailcore import frames

    frame = frames.hours(core, account_keys=[chosen.account_key] if chosen else None)
    return pd.DataFrame({"Dia": frame["day"].dt.date, "Hora": frame["hour"], "Destinatários": frame["recipients"]})


def outcomes_table(core: Mailcore, by: str, query: LedgerQuery) -> pd.DataFrame:
    """Return what became of messages; ``by`` is that of :func:`mailcore.frames.outcomes`."""
    import pandas as pd

    from mailcore import frames

    frame = frames.outcomes(core, by, query)
    what = pd.to_datetime(frame["key"]).dt.date if by == "week" else frame["label"]
    columns = {OUTCOME_HEADINGS[by]: what}
    if by in ("server", "cause"):
        columns["Número" if by == "server" else "Código"] = (
            pd.to_numeric(frame["key"]) if by == "server" else frame["key"]
        )
    if by == "cause":
        columns["Categoria"] = frame["category"].map(words.CATEGORY)
    columns |= {
        "Tentadas": frame["tried"],
        "Aceitas": frame["accepted"],
        "Recusadas": frame["refused"],
        "Não entregues": frame["failed"],
        "Incertas": frame["uncertain"],
        "Barradas por regra": frame["barred"],
        # Rounded down, as the screen's: 100 is all of it.
        "Aceitação (%)": (1000 * frame["acceptance"] + 1e-9) // 1 / 10,
    }
    return pd.DataFrame(columns)


def entries_table(core: Mailcore, chosen: Quota | None) -> pd.DataFrame:
    """Return the entries of external use; its first three columns are what a file of them has to say."""
    import pandas as pd

    from mailcore import frames

    frame = frames.external_use(core, account_key=chosen.account_key if chosen else None)
    return pd.DataFrame(
        {
            "Número do servidor": frame["server_id"],
            "Quando": frame["at"].dt.tz_localize(None),
            "Unidades": frame["units"],
            "Servidor": frame["server"],
            "Registrado em": frame["noted_at"].dt.tz_localize(None),
            "Por": frame["noted_by"],
        }
    )


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
            "Números": frame["server_ids"],
            "Contar por (código)": frame["unit"],
            "Janela (código)": frame["window"],
            "Estado (código)": frame["state"],
        }
    )
