"""The page "Importar e exportar": the downloads, what a file would do, and one import for one press."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
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
from mailcore.registry.fields import LABELS
from mailcore.transports import kind_of
from ui import words
from ui.context import current_actor
from ui.formats import number, plain
from ui.listview.table import counted
from ui.session import IMPORT_DONE, IMPORT_LATE, IMPORT_NONCE, IMPORT_PLAN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

    from mailcore import Mailcore
    from mailcore.registry.exchange import ImportPlan, Remark

_MOST_ROWS = 1_000
_MOST_SENTENCES = 20
_MOST_LINES = 6
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
    for key in (IMPORT_PLAN, IMPORT_DONE, IMPORT_LATE):
        key.forget()


def show_plan(plan: ImportPlan) -> None:
    """Show what the file would do, or what is wrong with it."""
    if sentence := IMPORT_LATE.get():
        st.warning(f"{plain(sentence)} Nada foi importado. Confira abaixo o que mudaria agora.", icon=":material/sync:")
    if plan.errors:
        count = plan.error_count
        found = "um erro" if count == 1 else f"{number(count)} erros"
        st.error(
            f"O arquivo tem **{found}**, e nada dele será importado. Corrija, salve e escolha o arquivo de novo.",
            icon=":material/error:",
        )
        _sentences(plan, plan.errors)
        if plan.more_errors:
            st.caption(plain(plan.more_errors))
        return
    st.markdown(
        f"O arquivo registra **{_servers(len(plan.created), 'novo')}**, altera **{_servers(len(plan.changed))}** e "
        f"deixa **{number(plan.unchanged)}** como está."
        if plan.does_something
        else "Tudo o que está no arquivo já está registrado assim: não há nada a importar."
    )
    if plan.warnings:
        with st.expander(f"Avisos ({number(plan.warning_count)})", icon=":material/warning:", expanded=True):
            _sentences(plan, plan.warnings)
    if plan.changed:
        st.subheader("Alterados")
        _table(_changed_table(plan), "Alterados", sum(len(row.changes) for row in plan.changed))
    if plan.created:
        st.subheader("Novos")
        _table(_created_table(plan), "Novos", len(plan.created))


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
        f"Importado: **{_servers(created, 'novo')}** e **{_servers(changed)}** com alterações."
        + (" As senhas que faltam digitam-se no cadastro de cada servidor." if warned else ""),
        icon=":material/check:",
    )
    st.page_link("pages/servidores.py", label="Ver os servidores", icon=":material/list:")


def _servers(count: int, kind: str = "") -> str:
    return counted(count, f"servidor {kind}".strip(), f"servidores {kind}s" if kind else "servidores")


def _sentences(plan: ImportPlan, remarks: Iterable[Remark]) -> None:
    """One line for each thing to say, with all the lines of the file it is about."""
    lines: dict[tuple[str, str], list[int]] = {}
    for remark in remarks:
        lines.setdefault((remark.column, remark.message), []).append(remark.line)
    shown = [
        f"- **{_where(plan, where, column)}**: {plain(message)}"
        for (column, message), where in list(lines.items())[:_MOST_SENTENCES]
    ]
    st.markdown("\n".join(shown))
    if len(lines) > _MOST_SENTENCES:
        st.caption(f"E mais {number(len(lines) - _MOST_SENTENCES)}.")


def _where(plan: ImportPlan, lines: list[int], column: str) -> str:
    word = ("Item" if len(lines) == 1 else "Itens") if plan.is_json else ("Linha" if len(lines) == 1 else "Linhas")
    listed = ", ".join(map(str, lines[:_MOST_LINES]))
    more = f" e mais {number(len(lines) - _MOST_LINES)}" if len(lines) > _MOST_LINES else ""
    return plain(f"{word} {listed}{more}{f', coluna {column}' if column else ''}")


def _table(table: pa.Table, name: str, total: int) -> None:
    st.dataframe(table, hide_index=True, height="content" if table.num_rows <= 10 else 390, alt=name)
    if total > table.num_rows:
        st.caption(f"As primeiras {number(table.num_rows)} de {number(total)}.")


def _changed_table(plan: ImportPlan) -> pa.Table:
    import pyarrow as pa

    rows = [(row, change) for row in plan.changed for change in row.changes][:_MOST_ROWS]
    columns: dict[str, list[Any]] = {
        "Item" if plan.is_json else "Linha": [str(row.line) for row, _ in rows],
        "Servidor": [f"{row.server.id} {row.server.name}" for row, _ in rows],
        "Campo": [LABELS[change.field] for _, change in rows],
        "De": [words.value(change.field, change.before) for _, change in rows],
        "Para": [words.value(change.field, change.after) for _, change in rows],
    }
    return pa.table(columns)


def _created_table(plan: ImportPlan) -> pa.Table:
    import pyarrow as pa

    rows = plan.created[:_MOST_ROWS]
    columns: dict[str, list[Any]] = {
        "Item" if plan.is_json else "Linha": [str(row.line) for row in rows],
        "Descrição": [row.draft.name for row in rows],
        "Tipo": [kind_of(row.draft.kind).label for row in rows],
        "Servidor": [kind_of(row.draft.kind).shown_host(row.draft) for row in rows],
        "Porta": [str(row.draft.port or "") for row in rows],
        "Segurança": [kind_of(row.draft.kind).shown_security(row.draft) for row in rows],
        "Usuário": [row.draft.username for row in rows],
        "Remetente": [row.draft.from_address for row in rows],
    }
    return pa.table(columns)
