"""The form of one server: what is open, the widgets of its two tabs, and back to a draft.

Everything typed lives in the widgets' own state; :func:`fill` puts a form's starting values there. Buttons
carry the form's ``nonce`` in their keys, so the second half of a double click on the form before means
nothing to the next one. Text fields commit as one types, without a rerun: no press can miss what was typed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import streamlit as st
from pydantic import SecretStr

from mailcore.errors import ConflictError, FieldError
from mailcore.help import field_help
from mailcore.registry.drafts import ServerDraft, default_same_address, draft_of
from mailcore.registry.fields import FIELD, FIELDS, Field, Sort, Tab, rows_of
from mailcore.transports import kind_of, kinds
from mailcore.transports.smtp_kind import automatic_security, suggested_port
from mailcore.vocabulary import Auth, Security
from ui import words
from ui.cadastro import oauth
from ui.cadastro.offers import offer, password_advice
from ui.formats import plain
from ui.session import FORM_TAB, form_field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mailcore.health.check import CheckResult
    from mailcore.oauth.authorizing import Begun
    from mailcore.storage.tables import MailServer
    from mailcore.transports.kind import ServerKind
    from ui.cadastro.drafts import Draft

GENERAL, AUTHENTICATION = Tab.GENERAL.value, Tab.AUTHENTICATION.value
_KEPT_PLACEHOLDER = "•••••••• (mantida)"

_WIDGET = {"security": "ssl", "security_auto": "ssl_mode", "auth": "auth"}
"""Fields whose widget says something else than their value: encrypted or not, and how."""
_WIDGETS = tuple(_WIDGET.get(row.name, row.name) for row in FIELDS if row.sort is not Sort.SECRET)
_AUTOMATIC = "Automático"
_SSL_MODES = {
    _AUTOMATIC: None,
    words.SECURITY[Security.SSL_TLS]: Security.SSL_TLS,
    words.SECURITY[Security.STARTTLS]: Security.STARTTLS,
}


@dataclass(frozen=True, slots=True)
class Tested:
    """What was tested, and what came of it."""

    draft: ServerDraft
    secret: SecretStr | None
    opened: MailServer | None
    authorization: str
    result: CheckResult

    def is_of(self, draft: ServerDraft, secret: SecretStr | None, form: ServerForm) -> bool:
        """Whether exactly this was tested."""
        before = (self.draft, self.secret, self.opened, self.authorization)
        return before == (draft, secret, form.opened, form.authorization)


@dataclass
class ServerForm:
    """One opening of the form, kept in the session while it is on screen."""

    opened: MailServer | None = None
    """The record as it was when opened; None registers a new one."""
    start: ServerDraft = field(default_factory=lambda: ServerDraft(security_auto=True))
    """What the fields started with."""
    copy_of: int | None = None
    """The record this new one began as a copy of ("Duplicar")."""
    nonce: str = field(default_factory=lambda: uuid4().hex[:8])
    errors: list[FieldError] = field(default_factory=list)
    fault: str = ""
    conflict: ConflictError | None = None
    gone: bool = False
    """Somebody deleted the record while it was open."""
    remove_secret: bool = False
    saved: bool = False
    check: CheckResult | None = None
    points_at: str | None = None
    """The field to open: of the first complaint, of a diagnosis, or of the link that led here."""
    pointed: bool = False
    tries: int = 0
    drawn: bool = False
    begun: Begun | None = None
    """An authorisation that waits for the person at the provider's page."""
    begun_for: tuple[str, str, str] = ("", "", "")
    """Application, host and user name it is for."""
    authorization: str = ""
    """The key of one that was given in this form."""
    authorized: tuple[str, datetime] | None = None
    """By whom and when."""
    oauth_fault: str = ""
    chose_same_address: bool = False
    """The person chose it: it no longer follows "Conta"."""
    chose_account: bool = False
    """The person chose "Conta", or took it from the catalogue: it no longer follows "Tipo de envio"."""
    tested: Tested | None = None
    """What the last test was of, for a save of exactly that."""
    leads_to: str = ""
    """Where "Novo" or "Cancelar" leads once the person gives up what is unsaved."""
    draft: Draft | None = None
    """What was typed in an earlier opening, offered."""
    began: float = field(default_factory=monotonic)

    def button(self, name: str) -> str:
        return f"{name}__{self.nonce}"

    @property
    def has_stored_secret(self) -> bool:
        return bool(self.opened and self.opened.secret_ref) and not self.remove_secret

    @property
    def title(self) -> str:
        return f"Cadastro — {self.opened.name}" if self.opened else "Cadastro — novo servidor"


def _secrets() -> set[str]:
    return {kind.secret_help for kind in kinds()}


def field_key(name: str) -> str:
    """The widget key of a field; ``F1`` reads the field's name from it."""
    return form_field(name).name


def open_form(server: MailServer | None) -> ServerForm:
    """Begin a form on a stored server, or an empty one."""
    return ServerForm(server, draft_of(server)) if server else ServerForm()


def copy_form(server: MailServer, name: str) -> ServerForm:
    """Begin a new record that looks like this one: all but its password, its description and being the default."""
    return ServerForm(copy_of=server.id, start=replace(draft_of(server), name=name, is_default=False))


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
        row.name: _value(form, row.name) for row in FIELDS if row.sort is not Sort.SECRET and row.name not in _WIDGET
    }
    mode = _SSL_MODES[_value(form, "ssl_mode")]
    encrypted = bool(_value(form, "ssl"))
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
    text = form_field(_kind(form).secret_help).get() or ""
    return SecretStr(text) if text else None


def is_unsaved(form: ServerForm) -> bool:
    """Whether anything typed differs from what is stored."""
    return draft_of_form(form) != _as_typed(form.start) or typed_secret(form) is not None or form.remove_secret


def was_left(form: ServerForm) -> bool:
    """Whether this form was on screen and its page was left since: Streamlit has dropped its widgets."""
    return form.drawn and not form_field("kind").is_set()


def forget() -> None:
    """Drop the password from the session: after a save it lives in the keyring alone."""
    for name in _secrets():
        form_field(name).forget()


def general_fields(form: ServerForm) -> None:
    """The tab "Geral"."""
    form.drawn = True
    _rows(form, Tab.GENERAL)


def authentication_fields(form: ServerForm) -> None:
    """The tab "Autenticação": how this kind of server is reached, and its secret."""
    _rows(form, Tab.AUTHENTICATION)


def _rows(form: ServerForm, tab: Tab) -> None:
    hidden = "secret" if _uses_oauth(form) else "oauth_app_id"
    for whole in rows_of(tab, _value(form, "kind")):
        row = [item for item in whole if item.name != hidden]
        if not row:
            continue
        if any(item.name == "from_address" for item in row):
            _sender(form, row)
        elif all(item.sort is Sort.FLAG or item.name == "security" for item in row):
            with st.container(horizontal=True, gap="large"):
                for item in row:
                    _draw(form, item)
        else:
            _beside(form, row)
        if any(item.name == "security" for item in row):
            _warn_of_plain(form)
        if any(item.name == "oauth_app_id" for item in row):
            oauth.show_authorization(form, draft_of_form(form))


def _auth(form: ServerForm, *, logs_in: bool) -> Auth:
    if not logs_in:
        return Auth.NONE
    return Auth.PASSWORD if _value(form, "auth") == oauth.PASSWORD else Auth.OAUTH2


def _uses_oauth(form: ServerForm) -> bool:
    return "auth" in _kind(form).fields and _auth(form, logs_in=_logs_in(form)) is Auth.OAUTH2


def _beside(form: ServerForm, row: list[Field]) -> None:
    if len(row) == 1:
        _draw(form, row[0])
        return
    has_box = any(item.sort is Sort.FLAG for item in row)
    places = st.columns([item.place.width for item in row], vertical_alignment="bottom" if has_box else "top")
    for place, item in zip(places, row, strict=True):
        with place:
            _draw(form, item)


@st.fragment
def _sender(form: ServerForm, row: list[Field]) -> None:
    """The row of the sender, and what the catalogue knows of the address: runs alone with each keystroke."""
    _beside(form, row)
    if "host" in _kind(form).fields:
        offer(_value(form, "from_address"), form.button("prefill"), partial(_take_offer, form))


def _take_offer(form: ServerForm, values: Mapping[str, Any]) -> None:
    """Fill in what the catalogue knows; the cursor goes where one goes on."""
    put(form, values)
    form.points_at, form.pointed = "from_name" if _value(form, "name").strip() else "name", False
    form.tries += 1


def _draw(form: ServerForm, row: Field) -> None:
    """One field's widget, by its sort, and what there is to complain of it."""
    if row.name == "security_auto":
        _mode(form, row)
    elif row.name == "auth":
        _login_form(form, row)
    elif row.name == "oauth_app_id":
        _app(form, row)
    elif row.sort is Sort.SECRET:
        _secret(form, _kind(form))
    elif row.sort is Sort.FLAG or row.name == "security":
        _check(form, row)
    elif row.sort is Sort.CHOICE:
        _select(form, row)
    elif row.sort is Sort.LINES:
        _area(form, row)
    else:
        _text(form, row)


def _logs_in(form: ServerForm) -> bool:
    return _kind(form).always_logs_in or bool(_value(form, "requires_auth"))


def _kind(form: ServerForm) -> ServerKind:
    return kind_of(_value(form, "kind"))


def _is_disabled(form: ServerForm, row: Field) -> bool:
    if row.name == "username":
        return not _logs_in(form)
    return row.name in ("security_auto", "verify_certificate", "ca_pem") and not _value(form, "ssl")


def _warn_of_plain(form: ServerForm) -> None:
    if not _value(form, "ssl") and _logs_in(form):
        st.warning(
            "Sem SSL, o usuário e a senha viajam legíveis pela rede. Use só dentro de uma rede de confiança.",
            icon=":material/warning:",
        )


def point(form: ServerForm) -> str | None:
    """Open the tab of the field a complaint or a diagnosis points at; return its widget key, for the cursor."""
    name = form.points_at
    if name is None:
        return None
    if not form.pointed:
        form.pointed = True
        FORM_TAB.set(FIELD[name].place.tab.value if name in FIELD else GENERAL)
    if name == "secret":
        name = _kind(form).secret_help
    return field_key(_WIDGET.get(name, name))


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


def shown_at_first(form: ServerForm) -> dict[str, str | bool]:
    """What each field showed when the form began, as the browser has it; no password."""
    start = _as_typed(form.start)
    # Not the application: it is shown by a name, which need not be one's own.
    return {name: _shown(name, _starting_value(start, name)) for name in _WIDGETS if name != "oauth_app_id"}


def _shown(name: str, value: Any) -> str | bool:
    if name == "auth":
        return oauth.login_label(value)
    row = FIELD.get(name)
    if isinstance(value, bool) and not (row and row.choices):
        return value
    return row.word(value) if row and row.sort is Sort.CHOICE else str(value or "")


def value_of_shown(name: str, shown: object) -> Any:
    """Return the value of a field that the browser shows so, or None where no value of it looks like that."""
    if name == "ssl_mode":
        return shown if shown in _SSL_MODES else None
    if name == "auth":
        return next((choice for choice in oauth.LOGIN_FORMS if oauth.login_label(choice) == shown), None)
    row = FIELD.get(name)
    if row is None or row.sort is Sort.FLAG:
        return shown if isinstance(shown, bool) else None
    if row.sort is Sort.CHOICE:
        return next((value for value in row.choices if row.word(value) == shown), None)
    return shown if isinstance(shown, str) else None


def put_typed(form: ServerForm, values: Mapping[str, Any]) -> None:
    """Put values into the fields as their widgets have them."""
    form.chose_account = form.chose_same_address = True
    form.tries += 1
    for name, value in values.items():
        form_field(name).set(value)


def _text(form: ServerForm, row: Field) -> None:
    st.text_input(
        row.label,
        key=field_key(row.name),
        help=field_help(row.name),
        placeholder=f"{_suggestion(form)} (sugerida)" if row.name == "port" else row.placeholder,
        disabled=_is_disabled(form, row),
        live="0ms",
        on_change="rerun" if row.name == "from_address" else "ignore",
        persist_state="page",
    )
    _error(form, row.name)


def _secret(form: ServerForm, kind: ServerKind) -> None:
    # No value and no persisted state: what is typed goes to the program and never back to the browser.
    st.text_input(
        kind.secret_label,
        key=field_key(kind.secret_help),
        type="password",
        help=field_help(kind.secret_help),
        placeholder=_KEPT_PLACEHOLDER if form.has_stored_secret else "",
        autocomplete="new-password",
        disabled=not _logs_in(form),
        live="0ms",
        on_change="ignore",
    )
    _error(form, "secret")
    is_open = FORM_TAB.get() == AUTHENTICATION  # once on the page: the other tab says it too
    if is_open and "host" in kind.fields and (advice := password_advice(_value(form, "from_address"))):
        st.caption(f":material/key: {advice}")
    if form.has_stored_secret:
        st.button("Remover senha", key=form.button("remove_secret"), on_click=_remove_secret, args=(form,))
    elif form.remove_secret:
        st.info("A senha guardada será removida quando você salvar.", icon=":material/info:")


def _area(form: ServerForm, row: Field) -> None:
    st.text_area(
        row.label,
        key=field_key(row.name),
        help=field_help(row.name),
        placeholder=row.placeholder,
        disabled=_is_disabled(form, row),
        on_change="ignore",
        persist_state="page",
    )
    _error(form, row.name)


def _select(form: ServerForm, row: Field) -> None:
    callback = {"kind": _follow_kind, "is_paid": _touch_account, "same_address": _touch_same}.get(row.name)
    current = _value(form, row.name)
    st.selectbox(
        row.label,
        # A kind that this version does not know is still what the record says.
        [*row.choices, *([] if current in row.choices else [current])],
        format_func=row.word,
        key=field_key(row.name),
        help=field_help(row.name),
        persist_state="page",
        filter_mode=None,
        on_change=callback,
        args=(form,) if callback else None,
    )
    _error(form, row.name)


def _mode(form: ServerForm, row: Field) -> None:
    name = _WIDGET[row.name]
    st.selectbox(
        row.label,
        list(_SSL_MODES),
        key=field_key(name),
        help=field_help(name),
        disabled=_is_disabled(form, row),
        persist_state="page",
        filter_mode=None,
    )
    _error(form, row.name)


def _login_form(form: ServerForm, row: Field) -> None:
    st.selectbox(
        row.label,
        oauth.LOGIN_FORMS,
        format_func=oauth.login_label,
        key=field_key(row.name),
        help=field_help(row.name),
        disabled=not _logs_in(form),
        persist_state="page",
        filter_mode=None,
    )
    _error(form, row.name)


def _app(form: ServerForm, row: Field) -> None:
    apps = oauth.apps_of(_value(form, "auth"))
    current = form_field(row.name).get()
    if current not in apps:  # of another provider, or none yet
        form_field(row.name).set(next(iter(apps), ""))
    st.selectbox(
        row.label,
        list(apps) or [""],
        format_func=lambda number: apps[number].name if number in apps else "(nenhum registrado)",
        key=field_key(row.name),
        help=field_help(row.name),
        persist_state="page",
        filter_mode=None,
    )
    _error(form, row.name)


def _check(form: ServerForm, row: Field) -> None:
    name = _WIDGET.get(row.name, row.name)
    st.checkbox(
        row.label,
        key=field_key(name),
        help=field_help(name),
        disabled=_is_disabled(form, row),
        persist_state="page",
    )
    _error(form, row.name)


def _error(form: ServerForm, name: str) -> None:
    for error in form.errors:
        if error.field == name:
            st.markdown(f":red[:material/error: {plain(error.message)}]")


def _value(form: ServerForm, name: str) -> Any:
    """The field's value now; where the field is not on the screen, what it starts with."""
    current = form_field(name).get()
    return _starting_value(_as_typed(form.start), name) if current is None else current


def _starting_value(start: ServerDraft, name: str) -> Any:
    if name == "ssl":
        return start.security is not Security.NONE
    if name == "auth":
        return oauth.provider_of(start.oauth_app_id) if start.auth is Auth.OAUTH2 else oauth.PASSWORD
    return _ssl_mode(start) if name == "ssl_mode" else getattr(start, name)


def _as_typed(start: ServerDraft) -> ServerDraft:
    """The starting values in the form the widgets give them back."""
    typed: dict[str, Any] = {row.name: str(getattr(start, row.name) or "") for row in FIELDS if row.sort is Sort.NUMBER}
    return replace(
        start,
        **typed,
        same_address=start.same_address or default_same_address(start.is_paid),
        security=_security(start.security is not Security.NONE, _SSL_MODES[_ssl_mode(start)], str(start.port or "")),
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


def _suggestion(form: ServerForm) -> int:
    mode = _SSL_MODES[_value(form, "ssl_mode")]
    encrypted = bool(_value(form, "ssl"))
    return suggested_port(_security(encrypted, mode, ""), security_auto=encrypted and mode is None)


def _follow_kind(form: ServerForm) -> None:
    """A new account starts as its kind usually is, until the person chooses."""
    if form.opened is None and not form.chose_account:
        form_field("is_paid").set(kind_of(form_field("kind").get()).starts_paid)
        _follow_account(form)


def _touch_account(form: ServerForm) -> None:
    form.chose_account = True
    _follow_account(form)


def _follow_account(form: ServerForm) -> None:
    """A free account starts at "Bloquear", a paid one at "Permitir", until the person chooses."""
    if form.opened is None and not form.chose_same_address:
        form_field("same_address").set(default_same_address(form_field("is_paid").get()))


def _touch_same(form: ServerForm) -> None:
    form.chose_same_address = True


def _remove_secret(form: ServerForm) -> None:
    form.remove_secret = True
