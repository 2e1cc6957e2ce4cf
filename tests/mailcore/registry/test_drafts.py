"""What may be typed about a server, and the sentence for what may not."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcore.errors import ValidationError
from mailcore.registry.drafts import LABELS, ServerDraft, clean
from mailcore.vocabulary import Kind, SameAddress, Security
from tests.properties import examples
from tests.tables import each_row

GOOD = ServerDraft(name="Padaria", host="smtp.x.example", username="u", from_address="a@x.example", security_auto=True)


@each_row(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "uma\nduas"),
        ("name", "x" * 201),
        ("host", ""),
        ("host", "smtp exemplo"),
        ("host", "smtp..example"),
        ("port", "0"),
        ("port", "65536"),
        ("port", "-1"),
        ("port", "abc"),
        ("from_address", ""),
        ("from_address", "padaria"),
        ("from_address", "padaria@"),
        ("reply_to", "a@b@c"),
        ("from_name", "Ana\r\nBcc: x@y.example"),
        ("username", ""),
        ("notes", "x" * 5_000),
        ("notes", "nulo\0"),
        ("daily_limit", "0"),
        ("daily_limit", "-1"),
        ("daily_limit", "1,5"),
        ("ca_pem", "isto não é um certificado"),
        ("ca_pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
        ("ca_pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
    ],
)
def test_bad_input_gets_a_sentence_that_names_its_field(field: str, value: str) -> None:
    with pytest.raises(ValidationError) as raised:
        clean(replace(GOOD, **{field: value}))
    (error,) = raised.value.errors
    assert error.field == field
    assert error.message.startswith(f"{LABELS[field]}: ")
    assert error.message.endswith((".", "”."))


def test_one_press_shows_every_complaint() -> None:
    with pytest.raises(ValidationError) as raised:
        clean(ServerDraft(port="x", daily_limit="-1"))
    assert {error.field for error in raised.value.errors} == {
        "name", "host", "port", "username", "from_address", "daily_limit",
    }  # fmt: skip


@each_row(
    ("typed", "host", "port"),
    [
        ("https://smtp.x.com/ ", "smtp.x.com", 587),
        ("smtp.x.com:2525", "smtp.x.com", 2525),
        ("SMTP.X.com.", "smtp.x.com", 587),
        ("smtp.são.com.br", "smtp.xn--so-sia.com.br", 587),
    ],
)
def test_what_is_obviously_meant_is_cleaned(typed: str, host: str, port: int) -> None:
    cleaned = clean(replace(GOOD, host=typed))
    assert (cleaned.draft.host.lower(), cleaned.draft.port) == (host, port)


def test_a_cleaned_host_is_said_so() -> None:
    (note,) = clean(replace(GOOD, host="https://smtp.x.com/ ")).notes
    assert note.startswith("Servidor: ")
    assert clean(GOOD).notes == []


@each_row(("port", "security"), [("", Security.STARTTLS), ("587", Security.STARTTLS), ("465", Security.SSL_TLS)])
def test_automatic_follows_the_port_and_is_never_plain(port: str, security: Security) -> None:
    assert clean(replace(GOOD, port=port)).draft.security is security


def test_the_empty_fields_start_as_the_screen_says() -> None:
    assert clean(GOOD).draft.same_address is SameAddress.BLOCK
    assert clean(replace(GOOD, is_paid=True)).draft.same_address is SameAddress.ALLOW
    assert clean(replace(GOOD, security=Security.SSL_TLS, security_auto=False)).draft.port == 465
    assert clean(replace(GOOD, daily_limit="10.000")).draft.daily_limit == 10_000
    assert clean(GOOD).draft.daily_limit is None


def test_a_default_must_be_active() -> None:
    with pytest.raises(ValidationError, match="Servidor padrão"):
        clean(replace(GOOD, is_default=True, is_active=False))


def test_a_certificate_is_taken() -> None:
    pem = trustme.CA().cert_pem.bytes().decode()
    assert clean(replace(GOOD, ca_pem=pem)).draft.ca_pem == pem.strip()


def test_elastic_email_keeps_nothing_of_smtp() -> None:
    draft = clean(replace(GOOD, kind=Kind.ELASTIC_EMAIL, host="lixo com espaço", port="x", username="")).draft
    assert (draft.host, draft.port, draft.username) == ("", None, "")


@settings(max_examples=examples(100), deadline=None)
@given(
    st.builds(
        ServerDraft,
        name=st.text(max_size=30),
        host=st.text(max_size=40),
        port=st.one_of(st.none(), st.integers(), st.text(max_size=8)),
        username=st.text(max_size=20),
        from_address=st.one_of(st.emails(), st.text(max_size=30)),
        reply_to=st.text(max_size=20),
        daily_limit=st.one_of(st.none(), st.integers(), st.text(max_size=12)),
        notes=st.text(max_size=50),
        security_auto=st.booleans(),
        ca_pem=st.text(max_size=20),
    )
)
def test_anything_typed_is_stored_or_named_and_cleaning_twice_changes_nothing(draft: ServerDraft) -> None:
    with contextlib.suppress(ValidationError):
        once = clean(draft).draft
        assert clean(once).draft == once
