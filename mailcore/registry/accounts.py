"""The account behind a record: worked out by its kind when it is stored, and mended at the start."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError

from mailcore.errors import SecretError
from mailcore.quota.usage import rename_account
from mailcore.storage.own_random import own_random
from mailcore.storage.tables import Installation, MailServer
from mailcore.transports import kind_of

if TYPE_CHECKING:
    from pydantic import SecretStr

    from mailcore.secrets.store import SecretStore
    from mailcore.storage.database import Database
    from mailcore.transports.kind import Record

_SPELLED = "accounts_spelled"
_PEPPER = "account_pepper"
# Those of an unknown account have a "?" in its key: few, and their kinds say for sure.
_MAY_BE_UNKNOWN = MailServer.account_key.contains("?", autoescape=True)
_LOOK = select(exists().where(Installation.name == _SPELLED), exists().where(_MAY_BE_UNKNOWN))


class Accounts:
    """The accounts of one installation's records."""

    def __init__(self, database: Database, secrets: SecretStore) -> None:
        self._database = database
        self._secrets = secrets

    def key_of(self, record: Record, secret: SecretStr | None, current: str = "") -> str:
        """Return the key of the account a record uses; see :meth:`mailcore.transports.kind.ServerKind.account`."""
        return kind_of(record.kind).account(record, secret, current, lambda: self._pepper)

    def identify(self) -> None:
        """Work out the accounts that a migration could not: their proper spelling, and those behind a key.

        A key that cannot be read now is looked at again at the next start.

        Raises:
            StorageError: the database could not be read or written.
        """
        with self._database.read() as session:
            is_spelled, may_be_unknown = session.execute(_LOOK).one()
            if is_spelled and not may_be_unknown:
                return
            wanted = [_MAY_BE_UNKNOWN] if is_spelled else []
            servers = session.scalars(select(MailServer).where(*wanted)).all()
        for server in servers:
            is_unknown = kind_of(server.kind).is_unknown_account(server.account_key)
            if is_spelled and not is_unknown:
                continue
            with suppress(SecretError):
                secret = self._secrets.get(server.secret_ref) if is_unknown and server.secret_ref else None
                account = self.key_of(server, secret, server.account_key)
                if account != server.account_key:
                    rename_account(self._database, server.id, server.account_key, account)
        if not is_spelled:
            with suppress(IntegrityError), self._database.write() as session:
                session.add(Installation(name=_SPELLED, value="1"))

    @cached_property
    def _pepper(self) -> str:
        """Random text that makes the digests of keys this installation's own; made once."""
        return own_random(self._database, _PEPPER)
