"""``quota`` where a service does not answer: it ends in time, and tells what the others said."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.health import service_figures
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import Settings
from mailcore.vocabulary import Kind
from tests.actors import ME
from tests.forked import run_command
from tests.peers.elastic_server import Answer, ElasticPeer, Request

KEYS = ("daily_limit", "credits", "reputation", "status", "sent_today", "delivered_today")


# One test process, that the last test's waiting is done while the others wait.
pytestmark = pytest.mark.xdist_group("silent services")
WORDS: dict[str, Any] = {"keys": {"FALA"}, "statistics": {"EmailTotal": 37, "Delivered": 30}}


class HalfSilentPeer(ElasticPeer):
    """Never answers anybody whose key begins with MUDA."""

    def handle(self, request: Request) -> Answer:
        if request.headers["x-elasticemail-apikey"].startswith("MUDA"):
            self._stopping.wait()
        return super().handle(request)


@pytest.fixture
def peer() -> Iterator[ElasticPeer]:
    with HalfSilentPeer(**WORDS) as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, peer: ElasticPeer) -> Settings:
    return made_settings(tmp_path, peer)


def made_settings(folder: Path, peer: ElasticPeer) -> Settings:
    url = f"sqlite:///{folder / 'data' / 'mailcore.db'}"
    return Settings(
        database_url=url,
        data_dir=folder / "data",
        keyring="database",  # type: ignore[arg-type]
        elastic_email_url=peer.url,
    )


def register(core: Mailcore, silent: int) -> None:
    for number in range(silent):
        draft = ServerDraft(name=f"Muda {number}", kind=Kind.ELASTIC_EMAIL, from_address="ana@exemplo.com.br")
        core.servers.create(draft, SecretStr(f"MUDA-{number}"), actor=ME)
    draft = ServerDraft(name="Tagarela", kind=Kind.ELASTIC_EMAIL, from_address="ana@exemplo.com.br")
    core.servers.create(draft, SecretStr("FALA"), actor=ME)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[tuple[str, float]]]:
    """What ``quota --json`` says where twenty services are silent, and its seconds; it waits beside the other tests."""
    with HalfSilentPeer(**WORDS) as peer, ThreadPoolExecutor(1) as pool:
        settings = made_settings(tmp_path_factory.mktemp("answered"), peer)
        with closing(Mailcore(settings)) as core:
            register(core, silent=20)
        environment = {
            "MAILCORE_DATABASE_URL": settings.database_url,
            "MAILCORE_DATA_DIR": str(settings.data_dir),
            "MAILCORE_KEYRING": "database",
            "MAILCORE_ELASTIC_EMAIL_URL": peer.url,
        }

        def run(*arguments: str) -> tuple[str, float]:
            begun = time.monotonic()
            ran = run_command(arguments, env=os.environ | environment)
            assert ran.returncode == 0, ran.stderr.decode()
            return ran.stdout.decode(), time.monotonic() - begun

        def run_quota() -> tuple[str, float]:
            _, start = run("servers", "list", "--json")  # what a start costs, on a busy machine too
            out, seconds = run("quota", "--json")
            return out, seconds - start

        yield pool.submit(run_quota)


@pytest.mark.usefixtures("answered")
def test_nobody_waits_longer_than_asked_and_what_came_is_whole(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_figures, "REQUEST_SECONDS", 30)
    with closing(Mailcore(settings)) as core:
        register(core, silent=3)
        begun = time.monotonic()
        *silent, talks = core.quotas(wait=3.0)  # far more than one that talks needs, on a busy machine too
        assert time.monotonic() - begun < 7
        assert (talks.limit, talks.used, talks.unavailable) == (50, 37, ())
        assert all([name for name, _ in each.unavailable] == list(KEYS) for each in silent)


def test_more_silent_accounts_than_are_read_at_once_do_not_hide_one_that_talks(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_figures, "REQUEST_SECONDS", 2)
    with closing(Mailcore(settings)) as core:
        register(core, silent=2 * service_figures._AT_ONCE)
        *silent, talks = core.quotas(wait=30)
        assert (talks.limit, talks.used, talks.unavailable) == (50, 37, ())
        assert {each.limit for each in silent} == {None}


def test_the_command_ends_within_15_seconds_whatever_the_number_of_silent_accounts(
    answered: Future[tuple[str, float]],
) -> None:
    out, seconds = answered.result()
    assert seconds < 15
    documents = json.loads(out)
    assert len(documents) == 21
    talks = documents[-1]
    assert (talks["limit"], talks["used"], talks["remaining"], talks["state"]) == (50, 37, 13, "ok")
    assert talks["unavailable"] == []
    for silent in documents[:-1]:
        assert [silent[name] for name in ("limit", "used", "remaining", "state")] == [None, 0, None, "ok"]
        assert [each["figure"] for each in silent["unavailable"]] == list(KEYS)
        assert all(each["reason"] for each in silent["unavailable"])
