"""The front door: open the database and the keyring once, and hand out the parts that use them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from sqlalchemy import text

from mailcore.access.entrance import Access
from mailcore.arguments import need, need_one_of
from mailcore.audit import note_lifted
from mailcore.catalog import provider_id
from mailcore.diagnosis.explain import Found, explain
from mailcore.diagnosis.replies import classify, diagnosis_for
from mailcore.errors import NotFoundError
from mailcore.health.check import CheckResult, check
from mailcore.health.portfolio import PORTFOLIO_SECONDS, Checked, active_servers, check_all, ignore_checked
from mailcore.health.service_figures import FiguresCache
from mailcore.messages.compose import OutgoingMessage
from mailcore.quota.external_use import Entry, record
from mailcore.quota.holds import forgive_logins, lift, refuse_pause, refuse_probing, state_of
from mailcore.quota.reports import quotas
from mailcore.quota.rules import Counting
from mailcore.quota.usage import roll_up
from mailcore.registry.drafts import ServerDraft, clean_for_check, connection_of, draft_of
from mailcore.registry.search import ServerQuery
from mailcore.registry.servers import Servers
from mailcore.secrets.store import SecretStore
from mailcore.sending.delivery_status import Followed, follow_up
from mailcore.sending.ledger import purge
from mailcore.sending.reservation import claim, settle, settle_abandoned
from mailcore.sending.send import send
from mailcore.settings import Settings, load_settings, without_passwords
from mailcore.storage.database import Database, make_data_dir
from mailcore.storage.migrations import migrate
from mailcore.storage.tables import Account, Installation, MailServer, Send
from mailcore.transports.base import StepListener, ignore_steps
from mailcore.vocabulary import CheckState, SendStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import SecretStr

    from mailcore.actor import Actor
    from mailcore.quota.rules import Quota
    from mailcore.transports.base import Connection


_TIDY_SECONDS = 3600
_OUTCOMES = (SendStatus.ACCEPTED, SendStatus.REFUSED, SendStatus.FAILED, SendStatus.UNCERTAIN)
_SERVERS = "core.servers.get(número) e core.servers.default()"
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
        self.is_new = migrate(self.database)
        """Whether opening it made the database: nothing was ever registered there."""
        self.secrets = SecretStore(self.database, settings)
        self.secrets.prepare()
        self.servers = Servers(self.database, self.secrets)
        self.access = Access(self.database, settings)
        self.counting = Counting(settings.zone, settings.limit_margin_percent)
        self.servers.identify_accounts()
        self._tidied = 0.0
        self._tidying = Lock()
        self.tidy()

    def __repr__(self) -> str:
        return f"Mailcore({without_passwords(self.settings.database_url)})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tidy(self) -> None:
        """Settle what dead processes left and drop rows past their time, once an hour however often it is called.

        Raises:
            StorageError: the database could not be written.
        """
        if monotonic() - self._tidied < _TIDY_SECONDS and self._tidied:
            return
        with self._tidying:
            settle_abandoned(self.database)
            now = self._believable_now()
            roll_up(self.database, now=now)
            self.access.tidy(now)
            gone = purge(self.database, self.settings.retention_days, now=now)
            # While a backlog lasts, each call takes a piece of it.
            self._tidied = 0.0 if gone else monotonic()

    def _believable_now(self) -> datetime:
        """The present, at most a day after the last time: a clock wrong by weeks must not age what is stored."""
        now = datetime.now(UTC)
        first = {"name": "tidied_at", "value": now.isoformat()}
        made = "INSERT INTO installation (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"
        with self.database.write() as session:
            session.execute(text(made), first)  # of several first starts at once, one makes it
            kept = session.get_one(Installation, "tidied_at")
            believed = min(now, datetime.fromisoformat(kept.value) + timedelta(days=1))
            kept.value = believed.isoformat()
        return believed

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
            recipient: an address to ask the server for too; see :func:`mailcore.health.check.check`.
            probe: where it fails, try what would work; see there.

        Raises:
            HeldError: its provider lengthens the account's block with every try; nobody was contacted.
            SecretError: its password cannot be read; nothing was contacted.
            StorageError: the result could not be noted.
        """
        need("server", server, MailServer, _SERVERS)
        with self.database.read() as session:
            state = state_of(session.get(Account, server.account_key))
        refuse_probing(state, server.host, self.counting.zone)
        connection = self._connection(draft_of(server), self.servers.secret(server))
        result = check(connection, on_step, recipient=recipient, probe=probe)
        category = result.diagnosis.category if result.diagnosis else None
        if recipient and category == "recipient":
            category = None  # that says something of the recipient, nothing of the server
        check_state = CheckState.OK if result.ok or category is None else CheckState.FAILED
        ends_at = result.certificate.not_after if result.certificate else None
        self.servers.record_check(server, check_state, category, ends_at)
        if check_state is CheckState.OK and state.auth_failures:
            with self.database.write() as session:
                forgive_logins(session, server.account_key)
        return result

    def check_all(
        self, on_checked: Callable[[Checked], None] = ignore_checked, *, seconds: float = PORTFOLIO_SECONDS
    ) -> list[Checked]:
        """Check every active server, side by side; see :func:`mailcore.health.portfolio.check_all`."""
        servers = active_servers(self.database)
        return check_all(servers, self._check_one_of_many, on_checked, seconds=seconds)

    def _check_one_of_many(self, server: MailServer) -> CheckResult:
        """Where the login was refused again and again, nobody looks at this one try: it is left out."""
        with self.database.read() as session:
            refuse_pause(state_of(session.get(Account, server.account_key)))
        return self.check(server, probe=False)

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
        """Send one message; see :func:`mailcore.sending.send.send`."""
        need("server", server, MailServer, _SERVERS)
        need("message", message, OutgoingMessage, "mailcore.compose(…)")
        need("idempotency_key", idempotency_key, str)
        return send(
            self.database,
            self.servers,
            server,
            message,
            counting=self.counting,
            base_url=self.settings.elastic_email_url,
            idempotency_key=idempotency_key,
            on_step=on_step,
        )

    def follow_up(self, send_id: int) -> Followed:
        """Ask the service what became of a send; see :func:`mailcore.sending.delivery_status.follow_up`."""
        return follow_up(self.database, self.servers, send_id, base_url=self.settings.elastic_email_url)

    def quotas(
        self,
        *,
        server_id: int | None = None,
        account_keys: Sequence[str] | None = None,
        every_slot: bool = False,
    ) -> list[Quota]:
        """Return how accounts stand; see :func:`mailcore.quota.reports.quotas`."""
        return quotas(
            self.database, self.counting, server_id=server_id, account_keys=account_keys, every_slot=every_slot
        )

    def reserve(
        self, server: MailServer, recipients: Sequence[str] | int, *, idempotency_key: str = "", message_id: str = ""
    ) -> Send:
        """Reserve a message's place in the quota, for a program that carries the mail itself.

        Returns:
            The row of the ledger. Where its status is ``rejected_by_rule`` the message must not be sent: its
            ``diagnosis`` says why and ``frees_at`` when it would fit. Only where it is ``started``, send it and
            :meth:`settle` it; if your process dies before that, it becomes ``uncertain`` and stays counted. Of two
            who reserve under one key, one gets ``started``.

        Args:
            recipients: their addresses, or only how many they are.
            idempotency_key: as in :meth:`send`: a key used before returns the row of then, whatever its status.
            message_id: for the ledger.

        Raises:
            StorageError: the row could not be written; nothing is reserved.
            ValueError: there is no recipient.
        """
        need("server", server, MailServer, _SERVERS)
        need("idempotency_key", idempotency_key, str)
        named = (
            () if isinstance(recipients, int) else (recipients,) if isinstance(recipients, str) else tuple(recipients)
        )
        refusal = None if server.is_active else diagnosis_for("inactive")
        row, is_ours = claim(
            self.database,
            self.counting,
            server,
            named,
            message_id,
            idempotency_key or uuid4().hex,
            refusal=refusal,
            count=recipients if isinstance(recipients, int) else None,
        )
        if not is_ours and row.status is SendStatus.STARTED:
            row.__dict__["status"] = SendStatus.UNCERTAIN  # somebody else's, under way: not this caller's to send
        return row

    def settle(
        self, row: Send, outcome: SendStatus, *, reply: str = "", phase: str = "data", taken: int | None = None
    ) -> Send:
        """Say what became of a reserved message.

        Args:
            outcome: ``accepted``; ``refused`` or ``failed``, which free its units; ``uncertain``, which keeps them.
            reply: the server's words; a refusal for quota puts the account on hold, refused logins in a row too.
            phase: the step that the reply answers: ``connect``, ``auth``, ``mail``, ``rcpt`` or ``data``.
            taken: recipients it was taken for, if not all.

        Raises:
            ArgumentError: ``outcome`` is none of these, or ``row`` no row of the ledger.
            StorageError: it could not be written; the row becomes ``uncertain``.
        """
        need("row", row, Send, "core.reserve(…)")
        need_one_of("outcome", outcome, _OUTCOMES)
        host, diagnosis = "", None
        with suppress(NotFoundError):
            server = self.servers.get(row.server_id)
            host = server.host
            if reply and outcome is not SendStatus.ACCEPTED:
                diagnosis = classify(reply, phase=phase, provider=provider_id(host), kind=server.kind)
        if outcome is SendStatus.UNCERTAIN:
            diagnosis = diagnosis_for("uncertain", reply=reply)
        return settle(
            self.database, self.counting, row, outcome, host=host, reply=reply, diagnosis=diagnosis, taken=taken
        )

    def record_external_use(self, entries: Sequence[Entry], *, actor: Actor) -> None:
        """Count use made elsewhere; see :func:`mailcore.quota.external_use.record`."""
        record(self.database, self.counting, entries, actor=actor)

    def lift_hold(self, server: MailServer, *, actor: Actor) -> None:
        """Let an account be used again because a person says so; the trail keeps who.

        Raises:
            StorageError: the database could not be written.
        """
        with self.database.write() as session:
            state = state_of(session.get(Account, server.account_key, with_for_update=True))
            if state.held_since is not None:
                note_lifted(session, server, state.held_code, actor=actor)
            lift(session, server.account_key)

    @cached_property
    def figures(self) -> FiguresCache:
        """What paid services say of their accounts."""
        return FiguresCache(self.servers, self.settings.elastic_email_url, self.settings.zone)

    def close(self) -> None:
        """Give back the database connections."""
        if "figures" in self.__dict__:
            self.figures.close()
        self.database.dispose()


def open_mailcore(settings: Settings | None = None) -> Mailcore:
    """Open the installation that the environment describes, or the given one.

    What it returns is also a context manager that closes it.

    Raises:
        ArgumentError: ``settings`` are none.
        ConfigurationError, SecretError, StorageError: see :class:`Mailcore`.
    """
    if settings is not None:
        need("settings", settings, Settings, "mailcore.Settings(data_dir=…)")
    return Mailcore(settings or load_settings())
