"""The filters of a list and the address that reopens them."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from ui.listview import filters
from ui.session import VIEWS


def _a_list() -> None:
    import streamlit as st

    from ui.listview.filters import Choice, Filters, Search
    from ui.session import Key

    kind = Choice("Tipo", "tipo", Key("kind", ""), {"Todos": None, "SMTP": 1}, "Todos")
    filters = Filters(Search("Buscar", "busca", Key("text", ""), placeholder=""), kind, page=Key("number", 1))
    filters.draw()
    st.number_input("Página", key="number", min_value=1)
    st.button("Nada")
    filters.remember()


def test_back_and_forward_lead_to_the_view_that_was_on_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(filters, "monotonic", lambda: now[0])
    app = AppTest.from_function(_a_list).run()

    def view() -> tuple[str, str, int]:
        assert not app.exception
        return app.text_input(key="text").value, app.selectbox(key="kind").value, app.number_input(key="number").value

    def at(**address: str) -> None:
        app.query_params.clear()
        app.query_params.update(address)

    app.text_input(key="text").set_value("loja").run()
    app.number_input(key="number").set_value(3).run()
    assert dict(app.query_params) == {"busca": "loja", "pagina": "3"}
    app.selectbox(key="kind").select("SMTP").run()
    assert dict(app.query_params) == {"busca": "loja", "tipo": "SMTP"}

    # What was sent before the browser had the new address means the new one.
    at(busca="loja", pagina="3")
    app.button[0].click().run()
    assert view() == ("loja", "SMTP", 1)
    # So does what is typed, however late the address comes.
    now[0] += 60
    at(busca="loja", pagina="3")
    app.text_input(key="text").set_value("lojas").run()
    assert view() == ("lojas", "SMTP", 1)
    assert dict(app.query_params) == {"busca": "lojas", "tipo": "SMTP"}

    now[0] += 60
    at(busca="loja", pagina="3")  # Back
    app.run()
    assert view() == ("loja", "Todos", 3)
    at()  # and to the beginning
    app.run()
    assert view() == ("", "Todos", 1)
    at(busca="lojas", tipo="SMTP")  # Forward, at once
    app.run()
    assert view() == ("lojas", "SMTP", 1)

    # Come back to from another page, whose filters are another page's: what was written there means nothing here.
    now[0] += 60
    at()
    app.run()
    other = AppTest.from_function(_a_list)
    other.session_state[VIEWS.name] = app.session_state[VIEWS.name]
    other.query_params["busca"] = "loja"
    other.run()
    other.query_params.clear()
    other.run()
    assert other.text_input(key="text").value == ""
