"""What the browser kept of a form is read back as the widgets have it, and nothing else is taken in."""

from __future__ import annotations

import pytest
import streamlit as st

from mailcore.registry.drafts import ServerDraft
from mailcore.vocabulary import Kind, LimitUnit, LimitWindow, Security
from ui.cadastro.form import ServerForm
from ui.cadastro.values import shown_at_first, typed_other_than, value_of_shown

DRAFT = ServerDraft(
    name="Padaria",
    kind=Kind.SMTP,
    host="smtp.exemplo.example",
    port=2465,
    security=Security.SSL_TLS,
    security_auto=False,
    from_address="a@exemplo.example",
    is_paid=True,
    is_active=False,
    daily_limit=500,
    limit_unit=LimitUnit.MESSAGES,
    limit_window=LimitWindow.CALENDAR_DAY,
    notes="linha um\nlinha dois",
)


def test_what_the_fields_show_says_what_they_hold() -> None:
    shown = shown_at_first(ServerForm(start=DRAFT))
    assert (shown["is_paid"], shown["port"], shown["ssl"], shown["ssl_mode"]) == (
        "Paga",
        "2465",
        True,
        "SSL/TLS direto",
    )
    held = {name: value_of_shown(name, value) for name, value in shown.items()}
    for name in ("name", "kind", "host", "from_address", "is_paid", "is_active", "limit_unit", "limit_window", "notes"):
        assert held[name] == getattr(DRAFT, name), name
    assert (held["port"], held["daily_limit"], held["ssl"], held["ssl_mode"]) == ("2465", "500", True, "SSL/TLS direto")
    assert held["same_address"] == "allow"


def test_no_password_is_among_what_is_kept() -> None:
    assert not {"secret", "password", "api_key", "chave"} & shown_at_first(ServerForm(start=DRAFT)).keys()


def test_what_no_field_shows_is_not_taken_in() -> None:
    for name, strange in (("is_paid", "Talvez"), ("kind", "fax"), ("ssl_mode", "x"), ("ssl", "sim"), ("name", 7)):
        assert value_of_shown(name, strange) is None


def test_what_the_browser_tells_of_the_form_before_is_no_typing_in_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    form, draft = ServerForm(start=DRAFT), {"port": "2525", "notes": "outra"}
    for port, is_other in (("2465", False), ("2525", False), ("587", True)):
        monkeypatch.setattr(st, "session_state", {"field_port": port})
        assert typed_other_than(form, draft) is is_other, port
