"""One opening of the form, kept in the session while it is on screen.

Buttons carry the form's ``nonce`` in their keys, so the second half of a double click on the form before means
nothing to the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.registry.fields import Tab
from ui.session import form_field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pydantic import SecretStr

    from mailcore.errors import ConflictError, FieldError
    from mailcore.health.check import CheckResult
    from mailcore.oauth.authorizing import Begun
    from mailcore.storage.tables import MailServer

GENERAL, AUTHENTICATION = Tab.GENERAL.value, Tab.AUTHENTICATION.value


@dataclass(frozen=True, slots=True)
class Draft:
    """What the tab had kept of an earlier opening."""

    form: str
    values: Mapping[str, Any]
    is_of_this_state: bool
    """The record is still as it was when this was typed."""


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


def field_key(name: str) -> str:
    """The widget key of a field; ``F1`` reads the field's name from it."""
    return form_field(name).name


def open_form(server: MailServer | None) -> ServerForm:
    """Begin a form on a stored server, or an empty one."""
    return ServerForm(server, draft_of(server)) if server else ServerForm()


def copy_form(server: MailServer, name: str) -> ServerForm:
    """Begin a new record that looks like this one: all but its password, its description and being the default."""
    return ServerForm(copy_of=server.id, start=replace(draft_of(server), name=name, is_default=False))
