"""A keyring backend of our own: ciphertext in the database, the key outside it.

For machines without a desktop keyring, and for several instances that share one database. It is an
ordinary backend of the ``keyring`` package; Fernet (AES-128-CBC with HMAC-SHA256) is from
``cryptography``, and a MultiFernet lets keys be rotated.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError
from sqlalchemy import delete, exists, select

from mailcore.actor import Actor, needs
from mailcore.errors import SecretError
from mailcore.rights import Right
from mailcore.storage.tables import StoredSecret

if TYPE_CHECKING:
    from mailcore.storage.database import Database

_WRONG_KEY = (
    "A chave que protege as senhas não abre esta senha. Volte a usar a chave de antes (em MAILCORE_SECRET_KEYS "
    "ou no arquivo secret.key da pasta de dados) ou digite a senha de novo no cadastro do servidor."
)
_NO_KEY = (
    "A chave que protege as senhas não foi encontrada: o arquivo secret.key saiu da pasta de dados e "
    "MAILCORE_SECRET_KEYS está vazia. Traga de volta a chave de antes; sem ela as senhas guardadas não abrem."
)
_BAD_KEY = (
    "A chave que protege as senhas não é uma chave Fernet. Confira MAILCORE_SECRET_KEYS ou o arquivo "
    "secret.key da pasta de dados."
)
_NO_TEXT = (
    "O arquivo secret.key da pasta de dados não é um texto que eu leia (talvez um editor o tenha salvo em UTF-16 sem "
    "marca, ou seja outro arquivo). Abra-o e salve-o em UTF-8, sem mudar nada, ou traga de volta a cópia de antes."
)


class DatabaseKeyring(KeyringBackend):
    """Keeps ``(service, username) → password`` as ciphertext in ``stored_secret``.

    The name is encrypted together with the password: a ciphertext moved to another row opens nothing.
    """

    priority = 0.5  # never chosen by keyring on its own: mailcore asks for it by name

    def __init__(self, database: Database, key_file: Path, configured_keys: str = "") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._database = database
        self._key_file = key_file
        self._configured_keys = configured_keys

    def __repr__(self) -> str:
        return "DatabaseKeyring()"

    def get_password(self, service: str, username: str) -> str | None:
        """Return the secret, or None where there is none under this name.

        Raises:
            SecretError: the key is missing or is not the one it was encrypted with.
        """
        name = _name(service, username)
        with self._database.read() as session:
            ciphertext = session.scalar(select(StoredSecret.ciphertext).where(StoredSecret.name == name))
        return None if ciphertext is None else _open(self._cipher(), name, ciphertext)

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store the secret under this name, in place of any before.

        Raises:
            SecretError: the key is missing or none.
        """
        name = _name(service, username)
        ciphertext = _seal(self._cipher(), name, password)
        with self._database.write() as session:
            session.merge(StoredSecret(name=name, ciphertext=ciphertext))

    def delete_password(self, service: str, username: str) -> None:
        """Delete the secret of this name.

        Raises:
            PasswordDeleteError: there is none.
        """
        with self._database.write() as session:
            row = session.get(StoredSecret, _name(service, username))
            if row is None:
                raise PasswordDeleteError("not found")
            session.execute(delete(StoredSecret).where(StoredSecret.name == row.name))

    @needs(Right.ADMINISTER)
    def rotate(self, *, actor: Actor) -> int:
        """Encrypt every secret anew under the first key, all or none; return how many.

        Raises:
            SecretError: one of them opens with none of the keys; nothing was changed.
        """
        with self._database.write() as session:
            rows = session.scalars(select(StoredSecret)).all()
            if not rows and not self._configured_keys and not self._key_file.exists():
                return 0  # the desktop's keyring is in use: nothing here, and no key needed
            cipher = self._cipher()
            for row in rows:
                row.ciphertext = _seal(cipher, row.name, _open(cipher, row.name, row.ciphertext))
            return len(rows)

    def unreadable(self) -> int:
        """Return how many stored secrets open with none of the keys (for ``doctor``).

        Raises:
            SecretError: the key is missing or none.
        """
        cipher = self._cipher()
        with self._database.read() as session:
            rows = session.execute(select(StoredSecret.name, StoredSecret.ciphertext)).all()
        return sum(not _opens(cipher, name, ciphertext) for name, ciphertext in rows)

    def ensure_key(self) -> None:
        """Make the key file at first start; never where secrets exist that another key encrypted."""
        if self._configured_keys or self._key_file.exists():
            return
        with self._database.read() as session:
            if session.scalar(select(exists(select(StoredSecret.name)))):
                return  # a new key could open none of them: leave the error to whoever needs one
        _write_once(self._key_file, Fernet.generate_key())

    def _cipher(self) -> MultiFernet:
        return MultiFernet([_fernet(key) for key in self._keys()])

    def _keys(self) -> list[str]:
        text = self._configured_keys
        if not text:
            try:
                text = _text_of_file(self._key_file.read_bytes()).replace("\n", ",")
            except FileNotFoundError:
                raise SecretError(_NO_KEY) from None
            except OSError as error:
                raise SecretError(
                    "O arquivo secret.key da pasta de dados não pôde ser lido. Verifique as permissões."
                ) from error
        keys = [key.strip() for key in text.replace("\ufeff", "").split(",") if key.strip()]
        if not keys:
            raise SecretError(_NO_KEY)
        return keys


def _text_of_file(raw: bytes) -> str:
    """Return what an editor saved, be it with a byte-order mark or in UTF-16.

    Raises:
        SecretError: it is no text, or one that does not say in which encoding it is.
    """
    encoding = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        raise SecretError(_NO_TEXT) from None
    if "\0" in text:
        raise SecretError(_NO_TEXT)
    return text


def _fernet(key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise SecretError(_BAD_KEY) from None  # its own message could quote the key


def _name(service: str, username: str) -> str:
    return f"{service}/{username}"


def _seal(cipher: MultiFernet, name: str, password: str) -> str:
    return cipher.encrypt(json.dumps([name, password]).encode()).decode("ascii")


def _open(cipher: MultiFernet, name: str, ciphertext: str) -> str:
    try:
        sealed_name, password = json.loads(cipher.decrypt(ciphertext))
    except InvalidToken:
        raise SecretError(_WRONG_KEY) from None
    if sealed_name != name:
        raise SecretError(_WRONG_KEY)
    return str(password)


def _opens(cipher: MultiFernet, name: str, ciphertext: str) -> bool:
    try:
        _open(cipher, name, ciphertext)
    except SecretError:
        return False
    return True


def _write_once(path: Path, content: bytes) -> None:
    """Create ``path`` with mode 600 and its whole content at once; an existing file wins."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        raise SecretError(
            f"A chave que protege as senhas não pôde ser gravada em “{path.parent}”. Verifique as permissões "
            "e o espaço em disco, ou defina MAILCORE_SECRET_KEYS."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
