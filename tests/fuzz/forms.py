"""What people type: a record, a message, and the form itself under Streamlit's own test client."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import streamlit as st
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from mailcore import Mailcore
from mailcore.errors import ValidationError
from mailcore.messages.compose import compose, from_eml
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.vocabulary import Kind, LimitUnit, LimitWindow, SameAddress, Security
from tests.actors import ME
from tests.fuzz.pieces import text
from tests.fuzz.smtp import is_text

_GOOD = {
    "name": "Loja", "host": "smtp.x.example", "port": "587", "username": "ana", "from_address": "a@b.example",
    "from_name": "Ana", "reply_to": "c@d.example", "daily_limit": "500", "notes": "x",
}  # fmt: skip
_CHOICES: dict[str, tuple[Any, ...]] = {
    "kind": (Kind.SMTP, Kind.ELASTIC_EMAIL),
    "security": tuple(Security),
    "limit_unit": tuple(LimitUnit),
    "limit_window": tuple(LimitWindow),
    "same_address": (None, *SameAddress),
}
_FLAGS = ("security_auto", "verify_certificate", "requires_auth", "is_paid", "is_active")


def _value(random_: random.Random, name: str) -> str:
    good = _GOOD.get(name, "")
    return random_.choice((good, good, text(random_), good + text(random_), text(random_)[:3]))


def _is_told(error: ValidationError) -> None:
    assert error.errors
    for each in error.errors:
        assert each.field
        is_text(each.message)


def recorded(core: Mailcore, random_: random.Random) -> None:
    """A record is stored and comes back as it was taken, or each field that cannot be is told."""
    values: dict[str, Any] = {name: _value(random_, name) for name in (*_GOOD, "ca_pem")}
    values |= {name: random_.choice(choices) for name, choices in _CHOICES.items()}
    values |= {name: random_.random() < 0.5 for name in _FLAGS}
    secret = random_.choice((None, SecretStr(text(random_)), SecretStr("senha-8812")))
    told = None
    try:
        saved = core.servers.create(ServerDraft(**values), secret, actor=ME)
    except ValidationError as error:
        told = error
    if told is not None:
        _is_told(told)
        return
    stored = core.servers.get(saved.server.id)
    assert draft_of(stored) == draft_of(saved.server)
    if secret is not None and stored.secret_ref:
        assert core.servers.secret(stored) == secret
    core.servers.delete(stored.id, actor=ME)


def composed(core: Mailcore, random_: random.Random) -> None:
    """A message is written as bytes that a server can be handed, or the field that forbids it is told."""
    fields: dict[str, Any] = {
        "from_address": _value(random_, "from_address"),
        "from_name": text(random_)[:80],
        "reply_to": _value(random_, "reply_to"),
        "to": [_value(random_, "from_address")],
        "subject": text(random_),
        "text": text(random_),
    }
    told = None
    try:
        if random_.random() < 0.5:
            made = compose(**fields)
        else:
            head = b"From: a@b.example\nTo: c@d.example\nSubject: x\n" + text(random_).encode("utf-8", "surrogatepass")
            made = from_eml(head + random_.randbytes(8), envelope_from="a@b.example", to=["c@d.example"])
    except ValidationError as error:
        told = error
    if told is not None:
        _is_told(told)
        return
    assert made.content.endswith(b"\r\n")
    assert b"\n" not in made.content.replace(b"\r\n", b"")


class Form:
    """The page of one server, opened once; every input is typed into it and saved."""

    def __init__(self) -> None:
        self._app: AppTest | None = None

    def typed(self, random_: random.Random) -> None:
        """Whatever is typed, the page shows a sentence and no traceback."""
        if self._app is None:
            st.cache_resource.clear()
            root = Path(__file__).parents[2]
            self._app = AppTest.from_file(str(root / "screen.py"), default_timeout=60).run()
            self._app.switch_page("pages/cadastro.py").run()
        app = self._app
        for box in random_.sample(list(app.text_input), 3):
            # A browser cannot send half of a pair of surrogates.
            box.set_value(_value(random_, str(box.key).removeprefix("field_")).encode("utf-8", "replace").decode())
        next(button for button in app.button if button.label == "Salvar e continuar").click().run()
        assert not app.exception, [each.value for each in app.exception]
