"""``oauth apps …`` and ``servers authorize``, as a person and a script use them."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mailcore.cli import main
from tests.forked import Command, run_command
from tests.peers.certificates import authority_pem
from tests.peers.oauth_server import OAuthPeer, Registered
from tests.peers.oauth_smtp import OAuthSmtpPeer

ANA = "ana@exemplo.com.br"
APP_SECRET = "s3gredo-do-aplicativo"


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> Iterator[OAuthPeer]:
    with OAuthPeer() as running:
        running.clients["app"] = Registered("app", secret=APP_SECRET, redirects=["http://localhost"])
        monkeypatch.setenv("MAILCORE_DATA_DIR", str(data_dir))
        monkeypatch.setenv("MAILCORE_KEYRING", "database")
        for name, value in running.settings.items():
            monkeypatch.setenv(f"MAILCORE_{name.upper()}", value)
        yield running


@pytest.fixture
def smtp(peer: OAuthPeer) -> Iterator[OAuthSmtpPeer]:
    with OAuthSmtpPeer(peer) as running:
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Any, str]]:
    """Run a command; return its exit code, its document and what it said besides."""

    def run(*arguments: str, stdin: str = "") -> tuple[int, Any, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main([*arguments, "--json"])
        out, err = capsys.readouterr()
        assert APP_SECRET not in out + err
        return code, json.loads(out) if out else None, err

    return run


def add_app(run: Callable[..., tuple[int, Any, str]], *more: str) -> int:
    _, app, _ = run(
        *("oauth", "apps", "add", "--name", "Entra", "--provider", "microsoft", "--client-id", "app"),
        *("--secret-stdin", *more),
        stdin=APP_SECRET + "\n",
    )
    return int(app["id"])


def add_server(run: Callable[..., tuple[int, Any, str]], smtp: OAuthSmtpPeer, tmp_path: Path, app: int) -> Any:
    (tmp_path / "ca.pem").write_text(authority_pem())
    code, server, said = run(
        *("servers", "add", "--name", "Loja", "--kind", "smtp", "--host", smtp.host, "--port", str(smtp.port)),
        *("--security", "starttls", "--ca-file", str(tmp_path / "ca.pem"), "--from", ANA, "--username", ANA),
        *("--auth", "oauth2", "--oauth-app", str(app)),
    )
    assert code == 0, said
    return server


def start(*arguments: str) -> Command:
    return Command(arguments, env=os.environ)


def said(process: Command, pattern: str) -> str:
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found[0]
    raise AssertionError(f"it never said {pattern}")


def test_applications_are_listed_without_their_secrets(
    run: Callable[..., tuple[int, Any, str]], peer: OAuthPeer
) -> None:
    number = add_app(run, "--tenant", "common")
    app = {
        "id": number,
        "name": "Entra",
        "provider": "microsoft",
        "client_id": "app",
        "tenant": "common",
        "mode": "delegated",
        "has_secret": True,
    }
    assert run("oauth", "apps", "list")[:2] == (0, [app])
    code, _, words = run("oauth", "apps", "add", "--name", "Entra", "--provider", "google", "--client-id", "x")
    assert (code, "Nome: já existe" in words, "(--name)" in words) == (2, True, True)
    assert run("oauth", "apps", "remove", str(number), "--yes")[:2] == (0, {"removed": number})
    assert run("oauth", "apps", "list")[:2] == (0, [])
    assert run("oauth", "apps", "remove", "99", "--yes")[0] == 2


@pytest.mark.parametrize("way", ["browser", "pasted"])
def test_the_browser_comes_back_or_the_address_is_pasted(
    run: Callable[..., tuple[int, Any, str]], peer: OAuthPeer, smtp: OAuthSmtpPeer, tmp_path: Path, way: str
) -> None:
    server = add_server(run, smtp, tmp_path, add_app(run))
    assert (server["auth"], server["oauth_state"], server["oauth_user"]) == ("oauth2", "none", None)
    assert server["has_secret"] is False
    number = str(server["id"])
    code, check, _ = run("servers", "check", number)
    assert (code, check["diagnosis"]["code"], check["diagnosis"]["field"]) == (4, "oauth_not_authorized", "auth")
    process = start("servers", "authorize", number, "--json")
    back = peer.sign_in(said(process, r"http://127\S+authorize\S+"), ANA)
    if way == "browser":
        with urllib.request.urlopen(back) as answer:
            assert "voltar ao terminal" in answer.read().decode()
        out, err = process.communicate()
    else:
        out, err = process.communicate(f"http://localhost/?state=half\n{back}\n")
        assert "não é de um pedido em andamento" in err
    assert json.loads(out) == {"server_id": server["id"], "state": "authorized", "user": ANA}
    assert not [secret for secret in peer.issued if secret in out + err]
    assert run("servers", "check", number)[0] == 0
    code, send, _ = run("send", "--server", number, "--to", "beto@exemplo.com.br", "--text", "Oi")
    assert (code, send["status"]) == (0, "accepted")
    code, edited, _ = run("servers", "edit", number, "--username", "beto@exemplo.com.br")
    assert (edited["oauth_state"], edited["oauth_user"]) == ("none", None)


def test_by_a_device_code(
    run: Callable[..., tuple[int, Any, str]], peer: OAuthPeer, smtp: OAuthSmtpPeer, tmp_path: Path
) -> None:
    server = add_server(run, smtp, tmp_path, add_app(run))
    peer.device_interval = 1
    peer.clients["app"].secret = ""  # device codes are of public clients
    process = start("servers", "authorize", str(server["id"]), "--device", "--json")
    peer.enter_device(said(process, r"(?<=Código: )\w+"), ANA)
    out, _ = process.communicate()
    assert json.loads(out)["user"] == ANA


def test_a_person_who_declines_and_a_record_without_oauth(
    run: Callable[..., tuple[int, Any, str]], peer: OAuthPeer, smtp: OAuthSmtpPeer, tmp_path: Path
) -> None:
    server = add_server(run, smtp, tmp_path, add_app(run))
    process = start("servers", "authorize", str(server["id"]))
    back = peer.sign_in(said(process, r"http://127\S+authorize\S+"), ANA, declines=True)
    threading.Thread(target=urllib.request.urlopen, args=(back,)).start()
    _, err = process.communicate()
    assert (process.wait(), "A permissão foi recusada." in err) == (4, True)
    code, edited, _ = run("servers", "edit", str(server["id"]), "--auth", "password", "--secret-stdin", stdin="senha")
    assert (code, edited["auth"], edited["oauth_app_id"], edited["has_secret"]) == (0, "password", None, True)
    code, _, words = run("servers", "authorize", str(server["id"]))
    assert (code, "--auth oauth2 --oauth-app" in words) == (2, True)


def test_an_application_alone_needs_nobody(
    run: Callable[..., tuple[int, Any, str]], peer: OAuthPeer, smtp: OAuthSmtpPeer, tmp_path: Path
) -> None:
    peer.clients["app"].tenant = "t-1"
    server = add_server(run, smtp, tmp_path, add_app(run, "--tenant", "t-1", "--mode", "application"))
    assert run("servers", "check", str(server["id"]))[0] == 0
    assert run("servers", "show", str(server["id"]))[1]["oauth_state"] == "authorized"
    assert run("servers", "authorize", str(server["id"]))[1]["state"] == "authorized"


def test_eight_processes_at_once_use_no_refresh_token_twice(
    run: Callable[..., tuple[int, Any, str]], peer: OAuthPeer, smtp: OAuthSmtpPeer, tmp_path: Path
) -> None:
    number = str(add_server(run, smtp, tmp_path, add_app(run))["id"])
    process = start("servers", "authorize", number)
    peer_back = peer.sign_in(said(process, r"http://127\S+authorize\S+"), ANA)
    process.communicate(f"{peer_back}\n")
    with ThreadPoolExecutor(8) as pool:
        command = ("servers", "check", number, "--json")
        at_once = [pool.submit(run_command, command, env=os.environ, seconds=120) for _ in range(8)]
        results = [json.loads(each.result().stdout) for each in at_once]
    assert [result["ok"] for result in results] == [True] * 8
    assert peer.reused == 0
    assert sum(form.get("grant_type") == "refresh_token" for form in peer.token_requests) == 8
    assert run("servers", "show", number)[1]["oauth_state"] == "authorized"
