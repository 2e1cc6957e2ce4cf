"""Taking secrets out of what a server said: some repeat the password or key they were sent."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote

MAX_REPLY = 2_000
"""Characters of a reply that are kept."""

HIDDEN = "••••"

Scrub = Callable[[str], str]


def scrubber(username: str, secret: str) -> Scrub:
    """Return a function that hides the secret in every spelling it may come back in.

    Those are: as it is, in base64 alone and as the answers of AUTH PLAIN (RFC 4616) and LOGIN, and as it
    stands in JSON, HTML and a URL. Control characters go too, and the text is cut at :data:`MAX_REPLY`.
    """
    spellings = _spellings(username, secret) if secret else []

    def scrub(text: str) -> str:
        # Cut only after hiding: the cut could go through the middle of a secret.
        for spelling in spellings:
            text = _without(spelling, text)
        if not text.isprintable():
            text = "".join(char for char in text if char.isprintable() or char == "\n")
        return text[:MAX_REPLY].strip()

    return scrub


def _spellings(username: str, secret: str) -> list[str]:
    """The longest first: others may be parts of it."""
    plain = {secret, html.escape(secret), quote(secret), json.dumps(secret)[1:-1]}
    raw = secret.encode()
    encoded = {_base64(raw), _base64(b"\0" + username.encode() + b"\0" + raw)}
    return sorted(plain | encoded, key=len, reverse=True)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _without(spelling: str, text: str) -> str:
    if spelling not in text:
        return text  # nearly always; and to compile a pattern of a token's length takes as long as a login
    # A password of one to three characters is hidden as a word only: hiding each "a" would leave no reply.
    is_word = len(spelling) <= 3
    return re.sub(rf"(?<!\w){re.escape(spelling)}(?!\w)", HIDDEN, text) if is_word else text.replace(spelling, HIDDEN)
