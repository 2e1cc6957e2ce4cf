"""What the tests of OAuth2 share: the two peers, an installation that asks them, a record somebody authorised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mailcore import Mailcore
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer
from tests.actors import ME
from tests.mailcore.oauth.records import APP_SECRET, BACK, app_of, authorized, draft_for, wanted_for
from tests.peers.oauth_server import OAuthPeer, Registered
from tests.peers.oauth_smtp import OAuthSmtpPeer


@pytest.fixture
def peer() -> Iterator[OAuthPeer]:
    with OAuthPeer() as running:
        running.clients["app"] = Registered("app", secret=APP_SECRET, redirects=[BACK])
        yield running


@pytest.fixture
def smtp(peer: OAuthPeer) -> Iterator[OAuthSmtpPeer]:
    with OAuthSmtpPeer(peer) as running:
        yield running


@pytest.fixture
def settings(database_url: str, tmp_path: Any, peer: OAuthPeer) -> Settings:
    return Settings(database_url=database_url, data_dir=tmp_path / "data", keyring="database", **peer.settings)


@pytest.fixture
def server(core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer) -> MailServer:
    """A record that somebody has authorised."""
    stored = core.servers.create(draft_for(smtp, app_of(core)), actor=ME).server
    authorized(core, peer, wanted_for(stored))
    return core.servers.get(stored.id)
