"""Scripts compressed once, and no typeface that nobody sees: what a first visit fetches."""

from __future__ import annotations

import gzip
import re
import tomllib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from starlette.responses import FileResponse
from streamlit import file_util

from ui.lean import Lean
from ui.shell import ours

ROOT = Path(__file__).parents[2]
SCRIPT = b"export const answer = 42; // and so on\n" * 200
PAGE = b"""<!DOCTYPE html><head><title>Streamlit</title><link
  rel="preload"
  href="./static/media/Serif.woff2"
  as="font"
  crossorigin
/><link rel="modulepreload" href="./static/js/a.js"></head>"""


class App:
    """An application that counts its requests and answers in two pieces, pages and files compressed."""

    def __init__(self, body: bytes, kind: bytes, status: int = 200) -> None:
        self.body, self.kind, self.status, self.requests = body, kind, status, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        body, headers = self.body, [(b"content-type", self.kind), (b"etag", b'"a"')]
        accepted = dict(scope["headers"]).get(b"accept-encoding", b"")
        if self.kind.startswith((b"text/html", b"text/csv")) and b"gzip" in accepted:
            body = gzip.compress(body)
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body[:50], "more_body": True})
        await send({"type": "http.response.body", "body": body[50:]})


def ask(
    app: Any, path: str, method: str = "GET", *, receive: Any = None, loop: Any = None, **headers: str
) -> tuple[int, dict[bytes, bytes], bytes]:
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": sent}
    # In a thread of its own: a browser test before this one leaves a loop here.
    with nullcontext(loop) if loop else start_blocking_portal() as running:
        running.call(app, scope, receive, send)
    return told[0]["status"], dict(told[0]["headers"]), b"".join(each.get("body", b"") for each in told[1:])


def test_a_script_is_compressed_once_and_kept() -> None:
    inner = App(SCRIPT, b"text/javascript")
    lean = Lean(inner)
    for _ in range(3):
        status, headers, body = ask(lean, "/static/js/index.abc.js", accept_encoding="gzip, deflate, br")
        assert (status, headers[b"content-encoding"], headers[b"vary"]) == (200, b"gzip", b"Accept-Encoding")
        assert headers[b"content-length"] == str(len(body)).encode()
        assert b"etag" not in headers
        assert gzip.decompress(body) == SCRIPT
        assert len(body) < len(SCRIPT) / 5
    assert inner.requests == 1


def test_a_script_is_kept_whole_where_the_first_browser_leaves_before_its_end(tmp_path: Path) -> None:
    file = tmp_path / "index.js"
    file.write_bytes(SCRIPT * 200)
    begun = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def told(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body":
                begun.set()

        await FileResponse(file, media_type="text/javascript")(scope, receive, told)

    async def leaves() -> Any:
        await begun.wait()
        return {"type": "http.disconnect"}

    lean = Lean(app)
    with start_blocking_portal() as loop:
        for _ in range(2):
            _, headers, body = ask(lean, "/static/js/index.js", accept_encoding="gzip", receive=leaves, loop=loop)
            assert gzip.decompress(body) == SCRIPT * 200
    # Nothing by which a browser would ask for the rest of what it has.
    assert not headers.keys() & {b"accept-ranges", b"last-modified", b"etag"}


@pytest.mark.parametrize(
    ("path", "headers", "method"),
    [
        ("/static/js/index.js", {}, "GET"),
        ("/static/js/index.js", {"accept_encoding": "gzip", "range": "bytes=0-9"}, "GET"),
        ("/static/js/index.js", {"accept_encoding": "gzip", "if_none_match": '"a"'}, "GET"),
        ("/static/js/index.js", {"accept_encoding": "gzip"}, "HEAD"),
        ("/static/media/Serif.woff2", {"accept_encoding": "gzip"}, "GET"),
        ("/_stcore/health", {"accept_encoding": "gzip"}, "GET"),
    ],
)
def test_the_rest_is_left_alone(path: str, headers: dict[str, str], method: str) -> None:
    inner = App(SCRIPT, b"text/javascript")
    for times in (1, 2):
        status, told, body = ask(Lean(inner), path, method, **headers)
        assert (status, body, told[b"etag"]) == (200, SCRIPT, b'"a"')
        assert b"content-encoding" not in told
        assert inner.requests == times


def test_the_icon_is_ours_at_streamlits_address() -> None:
    inner = App(b"a crown", b"image/png")
    status, headers, body = ask(Lean(inner), "/correio/favicon.png")
    assert (status, headers[b"content-type"], inner.requests) == (200, b"image/svg+xml", 0)
    assert body.startswith(b"<svg")
    assert headers[b"content-length"] == str(len(body)).encode()


def test_a_download_is_sent_as_it_comes_compressed_where_the_browser_accepts_that() -> None:
    asked = {"accept": "text/html,*/*", "accept_encoding": "gzip"}
    _, headers, body = ask(Lean(App(SCRIPT, b"text/csv")), "/correio/media/1f0a.csv", **asked)
    assert headers[b"content-encoding"] == b"gzip"
    assert gzip.decompress(body) == SCRIPT


def test_what_is_not_there_is_not_kept() -> None:
    inner = App(b"not found " * 300, b"text/plain", 404)
    lean = Lean(inner)
    for _ in range(2):
        assert ask(lean, "/static/js/gone.js", accept_encoding="gzip")[0] == 404
    assert inner.requests == 2


def test_the_page_asks_for_no_typeface_ahead_and_keeps_the_rest() -> None:
    page = Lean(App(PAGE, b"text/html; charset=utf-8"))
    status, headers, body = ask(page, "/cotas", accept="text/html,*/*", accept_encoding="gzip")
    assert status == 200
    assert b"font" not in body
    assert b'<link rel="modulepreload" href="./static/js/a.js">' in body
    assert headers[b"content-length"] == str(len(body)).encode()
    plain = App(b"<p>nothing to take out</p>", b"text/html")
    assert ask(Lean(plain), "/", accept="text/html")[2] == b"<p>nothing to take out</p>"


def test_streamlits_page_has_our_name_and_icon_and_asks_for_the_lists_scripts_once() -> None:
    static = Path(file_util.get_static_dir())
    page = ours((static / "index.html").read_bytes()).decode()
    assert '<html lang="pt-BR">' in page
    assert "<title>Servidores de e-mail</title>" in page
    assert "Este programa precisa de JavaScript." in page
    assert "You need" not in page
    assert 'href="data:image/svg+xml;base64,' in page
    assert "favicon.png" not in page
    assert "woff2" not in page
    # Nobody around the page may talk to it, as .streamlit/config.toml has it too where the script does not run.
    assert 'allowedOrigins: ["none"]' in page
    assert tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["client"]["allowedOrigins"] == []
    assert page.index("window.__streamlit = {") < page.index('<script type="module"')
    ahead = re.findall(r'<link rel="modulepreload" crossorigin href="\./static/js/([^"]+)">', page)
    assert len(ahead) == len(set(ahead))
    for widget in ("BidiComponent", "Button", "Html", "Pagination", "Selectbox", "TextInput"):
        (name,) = [name for name in ahead if name.startswith(f"{widget}.")]
        source = (static / "static" / "js" / name).read_text("utf-8")
        needed = set(re.findall(r'from"\./([^"]+)"', source))
        assert needed
        assert all(f"/static/js/{each}" in page for each in needed)
    assert all((static / "static" / "js" / name).is_file() for name in ahead)


def test_the_typeface_that_nobody_sees_is_in_no_style_sheet() -> None:
    style = b"@font-face{font-family:Source Sans;src:url(../media/SourceSansVF-Upright.woff2)}a{color:red}" * 20
    (answer, headers, body) = ask(Lean(App(style, b"text/css")), "/static/css/index.css", accept_encoding="gzip")
    assert (answer, headers[b"content-encoding"]) == (200, b"gzip")
    assert gzip.decompress(body) == b"a{color:red}" * 20
