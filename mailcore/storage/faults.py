"""What goes wrong with a database, in plain words: whatever a driver raises becomes one of a few sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from mailcore.arguments import NOT_TEXT
from mailcore.errors import ArgumentError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

SENTENCES = {
    "locked": "O banco de dados está ocupado com outra gravação. Nada foi perdido: espere alguns segundos "
    "e tente de novo.",
    "exhausted": "O banco de dados está ocupado: todas as conexões deste programa estão em uso. Espere alguns segundos "
    "e tente de novo.",
    "readonly": "O banco de dados está protegido contra gravação. Verifique as permissões do arquivo e da "
    "pasta de dados e tente de novo.",
    "full": "O disco está cheio e o banco de dados não pôde gravar. Libere espaço e tente de novo.",
    "cannot_open": "O arquivo do banco de dados não pôde ser aberto. Verifique se a pasta de dados existe e "
    "se este usuário pode ler e gravar nela.",
    "corrupt": "O arquivo do banco de dados está danificado. Pare o programa e restaure a cópia mais recente "
    "da pasta de dados.",
    "replaced": "O arquivo do banco de dados foi trocado por outro, ou apagado, com o programa aberto. Nada mais é "
    "gravado, para não misturar os dois: feche o programa, confira a pasta de dados e abra de novo.",
    "unreachable": "O banco de dados não respondeu. Verifique se o servidor PostgreSQL está no ar e se "
    "MAILCORE_DATABASE_URL está certa; depois tente de novo.",
    "other": "O banco de dados recusou a operação. Nada foi gravado; tente de novo e, se continuar, rode "
    "“python -m mailcore doctor”.",
}


OF_THE_CONNECTION = frozenset({"readonly", "full", "cannot_open", "corrupt", "unreachable"})
"""Faults that an open connection may keep when their cause is gone: SQLite goes on reading only what it opened so, and
PostgreSQL tells a session once whether it may write."""


class StorageFaults:
    """Turns what SQLAlchemy or a driver raises in its block into a :class:`StorageError`; rule violations pass.

    The last place where a text that is none is seen, for what nothing before it looks at; it cannot name the field.
    A class, because reserving passes it thousands of times a second; one object serves all threads.
    """

    def __init__(
        self, note: Callable[[str], object] | None = None, driver_errors: tuple[type[Exception], ...] = ()
    ) -> None:
        """Be told of faults.

        Args:
            note: is told which fault it is, a key of :data:`SENTENCES`.
            driver_errors: what the driver raises where SQLAlchemy does not stand in between.
        """
        self._note = note
        self._driver_errors = driver_errors

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, IntegrityError):
            return
        if isinstance(error, DBAPIError):
            fault = fault_in(str(error.orig), invalidated=error.connection_invalidated)
            raise _told(fault, self._note) from error.orig
        if isinstance(error, PoolTimeoutError):
            raise _told("exhausted", self._note) from error
        if isinstance(error, UnicodeEncodeError):  # not chained: its text repeats what was handed over
            raise ArgumentError(f"Um dos textos: {NOT_TEXT}") from None
        if isinstance(error, self._driver_errors):
            raise _told(fault_in(str(error)), self._note) from error


def _told(fault: str, note: Callable[[str], object] | None) -> StorageError:
    if note is not None:
        note(fault)
    return StorageError(SENTENCES[fault])


_WORDS = (
    ("locked", ("locked", "busy", "deadlock", "lock timeout")),
    ("readonly", ("readonly", "read-only")),
    ("full", ("is full", "no space", "disk full", "disk i/o")),
    ("cannot_open", ("unable to open",)),
    ("corrupt", ("malformed", "not a database")),
    ("unreachable", ("connect", "server closed", "shutting down", "starting up", "eof detected", "timed out")),
)


def fault_in(message: str, *, invalidated: bool = False) -> str:
    """Return which of :data:`SENTENCES` a driver's message means."""
    words = message.casefold()
    for fault, signs in _WORDS:
        if any(sign in words for sign in signs):
            return fault
    return "unreachable" if invalidated else "other"
