"""The values of the form's fields: from a draft into the widgets, and back.

Everything typed lives in the widgets' own state; :func:`fill` puts a form's starting values there. Some widgets say
something else than the field's value (encrypted or not, and how), so a starting draft is first put in the widgets'
words (:func:`_as_typed`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from mailcore.registry.drafts import ServerDraft, default_same_address
from mailcore.registry.fields import FIELD, FIELDS, Sort
from mailcore.transports import kind_of, kinds
from mailcore.transports.smtp_kind import automatic_security, suggested_port
from mailcore.vocabulary import Auth, Security
from ui import words
from ui.cadastro.login_forms import LOGIN_FORMS, PASSWORD, login_label, provider_of
from ui.session import form_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailcore.transports.kind import ServerKind
    from ui.cadastro.form import ServerForm


WIDGET = {"security": "ssl", "security_auto": "ssl_mode", "auth": "auth"}
"""Fields whose widget says something else than their value: encrypted or not, and how."""
_WIDGETS = tuple(WIDGET.get(row.name, row.name) for row in FIELDS if row.sort is not Sort.SECRET)
_AUTOMATIC = "Automático"
SSL_MODES = {
    _AUTOMATIC: None,
    words.SECURITY[Security.SSL_TLS]: Security.SSL_TLS,
    words.SECURITY[Security.STARTTLS]: Security.STARTTLS,
}


def _secrets() -> set[str]:
    return {kind.secret_help for kind in kinds()}


def fill(form: ServerForm) -> None:
    """Put the form's starting values into the widgets, in place of what stood there."""
    start = _as_typed(form.start)
    for name in _WIDGETS:
        form_field(name).set(_starting_value(start, name))
    for name in _secrets():
        form_field(name).set("")


def draft_of_form(form: ServerForm) -> ServerDraft:
    """Return what stands in the fields now."""
    values = {
        row.name: value_of(form, row.name) for row in FIELDS if row.sort is not Sort.SECRET and row.name not in WIDGET
    }
    mode = SSL_MODES[value_of(form, "ssl_mode")]
    encrypted = bool(value_of(form, "ssl"))
    values |= {
        "security": _security(encrypted, mode, values["port"]),
        "security_auto": encrypted and mode is None,
        "requires_auth": kind_of(values["kind"]).always_logs_in or values["requires_auth"],
        "auth": _auth(form, logs_in=bool(values["requires_auth"])),
    }
    if values["auth"] is not Auth.OAUTH2:
        values["oauth_app_id"] = ""
    return ServerDraft(**values)


def typed_secret(form: ServerForm) -> SecretStr | None:
    """Return the password or key typed, or None where the field is empty."""
    text = form_field(kind_of_form(form).secret_help).get() or ""
    return SecretStr(text) if text else None


def is_unsaved(form: ServerForm) -> bool:
    """Whether anything typed differs from what is stored."""
    return draft_of_form(form) != _as_typed(form.start) or typed_secret(form) is not None or form.remove_secret


def typed_other_than(form: ServerForm, values: Mapping[str, Any]) -> bool:
    """Whether a field has something else typed than these values, as the widgets have them."""
    start = _as_typed(form.start)
    return any(value_of(form, name) not in (_starting_value(start, name), value) for name, value in values.items())


def was_left(form: ServerForm) -> bool:
    """Whether this form was on screen and its page was left since: Streamlit has dropped its widgets."""
    return form.drawn and not form_field("kind").is_set()


def forget() -> None:
    """Drop the password from the session: after a save it lives in the keyring alone."""
    for name in _secrets():
        form_field(name).forget()


def put(form: ServerForm, values: Mapping[str, Any]) -> None:
    """Put values into the fields, as if typed; the widgets of this run must not have been drawn yet."""
    draft = _as_typed(replace(draft_of_form(form), security_auto=False, **values))
    if "security" in values and automatic_security(int(draft.port or 0)) is draft.security:
        draft = replace(draft, security_auto=True)
    names = {"ssl", "ssl_mode", "port"} if "security" in values else set()
    form.chose_account = form.chose_account or "is_paid" in values
    if "is_paid" in values and form.opened is None and not form.chose_same_address:
        draft = replace(draft, same_address=default_same_address(draft.is_paid))
        names.add("same_address")
    for name in names | (values.keys() - {"security"}):
        form_field(name).set(_starting_value(draft, name))


def put_typed(form: ServerForm, values: Mapping[str, Any]) -> None:
    """Put values into the fields as their widgets have them."""
    form.chose_account = form.chose_same_address = True
    form.tries += 1
    for name, value in values.items():
        form_field(name).set(value)


def shown_at_first(form: ServerForm) -> dict[str, str | bool]:
    """What each field showed when the form began, as the browser has it; no password."""
    start = _as_typed(form.start)
    # Not the application: it is shown by a name, which need not be one's own.
    return {name: _shown(name, _starting_value(start, name)) for name in _WIDGETS if name != "oauth_app_id"}


def _shown(name: str, value: Any) -> str | bool:
    if name == "auth":
        return login_label(value)
    row = FIELD.get(name)
    if isinstance(value, bool) and not (row and row.choices):
        return value
    return row.word(value) if row and row.sort is Sort.CHOICE else str(value or "")


def value_of_shown(name: str, shown: object) -> Any:
    """Return the value of a field that the browser shows so, or None where no value of it looks like that."""
    if name == "ssl_mode":
        return shown if shown in SSL_MODES else None
    if name == "auth":
        return next((choice for choice in LOGIN_FORMS if login_label(choice) == shown), None)
    row = FIELD.get(name)
    if row is None or row.sort is Sort.FLAG:
        return shown if isinstance(shown, bool) else None
    if row.sort is Sort.CHOICE:
        return next((value for value in row.choices if row.word(value) == shown), None)
    return shown if isinstance(shown, str) else None


def value_of(form: ServerForm, name: str) -> Any:
    """The field's value now; where the field is not on the screen, what it starts with."""
    current = form_field(name).get()
    return _starting_value(_as_typed(form.start), name) if current is None else current


def kind_of_form(form: ServerForm) -> ServerKind:
    """Return the kind of server that the form has now."""
    return kind_of(value_of(form, "kind"))


def logs_in(form: ServerForm) -> bool:
    """Whether the server asks for a login: its user name and secret count."""
    return kind_of_form(form).always_logs_in or bool(value_of(form, "requires_auth"))


def _auth(form: ServerForm, *, logs_in: bool) -> Auth:
    if not logs_in:
        return Auth.NONE
    return Auth.PASSWORD if value_of(form, "auth") == PASSWORD else Auth.OAUTH2


def uses_oauth(form: ServerForm) -> bool:
    """Whether an authorisation stands in place of the password."""
    return "auth" in kind_of_form(form).fields and _auth(form, logs_in=logs_in(form)) is Auth.OAUTH2


def suggestion_of_port(form: ServerForm) -> int:
    """Return the usual port for the encryption chosen."""
    mode = SSL_MODES[value_of(form, "ssl_mode")]
    encrypted = bool(value_of(form, "ssl"))
    return suggested_port(_security(encrypted, mode, ""), security_auto=encrypted and mode is None)


def _starting_value(start: ServerDraft, name: str) -> Any:
    if name == "ssl":
        return start.security is not Security.NONE
    if name == "auth":
        return provider_of(start.oauth_app_id) if start.auth is Auth.OAUTH2 else PASSWORD
    return _ssl_mode(start) if name == "ssl_mode" else getattr(start, name)


def _as_typed(start: ServerDraft) -> ServerDraft:
    """The starting values in the form the widgets give them back."""
    typed: dict[str, Any] = {row.name: str(getattr(start, row.name) or "") for row in FIELDS if row.sort is Sort.NUMBER}
    return replace(
        start,
        **typed,
        same_address=start.same_address or default_same_address(start.is_paid),
        security=_security(start.security is not Security.NONE, SSL_MODES[_ssl_mode(start)], str(start.port or "")),
        requires_auth=kind_of(start.kind).always_logs_in or start.requires_auth,
        auth=start.auth if kind_of(start.kind).always_logs_in or start.requires_auth else Auth.NONE,
    )


def _ssl_mode(draft: ServerDraft) -> str:
    if draft.security_auto or draft.security is Security.NONE:
        return _AUTOMATIC
    return words.SECURITY[draft.security]


def _security(encrypted: bool, mode: Security | None, port: str) -> Security:
    if not encrypted:
        return Security.NONE
    return mode or automatic_security(int(port) if port.strip().isdecimal() else 0)
