"""What a chosen file would do, before it is imported: sentences about it, and what it registers and changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from mailcore.registry.fields import LABELS
from mailcore.registry.search import PAGE_SIZE
from mailcore.transports import kind_of
from ui import words
from ui.formats import number, plain
from ui.listview.filters import Filters
from ui.listview.table import Cell, Column, counted, pager, table
from ui.servidores.columns import port_and_security
from ui.session import IMPORT_CHANGED_PAGE, IMPORT_CREATED_PAGE, IMPORT_LATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mailcore.errors import FieldChange
    from mailcore.registry.exchange import ImportPlan, Remark
    from mailcore.registry.exchange_plan import ChangedServer, NewServer

T = TypeVar("T")
_MOST_SENTENCES = 20
_MOST_LINES = 6
_CHANGED = Filters(page=IMPORT_CHANGED_PAGE)
_CREATED = Filters(page=IMPORT_CREATED_PAGE)


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
        f"O arquivo registra **{servers(len(plan.created), 'novo')}**, altera **{servers(len(plan.changed))}** e "
        f"deixa **{number(plan.unchanged)}** como está."
        if plan.does_something
        else "Tudo o que está no arquivo já está registrado assim: não há nada a importar."
    )
    if plan.warnings:
        with st.expander(f"Avisos ({number(plan.warning_count)})", icon=":material/warning:", expanded=True):
            _sentences(plan, plan.warnings)
    if plan.changed:
        st.subheader("Alterados")
        _changes(plan)
    if plan.created:
        st.subheader("Novos")
        _created(plan)


def servers(count: int, kind: str = "") -> str:
    """Return "1 servidor novo", "3 servidores novos"."""
    return counted(count, f"servidor {kind}".strip(), f"servidores {kind}s" if kind else "servidores")


def _sentences(plan: ImportPlan, remarks: Iterable[Remark]) -> None:
    """One line for each thing to say, with all the lines of the file it is about."""
    lines: dict[tuple[str, str], list[int]] = {}
    for remark in remarks:
        lines.setdefault((remark.column, remark.message), []).append(remark.line)
    shown = [
        # A field's own complaint begins with its name, which is the column's too.
        f"- **{_where(plan, where, column)}**: {plain(message.removeprefix(f'{column}: '))}"
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


def _changes(plan: ImportPlan) -> None:
    def cells(changed: tuple[ChangedServer, FieldChange]) -> list[str | Cell]:
        row, change = changed
        return [
            str(row.line),
            Cell(row.server.name, below=f"Número {row.server.id}"),
            LABELS[change.field],
            words.value(change.field, change.before),
            words.value(change.field, change.after),
        ]

    columns = (
        _line_of(plan),
        Column("server", "Servidor", 180, 2),
        Column("field", "Campo", 150, 1),
        Column("before", "De", 150, 2, wraps=True),
        Column("after", "Para", 150, 2, wraps=True),
    )
    every = [(row, change) for row in plan.changed for change in row.changes]
    _paged("import_changed", "Alterados", columns, every, cells, _CHANGED)


def _created(plan: ImportPlan) -> None:
    def cells(row: NewServer) -> list[str | Cell]:
        kind = kind_of(row.draft.kind)
        return [
            str(row.line),
            Cell(row.draft.name, below=row.draft.from_address),
            kind.label,
            Cell(kind.shown_host(row.draft), below=port_and_security(row.draft)),
            row.draft.username,
        ]

    columns = (
        _line_of(plan),
        Column("name", "Descrição", 180, 3),
        Column("kind", "Tipo", 110),
        Column("host", "Servidor", 150, 2),
        Column("username", "Usuário", 150, 2),
    )
    _paged("import_created", "Novos", columns, plan.created, cells, _CREATED)


def _line_of(plan: ImportPlan) -> Column:
    return Column("line", "Item" if plan.is_json else "Linha", 72, is_number=True)


def _paged(
    name: str,
    label: str,
    columns: Sequence[Column],
    every: Sequence[T],
    cells: Callable[[T], list[str | Cell]],
    pages: Filters,
) -> None:
    """Draw one page of the rows, and which one."""
    shown = pages.shown_page(len(every), PAGE_SIZE)  # fewer pages where the file was looked at anew
    first = PAGE_SIZE * (shown - 1)
    rows = [(first + place, cells(row)) for place, row in enumerate(every[first : first + PAGE_SIZE], 1)]
    table(name, label, columns, rows, first=first + 1, total=len(every))
    pager(pages, shown=shown, matching=len(every), size=PAGE_SIZE)
