"""Trying what a person would try when a check shows a wrong guess, so that the answer is one press away.

A probe connects, encrypts and introduces itself; it says no password. Only the other spelling of a user name
needs a login to be tried: that one goes to the same server, over encryption whose certificate was verified,
once.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from mailcore.catalog import providers
from mailcore.labels import SECURITY
from mailcore.transports import kind_of
from mailcore.transports.base import Certificate, Connection, TransportError
from mailcore.transports.smtp import CHECK_LIMITS
from mailcore.transports.smtp_session import SmtpSession
from mailcore.vocabulary import Security

if TYPE_CHECKING:
    from mailcore.deadline import Deadline

_SUBMISSION = ((465, Security.SSL_TLS), (587, Security.STARTTLS), (2525, Security.STARTTLS))
"""Where submission is to be found: RFC 8314 §3.3, RFC 6409 §3.1, and 2525, where many services answer too."""

_WRONG_DOOR = frozenset(
    {
        "tls_wrong_mode",
        "starttls_not_offered",
        "starttls_refused",
        "connect_refused",
        "connect_timeout",
        "not_smtp",
        "auth_not_offered",
        "tls_failed",
        "tls_version",
    }
)
"""Causes that a port or mode of another kind explains."""

_MOST_OFFERED = 2
_MOST_NAMES = 3
"""Of a certificate: names told, and names tried."""
_LEAST_SECONDS = 0.5
"""Nothing is tried where less is left."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Settings that were tried just now and work."""

    label: str
    """What the button says: "Usar 587 com STARTTLS"."""
    sentence: str
    """What to do, as the beginning of a remedy."""
    field: str
    """The form field it is about."""
    values: dict[str, str | int | Security]
    """Field of a :class:`~mailcore.registry.drafts.ServerDraft` → what to put there."""


def suggestions_for(connection: Connection, error: TransportError, whole: Deadline) -> tuple[Suggestion, ...]:
    """Return what works in place of what failed, best first; empty where nothing does or time is up.

    Raises nothing: a probe that fails is no suggestion.
    """
    if not kind_of(connection.kind).has_doors or whole.left() < _LEAST_SECONDS:
        return ()
    if error.certificate is not None and error.cause == "tls_untrusted":
        return _this_certificate(connection, error.certificate, whole)
    if error.certificate is not None and error.cause == "tls_hostname":
        return _names_of(connection, error.certificate, whole)
    if _looks_like_a_wrong_door(connection, error):
        return _other_doors(connection, whole)
    if connection.token is None and _looks_like_a_wrong_user(connection, error):
        return _other_user(connection, whole)
    return ()


def _looks_like_a_wrong_door(connection: Connection, error: TransportError) -> bool:
    if error.cause in _WRONG_DOOR:
        return True
    if error.phase == "greeting" and error.cause in ("timeout", "disconnected"):
        return True  # a TLS server waits for us to begin, or hangs up on what is no TLS
    # "Must issue a STARTTLS command first" and its like, said to a connection in the clear
    return connection.security is Security.NONE and error.code in (530, 538, 554) and error.phase in ("auth", "sender")


def _other_doors(connection: Connection, whole: Deadline) -> tuple[Suggestion, ...]:
    """Try the other mode on this port, then the usual ports, side by side."""
    tried = (connection.port, connection.security)
    same_port = [(connection.port, security) for security in (Security.SSL_TLS, Security.STARTTLS)]
    doors = [door for door in dict.fromkeys([*same_port, *_SUBMISSION]) if door != tried]
    # One fresh thread a door: a probe that stalls must not keep the next from beginning.
    with ThreadPoolExecutor(len(doors), thread_name_prefix="mailcore-probe") as pool:
        opens = list(pool.map(lambda door: _opens(connection, door[0], door[1], whole), doors))
    found = [door for door, is_open in zip(doors, opens, strict=True) if is_open]
    return tuple(_door(port, security, connection.port) for port, security in found[:_MOST_OFFERED])


def _opens(connection: Connection, port: int, security: Security, whole: Deadline) -> bool:
    """Whether an SMTP server answers there, verified as the record asks, and lets one log in if it must."""
    other = replace(connection, port=port, security=security, secret=None)
    try:
        with SmtpSession(other, replace(CHECK_LIMITS, whole=whole.left())) as session:
            session.reach()
            session.ehlo()
            return not connection.username or session.offers("auth")
    except TransportError:
        return False


def _door(port: int, security: Security, tried_port: int) -> Suggestion:
    name = f"{port} com {SECURITY[security]}"
    return Suggestion(
        label=f"Usar {name}",
        sentence=f"Use a porta {name}: testamos agora, e por ela o servidor atende.",
        field="security" if port == tried_port else "port",
        values={"port": port, "security": security},
    )


def _this_certificate(connection: Connection, certificate: Certificate, whole: Deadline) -> tuple[Suggestion, ...]:
    """Offer to trust the very certificate the server showed, for a person who can compare its fingerprint.

    Its name and dates are still verified, so it is offered only where that would let the connection through.
    """
    trusting = replace(connection, ca_pem=certificate.pem)
    if not certificate.pem or not _opens(trusting, connection.port, connection.security, whole):
        return ()
    names = ", ".join(certificate.names[:_MOST_NAMES])
    dates = f"válido de {certificate.not_before:%d/%m/%Y} a {certificate.not_after:%d/%m/%Y}"
    return (
        Suggestion(
            label="Confiar neste certificado",
            sentence=(
                f"O servidor mostrou o certificado de {names}, emitido por {certificate.issuer}, {dates}, com a "
                f"impressão digital SHA-256 {certificate.sha256}. Se o servidor é da própria empresa e quem cuida dele "
                "confirma essa impressão digital, use “Confiar neste certificado”: ele entra em “Certificado da "
                "autoridade (PEM)”, logo abaixo de “SSL”, e só ele passa a valer. Senão, avise o provedor e não "
                "desligue a verificação."
            ),
            field="security",
            values={"ca_pem": certificate.pem},
        ),
    )


def _names_of(connection: Connection, certificate: Certificate, whole: Deadline) -> tuple[Suggestion, ...]:
    """Offer a name of the certificate under which the same server answers."""
    for name in _host_names(certificate.names)[:_MOST_NAMES]:
        if _opens(replace(connection, host=name), connection.port, connection.security, whole):
            return (
                Suggestion(
                    label=f"Usar o servidor {name}",
                    sentence=f"Em “Servidor”, use {name}: testamos agora, e com esse nome o certificado confere.",
                    field="host",
                    values={"host": name},
                ),
            )
    return ()


def _host_names(names: tuple[str, ...]) -> list[str]:
    """The names that one can connect to; of "*.exemplo.com" those that mail servers usually have."""
    found: list[str] = []
    for name in names:
        if name.startswith("*."):
            found += [f"{prefix}.{name[2:]}" for prefix in ("mail", "smtp")]
        elif re.fullmatch(r"[a-z0-9.-]*\.[a-z0-9-]*[a-z][a-z0-9-]*", name.lower()):
            found.append(name.lower())
    return list(dict.fromkeys(found))


def _looks_like_a_wrong_user(connection: Connection, error: TransportError) -> bool:
    # 535 says "wrong" and nothing more. What asks for an app password or a browser is not about the spelling.
    is_plain_refusal = error.phase == "auth" and error.code == 535 and error.enhanced in ("", "5.7.8", "5.7.3", "5.7.0")
    is_safe = connection.security is not Security.NONE and connection.verify_certificate
    return is_plain_refusal and is_safe and connection.secret is not None and _other_spelling(connection) != ""


def _other_spelling(connection: Connection) -> str:
    """The part before the @ for a whole address (UOL wants that), the whole address for a part."""
    local, at, domain = connection.from_address.partition("@")
    name, has_domain, _ = connection.username.partition("@")
    if has_domain:
        return name
    if not at or name in _literal_users():
        return ""
    return connection.from_address if name.casefold() == local.casefold() else f"{name}@{domain}"


@cache
def _literal_users() -> frozenset[str]:
    """User names that a service has everybody type, such as ``apikey``: with a domain they are nobody's."""
    forms = {provider.user_form for provider in providers()}
    return frozenset(forms - {"address", "local_part", "panel", ""})


def _other_user(connection: Connection, whole: Deadline) -> tuple[Suggestion, ...]:
    username = _other_spelling(connection)
    try:
        with SmtpSession(replace(connection, username=username), replace(CHECK_LIMITS, whole=whole.left())) as session:
            session.open()
    except TransportError:
        return ()
    return (
        Suggestion(
            label=f"Usar o usuário {username}",
            sentence=f"Use o usuário {username}: testamos agora, e com ele o servidor aceita a senha.",
            field="username",
            values={"username": username},
        ),
    )
