"""The front door: open the database and the keyring once, and hand out the parts that use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore.check import CheckResult, check
from mailcore.database import Database, make_data_dir
from mailcore.drafts import ServerDraft, clean_for_check, connection_of, draft_of
from mailcore.migrations import migrate
from mailcore.models import CheckState
from mailcore.secrets import SecretStore
from mailcore.sending import send, settle_abandoned
from mailcore.servers import Servers
from mailcore.settings import Settings, load_settings
from mailcore.transports.base import StepListener, ignore_steps

if TYPE_CHECKING:
    from pydantic import SecretStr

    from mailcore.compose import OutgoingMessage
    from mailcore.models import MailServer, Send


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
        settle_abandoned(self.database)

    def check(self, server: MailServer, on_step: StepListener = ignore_steps) -> CheckResult:
        """Check a registered server, sending nothing, and note the result in its record.

        Raises:
            SecretError: its password cannot be read; nothing was contacted.
            StorageError: the result could not be noted.
        """
        result = self._check(draft_of(server), self.servers.secret(server), on_step)
        state = CheckState.OK if result.ok else CheckState.FAILED
        category = result.diagnosis.category if result.diagnosis else None
        self.servers.record_check(server, state, category)
        return result

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
        return self._check(cleaned, self.servers.secret_for(opened, cleaned, typed), on_step)

    def _check(self, draft: ServerDraft, secret: SecretStr | None, on_step: StepListener) -> CheckResult:
        return check(connection_of(draft, secret, self.settings.elastic_email_url), on_step)

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

    def close(self) -> None:
        """Give back the database connections."""
        self.database.dispose()


def open_mailcore(settings: Settings | None = None) -> Mailcore:
    """Open the installation that the environment describes, or the given one."""
    return Mailcore(settings or load_settings())
