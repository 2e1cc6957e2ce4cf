"""Requests to Elastic Email: one session for each account, answers read as leniently as possible.

Source: the published API description of v4 and the help pages of elasticemail.com (2026-11).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import os
import re
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import requests

from mailcore.deadline import Deadline, call_within
from mailcore.errors import ConfigurationError
from mailcore.transports.base import TransportError
from mailcore.transports.http_calls import Call, new_session
from mailcore.transports.scrub import scrubber
from mailcore.vocabulary import Outcome

DEFAULT_URL = "https://api.elasticemail.com"

_MAX_ANSWER = 2_000_000
_MAX_SESSIONS = 64
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SLOWEST = 20_000
"""Bytes a second of the slowest uplink that a message is to arrive over."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. The service itself allows a request 600."""

    connect: float = 10
    read: float = 60
    """Between two pieces of an answer."""
    whole: float = 120
    """One request from beginning to end, resolving included, besides what its size takes."""
    retry: float = 20
    """For trying again where the service says that it is safe, all attempts together."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the body read as leniently as possible, the words to show."""

    status: int
    body: dict[str, Any] | list[Any] | None
    """None where it is no JSON."""
    text: str
    """The service's words, the key removed."""
    retry_after: float | None
    replayed: bool

    def get(self, name: str) -> Any:
        """Return a member of the answer, whatever its case: v4 writes PascalCase, v2 writes small letters."""
        if isinstance(self.body, dict):
            for key, value in self.body.items():
                if key.lower() == name.lower():
                    return value
        return None

    @property
    def is_error(self) -> bool:
        """Whether it says no: by its status, by ``Error``, or as v2 does with ``success: false``."""
        return self.status >= 400 or bool(self.get("Error")) or self.get("success") is False

    @property
    def is_of_the_service(self) -> bool:
        """Whether this can be Elastic Email itself, and not a proxy's page; it may refuse without a word."""
        return self.body is not None or (400 <= self.status < 500 and "<" not in self.text)

    @property
    def words(self) -> str:
        """The error's own words, or the whole answer where there are none."""
        return f"{self.status} {self.text}".strip()


class _Body(BytesIO):
    """A request body that knows whether all of it was taken by the connection.

    Before that the service cannot have the whole request, since its length was announced, so nothing
    was sent; after it, only an answer tells.
    """

    taken = False

    def read(self, size: int | None = -1, /) -> bytes:
        """Hand out the next piece."""
        piece = super().read(size)
        if self.tell() == len(self.getbuffer()):
            self.taken = True
        return piece


class ElasticEmailClient:
    """Requests under one API key, which travels in a header and nowhere else."""

    def __init__(self, base_url: str, key: str, limits: Limits) -> None:
        """Take the root above /v2 and /v4 (empty for the service's own); contact nobody.

        Raises:
            ConfigurationError: the address is not https, and not plain http to this machine either.
        """
        self.limits = limits
        self._base = _checked_url(base_url or DEFAULT_URL)
        self._key = key
        self.scrub = scrubber("", key)

    def require_key(self, phase: str) -> None:
        """Raise a :class:`TransportError` of ``phase`` where the key cannot stand in a header."""
        if not self._key:
            raise TransportError(phase=phase, cause="api_key_missing")
        if not (self._key.isascii() and self._key.isprintable()) or " " in self._key:
            raise TransportError(phase=phase, cause="api_key_malformed")

    def get(self, path: str) -> Answer:
        """Ask for ``path``, which may carry a query; see :meth:`request`."""
        return self.request("GET", path)

    def request(
        self, method: str, path: str, *, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Make one request and return whatever was answered.

        Raises:
            TransportError: no answer came; ``uncertain`` where the whole body had been taken by then.
        """
        body = None if content is None else _Body(content)
        all_headers = {"X-ElasticEmail-ApiKey": self._key, "Accept": "application/json", **(headers or {})}
        if body is not None:
            all_headers["Content-Type"] = "application/json"

        call = Call()

        def exchange() -> Answer:
            with (
                call,
                _session(self._base, self._key).request(
                    method,
                    self._base + path,
                    headers=all_headers,
                    data=body,
                    timeout=(self.limits.connect, self.limits.read),
                    allow_redirects=False,  # requests would carry the key along
                    stream=True,
                ) as response,
            ):
                return self._answer(response)

        try:
            return call_within(self.limits.whole + len(content or b"") / _SLOWEST, exchange, call.give_up)
        except Exception as error:  # noqa: BLE001 - whatever a library raises decides no outcome
            cause = _network_cause(error)
        # Raised out here, for that exception holds the request, and so the key.
        outcome = Outcome.UNCERTAIN if body is not None and body.taken else Outcome.FAILED
        raise TransportError(phase="http", cause=cause, outcome=outcome)

    def _answer(self, response: requests.Response) -> Answer:
        raw, deadline = b"", Deadline(self.limits.whole)
        for piece in response.iter_content(65_536):
            raw += piece
            deadline.remaining()
            if len(raw) > _MAX_ANSWER:
                break
        text = raw.decode("utf-8", "replace")
        body = _json(text)
        return Answer(
            status=response.status_code,
            body=body,
            text=self.scrub(_words(body, text)),
            retry_after=_seconds_in(response.headers.get("Retry-After", "")),
            replayed=response.headers.get("Idempotency-Replayed", "").lower() == "true",
        )


def _json(text: str) -> dict[str, Any] | list[Any] | None:
    """Read an answer; half of a pair of surrogates, which is no text, becomes a question mark."""
    body: Any = None
    with suppress(ValueError, RecursionError):
        body = json.loads(text)
        if _SURROGATE.search(text):
            body = json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
    return body if isinstance(body, dict | list) else None


def _words(body: Any, text: str) -> str:
    """Return the error's words where there are some, else the answer as it came."""
    if isinstance(body, dict):
        found = {key.lower(): value for key, value in body.items()}
        parts = [found.get("error"), found.get("errordata")]
        words = " ".join(
            part if isinstance(part, str) else json.dumps(part, ensure_ascii=False) for part in parts if part
        )
        return words or text
    return text


def _seconds_in(header: str) -> float | None:
    """Read Retry-After: seconds, or a date (RFC 9110 §10.2.3)."""
    text = header.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _network_cause(error: BaseException) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "connect_timeout"
    if isinstance(error, requests.exceptions.SSLError):
        return _tls_cause(error)
    if isinstance(error, requests.Timeout | TimeoutError):
        return "timeout"
    chain = repr(error)
    if "NameResolutionError" in chain:
        return "dns_not_found"
    if "NewConnectionError" in chain:
        return "connect_refused" if "refused" in chain.lower() else "connect_unreachable"
    return "disconnected"


def _tls_cause(error: BaseException) -> str:
    words = str(error).lower()
    for said, cause in (
        ("ee certificate key too weak", "tls_weak_key"),
        ("ca certificate key too weak", "tls_weak_authority"),
        ("ca signature digest algorithm too weak", "tls_weak_authority"),
        ("dh key too small", "tls_weak_dh"),
        ("not yet valid", "tls_not_yet_valid"),
        ("expired", "tls_expired"),
    ):
        if said in words.replace("_", " "):
            return cause
    if "hostname mismatch" in words or "doesn't match" in words:
        return "tls_hostname"
    return "tls_untrusted" if "certificate verify failed" in words else "tls_failed"


def _checked_url(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme == "https" and parts.hostname:
        return url.strip().rstrip("/")
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return url.strip().rstrip("/")
    raise ConfigurationError(
        "O endereço da Elastic Email precisa começar com https://; sem criptografia, a chave seria lida no "
        "caminho. Confira MAILCORE_ELASTIC_EMAIL_URL."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_sessions: OrderedDict[bytes, requests.Session] = OrderedDict()
_sessions_lock = Lock()
_sessions_salt = os.urandom(16)  # so that the digests below mean nothing outside this process


def _session(base_url: str, key: str) -> requests.Session:
    """Return the account's session: kept connections, no cookies, no .netrc, no key in it."""
    account = hmac.digest(_sessions_salt, f"{base_url}\0{key}".encode(), hashlib.sha256)
    with _sessions_lock:
        session = _sessions.pop(account, None) or new_session(
            # A proxy of the environment is for the internet, not for a stand-in on this machine.
            trust_env=not _is_loopback(urlsplit(base_url).hostname or "")
        )
        _sessions[account] = session
        while len(_sessions) > _MAX_SESSIONS:
            # Not closed: another thread may be using it; it goes when nobody does.
            _sessions.popitem(last=False)
    return session
