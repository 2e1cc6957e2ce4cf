"""The filters of a list: drawn in a row, begun with what the address asks for, written back into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamlit.delta_generator import DeltaGenerator

    from ui.session import Key

_LONGEST = 200
"""Characters of an address that are taken for a search."""


@dataclass(frozen=True, slots=True)
class Search:
    """A text that rows must hold, applied while it is typed."""

    label: str
    parameter: str
    key: Key[str]
    placeholder: str
    width: int = 330
    live: str = "200ms"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words, each with what it stands for."""

    label: str
    parameter: str
    key: Key[str]
    options: Mapping[str, Any]
    standard: str
    """The word that is chosen where nobody chose; it is left out of the address."""
    width: int = 170

    def chosen(self) -> Any:
        """Return what the chosen word stands for."""
        return self.options[self.key.get() or self.standard]


class Filters:
    """The filters of one list, the page that is open, and the address that reopens both.

    Streamlit's own binding of widgets to the address is not used: it forbids leaving the page by a button.
    """

    def __init__(self, *parts: Search | Choice, page: Key[int]) -> None:
        self._parts: Sequence[Search | Choice] = parts
        self.page = page

    def draw(self) -> DeltaGenerator:
        """Draw the filters, as the address has them at first; return their row, for what else belongs there."""
        asked = st.query_params
        for part in self._parts:
            if isinstance(part, Search):
                part.key.start(asked.get(part.parameter, "")[:_LONGEST])
            elif not part.key.is_set():
                wanted = asked.get(part.parameter, "")
                part.key.set(wanted if wanted in part.options else part.standard)
        number = asked.get("pagina", "1")
        self.page.start(int(number) if number.isdecimal() and 0 < len(number) < 7 else 1)
        row = st.container(horizontal=True, vertical_alignment="bottom")  # wraps on a narrow screen
        with row:
            for part in self._parts:
                if isinstance(part, Search):
                    st.text_input(
                        part.label,
                        key=part.key.name,
                        type="search",
                        live=part.live,
                        placeholder=part.placeholder,
                        on_change=self.to_first_page,
                        width=part.width,
                    )
                else:
                    st.selectbox(
                        part.label,
                        list(part.options),
                        key=part.key.name,
                        on_change=self.to_first_page,
                        filter_mode=None,
                        width=part.width,
                    )
        return row

    def to_first_page(self) -> None:
        """Begin at the first page: of other rows the old number means nothing."""
        self.page.set(1)

    def are_set(self) -> bool:
        """Whether any filter leaves rows out."""
        return any(self._asked(part) for part in self._parts)

    def clear(self) -> None:
        """Take every filter off; before the filters are drawn in this run."""
        for part in self._parts:
            part.key.set("" if isinstance(part, Search) else part.standard)
        self.to_first_page()

    def remember(self, **more: str) -> dict[str, str]:
        """Write what is on screen into the address, so that a link reopens it; return it."""
        view = {part.parameter: self._asked(part) for part in self._parts}
        view["pagina"] = "" if self.page.get() == 1 else str(self.page.get())
        view = {name: text for name, text in (view | more).items() if text}
        if st.query_params.to_dict() != view:
            st.query_params.from_dict(view)
        return view

    @staticmethod
    def _asked(part: Search | Choice) -> str:
        value = part.key.get() or ""
        return "" if isinstance(part, Choice) and value == part.standard else value
