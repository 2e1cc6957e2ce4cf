"""The whole portfolio at once: check every server side by side, and see what will stop working soon."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailcore.catalog import for_host
from mailcore.catalog.lookup import password_login_ends
from mailcore.deadline import Deadline
from mailcore.errors import MailcoreError
from mailcore.storage.tables import MailServer, OAuthApp
from mailcore.transports.tls import EXPIRY_WARNING_DAYS
from mailcore.vocabulary import Auth

if TYPE_CHECKING:
    from mailcore.health.check import CheckResult
    from mailcore.storage.database import Database

PORTFOLIO_SECONDS = 900.0
"""What is not begun by then is left unchecked and said so."""

_SIDE_BY_SIDE = 100
"""Checks under way at once. They wait far more than they work; a thread costs some 100 kB."""

_CONNECTIONS_AN_ACCOUNT = 3
"""Microsoft 365 refuses the fourth of a mailbox (432 4.3.2); nobody publishes a smaller number."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one server of the portfolio."""

    server: MailServer
    result: CheckResult | None
    """None where it was not checked."""
    fault: str = ""
    """Why not: a sentence."""
    done: int = 0
    """How many are through, this one included."""
    total: int = 0

    @property
    def ok(self) -> bool:
        """Whether it was checked and works."""
        return self.result is not None and self.result.ok


@dataclass(frozen=True, slots=True)
class Attention:
    """What will stop working soon, the most urgent first, and how many there are of each."""

    certificates: list[MailServer]
    certificates_total: int
    passwords: list[tuple[MailServer, date]]
    """Accounts that log in with a password where the provider ends that, and when (maybe in the past)."""
    passwords_total: int
    app_secrets: list[OAuthApp]
    """Applications of OAuth2 whose secret ends soon (or has ended), in use by a record or not."""


def ignore_checked(checked: Checked) -> None:
    """Listen to nothing: the default of :func:`check_all`."""


def active_servers(database: Database) -> list[MailServer]:
    """Return every active server, by its description."""
    with database.read() as session:
        query = select(MailServer).where(MailServer.is_active).order_by(MailServer.name_key)
        return list(session.scalars(query))


def check_all(
    servers: Sequence[MailServer],
    check: Callable[[MailServer], CheckResult],
    on_checked: Callable[[Checked], None] = ignore_checked,
    *,
    seconds: float = PORTFOLIO_SECONDS,
) -> list[Checked]:
    """Check servers side by side and return what became of each, in the order given.

    Records of one login at a known provider take turns: providers count connections an account and take
    many logins at once for an attack.

    Args:
        on_checked: told of each as it is through, from this thread.
        seconds: those not begun by then are not checked.

    Raises:
        nothing of a single server: its fault stands in its place.
    """
    if not servers:
        return []
    deadline = Deadline(seconds)
    gates: defaultdict[tuple[str, str], threading.Semaphore] = defaultdict(
        lambda: threading.Semaphore(_CONNECTIONS_AN_ACCOUNT)
    )
    turns = {server.id: gates[_account(server)] for server in servers}

    def run(server: MailServer) -> Checked:
        if deadline.left() == 0:
            return Checked(server, None, "Não deu tempo de testar este servidor. Teste-o sozinho.")
        with turns[server.id]:
            try:
                return Checked(server, check(server))
            except MailcoreError as error:
                return Checked(server, None, str(error))

    found: dict[int, Checked] = {}
    with ThreadPoolExecutor(min(_SIDE_BY_SIDE, len(servers)), thread_name_prefix="mailcore-portfolio") as pool:
        for future in as_completed([pool.submit(run, server) for server in _spread(servers)]):
            tested = future.result()
            tested = Checked(tested.server, tested.result, tested.fault, len(found) + 1, len(servers))
            found[tested.server.id] = tested
            on_checked(tested)
    return [found[server.id] for server in servers]


def attention(database: Database, *, now: datetime | None = None, limit: int = 50) -> Attention:
    """Return active servers whose certificate or password login ends soon, and applications whose secret does.

    A certificate counts from :data:`EXPIRY_WARNING_DAYS` before its end on, as the last check saw it; a
    password login where the catalogue knows a date for the host.

    Raises:
        StorageError: the database could not be read.
    """
    soon = (now or datetime.now(UTC)) + timedelta(days=EXPIRY_WARNING_DAYS)
    ends = password_login_ends()
    certificate = [MailServer.is_active, MailServer.certificate_ends_at < soon]
    password = [MailServer.is_active, MailServer.host.in_(ends), MailServer.auth == Auth.PASSWORD]
    with database.read() as session:
        certificates = session.scalars(
            select(MailServer).where(*certificate).order_by(MailServer.certificate_ends_at).limit(limit)
        ).all()
        passwords = session.scalars(
            select(MailServer).where(*password).order_by(MailServer.name_key).limit(limit)
        ).all()
        counts = [
            session.scalar(select(func.count()).select_from(MailServer).where(*conditions)) or 0
            for conditions in (certificate, password)
        ]
        app_secrets = session.scalars(
            select(OAuthApp)
            .where(OAuthApp.secret_ref.is_not(None), OAuthApp.secret_ends_on < soon.date())
            .order_by(OAuthApp.secret_ends_on)
        ).all()
    dated = sorted(((server, ends[server.host]) for server in passwords), key=lambda pair: pair[1])
    return Attention(list(certificates), counts[0], dated, counts[1], list(app_secrets))


def _account(server: MailServer) -> tuple[str, str]:
    """What a provider counts by; a record without a login, or of a host nobody knows, is by itself."""
    if server.username and for_host(server.host):
        return server.host, server.username.casefold()
    return "", str(server.id)


def _spread(servers: Sequence[MailServer]) -> list[MailServer]:
    """Put the records of one account far from each other, so that none fills the pool with waiting."""
    seen: defaultdict[tuple[str, str], int] = defaultdict(int)
    ranked = []
    for server in servers:
        account = _account(server)
        ranked.append((seen[account], server))
        seen[account] += 1
    return [server for _, server in sorted(ranked, key=lambda pair: pair[0])]
