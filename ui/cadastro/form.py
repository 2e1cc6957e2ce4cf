"""The form of one server: what is open, the widgets of its two tabs, and back to a draft.

Everything typed lives in the widgets' own state; :func:`fill` puts a form's starting values there. Buttons
carry the form's ``nonce`` in their keys, so the second half of a double click on the form before means
nothing to the next one. Text fields commit as one types, without a rerun: no press can miss what was typed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import streamlit as st
from pydantic import SecretStr

from mailcore.errors import ConflictError, FieldError
from mailcore.help import field_help
from mailcore.registry.drafts import ServerDraft, automatic_security, default_same_address, draft_of, suggested_port
from mailcore.vocabulary import Kind, Security
from ui import words
from ui.cadastro.offers import offer
from ui.formats import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailcore.health.check import CheckResult
    from mailcore.storage.tables import MailServer

GENERAL, AUTHENTICATION = "Geral", "Autenticação"
TAB = "cadastro_tab"
"""The open tab. The same widget for every form, so that the next form's fields take the places of the last."""
AUTHENTICATION_FIELDS = {
    "username",
    "secret",
    "port",
    "security",
    "security_auto",
    "verify_certificate",
    "ca_pem",
}
_KEPT_PLACEHOLDER = "•••••••• (mantida)"

_SECRETS = ("secret", "api_key")
_WIDGETS = (
    *(item.name for item in fields(ServerDraft) if item.name not in ("security", "security_auto")),
    "ssl",
    "ssl_mode",
)
_AUTOMATIC = "Automático"
_SSL_MODES = {
    _AUTOMATIC: None,
    words.SECURITY[Security.SSL_TLS]: Security.SSL_TLS,
    words.SECURITY[Security.STARTTLS]: Security.STARTTLS,
}


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
    asks_to_leave: bool = False
    """"Novo" was pressed with something unsaved."""
    check: CheckResult | None = None
    points_at: str | None = None
    """The field to open: of the first complaint, of a diagnosis, or of the link that led here."""
    pointed: bool = False
    tries: int = 0
    drawn: bool = False
    chose_same_address: bool = False
    """The person chose it: it no longer follows "Conta"."""

    def button(self, name: str) -> str:
        return f"{name}__{self.nonce}"

    @property
    def has_stored_secret(self) -> bool:
        return bool(self.opened and self.opened.secret_ref) and not self.remove_secret

    @property
    def title(self) -> str:
        return f"Cadastro — {self.opened.name}" if self.opened else "Cadastro — novo servidor"


def field_key(name: str) -> str:
    """The widget key of a field; ``F1`` reads the field's name from it."""
    return f"field_{name}"


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
        st.session_state[field_key(name)] = _starting_value(start, name)
    for name in _SECRETS:
        st.session_state[field_key(name)] = ""


def draft_of_form(form: ServerForm) -> ServerDraft:
    """Return what stands in the fields now."""
    is_elastic = _value(form, "kind") is Kind.ELASTIC_EMAIL
    mode = _SSL_MODES[_value(form, "ssl_mode")]
    encrypted = bool(_value(form, "ssl"))
    return ServerDraft(
        name=_value(form, "name"),
        kind=_value(form, "kind"),
        host=_value(form, "host"),
        port=_value(form, "port"),
        security=_security(encrypted, mode, _value(form, "port")),
        security_auto=encrypted and mode is None,
        verify_certificate=_value(form, "verify_certificate"),
        ca_pem=_value(form, "ca_pem"),
        requires_auth=is_elastic or _value(form, "requires_auth"),
        username=_value(form, "username"),
        from_address=_value(form, "from_address"),
        from_name=_value(form, "from_name"),
        reply_to=_value(form, "reply_to"),
        is_paid=_value(form, "is_paid"),
        is_active=_value(form, "is_active"),
        is_default=_value(form, "is_default"),
        daily_limit=_value(form, "daily_limit"),
        limit_unit=_value(form, "limit_unit"),
        limit_window=_value(form, "limit_window"),
        same_address=_value(form, "same_address"),
        notes=_value(form, "notes"),
    )


def typed_secret(form: ServerForm) -> SecretStr | None:
    """Return the password or key typed, or None where the field is empty."""
    name = "api_key" if _value(form, "kind") is Kind.ELASTIC_EMAIL else "secret"
    text = st.session_state.get(field_key(name)) or ""
    return SecretStr(text) if text else None


def is_unsaved(form: ServerForm) -> bool:
    """Whether anything typed differs from what is stored."""
    return draft_of_form(form) != _as_typed(form.start) or typed_secret(form) is not None or form.remove_secret


def was_left(form: ServerForm) -> bool:
    """Whether this form was on screen and its page was left since: Streamlit has dropped its widgets."""
    return form.drawn and field_key("kind") not in st.session_state


def forget() -> None:
    """Drop the password from the session: after a save it lives in the keyring alone."""
    for name in _SECRETS:
        st.session_state.pop(field_key(name), None)


def general_fields(form: ServerForm) -> None:
    """The tab "Geral"."""
    form.drawn = True
    name, kind = st.columns([2, 1])
    with name:
        _text(form, "name", "Descrição")
    with kind:
        _select(form, "kind", "Tipo de envio", words.KIND)
    if _value(form, "kind") is Kind.SMTP:
        _text(form, "host", "Servidor", placeholder="smtp.exemplo.com.br")
    _sender(form)
    account, limit, unit, window = st.columns(4)
    with account:
        _select(form, "is_paid", "Conta", words.PAID, on_change=_follow_account, args=(form,))
    with limit:
        _text(form, "daily_limit", "Limite diário", placeholder="sem limite")
    with unit:
        _select(form, "limit_unit", "Contar por", words.UNIT)
    with window:
        _select(form, "limit_window", "Janela", words.WINDOW)
    same_address, is_active, is_default = st.columns([2, 1, 1], vertical_alignment="bottom")
    with same_address:
        _select(
            form,
            "same_address",
            "Origem igual ao destino",
            words.SAME_ADDRESS,
            on_change=_touch_same,
            args=(form,),
        )
    with is_active:
        _check(form, "is_active", "Ativo")
    with is_default:
        _check(form, "is_default", "Servidor padrão")
    _area(form, "notes", "Observações")


@st.fragment
def _sender(form: ServerForm) -> None:
    """The row of the sender, and what the catalogue knows of the address: runs alone with each keystroke."""
    sender, sender_name, reply_to = st.columns(3)
    with sender:
        _text(form, "from_address", "E-mail do remetente", placeholder="nome@exemplo.com.br", on_change="rerun")
    with sender_name:
        _text(form, "from_name", "Nome do remetente")
    with reply_to:
        _text(form, "reply_to", "Responder para", placeholder="o mesmo do remetente")
    if _value(form, "kind") is Kind.SMTP:
        offer(_value(form, "from_address"), form.button("prefill"), partial(put, form))


def authentication_fields(form: ServerForm) -> None:
    """The tab "Autenticação": the API key alone for Elastic Email, all of SMTP's otherwise."""
    if _value(form, "kind") is Kind.ELASTIC_EMAIL:
        _secret(form, "api_key", "Chave da API", disabled=False)
        return
    _check(form, "requires_auth", "Meu servidor requer autenticação")
    logs_in = bool(_value(form, "requires_auth"))
    username, secret = st.columns(2)
    with username:
        _text(form, "username", "Usuário", disabled=not logs_in)
    with secret:
        _secret(form, "secret", "Senha", disabled=not logs_in)
    port, mode = st.columns(2)
    with port:
        _text(form, "port", "Porta envio", placeholder=f"{_suggestion(form)} (sugerida)")
    with mode:
        encrypted = bool(_value(form, "ssl"))
        st.selectbox(
            "Modo SSL",
            list(_SSL_MODES),
            key=field_key("ssl_mode"),
            help=field_help("ssl_mode"),
            disabled=not encrypted,
            persist_state="page",
            filter_mode=None,
        )
    with st.container(horizontal=True, gap="large"):
        _check(form, "ssl", "SSL")
        _check(form, "verify_certificate", "Exigir certificado válido", disabled=not encrypted)
    if not encrypted and logs_in:
        st.warning(
            "Sem SSL, o usuário e a senha viajam legíveis pela rede. Use só dentro de uma rede de confiança.",
            icon=":material/warning:",
        )
    _area(
        form,
        "ca_pem",
        "Certificado da autoridade (PEM)",
        placeholder="Só para servidores com autoridade própria: -----BEGIN CERTIFICATE-----",
        disabled=not encrypted,
    )


def point(form: ServerForm) -> str | None:
    """Open the tab of the field a complaint or a diagnosis points at; return its widget key, for the cursor."""
    name = form.points_at
    if name is None:
        return None
    if not form.pointed:
        form.pointed = True
        st.session_state[TAB] = AUTHENTICATION if name in AUTHENTICATION_FIELDS else GENERAL
    if name == "secret" and _value(form, "kind") is Kind.ELASTIC_EMAIL:
        name = "api_key"
    return field_key({"security": "ssl", "security_auto": "ssl_mode"}.get(name, name))


def put(form: ServerForm, values: Mapping[str, Any]) -> None:
    """Put values into the fields, as if typed; the widgets of this run must not have been drawn yet."""
    draft = _as_typed(replace(draft_of_form(form), security_auto=False, **values))
    if "security" in values and automatic_security(int(draft.port or 0)) is draft.security:
        draft = replace(draft, security_auto=True)
    names = {"ssl", "ssl_mode", "port"} if "security" in values else set()
    if "is_paid" in values and form.opened is None and not form.chose_same_address:
        draft = replace(draft, same_address=default_same_address(draft.is_paid))
        names.add("same_address")
    for name in names | (values.keys() - {"security"}):
        st.session_state[field_key(name)] = _starting_value(draft, name)


def _text(
    form: ServerForm,
    name: str,
    label: str,
    *,
    placeholder: str = "",
    disabled: bool = False,
    on_change: Literal["ignore", "rerun"] = "ignore",
) -> None:
    st.text_input(
        label,
        key=field_key(name),
        help=field_help(name),
        placeholder=placeholder,
        disabled=disabled,
        live="0ms",
        on_change=on_change,
        persist_state="page",
    )
    _error(form, name)


def _secret(form: ServerForm, name: str, label: str, *, disabled: bool) -> None:
    # No value and no persisted state: what is typed goes to the program and never back to the browser.
    st.text_input(
        label,
        key=field_key(name),
        type="password",
        help=field_help(name),
        placeholder=_KEPT_PLACEHOLDER if form.has_stored_secret else "",
        autocomplete="new-password",
        disabled=disabled,
        live="0ms",
        on_change="ignore",
    )
    _error(form, "secret")
    if form.has_stored_secret:
        st.button("Remover senha", key=form.button("remove_secret"), on_click=_remove_secret, args=(form,))
    elif form.remove_secret:
        st.info("A senha guardada será removida quando você salvar.", icon=":material/info:")


def _area(form: ServerForm, name: str, label: str, *, placeholder: str = "", disabled: bool = False) -> None:
    st.text_area(
        label,
        key=field_key(name),
        help=field_help(name),
        placeholder=placeholder,
        disabled=disabled,
        on_change="ignore",
        persist_state="page",
    )
    _error(form, name)


def _select(form: ServerForm, name: str, label: str, options: dict[Any, str], **callback: Any) -> None:
    st.selectbox(
        label,
        list(options),
        format_func=lambda option: options[option],
        key=field_key(name),
        help=field_help(name),
        persist_state="page",
        filter_mode=None,
        **callback,
    )
    _error(form, name)


def _check(form: ServerForm, name: str, label: str, *, disabled: bool = False) -> None:
    st.checkbox(label, key=field_key(name), help=field_help(name), disabled=disabled, persist_state="page")
    _error(form, name)


def _error(form: ServerForm, name: str) -> None:
    for error in form.errors:
        if error.field == name:
            st.markdown(f":red[:material/error: {plain(error.message)}]")


def _value(form: ServerForm, name: str) -> Any:
    """The field's value now; where the field is not on the screen, what it starts with."""
    current = st.session_state.get(field_key(name))
    return _starting_value(_as_typed(form.start), name) if current is None else current


def _starting_value(start: ServerDraft, name: str) -> Any:
    if name == "ssl":
        return start.security is not Security.NONE
    return _ssl_mode(start) if name == "ssl_mode" else getattr(start, name)


def _as_typed(start: ServerDraft) -> ServerDraft:
    """The starting values in the form the widgets give them back."""
    return replace(
        start,
        port=str(start.port or ""),
        daily_limit=str(start.daily_limit or ""),
        same_address=start.same_address or default_same_address(start.is_paid),
        security=_security(start.security is not Security.NONE, _SSL_MODES[_ssl_mode(start)], str(start.port or "")),
        requires_auth=start.kind is Kind.ELASTIC_EMAIL or start.requires_auth,
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


def _follow_account(form: ServerForm) -> None:
    """A free account starts at "Bloquear", a paid one at "Permitir", until the person chooses."""
    if form.opened is None and not form.chose_same_address:
        st.session_state[field_key("same_address")] = default_same_address(st.session_state[field_key("is_paid")])


def _touch_same(form: ServerForm) -> None:
    form.chose_same_address = True


def _remove_secret(form: ServerForm) -> None:
    form.remove_secret = True
