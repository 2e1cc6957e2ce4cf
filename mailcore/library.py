"""The front door: open the database and the keyring once, and hand out the parts that use them."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from mailcore.check import CheckResult, check
from mailcore.database import Database, make_data_dir
from mailcore.drafts import ServerDraft, clean_for_check, connection_of, draft_of
from mailcore.explain import Found, explain
from mailcore.following import Followed, follow_up
from mailcore.ledger import purge
from mailcore.migrations import migrate
from mailcore.models import CheckState
from mailcore.portfolio import PORTFOLIO_SECONDS, Checked, active_servers, check_all, ignore_checked
from mailcore.reservation import settle_abandoned
from mailcore.search import ServerQuery
from mailcore.secrets import SecretStore
from mailcore.sending import send
from mailcore.servers import Servers
from mailcore.settings import Settings, load_settings
from mailcore.transports.base import StepListener, ignore_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from mailcore.compose import OutgoingMessage
    from mailcore.models import MailServer, Send
    from mailcore.transports.base import Connection


_TIDY_SECONDS = 3600
_MOST_LOOKED_AT = 5
"""Servers that are compared with what a pasted text names."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One reply found in a pasted text, and the registered server it seems to be about."""

    found: Found
    server: MailServer | None


class Mailcore:
    """One opened installation: settings, database, secrets, servers. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        """Open the database, bring it up to date and sweep what a crash may have left.

        Raises:
            ConfigurationError: a setting cannot be used.
            StorageError: the database cannot be opened or brought up to date.
            SecretError: the key of the database keyring cannot be made.
        """
        self.settings = settings
        make_data_dir(settings.data_dir)
        self.database = Database(settings.database_url)
        migrate(self.database)
        self.secrets = SecretStore(self.database, settings)
        self.secrets.prepare()
        self.servers = Servers(self.database, self.secrets)
        self._tidied = 0.0
        self._tidying = Lock()
        self.tidy()

    def tidy(self) -> None:
        """Settle what dead processes left and drop rows past their time, once an hour however often it is called.

        Raises:
            StorageError: the database could not be written.
        """
        if monotonic() - self._tidied < _TIDY_SECONDS and self._tidied:
            return
        with self._tidying:
            settle_abandoned(self.database)
            gone = purge(self.database, self.settings.retention_days)
            # While a backlog lasts, each call takes a piece of it.
            self._tidied = 0.0 if gone else monotonic()

    def check(
        self,
        server: MailServer,
        on_step: StepListener = ignore_steps,
        *,
        recipient: str = "",
        probe: bool = True,
    ) -> CheckResult:
        """Check a registered server, sending nothing, and note the result in its record.

        Args:
            recipient: an address to ask the server for too; see :func:`mailcore.check.check`.
            probe: where it fails, try what would work; see there.

        Raises:
            SecretError: its password cannot be read; nothing was contacted.
            StorageError: the result could not be noted.
        """
        connection = self._connection(draft_of(server), self.servers.secret(server))
        result = check(connection, on_step, recipient=recipient, probe=probe)
        category = result.diagnosis.category if result.diagnosis else None
        if recipient and category == "recipient":
            category = None  # that says something of the recipient, nothing of the server
        state = CheckState.OK if result.ok or category is None else CheckState.FAILED
        ends_at = result.certificate.not_after if result.certificate else None
        self.servers.record_check(server, state, category, ends_at)
        return result

    def check_all(
        self, on_checked: Callable[[Checked], None] = ignore_checked, *, seconds: float = PORTFOLIO_SECONDS
    ) -> list[Checked]:
        """Check every active server, side by side; see :func:`mailcore.portfolio.check_all`."""
        servers = active_servers(self.database)
        return check_all(servers, lambda server: self.check(server, probe=False), on_checked, seconds=seconds)

    def check_draft(
        self,
        draft: ServerDraft,
        typed: SecretStr | None,
        opened: MailServer | None,
        on_step: StepListener = ignore_steps,
    ) -> CheckResult:
        """Check what is typed and not saved; note nothing.

        Args:
            typed: the password typed, or None to use the one of ``opened`` if it may be used.
            opened: the record the form was opened on, or None for a new one.

        Raises:
            ValidationError: a field cannot be used as typed, or the password must be typed again.
            SecretError: the stored password cannot be read.
        """
        cleaned = clean_for_check(draft)
        return check(self._connection(cleaned, self.servers.secret_for(opened, cleaned, typed)), on_step)

    def _connection(self, draft: ServerDraft, secret: SecretStr | None) -> Connection:
        return connection_of(draft, secret, self.settings.elastic_email_url)

    def explain(self, text: str, *, phase: str = "", provider: str = "") -> list[Explained]:
        """Explain what somebody pasted, and name the registered server each reply seems to be about.

        Raises:
            StorageError: the registry could not be read.
        """
        return [Explained(found, self._server_in(found)) for found in explain(text, phase=phase, provider=provider)]

    def _server_in(self, found: Found) -> MailServer | None:
        """The server whose sender or user is named beside the reply; else the only one of a host named there."""
        for address in found.addresses:
            for server in self.servers.search(ServerQuery(text=address, page_size=_MOST_LOOKED_AT)).servers:
                if address.casefold() in (server.from_address.casefold(), server.username.casefold()):
                    return server
        for host in found.hosts:
            same = self.servers.search(ServerQuery(text=host, page_size=_MOST_LOOKED_AT)).servers
            of_host = [server for server in same if server.host == host.casefold()]
            if len(of_host) == 1:
                return of_host[0]
        return None

    def send(
        self,
        server: MailServer,
        message: OutgoingMessage,
        *,
        idempotency_key: str = "",
        on_step: StepListener = ignore_steps,
    ) -> Send:
        """Send one message; see :func:`mailcore.sending.send`."""
        return send(
            self.database,
            self.servers,
            server,
            message,
            base_url=self.settings.elastic_email_url,
            idempotency_key=idempotency_key,
            on_step=on_step,
        )

    def follow_up(self, send_id: int) -> Followed:
        """Ask the service what became of a send; see :func:`mailcore.following.follow_up`."""
        return follow_up(self.database, self.servers, send_id, base_url=self.settings.elastic_email_url)

    def close(self) -> None:
        """Give back the database connections."""
        self.database.dispose()


def open_mailcore(settings: Settings | None = None) -> Mailcore:
    """Open the installation that the environment describes, or the given one."""
    return Mailcore(settings or load_settings())
