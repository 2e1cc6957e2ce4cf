"""The front door: open the database and the keyring once, and hand out the parts that use them.

No rule stands here: what an act does is said where it is done, and named beside it. What takes long to load (batches
with their templates, checks with what they try, files, replies in a text) is loaded by whoever first asks for it.
"""

from __future__ import annotations

from functools import cached_property, partial
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

from mailcore.access.entrance import Access
from mailcore.actor import THIS_COMPUTERS_USER, Actor, needs
from mailcore.arguments import need, need_count, need_one_of, need_text
from mailcore.audit import Trail
from mailcore.batches.suppressions import Suppressions
from mailcore.batches.unsubscribing import Unsubscribing
from mailcore.health.portfolio import PORTFOLIO_SECONDS, attention, ignore_checked
from mailcore.health.service_figures import FiguresCache
from mailcore.quota import external_use, holds, reports, series
from mailcore.quota.reports import QuotaQuery
from mailcore.quota.rules import QuotaSettings
from mailcore.quota.series import CHART_DAYS
from mailcore.registry.servers import Servers
from mailcore.rights import Right
from mailcore.secrets.store import SecretStore
from mailcore.sending.delivery_status import Followed, follow_up
from mailcore.sending.for_programs import OUTCOMES, ProgramSends
from mailcore.sending.housekeeping import Housekeeping
from mailcore.sending.ledger import Ledger
from mailcore.sending.outcomes import Outcomes
from mailcore.sending.reservation import Reservations
from mailcore.sending.send import Sender
from mailcore.settings import Settings, load_settings
from mailcore.storage.database import Database, make_data_dir, without_passwords
from mailcore.storage.history import hold_open, let_go, note_return, refuse_mixture
from mailcore.storage.migrations import migrate
from mailcore.storage.tables import MailServer, Send
from mailcore.text import as_text
from mailcore.transports.base import StepListener, ignore_steps
from mailcore.vocabulary import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from pydantic import SecretStr

    from mailcore.batches.front import Batches
    from mailcore.health.check import CheckResult
    from mailcore.health.checks import Checks
    from mailcore.health.portfolio import Attention, Checked
    from mailcore.messages.compose import OutgoingMessage
    from mailcore.quota.external_use import Entry, EntryPage
    from mailcore.quota.rules import Quota
    from mailcore.quota.series import DayUse
    from mailcore.registry.drafts import ServerDraft
    from mailcore.registry.exchange import ImportPlan
    from mailcore.registry.named_in_text import Explained
    from mailcore.vocabulary import SendStatus

__all__ = ["Mailcore", "open_mailcore"]

if TYPE_CHECKING:
    _made_once = cached_property
else:

    class _made_once(cached_property):  # noqa: N801 - used as the decorator it is
        """A part of an installation that is made when it is first asked for, and once whatever threads ask.

        :class:`functools.cached_property` alone lets two threads make two, from Python 3.12 on.
        """

        _making = RLock()

        def __get__(self, installation: Any, owner: Any = None) -> Any:
            with self._making:
                return super().__get__(installation, owner)


_SERVERS = "core.servers.get(número) e core.servers.default()"


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
        found = refuse_mixture(self.database)
        hold_open(self.database)
        self.is_new = migrate(self.database)
        """Whether opening it made the database: nothing was ever registered there."""
        note_return(self.database, found)
        self.secrets = SecretStore(self.database, settings)
        self.secrets.prepare()
        self.servers = Servers(self.database, self.secrets, settings)
        self.servers.accounts.identify()
        self.access = Access(self.database, settings)
        self.trail = Trail(self.database)
        self.ledger = Ledger(self.database)
        self.outcomes = Outcomes(self.database, settings.zone)
        self.quota_settings = QuotaSettings(settings.zone, settings.limit_margin_percent)
        self.figures = FiguresCache(self.servers, settings)
        """What paid services say of their accounts."""
        reservations = Reservations(self.database, self.quota_settings)
        self._sender = Sender(self.servers, reservations, settings)
        self._programs = ProgramSends(self.servers, reservations)
        self._unsubscribing = Unsubscribing(self.database, settings.public_url)
        self.suppressions = Suppressions(self.database, self._unsubscribing)
        self._housekeeping = Housekeeping(self.database, self.access, self.servers.authorizing, settings.retention_days)
        self.tidy()

    def __repr__(self) -> str:
        return f"Mailcore({without_passwords(self.settings.database_url)})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the database connections."""
        self.figures.close()
        if "batches" in vars(self):
            self.batches.close()
        self._sender.catch_up()
        self.database.dispose()
        let_go(self.database)

    def tidy(self) -> None:
        """Write outcomes that waited for the database, and tidy once an hour.

        See :meth:`mailcore.sending.send.Sender.catch_up` and :meth:`mailcore.sending.housekeeping.Housekeeping.tidy`.
        """
        self._sender.catch_up()
        self._housekeeping.tidy()

    @_made_once
    def batches(self) -> Batches:
        """Batches of messages: made, started, followed and sent."""
        from mailcore.batches.front import Batches

        return Batches(self.database, self.servers, self.settings, self.quota_settings, self._unsubscribing)

    # ------------------------------------------------------------------ health

    @_made_once
    def _checks(self) -> Checks:
        from mailcore.health.checks import Checks

        return Checks(self.database, self.servers, self.settings)

    @needs(Right.OPERATE)
    def check(
        self,
        server: MailServer,
        on_step: StepListener = ignore_steps,
        *,
        recipient: str = "",
        probe: bool = True,
        actor: Actor = THIS_COMPUTERS_USER,
    ) -> CheckResult:
        """Check a registered server, sending nothing; see :meth:`mailcore.health.checks.Checks.check`."""
        need("server", server, MailServer, _SERVERS)
        return self._checks.check(server, on_step, recipient=recipient, probe=probe, actor=actor)

    @needs(Right.OPERATE)
    def check_all(
        self,
        on_checked: Callable[[Checked], None] = ignore_checked,
        *,
        servers: Sequence[MailServer] | None = None,
        seconds: float = PORTFOLIO_SECONDS,
        actor: Actor = THIS_COMPUTERS_USER,
    ) -> list[Checked]:
        """Check every active server, or those given, side by side; see :func:`mailcore.health.portfolio.check_all`."""
        return self._checks.check_all(on_checked, servers=servers, seconds=seconds, actor=actor)

    @needs(Right.OPERATE)
    def check_draft(
        self,
        draft: ServerDraft,
        typed: SecretStr | None,
        opened: MailServer | None,
        on_step: StepListener = ignore_steps,
        *,
        actor: Actor = THIS_COMPUTERS_USER,
        authorization: str = "",
    ) -> CheckResult:
        """Check what is typed and not saved; see :meth:`mailcore.health.checks.Checks.check_draft`."""
        return self._checks.check_draft(draft, typed, opened, on_step, actor=actor, authorization=authorization)

    def attention(self) -> Attention:
        """Return what will stop working soon; see :func:`mailcore.health.portfolio.attention`."""
        return attention(self.database)

    def explain(self, text: str, *, phase: str = "", provider: str = "") -> list[Explained]:
        """Explain a pasted text; see :func:`mailcore.registry.named_in_text.explain_of`."""
        from mailcore.registry.named_in_text import explain_of

        need("text", text, str)
        return explain_of(self.servers, text, phase=phase, provider=provider)

    # ------------------------------------------------------------------ sending

    @needs(Right.OPERATE)
    def send(
        self,
        server: MailServer,
        message: OutgoingMessage,
        *,
        idempotency_key: str = "",
        on_step: StepListener = ignore_steps,
        origin: Origin = Origin.PROGRAM,
        actor: Actor = THIS_COMPUTERS_USER,
    ) -> Send:
        """Send one message; see :meth:`mailcore.sending.send.Sender.send`."""
        need("server", server, MailServer, _SERVERS)
        from mailcore.messages.compose import OutgoingMessage

        need("message", message, OutgoingMessage, "mailcore.compose(…)")
        need_text("idempotency_key", idempotency_key)
        need_one_of("origin", origin, tuple(Origin))
        return self._sender.send(
            server, message, idempotency_key=idempotency_key, on_step=on_step, origin=origin, actor=actor
        )

    @needs(Right.OPERATE)
    def reserve(
        self,
        server: MailServer,
        recipients: Sequence[str] | int,
        *,
        idempotency_key: str = "",
        message_id: str = "",
        actor: Actor = THIS_COMPUTERS_USER,
    ) -> Send:
        """Reserve a message's place in the quota, for a program that carries the mail itself.

        See :meth:`mailcore.sending.for_programs.ProgramSends.reserve`.
        """
        need("server", server, MailServer, _SERVERS)
        need_text("idempotency_key", idempotency_key)
        need_text("message_id", message_id)
        return self._programs.reserve(
            server, recipients, idempotency_key=idempotency_key, message_id=message_id, actor=actor
        )

    @needs(Right.OPERATE)
    def settle(
        self,
        row: Send,
        outcome: SendStatus,
        *,
        reply: str = "",
        phase: str = "data",
        taken: int | None = None,
        actor: Actor = THIS_COMPUTERS_USER,
    ) -> Send:
        """Say what became of a reserved message; see :meth:`mailcore.sending.for_programs.ProgramSends.settle`."""
        need("row", row, Send, "core.reserve(…)")
        need_one_of("outcome", outcome, OUTCOMES)
        return self._programs.settle(
            row, outcome, reply=as_text(need("reply", reply, str)), phase=phase, taken=taken, actor=actor
        )

    def follow_up(self, send_id: int) -> Followed:
        """Ask the service what became of a send; see :func:`mailcore.sending.delivery_status.follow_up`."""
        need_count("send_id", send_id)
        return follow_up(self.database, self.servers, send_id, settings=self.settings)

    # ------------------------------------------------------------------ quotas

    def quotas(
        self,
        *,
        server_id: int | None = None,
        account_keys: Sequence[str] | None = None,
        every_slot: bool = False,
        one_record: bool = False,
        wait: float = 0.0,
    ) -> list[Quota]:
        """Return how accounts stand; see :class:`mailcore.quota.reports.QuotaQuery` and its :func:`quotas`.

        Args:
            wait: how many seconds to wait for services that count for themselves, all together; without it, what
                they said last counts, and they are asked anew in the background.
        """
        if server_id is not None:
            need_count("server_id", server_id)
        query = QuotaQuery(server_id=server_id, account_keys=account_keys, every_slot=every_slot, one_record=one_record)
        readings = partial(self.figures.readings, seconds=wait)
        return reports.quotas(self.database, self.quota_settings, query, readings=readings)

    def near_the_limit(self) -> list[Quota]:
        """Return the accounts about to run out; see :func:`mailcore.quota.reports.near_the_limit`."""
        readings, accounts = self.figures.readings, self.figures.accounts()
        return reports.near_the_limit(self.database, self.quota_settings, readings=readings, read_accounts=accounts)

    def used_shares(self) -> dict[str, float]:
        """Return how much of its quota each account has used; see :func:`mailcore.quota.reports.used_shares`."""
        readings, accounts = self.figures.readings, self.figures.accounts()
        return reports.used_shares(self.database, self.quota_settings, readings=readings, read_accounts=accounts)

    def days(
        self, days: int = CHART_DAYS, *, server_ids: Sequence[int] | None = None, until: date | None = None
    ) -> list[DayUse]:
        """Return the use of each day; see :func:`mailcore.quota.series.days`."""
        return series.days(self.database, self.settings.zone, days=days, server_ids=server_ids, until=until)

    def hours(self, *, account_keys: Sequence[str] | None = None) -> dict[tuple[date, int], int]:
        """Return the use of each hour; see :func:`mailcore.quota.series.hours`."""
        return series.hours(self.database, self.settings.zone, account_keys=account_keys)

    def read_external_use(self, data: bytes) -> list[Entry]:
        """Read a file of use made elsewhere; see :func:`mailcore.quota.external_use.read_csv`."""
        return external_use.read_csv(data, self.all_servers(), self.quota_settings)

    @needs(Right.OPERATE)
    def record_external_use(self, entries: Sequence[Entry], *, actor: Actor) -> None:
        """Count use made elsewhere; see :func:`mailcore.quota.external_use.record`."""
        external_use.record(self.database, self.quota_settings, entries, actor=actor)

    def external_use(self, *, account_key: str | None = None, page: int = 1) -> EntryPage:
        """Return what was entered as used elsewhere; see :func:`mailcore.quota.external_use.entries`."""
        return external_use.entries(self.database, account_key=account_key, page=page)

    @needs(Right.OPERATE)
    def undo_external_use(self, entry_id: int, *, actor: Actor) -> int:
        """Take an entry out again; see :func:`mailcore.quota.external_use.undo`."""
        need_count("entry_id", entry_id)
        return external_use.undo(self.database, self.quota_settings, entry_id, actor=actor)

    @needs(Right.OPERATE)
    def lift_hold(self, server: MailServer, *, actor: Actor) -> None:
        """Let an account be used again because a person says so; see :func:`mailcore.quota.holds.lift`."""
        need("server", server, MailServer, _SERVERS)
        holds.lift(self.database, server, actor=actor)

    # ------------------------------------------------------------------ the whole registry

    def all_servers(self) -> list[MailServer]:
        """Return every record; see :func:`mailcore.registry.exchange.all_servers`."""
        from mailcore.registry.exchange import all_servers

        return all_servers(self.database)

    def plan_import(self, data: bytes) -> ImportPlan:
        """Read a file to be imported, changing nothing; see :func:`mailcore.registry.exchange.plan_import`."""
        from mailcore.registry.exchange import plan_import

        return plan_import(self.database, data)


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
