"""Certificates for the peers: a good one, and one for each way a certificate can be wrong."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache

import trustme

GOOD, ENDING, EXPIRED, NOT_YET_VALID, WRONG_NAME, UNKNOWN_AUTHORITY = (
    "good",
    "ending",
    "expired",
    "not_yet_valid",
    "wrong_name",
    "unknown_authority",
)
_NAMES = ("127.0.0.1", "localhost")


@cache
def _authority(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name)


def authority_pem() -> str:
    """Return the authority behind all of them but ``UNKNOWN_AUTHORITY``."""
    return _authority("known").cert_pem.bytes().decode()


@cache
def server_context(which: str = GOOD) -> ssl.SSLContext:
    """Return a server's TLS settings with one of the certificates above."""
    now, day = datetime.now(UTC), timedelta(days=1)
    authority = _authority("unknown" if which == UNKNOWN_AUTHORITY else "known")
    dates = {
        ENDING: {"not_before": now - day, "not_after": now + 9.5 * day},
        EXPIRED: {"not_before": now - 2 * day, "not_after": now - day},
        NOT_YET_VALID: {"not_before": now + day, "not_after": now + 2 * day},
    }.get(which, {})
    names = ("another.example",) if which == WRONG_NAME else _NAMES
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **dates).configure_cert(context)
    return context
