"""The buttons that give a table as a file; it is made when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Callable

_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def download_buttons(name: str, of: str, *, csv: Callable[[], bytes], excel: Callable[[], bytes]) -> None:
    """Draw "Baixar CSV" and "Baixar Excel".

    Args:
        name: of the files, without what says their kind.
        of: what is downloaded, where a page has several tables: "Baixar CSV dos dias"; else empty.
    """
    with st.container(horizontal=True, width="content"):
        for kind, ending, mime, make in (("CSV", "csv", "text/csv", csv), ("Excel", "xlsx", _EXCEL, excel)):
            st.download_button(
                f"Baixar {kind}{f' {of}' if of else ''}",
                data=make,
                file_name=f"{name}.{ending}",
                mime=mime,
                key=f"{name}_{kind.lower()}",
                on_click="ignore",
                icon=":material/download:",
            )
