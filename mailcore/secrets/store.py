"""Passwords and keys: they live in a keyring, and a record holds only the name of its own.

A reference is ``<backend>:<name>`` ("os:3f2a…"), so a secret is always looked for in the keyring it was
put into, even if the program is later started where another one is the default.

A record and its secret cannot share a transaction, for a keyring knows none. So every name passes
through the table ``secret_journal``:

1. :meth:`SecretStore.put` writes a new name there, then stores the secret under it;
2. the record that points at it is committed, and in that same transaction :meth:`SecretStore.adopt`
   takes the name out of the journal and :meth:`SecretStore.release` writes the old one in;
3. :meth:`SecretStore.drop` deletes the old secret, then its name.

What a crash leaves in the journal belongs to no record; :meth:`SecretStore.sweep` drops it.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import delete, or_, select, update

from mailcore.errors import MailcoreError, SecretError
from mailcore.settings import KeyringChoice, Settings
from mailcore.storage.tables import MailServer, OAuthApp, OAuthPending, SecretJournal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyring.backend import KeyringBackend
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from mailcore.secrets.database_keyring import DatabaseKeyring
    from mailcore.storage.database import Database

_log = logging.getLogger(__name__)

SERVICE = "mailcore"
_LONGEST = 1_200
"""UTF-16 units of one entry: Windows keeps 2,560 bytes, 1,280 of them (CRED_MAX_CREDENTIAL_BLOB_SIZE). A longer
secret is cut into pieces of half as many characters, for one may take two units."""
_PARTS = "\x01mailcore parts "
KEY_FILE = "secret.key"

_NO_OS_KEYRING = (
    "O chaveiro deste computador não respondeu ou está bloqueado. Desbloqueie-o (entre na sessão do usuário) e "
    "tente de novo, ou use MAILCORE_KEYRING=database para guardar novas senhas no próprio programa."
)
_LOST = "A senha deste servidor não está mais no chaveiro. Abra o cadastro, digite-a de novo em Autenticação e salve."


class SecretStore:
    """The keyring in force, and the journal that keeps records and secrets together."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._choice = settings.keyring
        self._configured_keys = settings.secret_keys.get_secret_value()
        self._key_file = settings.data_dir / KEY_FILE

    @cached_property
    def database_keyring(self) -> DatabaseKeyring:
        """Our own keyring; made when first used, because loading the cryptography takes a while."""
        from mailcore.secrets.database_keyring import DatabaseKeyring

        return DatabaseKeyring(self._database, self._key_file, self._configured_keys)

    @property
    def backend_name(self) -> str:
        """``os`` or ``database``: where a new secret goes.

        Raises:
            SecretError: the desktop's keyring was asked for and there is none.
        """
        if self._uses_database_keyring():
            return "database"
        if _os_keyring() is None:
            raise SecretError(_NO_OS_KEYRING)
        return "os"

    def prepare(self) -> None:
        """At start: make the key of our own keyring if that is the one in use, and sweep.

        Raises:
            SecretError: the key cannot be written.
            StorageError: the database cannot be read or written.
        """
        if not self._configured_keys and not self._key_file.exists() and self._uses_database_keyring():
            self.database_keyring.ensure_key()
        self.sweep()

    def _uses_database_keyring(self) -> bool:
        if self._choice is KeyringChoice.AUTO:
            return _os_keyring() is None
        return self._choice is KeyringChoice.DATABASE

    def get(self, ref: str) -> SecretStr:
        """Return the secret a record points at.

        Raises:
            SecretError: it is gone, or its keyring cannot be opened.
        """
        backend, name = self._locate(ref)
        with _keyring_faults():
            parts = [backend.get_password(SERVICE, name)]
            if parts[0] is not None and parts[0].startswith(_PARTS):
                count = int(parts[0].removeprefix(_PARTS))
                parts = [backend.get_password(SERVICE, f"{name}.{number}") for number in range(count)]
        secret = "".join(part or "" for part in parts)
        if None in parts:
            raise SecretError(_LOST)
        return SecretStr(secret)

    def put(self, secret: SecretStr) -> str:
        """Store a secret under a new name and return the reference, not yet any record's.

        Raises:
            SecretError: the keyring did not take it.
            StorageError: the journal could not be written; nothing was stored.
        """
        ref = f"{self.backend_name}:{uuid4().hex}"
        with self._database.write() as session:
            session.add(SecretJournal(ref=ref, condemned=False, created_at=datetime.now(UTC)))
        backend, name = self._locate(ref)
        text = secret.get_secret_value()
        with _keyring_faults():
            if ref.startswith("database:") or len(text.encode("utf-16-le")) <= 2 * _LONGEST:
                backend.set_password(SERVICE, name, text)
            else:
                parts = [text[start : start + _LONGEST // 2] for start in range(0, len(text), _LONGEST // 2)]
                for number, part in enumerate(parts):
                    backend.set_password(SERVICE, f"{name}.{number}", part)
                backend.set_password(SERVICE, name, f"{_PARTS}{len(parts)}")
        return ref

    def adopt(self, session: Session, ref: str) -> None:
        """Within the transaction that commits the record: ``ref`` is that record's from now on.

        Raises:
            SecretError: a sweep took the secret for an orphan in the meantime; saving again mends it.
        """
        adopted = session.execute(
            delete(SecretJournal).where(SecretJournal.ref == ref, SecretJournal.condemned.is_(False))
        )
        if adopted.rowcount != 1:  # type: ignore[attr-defined]
            raise SecretError("A senha não chegou a ser guardada. Salve de novo.")

    def release(self, session: Session, ref: str) -> None:
        """Within the transaction that changes or deletes the record: ``ref`` is nobody's from now on."""
        session.add(SecretJournal(ref=ref, condemned=True, created_at=datetime.now(UTC)))

    def drop(self, ref: str) -> None:
        """After that transaction: delete the secret. What cannot be deleted now is left to a sweep."""
        with contextlib.suppress(MailcoreError):
            self._delete(ref)

    def orphans(self) -> list[str]:
        """References in the journal that no record holds (for ``doctor``)."""
        with self._database.read() as session:
            return list(session.scalars(_UNOWNED))

    def sweep(self) -> int:
        """Delete every secret in the journal that no record holds; return how many went.

        Safe while another process saves: a reference is condemned first, and a condemned one cannot be
        adopted any more.
        """
        with self._database.read() as session:
            if not session.scalars(_UNOWNED).first():
                return 0
        with self._database.write() as session:
            # What this statement itself condemned, not what a query before it saw: on PostgreSQL a save may
            # adopt a reference between the two.
            condemn = update(SecretJournal).where(SecretJournal.ref.in_(_UNOWNED)).values(condemned=True)
            refs = list(session.scalars(condemn.returning(SecretJournal.ref)))
        swept = 0
        for ref in refs:
            with contextlib.suppress(SecretError):  # its keyring is locked now: next start tries again
                self._delete(ref)
                swept += 1
        return swept

    def _delete(self, ref: str) -> None:
        from keyring.errors import PasswordDeleteError

        backend, name = self._locate(ref)
        with _keyring_faults():
            if not ref.startswith("database:"):
                head = backend.get_password(SERVICE, name) or ""
                for number in range(int(head.removeprefix(_PARTS)) if head.startswith(_PARTS) else 0):
                    with contextlib.suppress(PasswordDeleteError):
                        backend.delete_password(SERVICE, f"{name}.{number}")
                # A crash may have left pieces without the entry that counts them.
                with contextlib.suppress(PasswordDeleteError):
                    for number in count():
                        backend.delete_password(SERVICE, f"{name}.{number}")
            with contextlib.suppress(PasswordDeleteError):
                backend.delete_password(SERVICE, name)
        with self._database.write() as session:
            session.execute(delete(SecretJournal).where(SecretJournal.ref == ref))

    def _locate(self, ref: str) -> tuple[KeyringBackend, str]:
        backend_name, _, name = ref.partition(":")
        if backend_name == "database":
            return self.database_keyring, name
        backend = _os_keyring()
        if backend is None:
            raise SecretError(_NO_OS_KEYRING)
        return backend, name


def _unowned() -> Select[str]:
    holders = (
        MailServer.secret_ref,
        MailServer.oauth_ref,
        OAuthApp.secret_ref,
        OAuthPending.ref,
        OAuthPending.token_ref,
    )
    owned = [select(column).where(column == SecretJournal.ref).exists() for column in holders]
    return select(SecretJournal.ref).where(~or_(*owned))


_UNOWNED = _unowned()


def _os_keyring() -> KeyringBackend | None:
    """The desktop's keyring, or None: keyring's stand-ins for "there is none" have a priority below 1."""
    import keyring

    try:
        backend = keyring.get_keyring()
        return backend if float(backend.priority) >= 1 else None
    except Exception:  # noqa: BLE001 - a backend that cannot even tell its priority is none
        return None


@contextlib.contextmanager
def _keyring_faults() -> Iterator[None]:
    """Backends raise what they like (D-Bus errors, ctypes errors …): all of it means one thing here."""
    from keyring.errors import PasswordDeleteError

    try:
        yield
    except (MailcoreError, PasswordDeleteError):
        raise
    except Exception as error:  # noqa: BLE001
        # Not chained: nobody knows what a foreign backend puts into its messages.
        _log.warning("keyring backend failed: %s", type(error).__name__)
        raise SecretError(_NO_OS_KEYRING) from None
