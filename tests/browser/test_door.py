"""What attackers try at the door, against the running app: over HTTP and WebSocket."""

from __future__ import annotations

import socket as sockets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from mailcore import Mailcore
from mailcore.access.users import UserDraft, draft_of
from mailcore.registry.drafts import ServerDraft
from mailcore.rights import Role
from tests.actors import ME
from tests.browser import warm
from tests.browser.conftest import REPOSITORY, RunningApp, StartApp, free_port
from tests.browser.door_client import (
    ANA,
    BIA,
    CAIO,
    PASSWORD,
    Visitor,
    closing_code,
    download,
    env_of,
    open_core,
    register,
    run_page,
)

SECRET = "segredo-do-proxy-1234"
SESSION_OVER = 4401


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door") / "data"


@pytest.fixture(scope="module")
def core(folder: Path) -> Iterator[Mailcore]:
    with open_core(folder) as opened:
        register(opened)
        opened.servers.create(
            ServerDraft(name="Loja", host="127.0.0.1", port=9, username="u", from_address="a@exemplo.com.br"),
            SecretStr("senha-do-servidor-77"),
            actor=ME,
        )
        yield opened


@pytest.fixture(scope="module")
def app(core: Mailcore, folder: Path, module_streamlit_server: StartApp) -> RunningApp:
    return module_streamlit_server("app.py", env_of(folder))


@pytest.fixture
def nobody(app: RunningApp) -> Visitor:
    return Visitor(app)


@pytest.fixture
def ana(app: RunningApp) -> Visitor:
    visitor = Visitor(app)
    assert visitor.sign_in(ANA).status_code == 303
    return visitor


@pytest.fixture(autouse=True)
def _fresh_tries(request: pytest.FixtureRequest) -> None:
    """Each test begins without the failed tries of the one before."""
    if "core" in request.fixturenames or "app" in request.fixturenames:
        with request.getfixturevalue("core").database.write() as session:
            session.execute(text("DELETE FROM sign_in_tries"))


# Everything is behind the door.

PATHS = (
    *("/", "/cotas", "/cadastro?id=1", "/usuarios", "/index.html", "/favicon.png", "/manifest.json", "/static/js/x.js"),
    *("/_stcore/host-config", "/_stcore/metrics", "/_stcore/stream", "/_stcore/script-health-check", "/_stcore/"),
    *("/media/" + "0" * 32 + ".csv", "/component/x/index.html", "/_stcore/bidi-components/x", "/app/static/x"),
    *("/auth/login", "/entrarx", "/entrar/../", "//", "/_stcore/health/../host-config", "/_STCORE/host-config"),
)


@pytest.mark.parametrize("path", PATHS)
def test_nothing_answers_who_is_not_in(nobody: Visitor, path: str) -> None:
    for accept in ("text/html", "*/*"):
        answer = nobody.get(path, headers={"Accept": accept})
        assert answer.status_code in (303, 401, 400), answer.text
        if answer.status_code == 303:
            assert answer.headers["location"].split("?")[0] == "/entrar"
        assert "Loja" not in answer.text
        assert "streamlit" not in answer.text.lower()


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_no_method_gets_past(nobody: Visitor, method: str) -> None:
    for path in ("/", "/_stcore/upload_file/x/y", "/media/x.csv", "/_stcore/host-config"):
        answer = nobody.session.request(method, f"{nobody.app.url}{path}", allow_redirects=False, timeout=20)
        assert answer.status_code in (303, 401)


def test_health_and_the_door_answer_whoever_asks(nobody: Visitor) -> None:
    assert nobody.get("/_stcore/health").text == "ok"
    page = nobody.get("/entrar")
    assert page.status_code == 200
    assert 'lang="pt-BR"' in page.text
    assert "<script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"
    assert nobody.get("/entrar/estado").json() == {"entrou": False}


@pytest.mark.parametrize("origin", ["", None, "http://evil.example"])
def test_a_websocket_without_a_cookie_is_refused(nobody: Visitor, origin: str | None) -> None:
    assert nobody.page_status(origin) == 403
    assert nobody.page_status(origin, Cookie="mailcore_session=inventado") == 403


@pytest.mark.parametrize("name", ["X-Mailcore-Ticket", "x-mailcore-ticket", "X-MAILCORE-TICKET"])
def test_a_ticket_written_by_oneself_opens_nothing(nobody: Visitor, ana: Visitor, name: str) -> None:
    assert nobody.page_status(**{name: "inventado"}) == 403
    with ana.page(**{name: "inventado"}) as socket:
        assert b"Ana Souza" in run_page(socket)


def test_who_is_in_sees_the_app(ana: Visitor) -> None:
    assert ana.get("/").status_code == 200
    assert ana.get("/entrar/estado").json() == {"entrou": True}
    for origin in ("", None):
        with ana.page(origin) as socket:
            frames = run_page(socket)
            assert b"Loja" in frames
            assert b"Ana Souza" in frames


# The cookie.


def test_the_cookie_is_for_the_browser_alone(app: RunningApp, nobody: Visitor) -> None:
    answer = nobody.sign_in(ANA, wanted="/cotas?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/cotas?x=1")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    by_https = Visitor(app).post("/entrar", {"email": ANA, "password": PASSWORD}, **{"X-Forwarded-Proto": "https"})
    assert "Secure" in by_https.headers["set-cookie"]


def test_no_session_is_taken_over_that_somebody_planted(nobody: Visitor) -> None:
    nobody.hold("plantado")
    planted = nobody.token
    nobody.sign_in(ANA)
    assert nobody.token != planted
    other = Visitor(nobody.app)
    other.hold(planted)
    assert other.get("/").status_code == 303


def test_a_new_sign_in_ends_the_session_before(ana: Visitor) -> None:
    before = ana.token
    ana.sign_in(BIA)
    stolen = Visitor(ana.app)
    stolen.hold(before)
    assert stolen.get("/").status_code == 303


def test_a_stolen_cookie_is_worth_nothing_after_signing_out(ana: Visitor) -> None:
    thief = Visitor(ana.app)
    thief.hold(ana.token)
    with thief.page() as socket:
        run_page(socket)
        assert ana.post("/entrar/sair", {}).headers["location"] == "/entrar?aviso=saiu"
        assert closing_code(socket) == SESSION_OVER
    assert thief.get("/", headers={"Accept": "*/*"}).status_code == 401
    assert thief.page_status() == 403


def test_ones_own_password_is_changed_from_a_form_of_ours_by_who_is_in(core: Mailcore, app: RunningApp) -> None:
    path, fresh = "/entrar/minha-senha", "outra frase, esta do Edu"
    core.access.users.add(UserDraft("edu@exemplo.com.br", Role.ANALYST, "Edu"), SecretStr(PASSWORD), actor=ME)
    edu, elsewhere = Visitor(app), Visitor(app)
    assert edu.get(path).headers["location"] == f"/entrar?next={path}"
    for visitor in (edu, elsewhere):
        assert visitor.sign_in("edu@exemplo.com.br", wanted=path).headers["location"] == path
    form = {"current": PASSWORD, "password": fresh, "again": fresh}
    assert edu.post(path, form, Origin="http://evil.example").status_code == 403
    assert edu.post(path, {**form, "again": "outra coisa"}).status_code == 400
    assert "A senha atual não confere." in edu.post(path, {**form, "current": "errada"}).text
    before = edu.token
    with edu.page() as socket:
        run_page(socket)
        assert edu.post(path, form).headers["location"] == f"{path}?aviso=trocada"
        assert closing_code(socket) == SESSION_OVER
    assert "Senha trocada" in edu.get(f"{path}?aviso=trocada").text
    assert edu.token != before
    assert (edu.get("/").status_code, elsewhere.get("/").status_code) == (200, 303)
    assert elsewhere.sign_in("edu@exemplo.com.br", fresh).status_code == 303


@pytest.mark.parametrize("change", ["deleted", "demoted", "inactive", "password", "revoked"])
def test_a_session_ends_at_the_very_next_message_of_an_open_page(core: Mailcore, app: RunningApp, change: str) -> None:
    email = f"{change}@exemplo.com.br"
    user = core.access.users.add(UserDraft(email, Role.SUPPORT, "Davi"), SecretStr(PASSWORD), actor=ME)
    davi = Visitor(app)
    davi.sign_in(email)
    with davi.page() as socket:
        assert b"Davi" in run_page(socket)
        assert closing_code(socket) == 0
        if change == "deleted":
            core.access.users.remove(user, actor=ME)
        elif change == "demoted":
            core.access.users.edit(user, replace(draft_of(user), role=Role.ANALYST), actor=ME)
        elif change == "inactive":
            core.access.users.edit(user, replace(draft_of(user), is_active=False), actor=ME)
        elif change == "password":
            core.access.users.edit(user, draft_of(user), SecretStr("outra frase bem longa"), actor=ME)
        else:
            core.access.users.end_sessions(user, actor=ME)
        assert closing_code(socket) == SESSION_OVER
    assert davi.get("/").status_code == 303


# Guessed passwords.


@pytest.mark.parametrize("email", [ANA, "ninguem@exemplo.com.br"])
def test_guessing_is_slowed_down_with_the_same_words_for_all(nobody: Visitor, email: str) -> None:
    answers = [nobody.sign_in(email, f"chute número {number}") for number in range(8)]
    while answers[-1].status_code == 401 and len(answers) < 20:  # so slow is this machine that the wait is over
        answers.append(nobody.sign_in(email, f"chute número {len(answers)}"))
    assert [answer.status_code for answer in answers[:5]] == [401] * 5
    assert all("E-mail ou senha não conferem." in answer.text for answer in answers[:5])
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert "Muitas tentativas" in answers[-1].text
    assert "set-cookie" not in answers[-1].headers


def test_a_forged_address_resets_no_delay(nobody: Visitor) -> None:
    statuses = [
        nobody.post(
            "/entrar",
            {"email": f"p{number}@exemplo.com.br", "password": "chute qualquer"},
            **{"X-Forwarded-For": f"198.51.100.{number}"},
        ).status_code
        for number in range(23)
    ]
    assert 429 in statuses


def test_a_form_that_is_too_long_or_no_form_is_a_wrong_pair(nobody: Visitor) -> None:
    for body in (b"x" * 200_000, b"\xff\xfe", b"email=" + b"a" * 10_000, b"email=a%00b&password=%00", b""):
        answer = nobody.session.post(
            f"{nobody.app.url}/entrar", body, headers={"Origin": nobody.app.url}, allow_redirects=False, timeout=20
        )
        assert answer.status_code == 401


# Forms from elsewhere, and where one goes on to.


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1.evil.example"]
)
def test_a_form_posted_from_another_site_does_nothing(nobody: Visitor, ana: Visitor, origin: str) -> None:
    answer = nobody.post("/entrar", {"email": ANA, "password": PASSWORD}, Origin=origin)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert ana.post("/entrar/sair", {}, Origin=origin).status_code == 403
    assert ana.get("/").status_code == 200
    assert nobody.post("/entrar/senha", {"link": "x", "password": "y", "again": "y"}, Origin=origin).status_code == 403


@pytest.mark.parametrize(
    "wanted",
    [
        *("//evil.example", "///evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "evil"),
        *("/\t/evil.example", "/%0d%0aSet-Cookie:x=1\r\n", "javascript:alert(1)", "/x\\..\\..", "/entrar?next=/", ""),
        *("/auth/logout", "/_stcore/health", " /cotas", "/\x00"),
    ],
)
def test_one_goes_on_only_within_the_app(nobody: Visitor, wanted: str) -> None:
    assert nobody.sign_in(ANA, wanted=wanted).headers["location"] == "/"
    assert nobody.get("/entrar", params={"next": wanted}).headers["location"] == "/"


def test_a_link_to_a_page_leads_there_after_the_door(nobody: Visitor) -> None:
    answer = nobody.get("/cadastro?id=1&campo=secret")
    assert answer.headers["location"] == "/entrar?next=/cadastro%3Fid%3D1%26campo%3Dsecret"
    assert 'value="/cadastro?id=1&amp;campo=secret"' in nobody.get(answer.headers["location"]).text


def test_what_was_typed_comes_back_as_text(nobody: Visitor) -> None:
    answer = nobody.sign_in('"><script>alert(1)</script>', wanted='/x"onload="alert(1)')
    assert "<script" not in answer.text
    assert 'onload="' not in answer.text


# Files and uploads.


def test_an_export_link_opens_only_for_whom_it_was_made(app: RunningApp, ana: Visitor) -> None:
    bia, nobody = Visitor(app), Visitor(app)
    bia.sign_in(BIA)
    for guessed in ("/media/" + "0" * 32 + ".csv", "/media/x", "/media/"):
        assert ana.get(guessed).status_code == 403
    with ana.page() as socket:
        run_page(socket)
        link = download(socket, "importar", "Baixar CSV")
        assert b"Loja" in ana.get(link).content
        for other, status in ((bia, 403), (nobody, 303)):
            answer = other.get(link)
            assert answer.status_code == status
            assert b"Loja" not in answer.content


def test_nobody_uploads_to_anothers_page(ana: Visitor, app: RunningApp) -> None:
    bia = Visitor(app)
    bia.sign_in(BIA)
    place = "/_stcore/upload_file/00000000-0000-4000-8000-000000000000/x"
    answer = bia.session.put(f"{app.url}{place}", files={"file": b"x"}, timeout=20)
    assert answer.status_code == 403


# Starting.


@pytest.mark.parametrize(
    ("login", "address", "people"),
    [("", "0.0.0.0", False), ("", "::", False), ("none", "0.0.0.0", True), ("accounts", "0.0.0.0", False)],
)
def test_an_open_house_does_not_start(tmp_path: Path, login: str, address: str, people: bool) -> None:
    if people:
        with open_core(tmp_path) as opened:
            register(opened, ANA)
    port, log = free_port(), tmp_path / "streamlit.log"
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        **env_of(tmp_path, **({"MAILCORE_LOGIN": login} if login else {})),
    }
    options = [f"--server.port={port}", "--server.headless=true", f"--server.address={address}"]
    process = warm.start(REPOSITORY / "app.py", options, env, log).process
    process.join(60)
    assert process.exitcode
    said = log.read_text("utf-8")
    assert "O programa não começa" in said
    assert "users add" in said
    assert "Traceback" not in said
    with sockets.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_with_a_user_it_starts_anywhere_and_asks_for_a_login(tmp_path: Path, streamlit_server: StartApp) -> None:
    with open_core(tmp_path) as opened:
        register(opened, ANA)
    app = streamlit_server("app.py", env_of(tmp_path), "--server.address=0.0.0.0")
    assert Visitor(app).get("/").headers["location"] == "/entrar"


def test_nobody_becomes_the_first_administrator_by_coming_first(tmp_path: Path, streamlit_server: StartApp) -> None:
    app = streamlit_server("app.py", env_of(tmp_path, MAILCORE_LOGIN="accounts"))
    visitor = Visitor(app)
    assert visitor.sign_in("primeiro@exemplo.com.br", "uma frase bem comprida").status_code == 401
    assert visitor.post("/entrar/senha", {"link": "", "password": PASSWORD, "again": PASSWORD}).status_code == 404
    with open_core(tmp_path) as opened:
        assert opened.access.users.is_empty()


def test_without_a_login_only_this_computer_is_let_in(tmp_path: Path, streamlit_server: StartApp) -> None:
    app = streamlit_server("app.py", env_of(tmp_path))
    visitor = Visitor(app)
    assert visitor.get("/").status_code == 200
    assert visitor.page_status() == 101
    assert visitor.get("/entrar").headers["location"] == "/"
    for header in ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded"):
        # A proxy passes it on: whoever that is, it is not this computer's user.
        answer = visitor.get("/", headers={"Accept": "text/html", header: "192.0.2.1"})
        assert answer.status_code == 403
        assert "MAILCORE_LOGIN" in answer.text
        assert visitor.page_status(**{header: "192.0.2.1"}) == 403


def test_the_first_user_closes_an_open_page(tmp_path: Path, streamlit_server: StartApp) -> None:
    app = streamlit_server("app.py", env_of(tmp_path))
    visitor = Visitor(app)
    with visitor.page() as socket:
        run_page(socket)
        with open_core(tmp_path) as opened:
            register(opened, ANA)
        assert closing_code(socket) == SESSION_OVER
    assert visitor.get("/").headers["location"] == "/entrar"


# A proxy.


@pytest.fixture(scope="module")
def proxied_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("proxied")
    with open_core(folder) as opened:
        register(opened)
    return folder


@pytest.fixture(scope="module")
def proxied(proxied_folder: Path, module_streamlit_server: StartApp) -> RunningApp:
    return module_streamlit_server(
        "app.py", env_of(proxied_folder, MAILCORE_LOGIN="proxy", MAILCORE_PROXY_SECRET=SECRET)
    )


def through(**headers: str) -> dict[str, str]:
    return {"Accept": "text/html", "X-Mailcore-Proxy": SECRET, **headers}


def test_the_proxys_word_lets_in_and_is_taken_back(proxied: RunningApp, proxied_folder: Path) -> None:
    visitor = Visitor(proxied)
    named = {"X-Forwarded-Email": BIA, "X-Forwarded-For": "203.0.113.9"}
    assert visitor.get("/", headers=through(**named)).status_code == 200
    with open_core(proxied_folder) as opened, visitor.page(**{"X-Mailcore-Proxy": SECRET, **named}) as socket:
        assert b"Bia Lima" in run_page(socket)
        user = opened.access.users.get(BIA, actor=ME)
        assert {(each.door, each.address) for each in opened.access.users.sessions(user, actor=ME)} == {
            ("proxy", "203.0.113.9")
        }
        opened.access.users.edit(user, replace(draft_of(user), is_active=False), actor=ME)
        assert closing_code(socket) == SESSION_OVER
        assert opened.access.events(actor=ME).events
    assert visitor.get("/", headers=through(**named)).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Forwarded-Email": ANA}, 403),
        ({"X-Forwarded-Email": ANA, "X-Mailcore-Proxy": "outro-segredo-qualquer"}, 403),
        ({"X-Forwarded-Email": ANA, "X-Mailcore-Proxy": ""}, 403),
        ({"X-Mailcore-Proxy": SECRET}, 303),
        ({"X-Mailcore-Proxy": SECRET, "X-Forwarded-Email": "estranho@exemplo.com.br"}, 403),
        ({}, 303),
    ],
)
def test_a_header_forged_past_the_proxy_opens_nothing(
    proxied: RunningApp, proxied_folder: Path, headers: dict[str, str], status: int
) -> None:
    visitor = Visitor(proxied)
    assert visitor.get("/", headers={"Accept": "text/html", **headers}).status_code == status
    assert visitor.page_status(**headers) == 403
    if "X-Forwarded-Email" in headers:
        with open_core(proxied_folder) as opened:
            assert opened.access.events(actor=ME).events[0].event == "refused"


def test_the_secret_alone_is_not_enough_from_another_address(tmp_path: Path, streamlit_server: StartApp) -> None:
    """uvicorn believes X-Forwarded-For of a loopback peer: the door must know the real other end."""
    with open_core(tmp_path) as opened:
        register(opened)
    settings = {"MAILCORE_PROXY_SECRET": SECRET, "MAILCORE_PROXY_ADDRESSES": "10.9.9.9"}
    app = streamlit_server("app.py", env_of(tmp_path, MAILCORE_LOGIN="proxy,accounts", **settings))
    visitor = Visitor(app)
    with open_core(tmp_path) as opened:
        for forged in ("", "10.9.9.9", "10.9.9.9, 10.9.9.9"):
            headers = through(**{"X-Forwarded-Email": ANA}, **({"X-Forwarded-For": forged} if forged else {}))
            assert visitor.get("/", headers=headers).status_code == 403, forged
            assert visitor.page_status(**headers) == 403, forged
            assert opened.access.events(actor=ME).events[0].reason == "proxy_address", forged
    # Without the proxy's headers the other door stands open.
    assert visitor.sign_in(ANA).status_code == 303
    assert visitor.get("/").status_code == 200


# Roles, on the screen.


def test_what_a_role_may_not_do_is_not_offered_and_a_link_says_so(app: RunningApp) -> None:
    caio = Visitor(app)
    caio.sign_in(CAIO)
    with caio.page() as socket:
        frames = run_page(socket)
        assert b"Loja" in frames
        for label in ("Novo", "Alterar", "Apagar", "Testar todos"):
            assert label.encode() not in frames
    for name in ("cadastro", "enviar_teste", "usuarios"):
        with caio.page() as socket:
            frames = run_page(socket, name)
            assert "Seu papel não permite isto.".encode() in frames
            assert b"Ana Souza" in frames


# Nothing secret is written down.


def test_no_password_cookie_or_link_stands_in_the_log_the_database_or_a_frame(
    core: Mailcore, app: RunningApp, folder: Path, ana: Visitor
) -> None:
    user = core.access.users.get(BIA, actor=ME)
    link = core.access.users.make_link(user, actor=ME)
    visitor = Visitor(app)
    fresh, wrong = "uma frase nova para a Bia", "uma frase errada da Bia"
    assert visitor.get("/entrar/senha", params={"link": link}).status_code == 200
    answer = visitor.post("/entrar/senha", {"link": link, "password": fresh, "again": fresh})
    assert answer.headers["location"] == "/entrar?aviso=senha"
    assert visitor.post("/entrar/senha", {"link": link, "password": fresh, "again": fresh}).status_code == 404
    assert visitor.sign_in(BIA, wrong).status_code == 401
    assert visitor.sign_in(wrong, BIA).status_code == 401  # typed into the wrong field
    assert visitor.sign_in(BIA, fresh).status_code == 303
    with visitor.page() as socket:
        frames = run_page(socket)
    core.database.dispose()
    stored = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    for secret in (PASSWORD, fresh, wrong, visitor.token, ana.token, link):
        for place in (app.output().encode(), stored, frames):
            assert secret.encode() not in place


def test_bytes_that_are_no_text_are_answered_in_every_place(app: RunningApp, nobody: Visitor, ana: Visitor) -> None:
    odd = "%ff%ed%a0%80%00"
    for path in ("/entrar", "/entrar/senha", "/entrar/sair", "/entrar/com/x", "/oauth/retorno", f"/entrar/com/{odd}"):
        names = ("email", "password", "again", "link", "next", "state", "code", "error", "aviso")
        query = "&".join(f"{name}={odd}" for name in names)
        for visitor in (nobody, ana):
            assert visitor.get(f"{path}?{query}").status_code < 500, path
            for body in (query, "email=\xff\ud800".encode("latin-1", "replace"), b"\xff\xfe"):
                assert visitor.post(path, body).status_code < 500, path
    # Ana, who was led out by /entrar/sair, and a cookie of such bytes.
    for visitor in (nobody, ana):
        assert visitor.get("/", headers={"Accept": "text/html", "Cookie": "mailcore_session=a\xffb"}).status_code == 303
    assert "Traceback" not in app.output()
