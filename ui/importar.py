"""The page "Importar e exportar": the downloads, what a file would do, and one import for one press."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st

from mailcore.errors import ConflictError, NotFoundError, ValidationError
from mailcore.registry.exchange import (
    apply_import,
    people_template_csv,
    template_csv,
    to_json,
    to_people_csv,
)
from mailcore.registry.exchange_file import MAX_BYTES
from ui.importar_plan import servers
from ui.person import current_actor
from ui.session import (
    IMPORT_CHANGED_PAGE,
    IMPORT_CREATED_PAGE,
    IMPORT_DONE,
    IMPORT_LATE,
    IMPORT_NONCE,
    IMPORT_PLAN,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailcore import Mailcore
    from mailcore.registry.exchange import ImportPlan

_EXCEL = "utf-8-sig"
"""With its mark, and ";" between the cells, a double click opens the file in a Brazilian Excel."""


def downloads(core: Mailcore) -> None:
    """Draw the downloads; a file is made when it is asked for, not each time the page is drawn."""
    st.caption(
        "Todos os servidores, sem as senhas. O CSV abre no Excel: altere o que quiser, salve como CSV e importe "
        "de volta."
    )
    with st.container(horizontal=True):
        for kind, mime, make in (("CSV", "text/csv", _csv), ("JSON", "application/json", _json)):
            st.download_button(
                f"Baixar {kind}",
                data=partial(make, core),
                file_name=f"servidores.{kind.lower()}",
                mime=mime,
                key=f"export_{kind.lower()}",
                on_click="ignore",
                icon=":material/download:",
            )


def _csv(core: Mailcore) -> bytes:
    return to_people_csv(core.all_servers(), core.settings.zone).encode(_EXCEL)


def _json(core: Mailcore) -> bytes:
    return to_json(core.all_servers(), core.settings.zone).encode()


def uploaded_plan(core: Mailcore) -> ImportPlan | None:
    """Draw the choice of a file; return what the chosen one would do, worked out once."""
    st.caption(
        "Uma linha sem número (coluna Número, ou id) registra um servidor novo; com número, altera aquele. Antes de "
        "gravar, você vê aqui o que vai mudar. Se houver um erro em qualquer linha, nada do arquivo é importado."
    )
    with st.container(horizontal=True):
        for label, name, make, hint in (
            ("Baixar modelo", "modelo", people_template_csv, "Com um servidor de exemplo."),
            ("Baixar modelo vazio", "modelo_vazio", template_csv, "Só os nomes internos das colunas."),
        ):
            st.download_button(
                label,
                data=partial(_template, make),
                file_name=f"{name}.csv",
                mime="text/csv",
                key=f"export_{name}",
                on_click="ignore",
                type="tertiary",
                icon=":material/table:",
                help=hint,
            )
    # No list of types: a spreadsheet gets a sentence that says what to do, in place of Streamlit's English one.
    uploaded = st.file_uploader(
        "Arquivo CSV ou JSON",
        key=f"import_file_{IMPORT_NONCE.start(uuid4().hex)}",
        max_upload_size=MAX_BYTES // 1_000_000,
        on_change=_forget,
    )
    if uploaded is None:
        return None
    kept = IMPORT_PLAN.get()
    if kept is None or kept[0] != uploaded.file_id:
        with st.spinner("Conferindo o arquivo…"):
            kept = (uploaded.file_id, core.plan_import(uploaded.getvalue()))
            IMPORT_PLAN.set(kept)
    return kept[1]


def _template(make: Callable[[], str]) -> bytes:
    return make().encode(_EXCEL)


def _forget() -> None:
    """Another file: what was said of the last one is over."""
    for key in (IMPORT_PLAN, IMPORT_DONE, IMPORT_LATE, IMPORT_CHANGED_PAGE, IMPORT_CREATED_PAGE):
        key.forget()


def import_pressed(core: Mailcore, plan: ImportPlan) -> None:
    """ "Importar": one import for one press.

    The button is another one once the import is done: the second half of a double click finds nothing.
    """
    nonce = IMPORT_NONCE.get()
    if not st.button("Importar", key=f"import_{nonce}", type="primary", disabled=not plan.does_something):
        return
    try:
        with st.spinner("Importando…"):
            apply_import(core.servers, plan, actor=current_actor())
            # At once: with the next thing drawn, a second press may already end this run.
            _forget()
            IMPORT_DONE.set((len(plan.created), len(plan.changed), plan.warning_count))
            IMPORT_NONCE.set(uuid4().hex)
    except (ConflictError, NotFoundError, ValidationError) as error:
        IMPORT_PLAN.forget()  # to be worked out anew
        IMPORT_LATE.set(str(error))
    st.rerun()


def show_imported() -> None:
    """Say what the last import did, and where to see it."""
    done = IMPORT_DONE.get()
    if done is None:
        return
    created, changed, warned = done
    st.success(
        f"Importado: **{servers(created, 'novo')}** e **{servers(changed)}** com alterações."
        + (" As senhas que faltam digitam-se no cadastro de cada servidor." if warned else ""),
        icon=":material/check:",
    )
    st.page_link("pages/servidores.py", label="Ver os servidores", icon=":material/list:")
