"""The table of a list, drawn in the browser as real rows (``ui/assets/rows.js``).

Streamlit's own grid is a canvas: only a tick box selects there, and nothing in it can be cut with an ellipsis or
coloured. Fifty rows a page are few enough to be a plain table, which a screen reader knows too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import streamlit as st

from ui.assets import part
from ui.formats import number
from ui.session import Selection, component_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamlit.delta_generator import DeltaGenerator

    from ui.listview.filters import Filters
    from ui.session import Key

T = TypeVar("T")
Tone = Literal["", "good", "bad", "warn", "quiet"]

_component = st.components.v2.component("mailcore_rows", js=part("rows"), isolate_styles=False)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, and how wide it is."""

    name: str
    label: str
    width: int
    """Pixels at least."""
    grow: float = 0
    """Its part of the room that is left over."""
    is_number: bool = False
    """Numbers stand right, under each other."""
    wraps: bool = False
    """Its text may take a second line before it is cut; where nothing can be selected, as many as it needs."""
    sorts: bool = False
    """A click on the heading sorts the whole list by it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place of the table; plain text needs none."""

    text: str
    below: str = ""
    """A second, smaller line."""
    tone: Tone = ""
    """The colour of a state, never without the word for it."""
    bar: float | None = None
    """A bar above the text: 1.0 is all of it."""
    link: str = ""
    """The https or http address that the text leads to, in another tab."""


def table(
    name: str,
    label: str,
    columns: Sequence[Column],
    rows: Sequence[tuple[int, Sequence[str | Cell]]],
    *,
    first: int = 1,
    total: int | None = None,
    selection: Key[Selection] | None = None,
    several: bool = False,
    on_open: Callable[[int], None] | None = None,
    order: tuple[str, bool] = ("", False),
    on_sort: Callable[[str], None] | None = None,
    has_detail: bool = False,
) -> None:
    """Draw rows.

    Args:
        name: the key of the component.
        label: what a screen reader calls the table.
        rows: the id of each record, and its cells in the order of ``columns``.
        first: which row of the whole list the first one is, counting from 1.
        total: how many rows the whole list has.
        selection: where the selected records are kept; None where rows cannot be selected.
        several: more than one can be selected (`Ctrl`, `Shift`).
        on_open: called with the record that was opened (`Enter`, double click).
        order: by which column the rows are sorted, and whether it descends.
        on_sort: called with the name of the column whose heading was pressed.
        has_detail: what there is to say of the selected row stands under the table, or beside it (see :func:`pair`):
            the table is low then and keeps the row in sight.
    """
    chosen = selection.get() if selection else Selection()
    callbacks: dict[str, Any] = {}
    if selection is not None:
        callbacks["on_selection_change"] = lambda: _selected(name, selection)
    if on_open is not None:
        callbacks["on_open_change"] = lambda: _opened(name, selection, on_open)
    if on_sort is not None:
        callbacks["on_sort_change"] = lambda: _sorted(name, on_sort)
    _component(
        key=name,
        data=_packed(
            label=label,
            columns=[_column(column, sorts=on_sort is not None) for column in columns],
            rows=[[key, *(_cell(cell) for cell in cells)] for key, cells in rows],
            first=first,
            total=len(rows) if total is None else total,
            order=[order[0], -1 if order[1] else 1],
            selectable=selection is not None,
            several=several,
            opens=on_open is not None,
            selected=list(chosen.ids),
            serial=chosen.serial,
            detail=has_detail,
        ),
        **callbacks,
    )


def pair(name: str) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Return the place of a table and that of the selected row's detail: beside it in a wide window, else under it."""
    with st.container(key=f"pair_{name}"):
        return st.container(key=f"pair_table_{name}"), st.container(key=f"pair_detail_{name}")


def turned(order: str, column: str) -> str:
    """Return an order after a press on a column's heading: by it, or the other way round."""
    return f"-{column}" if order == column else column


def in_order(rows: Sequence[T], order: str, value: Callable[[T, str], Any]) -> list[T]:
    """Return rows sorted by a column ("-" before it: descending); what has no value stands last either way.

    Args:
        value: of a row in a column; None where it has none.
    """
    column = order.removeprefix("-")
    there = [row for row in rows if value(row, column) is not None]
    there.sort(key=lambda row: value(row, column), reverse=order.startswith("-"))
    return there + [row for row in rows if value(row, column) is None]


def _packed(**data: Any) -> bytes:
    """As UTF-8: Streamlit's own JSON writes each accent in six characters."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def pager(filters: Filters, *, shown: int, matching: int, size: int) -> None:
    """Draw the choice of the page where there is more than one.

    Args:
        shown: the page on screen, which the database may have made an earlier one.
    """
    filters.page.set(shown)
    if matching > size:
        st.pagination(-(-matching // size), key=filters.page.name)


def nothing_found(filters: Filters, sentence: str) -> None:
    """Say that no row matches, and offer to take the filters off."""
    st.info(sentence, icon=":material/search_off:")
    if filters.are_set():
        st.button("Limpar filtros", key="clear_filters", icon=":material/filter_alt_off:", on_click=filters.clear)


def counted(count: int, one: str, many: str) -> str:
    """ "1 envio", "37 envios"."""
    return f"{number(count)} {one if count == 1 else many}"


def _column(column: Column, *, sorts: bool) -> dict[str, Any]:
    given: dict[str, Any] = {"name": column.name, "label": column.label, "width": column.width}
    if column.grow:
        given["grow"] = column.grow
    if column.is_number:
        given["end"] = True
    if column.wraps:
        given["wraps"] = True
    if column.sorts and sorts:
        given["sorts"] = True
    return given


def _cell(cell: str | Cell) -> str | dict[str, Any]:
    if isinstance(cell, str):
        return cell
    given: dict[str, Any] = {"text": cell.text, "below": cell.below, "tone": cell.tone, "link": cell.link}
    given = {name: value for name, value in given.items() if value}
    if cell.bar is not None:
        given["bar"] = round(cell.bar, 3)
    return given


def _selected(name: str, selection: Key[Selection]) -> None:
    told = component_value(name, "selection") or {}
    selection.set(Selection(tuple(int(key) for key in told.get("ids", ())), int(told.get("serial", 0))))


def take_choice(name: str, selection: Key[Selection]) -> None:
    """Take in what was selected last, in the callback of a button: of what comes in one message, buttons come first."""
    told = component_value(name, "selection") or {}
    if int(told.get("serial", 0)) > selection.get().serial:
        _selected(name, selection)


def _opened(name: str, selection: Key[Selection] | None, on_open: Callable[[int], None]) -> None:
    told = component_value(name, "open")
    if not told:
        return
    if selection is not None:
        selection.set(Selection((int(told["id"]),), int(told["serial"])))
    on_open(int(told["id"]))


def _sorted(name: str, on_sort: Callable[[str], None]) -> None:
    column = component_value(name, "sort")
    if column:
        on_sort(str(column))
