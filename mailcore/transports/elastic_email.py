"""Elastic Email over its HTTP API: v4 to send, v2 for the account's state.

Source: the published API description of v4 and the help pages of elasticemail.com (2026-11). The official
texts disagree in places (which status a wrong key gets, whether sends are idempotent), so answers are read
leniently and the ``Idempotency-Key`` is sent always and relied on never.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from mailcore.errors import ConfigurationError
from mailcore.transports.base import (
    CHECK_SECONDS,
    Connection,
    Findings,
    Outcome,
    Receipt,
    Step,
    StepListener,
    StepState,
    Transport,
    TransportError,
    ignore_steps,
)
from mailcore.transports.deadline import Deadline, call_within
from mailcore.transports.scrub import scrubber

if TYPE_CHECKING:
    from mailcore.compose import OutgoingMessage

DEFAULT_URL = "https://api.elasticemail.com"
MAX_RECIPIENTS = 50
"""Of one transactional message; more are answered with 413."""

_MAX_ANSWER = 2_000_000
_MAX_SESSIONS = 64
_CONNECTIONS = 20  # at once per account, by the service's own rule
# What the service writes itself, or what has a place of its own in the request.
_OWN_HEADERS = frozenset({"from", "to", "cc", "bcc", "reply-to", "subject", "date", "mime-version", "sender"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. The service itself allows a request 600."""

    connect: float = 10
    read: float = 60
    """Between two pieces of an answer."""
    whole: float = 120
    """One request from beginning to end, resolving included."""
    retry: float = 15
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


class ElasticEmailTransport(Transport):
    """One Elastic Email account, known by its API key."""

    stages = ("http", "account", "domain")

    def __init__(self, connection: Connection, limits: Limits | None = None) -> None:
        """Take the connection's ``base_url`` (empty for the service's own) and key; contact nobody.

        Raises:
            ConfigurationError: the address is not https, and not plain http to this machine either.
        """
        super().__init__(connection)
        self.limits = limits or Limits()
        self._base = _checked_url(connection.base_url or DEFAULT_URL)
        self._key = connection.secret.get_secret_value() if connection.secret else ""
        self._scrub = scrubber("", self._key)

    # ------------------------------------------------------------------ check

    def check(
        self, on_step: StepListener = ignore_steps, *, recipient: str = "", seconds: float = CHECK_SECONDS
    ) -> Findings:
        """Ask for the account's state and the sender's domain; nothing is sent and no recipient asked for."""
        steps = _Steps(on_step)
        # Two requests, so each gets half the time.
        self.limits = replace(self.limits, whole=min(self.limits.whole, seconds / 2))
        self._require_key("account")
        with steps.step("http") as http:
            answer = self._get("/v2/account/load")
            http.detail = f"HTTP {answer.status}"
            if not answer.is_of_the_service:
                raise self._failure("http", _unreadable_cause(answer), answer)
        with steps.step("account") as account:
            self._read_account(answer, account)
        with steps.step("domain") as domain:
            self._read_domain(domain)
        return Findings(steps.finished)

    def _read_account(self, answer: Answer, step: _Running) -> None:
        if answer.is_error:
            if "access denied" in answer.text.lower():
                step.state = StepState.WARNING
                step.detail = "A chave não dá acesso aos dados da conta; para enviar, isto não faz falta."
                step.reply = answer.words
                return
            raise self._failure("account", "", answer, Outcome.REFUSED)
        data = answer.get("data")
        if not isinstance(data, dict):
            raise self._failure("account", "unreadable_answer", answer)
        if str(data.get("statusnumber", 1)) != "1":
            # Its own word for the state, not the whole answer: that has the account's data in it.
            status = replace(answer, text=self._scrub(str(data.get("statusformatted") or "")))
            raise self._failure("account", "account_not_active", status, Outcome.REFUSED)
        step.detail = f"Conta {data.get('statusformatted') or 'ativa'}"

    def _read_domain(self, step: _Running) -> None:
        """Look for the sender's domain. Not seeing it proves nothing: a single address can be confirmed too."""
        name = self.connection.from_address.rpartition("@")[2].lower()
        step.state = StepState.WARNING
        try:
            answer = self._get("/v4/domains")
        except TransportError as error:
            step.detail, step.reply = "Não foi possível consultar os domínios.", error.reply
            return
        if answer.is_error or not isinstance(answer.body, list):
            step.detail, step.reply = "A chave não dá acesso à lista de domínios.", answer.words
            return
        domains = [entry for entry in answer.body if isinstance(entry, dict)]
        found = next((entry for entry in domains if str(entry.get("Domain", "")).lower() == name), None)
        if found is None:
            step.detail = f"O domínio {name} não está cadastrado no Elastic Email."
            return
        missing = [label for key, label in (("Spf", "SPF"), ("Dkim", "DKIM")) if found.get(key) is False]
        if missing:
            step.detail = f"O domínio {name} está sem {' e '.join(missing)} confirmado no Elastic Email."
            return
        step.state, step.detail = StepState.OK, name

    # ------------------------------------------------------------------ send

    def send(
        self,
        message: OutgoingMessage,
        *,
        idempotency_key: str = "",
        on_step: StepListener = ignore_steps,
    ) -> Receipt:
        """Hand the message over once.

        Within this one call the same request, under the same ``Idempotency-Key``, is tried again only on
        503 with ``Retry-After``, which the service gives before it looks at the message.
        """
        steps = _Steps(on_step)
        if len(message.recipients) > MAX_RECIPIENTS:
            raise TransportError(phase="message", cause="too_many_recipients", outcome=Outcome.REFUSED)
        self._require_key("message")
        content = json.dumps(payload(message)).encode()
        key = idempotency_key[:255] or message.message_id[:255]
        with steps.step("http") as http:
            answer = self._post_message(content, key)
            http.detail = f"HTTP {answer.status}"
        with steps.step("message") as step:
            step.reply = answer.text
            return self._receipt(answer)

    def _post_message(self, content: bytes, key: str) -> Answer:
        deadline = Deadline(self.limits.retry)
        while True:
            answer = self._request(
                "POST", "/v4/emails/transactional", content=content, headers={"Idempotency-Key": key}
            )
            if not _says_try_again(answer):
                return answer
            with suppress(TimeoutError):
                pause = answer.retry_after or 0
                if pause < deadline.remaining():
                    time.sleep(pause)
                    continue
            return answer

    def _receipt(self, answer: Answer) -> Receipt:
        transaction, message_id = answer.get("TransactionID"), answer.get("MessageID")
        if answer.status < 300 and not answer.is_error and (transaction or message_id):
            return Receipt(answer.text, str(transaction or message_id))
        outcome = _outcome(answer)
        raise self._failure("message", _cause(answer), answer, outcome)

    # ------------------------------------------------------------------ one request

    def _get(self, path: str) -> Answer:
        return self._request("GET", path)

    def _request(
        self, method: str, path: str, *, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        body = None if content is None else _Body(content)
        all_headers = {"X-ElasticEmail-ApiKey": self._key, "Accept": "application/json", **(headers or {})}
        if body is not None:
            all_headers["Content-Type"] = "application/json"

        def exchange() -> Answer:
            with _session(self._base, self._key).request(
                method,
                self._base + path,
                headers=all_headers,
                data=body,
                timeout=(self.limits.connect, self.limits.read),
                allow_redirects=False,  # requests would carry the key along
                stream=True,
            ) as response:
                return self._answer(response)

        try:
            return call_within(self.limits.whole, exchange)
        except (requests.RequestException, OSError) as error:
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
        body: Any = None
        with suppress(ValueError, RecursionError):
            body = json.loads(text)
        if not isinstance(body, dict | list):
            body = None
        retry_after = response.headers.get("Retry-After", "")
        return Answer(
            status=response.status_code,
            body=body,
            text=self._scrub(_words(body, text)),
            retry_after=float(retry_after) if retry_after.strip().isdigit() else None,
            replayed=response.headers.get("Idempotency-Replayed", "").lower() == "true",
        )

    def _require_key(self, phase: str) -> None:
        if not self._key:
            raise TransportError(phase=phase, cause="api_key_missing")
        if not (self._key.isascii() and self._key.isprintable()) or " " in self._key:
            raise TransportError(phase=phase, cause="api_key_malformed")

    def _failure(self, phase: str, cause: str, answer: Answer, outcome: Outcome = Outcome.FAILED) -> TransportError:
        return TransportError(phase=phase, cause=cause, code=answer.status, reply=answer.words[:2_000], outcome=outcome)


# ---------------------------------------------------------------------- what an answer means


def _outcome(answer: Answer) -> Outcome:
    """Return what became of a message whose answer is no acceptance.

    - 4xx, or an error in words: the service says that it did not take the message. Only 409 says that an
      earlier request under this key is still being worked on, and that one may be taken.
    - 503 with ``Retry-After`` in the service's own form: the key could not be checked, the message was not
      looked at. Any other 5xx may have come after the message was queued.
    - 3xx: nobody took it, save for 303, which sends one to the result of what was done (RFC 9110 §15.4.4).
    - 2xx that cannot be read: somebody took something.
    """
    if answer.status == 409:
        return Outcome.UNCERTAIN
    if answer.status >= 500:
        return Outcome.REFUSED if _says_try_again(answer) else Outcome.UNCERTAIN
    if answer.status >= 400 or (answer.status < 300 and answer.is_error):
        return Outcome.REFUSED
    if answer.status >= 300:
        return Outcome.UNCERTAIN if answer.status == 303 else Outcome.FAILED
    return Outcome.UNCERTAIN


def _cause(answer: Answer) -> str:
    if answer.status == 422 and "idempoten" in answer.text.lower():
        return "idempotency_mismatch"
    if 300 <= answer.status < 400:
        return "redirected"
    return "" if answer.is_of_the_service else "unreadable_answer"


def _says_try_again(answer: Answer) -> bool:
    # In the service's own form: a proxy's 503 with Retry-After says nothing of the message.
    return answer.status == 503 and answer.retry_after is not None and bool(answer.get("Error"))


def _unreadable_cause(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        return "redirected"
    return "service_trouble" if answer.status >= 500 else "unreadable_answer"


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
    if "expired" in words:
        return "tls_expired"
    if "hostname mismatch" in words or "doesn't match" in words:
        return "tls_hostname"
    return "tls_untrusted" if "certificate verify failed" in words else "tls_failed"


# ---------------------------------------------------------------------- the request


def payload(message: OutgoingMessage) -> dict[str, Any]:
    """Return the body of ``POST /emails/transactional`` for a message.

    The first plain text and the first HTML become the body, every other part an attachment.
    """
    mime = message.mime
    recipients = {"To": list(message.to), "CC": list(message.cc), "BCC": list(message.bcc)}
    content: dict[str, Any] = {
        "From": _display(mime, "From"),
        "Subject": str(mime.get("Subject", "")),
        **_parts(mime),
    }
    if mime["Reply-To"]:
        content["ReplyTo"] = _display(mime, "Reply-To")
    headers = {
        name: str(value)
        for name, value in mime.items()
        if name.lower() not in _OWN_HEADERS and not name.lower().startswith("content-")
    }
    if headers:
        content["Headers"] = headers
    return {"Recipients": {name: some for name, some in recipients.items() if some or name == "To"}, "Content": content}


def _display(mime: EmailMessage, header: str) -> str:
    """Return the first address of a header as "Nome <a@b>", quoted where it must be, not encoded.

    Not by the ``email`` package's own reading: in CPython 3.11 that puts a space between the encoded
    pieces of a long name, which RFC 2047 §6.2 forbids.
    """
    raw = next((str(value) for name, value in mime.raw_items() if name.lower() == header.lower()), "")
    encoded, address = parseaddr(" ".join(raw.split()))
    name = encoded
    with suppress(HeaderParseError, LookupError, ValueError):  # a file may have anything there
        name = str(make_header(decode_header(encoded)))
    local, _, domain = address.rpartition("@")
    return str(Address(display_name=name, username=local, domain=domain)) if local else address


def _parts(mime: EmailMessage) -> dict[str, Any]:
    bodies: dict[str, str] = {}
    attachments: list[dict[str, Any]] = []
    for part in _leaves(mime):
        kind = {"text/plain": "PlainText", "text/html": "HTML"}.get(part.get_content_type())
        if kind and kind not in bodies and not part.is_attachment():
            bodies[kind] = _text_of(part)
        else:
            attachments.append(_attachment(part, len(attachments) + 1))
    parts: dict[str, Any] = {
        "Body": [{"ContentType": kind, "Content": text, "Charset": "utf-8"} for kind, text in bodies.items()]
    }
    if attachments:
        parts["Attachments"] = attachments
    return parts


def _leaves(mime: EmailMessage) -> Iterator[EmailMessage]:
    """Yield the parts that hold content; an attached message is one of them and is not entered."""
    if mime.get_content_maintype() == "multipart":
        for part in mime.iter_parts():
            yield from _leaves(cast("EmailMessage", part))
    else:
        yield mime


def _text_of(part: EmailMessage) -> str:
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # a charset nobody knows
        return cast("bytes", part.get_payload(decode=True)).decode("utf-8", "replace")


def _attachment(part: EmailMessage, number: int) -> dict[str, Any]:
    if part.get_content_maintype() == "message":
        raw = cast("EmailMessage", part.get_content()).as_bytes()
    else:
        raw = cast("bytes | None", part.get_payload(decode=True)) or b""
    return {
        "BinaryContent": base64.b64encode(raw).decode("ascii"),
        "Name": part.get_filename() or f"anexo-{number}",
        "ContentType": part.get_content_type(),
    }


# ---------------------------------------------------------------------- addresses and sessions


def _checked_url(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme == "https" and parts.hostname:
        return url.strip().rstrip("/")
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return url.strip().rstrip("/")
    raise ConfigurationError(
        "O endereço do Elastic Email precisa começar com https://; sem criptografia, a chave seria lida no "
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
        session = _sessions.pop(account, None) or _new_session(base_url)
        _sessions[account] = session
        while len(_sessions) > _MAX_SESSIONS:
            # Not closed: another thread may be using it; it goes when nobody does.
            _sessions.popitem(last=False)
    return session


def _new_session(base_url: str) -> requests.Session:
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # An own (empty) authentication keeps requests from sending what a .netrc has for the host.
    session.auth = cast("Callable[..., requests.PreparedRequest]", lambda request: request)
    # A proxy of the environment is for the internet, not for a stand-in on this machine.
    session.trust_env = not _is_loopback(urlsplit(base_url).hostname or "")
    session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS, max_retries=0))
    session.mount("http://", HTTPAdapter(pool_maxsize=_CONNECTIONS, max_retries=0))
    return session


# ---------------------------------------------------------------------- steps


@dataclass(slots=True)
class _Running:
    state: StepState = StepState.OK
    detail: str = ""
    reply: str = ""
    began: float = field(default_factory=time.perf_counter)


class _Steps:
    """Reports steps as they begin and end, and keeps the ended ones."""

    def __init__(self, on_step: StepListener) -> None:
        self.finished: list[Step] = []
        self._on_step = on_step

    @contextmanager
    def step(self, name: str) -> Iterator[_Running]:
        self._on_step(Step(name, StepState.RUNNING))
        running = _Running()
        try:
            yield running
        except TransportError as error:
            self._end(name, StepState.FAILED, running, error.reply)
            raise
        self._end(name, running.state, running, running.reply)

    def _end(self, name: str, state: StepState, running: _Running, reply: str) -> None:
        milliseconds = (time.perf_counter() - running.began) * 1_000
        step = Step(name, state, milliseconds, running.detail, reply)
        self.finished.append(step)
        self._on_step(step)
