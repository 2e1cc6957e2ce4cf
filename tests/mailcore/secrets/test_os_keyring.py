"""The desktop's keyring: a real backend of the keyring package, kept in memory here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked, PasswordDeleteError
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.errors import SecretError
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer
from tests.actors import ME

DRAFT = ServerDraft(name="Padaria", host="smtp.x.example", username="u", from_address="a@x.example")
SECRET = "Segredo-2207"


class DesktopKeyring(KeyringBackend):
    """A desktop's keyring that can be locked."""

    priority: ClassVar[float] = 5

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False

    def _open(self) -> None:
        if self.locked:
            raise KeyringLocked(f"locked while holding {SECRET}")

    def get_password(self, service: str, username: str) -> str | None:
        self._open()
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._open()
        if self.held.pop((service, username), None) is None:
            raise PasswordDeleteError("not found")


@pytest.fixture
def desktop() -> DesktopKeyring:
    backend = DesktopKeyring()
    keyring.set_keyring(backend)  # the fixture of conftest.py puts the former one back
    return backend


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Mailcore]]:
    opened: list[Mailcore] = []

    def open_with(choice: str = "auto") -> Mailcore:
        opened.append(Mailcore(Settings(data_dir=tmp_path / "data", keyring=choice)))
        return opened[-1]

    yield open_with
    for core in opened:
        core.close()


def register(core: Mailcore) -> MailServer:
    return core.servers.create(DRAFT, SecretStr(SECRET), actor=ME).server


@pytest.mark.parametrize("choice", ["auto", "os"])
def test_a_secret_goes_to_the_desktop_and_leaves_with_its_record(
    desktop: DesktopKeyring, start: Callable[..., Mailcore], choice: str
) -> None:
    core = start(choice)
    server = register(core)
    assert server.secret_ref is not None
    assert server.secret_ref.startswith("os:")
    assert list(desktop.held.values()) == [SECRET]
    assert core.servers.secret(server) == SecretStr(SECRET)
    server = core.servers.update(server, draft_of(server), SecretStr("nova"), actor=ME).server
    assert list(desktop.held.values()) == ["nova"]
    core.servers.delete(server.id, actor=ME)
    assert desktop.held == {}
    assert not (core.settings.data_dir / "secret.key").exists()


def test_a_locked_keyring_is_a_sentence_and_nothing_half_is_stored(
    desktop: DesktopKeyring, start: Callable[..., Mailcore]
) -> None:
    core = start("os")
    server = register(core)
    desktop.locked = True
    for action in (
        lambda: core.servers.secret(server),
        lambda: core.servers.update(server, draft_of(server), SecretStr("nova"), actor=ME),
        lambda: core.check(server),
    ):
        with pytest.raises(SecretError, match="chaveiro") as raised:
            action()
        assert SECRET not in repr(raised.value)
        assert raised.value.__cause__ is None
    desktop.locked = False
    assert core.servers.secret(core.servers.get(server.id)) == SecretStr(SECRET)
    assert start("os").secrets.orphans() == []
    assert list(desktop.held.values()) == [SECRET]


def test_what_a_locked_keyring_kept_is_swept_later(desktop: DesktopKeyring, start: Callable[..., Mailcore]) -> None:
    core = start("os")
    server = register(core)
    desktop.locked = True
    core.servers.delete(server.id, actor=ME)
    assert len(desktop.held) == 1
    start("os")  # still locked: the start goes on
    desktop.locked = False
    start("os")
    assert desktop.held == {}


def test_no_keyring_where_one_is_asked_for_is_a_sentence(start: Callable[..., Mailcore]) -> None:
    keyring.set_keyring(NoKeyring())
    core = start("os")
    with pytest.raises(SecretError, match="MAILCORE_KEYRING=database"):
        register(core)
    assert core.servers.is_empty()


def test_a_secret_is_looked_for_where_it_was_put(desktop: DesktopKeyring, start: Callable[..., Mailcore]) -> None:
    server = register(start("os"))
    elsewhere = start("database")
    assert elsewhere.servers.secret(server) == SecretStr(SECRET)
    keyring.set_keyring(NoKeyring())
    with pytest.raises(SecretError, match="chaveiro"):
        elsewhere.servers.secret(server)


def test_a_secret_that_left_the_keyring_is_said_to_be_gone(
    desktop: DesktopKeyring, start: Callable[..., Mailcore]
) -> None:
    core = start()
    server = register(core)
    desktop.held.clear()
    with pytest.raises(SecretError, match="não está mais no chaveiro"):
        core.servers.secret(server)
    mended: Any = core.servers.update(server, draft_of(server), SecretStr(SECRET), actor=ME).server
    assert core.servers.secret(mended) == SecretStr(SECRET)


class WindowsKeyring(DesktopKeyring):
    """Keeps 2,560 bytes of UTF-16 in an entry, as Windows' credential manager does."""

    def set_password(self, service: str, username: str, password: str) -> None:
        if len(password.encode("utf-16-le")) > 2_560:
            raise OSError(1783, "CredWrite", "The stub received bad data")
        super().set_password(service, username, password)


@pytest.mark.parametrize("secret", ["x" * 1_200, "r" * 1_201, "0.AXoA" * 700, "😀" * 1_000])
def test_a_long_secret_is_cut_into_pieces_and_leaves_none_behind(start: Callable[..., Mailcore], secret: str) -> None:
    backend = WindowsKeyring()
    keyring.set_keyring(backend)
    core = start("os")
    ref = core.secrets.put(SecretStr(secret))
    assert core.secrets.get(ref) == SecretStr(secret)
    assert (len(backend.held) > 1) is (len(secret) != 1_200)
    core.secrets.drop(ref)
    assert backend.held == {}


def test_a_long_secret_that_lost_a_piece_is_lost(start: Callable[..., Mailcore]) -> None:
    backend = WindowsKeyring()
    keyring.set_keyring(backend)
    core = start("os")
    ref = core.secrets.put(SecretStr("r" * 3_000))
    backend.held.pop(("mailcore", ref.partition(":")[2] + ".1"))
    with pytest.raises(SecretError, match="não está mais no chaveiro"):
        core.secrets.get(ref)
    core.secrets.drop(ref)
    assert backend.held == {}
    core.secrets.put(SecretStr("r" * 3_000))
    for key in [key for key in backend.held if "." not in key[1]]:
        backend.held.pop(key)  # a crash before the entry that counts the pieces
    start("os")
    assert backend.held == {}
