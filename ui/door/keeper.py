"""Who may pass: one question, asked with every request and every message of an open page."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from mailcore.errors import SignInRefusedError, StorageError
from mailcore.settings import Door

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.access.sessions import Entered
    from ui.door.knock import Knock

_log = logging.getLogger(__name__)

_MOST_FILES = 5_000
"""Files of one person that are remembered as theirs."""
_SAME_NEWS_SECONDS = 60


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault
    """Nobody passes. ``status`` is the answer over HTTP, ``str`` the sentence."""

    def __init__(self, sentence: str, status: int = 403) -> None:
        self.status = status
        super().__init__(sentence)


class Keeper:
    """Looks people up; keeps nothing in memory that could let somebody pass who no longer may."""

    def __init__(self, library: Callable[[], Mailcore], *, is_local: bool) -> None:
        self._library = library
        self._is_local = is_local
        self._files: OrderedDict[tuple[int, str], None] = OrderedDict()
        self._told: dict[tuple[str, str], float] = {}

    @property
    def core(self) -> Mailcore:
        """The opened library.

        Raises:
            MailcoreError: it cannot be opened now.
        """
        return self._library()

    def doors(self) -> frozenset[Door]:
        """The doors that stand open.

        Raises:
            StorageError: the database could not be read.
        """
        return self.core.access.doors(is_local=self._is_local)

    def who(self, knock: Knock) -> Entered | None:
        """Return who knocks: somebody signed in, or None for this computer's user where no login is asked.

        Raises:
            Refused: nobody who may pass.
            StorageError: the database could not be read.
        """
        doors = self.doors()
        if Door.NONE in doors:
            if knock.is_local:
                return None
            raise Refused(
                "Este programa está sem login e só atende quem está neste computador. Para usá-lo de outro, ou atrás "
                "de um proxy, quem cuida dele precisa configurar uma porta (MAILCORE_LOGIN)."
            )
        if Door.PROXY in doors and (entered := self._by_proxy(knock)):
            return entered
        entered = self.core.access.sessions.of_token(knock.token)
        # A session the proxy vouched for is good only together with the proxy's word.
        if entered is None or entered.door == Door.PROXY or Door(entered.door) not in doors:
            raise Refused("Entre para continuar.", 401)
        return entered

    def _by_proxy(self, knock: Knock) -> Entered | None:
        email = knock.headers.get(self.core.settings.proxy_user_header.lower(), "")
        if knock.proof in ("secret", "address") or (email and knock.proof != "proved"):
            reason = f"proxy_{knock.proof or 'secret'}"
            self._tell(reason, knock)
            raise Refused("Este pedido não veio do proxy deste programa.")
        if not email:
            return None
        try:
            return self.core.access.enter_by_proxy(email, knock.visitor)
        except SignInRefusedError as error:
            raise Refused(str(error)) from error

    def _tell(self, reason: str, knock: Knock) -> None:
        """Note a refusal, the same from the same address once a minute: a flood must not fill the trail."""
        key, now = (reason, knock.peer), monotonic()
        if now - self._told.get(key, -_SAME_NEWS_SECONDS) < _SAME_NEWS_SECONDS:
            return
        if len(self._told) > 1_000:
            self._told.clear()
        self._told[key] = now
        _log.warning("refused at the proxy door: %s, from %s", reason, knock.peer)
        try:
            self.core.access.note_refusal(reason, Door.PROXY, knock.visitor)
        except StorageError:
            _log.exception("a refusal could not be noted")

    def still(self, entered: Entered | None, knock: Knock) -> Entered | None:
        """Return who is there now, at the next message of an open page.

        Raises:
            Refused: the session is over.
            StorageError: the database could not be read.
        """
        if entered is None:
            return self.who(knock)
        now = self.core.access.sessions.get(entered.session_id)
        if now is None or now.user_id != entered.user_id:
            raise Refused("Sua sessão terminou.", 401)
        return now

    def note_use(self, entered: Entered) -> None:
        """Note that a session was used; when the database is busy, the next message will do."""
        try:
            self.core.access.sessions.used(entered, datetime.now(UTC))
        except StorageError:
            _log.warning("the last use of a session could not be noted")

    def remember_file(self, user_id: int, name: str) -> None:
        """Note that a file's address, or a place to upload to, was given to a person."""
        key = (user_id, name)
        self._files[key] = None
        self._files.move_to_end(key)
        while len(self._files) > _MOST_FILES:
            self._files.popitem(last=False)

    def gave_file(self, user_id: int, name: str) -> bool:
        """Whether a file's address was given to this person: whoever got it from somebody else has no claim to it."""
        return (user_id, name) in self._files
