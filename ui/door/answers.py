"""What the door's handlers share: reading a form, answering with a page, where to go on to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.responses import Response

from ui.door.knock import base_path

if TYPE_CHECKING:
    from starlette.requests import Request

_MOST_FORM_BYTES = 16_384


def page(content: tuple[bytes, list[tuple[bytes, bytes]]], status: int = 200) -> Response:
    """An answer with one of the door's pages."""
    body, headers = content
    response = Response(body, status_code=status)
    response.raw_headers = [*response.raw_headers, (b"cache-control", b"no-store"), *headers]
    return response


def within_app(wanted: str) -> str:
    """Return the page to go on to: a path within the app, whatever was asked for.

    Browsers take "//host", "/\\\\host" and a path with a control character in it for another site's address.
    """
    base = base_path()
    if (
        re.fullmatch(r"/(?![/\\])[^\\\x00-\x20\x7f]*", wanted)
        and not urlsplit(wanted).netloc
        and wanted.startswith(f"{base}/")
        and not re.match(
            r"/(entrar(?!/(?:pronto|minha-senha)$)|auth|oauth2callback|_stcore)\b", wanted.removeprefix(base)
        )
    ):
        return wanted
    return f"{base}/"


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a small form; of anything else nothing."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            return {}
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return {}
