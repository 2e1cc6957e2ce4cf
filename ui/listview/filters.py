"""The filters of a list: drawn in a row, begun with what the address asks for, written back into it."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import streamlit as st

from mailcore.text import fold
from ui.session import VIEW_CHANGED, VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streamlit.delta_generator import DeltaGenerator

    from ui.session import Key

T = TypeVar("T")

_LONGEST = 200
"""Characters of an address that are taken for a search."""
_LATE = 1.0
"""Seconds that a message may need from a busy browser."""
_KEPT = 20


@dataclass(frozen=True, slots=True)
class Search:
    """A text that rows must hold, applied while it is typed."""

    label: str
    parameter: str
    key: Key[str]
    placeholder: str
    width: int = 330
    live: str = "200ms"

    def begin(self, address: Mapping[str, str], *, anew: bool = False) -> None:
        """Take what the address says, where nothing is typed yet or ``anew``."""
        if anew or not self.key.is_set():
            self.key.set(address.get(self.parameter, "")[:_LONGEST])

    def draw(self, on_change: Callable[[], None]) -> None:
        """Draw the field."""
        st.text_input(
            self.label,
            key=self.key.name,
            type="search",
            live=self.live,
            placeholder=self.placeholder,
            on_change=on_change,
            width=self.width,
        )

    def asked(self) -> dict[str, str]:
        """Return what the address has to say; nothing where every row is asked for."""
        return {self.parameter: self.key.get()} if self.key.get() else {}

    def clear(self) -> None:
        """Take it off."""
        self.key.set("")


def with_words(query: str | None, rows: Iterable[T], text_of: Callable[[T], str]) -> list[T]:
    """Return the rows whose text has every word that is searched for, accents and capitals aside."""
    words = fold(query or "").split()

    def has_all(text: str) -> bool:
        return all(word in text for word in words)

    return [row for row in rows if has_all(fold(text_of(row)))]


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

    def begin(self, address: Mapping[str, str], *, anew: bool = False) -> None:
        """Take what the address says, where nothing is chosen yet, nothing that there is now, or ``anew``."""
        if anew or self.key.get() not in self.options:
            wanted = address.get(self.parameter, "")
            self.key.set(wanted if wanted in self.options else self.standard)

    def draw(self, on_change: Callable[[], None]) -> None:
        """Draw the choice."""
        st.selectbox(
            self.label,
            list(self.options),
            key=self.key.name,
            on_change=on_change,
            filter_mode=None,
            width=self.width,
        )

    def asked(self) -> dict[str, str]:
        """Return what the address has to say; nothing where it is the usual choice."""
        word = self.key.get()
        return {self.parameter: word} if word and word != self.standard else {}

    def clear(self) -> None:
        """Go back to the usual choice."""
        self.key.set(self.standard)


class Filter(Protocol):
    """What :class:`Filters` asks of each of its parts."""

    @property
    def key(self) -> Key[Any]: ...
    def begin(self, address: Mapping[str, str], *, anew: bool = False) -> None: ...
    def draw(self, on_change: Callable[[], None]) -> None: ...
    def asked(self) -> dict[str, str]: ...
    def clear(self) -> None: ...


class Filters:
    """The filters of one list, the page that is open, and the address that reopens both.

    Streamlit's own binding of widgets to the address is not used: it forbids leaving the page by a button.
    """

    def __init__(self, *parts: Filter, page: Key[int]) -> None:
        self._parts = parts
        self.page = page

    def draw(self) -> DeltaGenerator:
        """Draw the filters, as the address has them at first; return their row, for what else belongs there."""
        address, anew = st.query_params, self.are_led_elsewhere()
        if anew or not self._parts[0].key.is_set():
            VIEWS.forget()  # the browser knows where it is: nothing older is under way
        for part in self._parts:
            part.begin(address, anew=anew)
        number = address.get("pagina", "1")
        if anew or not self.page.is_set():
            self.page.set(max(1, int(number)) if number.isdecimal() and len(number) < 7 else 1)
        VIEW_CHANGED.forget()
        row = st.container(horizontal=True, vertical_alignment="bottom")  # wraps on a narrow screen
        with row:
            for part in self._parts:
                part.draw(self.to_first_page)
        return row

    def are_led_elsewhere(self) -> bool:
        """Whether the browser is at another view of this list than it was left at: by Back, Forward or a link.

        A message that was under way while the address was written bears an older one, and means what is on screen.
        """
        views = VIEWS.get()
        if not views or VIEW_CHANGED.get() or not self._parts[0].key.is_set():
            return False
        address, now = st.query_params.to_dict(), monotonic()
        replaced_at = [when for when, _ in views[1:]]
        is_late = any(
            address == view and now - when < _LATE for (_, view), when in zip(views[:-1], replaced_at, strict=True)
        )
        return address != views[-1][1] and not is_late

    def shown_page(self, matching: int, size: int) -> int:
        """Return the page to show: the one that was asked for, or the last one there is."""
        return min(self.page.get(), max(1, -(-matching // size)))

    def to_first_page(self) -> None:
        """Begin at the first page: of other rows the old number means nothing."""
        self.page.set(1)
        VIEW_CHANGED.set(True)

    def are_set(self) -> bool:
        """Whether any filter leaves rows out."""
        return any(part.asked() for part in self._parts)

    def clear(self) -> None:
        """Take every filter off; before the filters are drawn in this run."""
        for part in self._parts:
            part.clear()
        self.to_first_page()

    def remember(self, **more: str) -> dict[str, str]:
        """Write what is on screen into the address, so that a link reopens it; return it."""
        view: dict[str, str] = {}
        for part in self._parts:
            view |= part.asked()
        view["pagina"] = "" if self.page.get() == 1 else str(self.page.get())
        view = {name: text for name, text in (view | more).items() if text}
        if st.query_params.to_dict() != view:
            st.query_params.from_dict(view)
        views, now = VIEWS.get(), monotonic()
        if not views or views[-1][1] != view:
            VIEWS.set((*(each for each in views[-_KEPT:] if now - each[0] < _LATE or each is views[-1]), (now, view)))
        return view
