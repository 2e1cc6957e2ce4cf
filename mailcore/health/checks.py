"""Checking the servers of an installation: one, all, or what is typed in a form; the result is noted in the record."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mailcore.actor import Actor, needs
from mailcore.health.check import check
from mailcore.health.portfolio import PORTFOLIO_SECONDS, active_servers, check_all, ignore_checked
from mailcore.quota.holds import forgive_logins, refuse_pause, refuse_probing, state_in
from mailcore.registry.drafts import clean_for_check
from mailcore.rights import Right
from mailcore.transports import connection_for
from mailcore.transports.base import StepListener, ignore_steps
from mailcore.vocabulary import CheckState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import SecretStr

    from mailcore.health.check import CheckResult
    from mailcore.health.portfolio import Checked
    from mailcore.registry.drafts import ServerDraft
    from mailcore.registry.servers import Servers
    from mailcore.settings import Settings
    from mailcore.storage.database import Database
    from mailcore.storage.tables import MailServer


class Checks:
    """The checks of one installation. Safe to share between threads."""

    def __init__(self, database: Database, servers: Servers, settings: Settings) -> None:
        self._database = database
        self._servers = servers
        self._settings = settings

    @needs(Right.OPERATE)
    def check(
        self,
        server: MailServer,
        on_step: StepListener = ignore_steps,
        *,
        recipient: str = "",
        probe: bool = True,
        actor: Actor,
    ) -> CheckResult:
        """Check a registered server, sending nothing, and note the result in its record.

        Args:
            recipient: an address to ask the server for too; see :func:`mailcore.health.check.check`.
            probe: where it fails, try what would work; see there.

        Raises:
            HeldError: its provider lengthens the account's block with every try; nobody was contacted.
            SecretError: its password cannot be read; nothing was contacted.
            StorageError: the result could not be noted.
        """
        state = state_in(self._database, server.account_key)
        refuse_probing(state, server.host, self._settings.zone)
        token = self._servers.tokens.source_for(server)
        connection = connection_for(server, self._servers.secret(server), self._settings, token)
        result = check(connection, on_step, recipient=recipient, probe=probe)
        check_state = note_result(self._servers, server, result, recipient=recipient)
        if check_state is CheckState.OK and state.auth_failures:
            with self._database.write() as session:
                forgive_logins(session, server.account_key)
        return result

    @needs(Right.OPERATE)
    def check_all(
        self,
        on_checked: Callable[[Checked], None] = ignore_checked,
        *,
        servers: Sequence[MailServer] | None = None,
        seconds: float = PORTFOLIO_SECONDS,
        actor: Actor,
    ) -> list[Checked]:
        """Check servers, every active one or those given, side by side.

        See :func:`mailcore.health.portfolio.check_all`.
        """
        chosen = active_servers(self._database) if servers is None else servers
        return check_all(chosen, partial(self._check_one_of_many, actor), on_checked, seconds=seconds)

    @needs(Right.OPERATE)
    def check_draft(
        self,
        draft: ServerDraft,
        typed: SecretStr | None,
        opened: MailServer | None,
        on_step: StepListener = ignore_steps,
        *,
        actor: Actor,
        authorization: str = "",
    ) -> CheckResult:
        """Check what is typed and not saved; note nothing.

        Args:
            authorization: the key of what was authorised in the form, or empty.
            typed: the password typed, or None to use the one of ``opened`` if it may be used.
            opened: the record the form was opened on, or None for a new one.

        Raises:
            ValidationError: a field cannot be used as typed, or the password must be typed again.
            SecretError: the stored password cannot be read.
        """
        cleaned = clean_for_check(draft)
        secret = self._servers.secret_for(opened, cleaned, typed)
        token = self._servers.tokens.source_for_draft(cleaned, opened, authorization, actor)
        return check(connection_for(cleaned, secret, self._settings, token), on_step)

    def _check_one_of_many(self, actor: Actor, server: MailServer) -> CheckResult:
        """Check a server, unless its login was refused again and again: nobody looks at this one try."""
        refuse_pause(state_in(self._database, server.account_key))
        return self.check(server, probe=False, actor=actor)


def note_result(servers: Servers, server: MailServer, result: CheckResult, *, recipient: str = "") -> CheckState:
    """Note in a record what a check of it, or of exactly what was then saved as it, found; return the state.

    Args:
        recipient: the address that the server was asked for too.

    Raises:
        StorageError: it could not be noted.
    """
    category = result.diagnosis.category if result.diagnosis else None
    if recipient and category == "recipient":
        category = None  # that says something of the recipient, nothing of the server
    state = CheckState.OK if result.ok or category is None else CheckState.FAILED
    ends_at = result.certificate.not_after if result.certificate else None
    code = result.diagnosis.code if result.diagnosis and category else None
    servers.record_check(server, state, category, ends_at, code=code)
    return state
