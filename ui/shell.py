"""Streamlit's own page (``index.html``), in which every page of the program is built, made ours.

Streamlit has no setting for any of this: the title, and the icon (with one of its own a page loads numpy and Pillow in
each run); the typeface of 170 kB that this program's theme does not use; the scripts of the list's widgets, which a
browser would ask for only when the first of each is to be drawn; two questions that it would ask before it opens the
connection (``connect.js``); and what it says where no scripts run, in English.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from pathlib import Path

from streamlit import file_util

from ui.assets import script

TITLE = "Servidores de e-mail"
_FONT_AHEAD = re.compile(rb'<link\s+rel="preload"[^>]*as="font"[^>]*>')
_TYPEFACE = re.compile(rb"@font-face\{[^}]*SourceS[^}]*\}")
_ICON = re.compile(rb'<link rel="shortcut icon"[^>]*>')
_NO_SCRIPTS = re.compile(rb"(?<=<noscript>).*?(?=</noscript>)", re.DOTALL)
_NEEDS_SCRIPTS = "<p>Este programa precisa de JavaScript. Ligue-o no navegador e recarregue a página.</p>"
_WIDGETS = ("BidiComponent", "Button", "Html", "Pagination", "Selectbox", "TextInput")
"""Scripts of what the list of servers is drawn with, by the beginning of their names."""
_IMPORT = re.compile(r'(?:from|import)"\./([^"]+\.js)"')


def ours(page: bytes) -> bytes:
    """Return Streamlit's page with our title, language and icon, which asks for our scripts and connects at once."""
    page = _FONT_AHEAD.sub(b"", page)
    page = page.replace(b"<title>Streamlit</title>", f"<title>{TITLE}</title>".encode())
    page = page.replace(b'<html lang="en">', b'<html lang="pt-BR">')
    page = _ICON.sub(_icon_link(), page)
    page = _NO_SCRIPTS.sub(_NEEDS_SCRIPTS.encode(), page)
    ahead = (f'<link rel="modulepreload" crossorigin href="./static/js/{name}">' for name in _scripts_ahead(page))
    page = page.replace(b"</head>", "".join(ahead).encode() + b"</head>")
    return page.replace(b"<head>", f"<head><script>{script('connect.js')}</script>".encode())


def without_typeface(style: bytes) -> bytes:
    """Return a style sheet without the typeface: asked for until the theme is known, it is fetched for nothing."""
    return _TYPEFACE.sub(b"", style)


@cache
def icon() -> bytes:
    """Return the program's icon, an SVG: Streamlit puts the address of its own back with the first run."""
    return Path(__file__).with_name("favicon.svg").read_bytes()


@cache
def _icon_link() -> bytes:
    return b'<link rel="shortcut icon" href="data:image/svg+xml;base64,' + base64.b64encode(icon()) + b'">'


@cache
def _scripts_ahead(page: bytes) -> tuple[str, ...]:
    """The widgets' scripts and all that these import, but for what the page asks for itself."""
    folder = Path(file_util.get_static_dir(), "static", "js")
    found: list[str] = []
    left = [path.name for widget in _WIDGETS for path in folder.glob(f"{widget}.*.js")]
    while left:
        name = left.pop()
        if name not in found and f"/{name}".encode() not in page and (path := folder / name).is_file():
            found.append(name)
            left += _IMPORT.findall(path.read_text("utf-8"))
    return tuple(found)
