"""TLS for SMTP: what is demanded of the server, what it shows of itself, what its failures mean."""

from __future__ import annotations

import hashlib
import ssl
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from mailcore.transports.base import Certificate

if TYPE_CHECKING:
    from cryptography import x509

EXPIRY_WARNING_DAYS = 30
"""From so many days before its end on a certificate is warned of: time enough to have it renewed."""

# OpenSSL's X509_V_ERR_… numbers, as SSLCertVerificationError.verify_code carries them (x509_vfy.h).
_CAUSE_BY_VERIFY_CODE = {
    9: "tls_not_yet_valid",
    10: "tls_expired",
    18: "tls_untrusted",  # self-signed
    19: "tls_untrusted",  # self-signed certificate in the chain
    20: "tls_untrusted",  # issuer not found
    21: "tls_untrusted",  # first certificate cannot be verified
    62: "tls_hostname",
    64: "tls_hostname",  # IP address
    66: "tls_weak_key",
    67: "tls_weak_authority",
    68: "tls_weak_authority",  # signed with a digest that is too weak
}
_WEAK = {
    "DH_KEY_TOO_SMALL": "tls_weak_dh",
    "EE_KEY_TOO_SMALL": "tls_weak_key",
    "CA_KEY_TOO_SMALL": "tls_weak_authority",
    "CA_MD_TOO_WEAK": "tls_weak_authority",
}
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
# A server of the TLS 1.0 days has no cipher in common with us, and says just "handshake failure".
_TOO_OLD = ("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "NO_PROTOCOLS", "VERSION_TOO_LOW", "HANDSHAKE_FAILURE")


@lru_cache(maxsize=16)
def client_context(verify_certificate: bool, ca_pem: str) -> ssl.SSLContext:
    """Return the settings of a connection: TLS 1.2 at least (RFC 8996), certificate and name verified.

    Loading the system's authorities takes tens of milliseconds, hence the cache.

    Args:
        verify_certificate: False takes any certificate, by the record's explicit choice.
        ca_pem: an authority to trust besides the system's own, or empty.

    Raises:
        ssl.SSLError: ``ca_pem`` holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem)
        # People paste what they have, which often is the intermediate or the server's own certificate.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def cause_of(error: ssl.SSLError, certificate: Certificate | None = None, *, own_authority: bool = False) -> str:
    """Return which of the causes a failed handshake has, a key of the texts in ``mailcore/diagnosis``.

    Args:
        certificate: the server's, where it could be seen: an expired one is told from an expired authority by it.
        own_authority: the record names an authority, which then may be the expired one.
    """
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "disconnected"
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = _CAUSE_BY_VERIFY_CODE.get(error.verify_code, "tls_untrusted")
        if cause == "tls_expired" and certificate is not None and certificate.days_left(datetime.now(UTC)) >= 0:
            return "tls_own_authority_expired" if own_authority else "tls_authority_expired"
        return cause
    reason = (error.reason or "").upper().replace(" ", "_")
    if reason in _WEAK:
        return _WEAK[reason]
    if any(word in reason for word in _NOT_TLS):
        return "tls_wrong_mode"
    if any(word in reason for word in _TOO_OLD):
        return "tls_version"
    return "tls_failed"


def certificate_of(der: bytes | None) -> Certificate | None:
    """Return what the certificate a server showed says; None where there is none or it cannot be read."""
    if not der:
        return None
    from cryptography import x509  # loaded by checks alone

    try:
        parsed = x509.load_der_x509_certificate(der)
        return Certificate(
            names=_names(parsed),
            issuer=_name_of(parsed.issuer),
            not_before=parsed.not_valid_before_utc,
            not_after=parsed.not_valid_after_utc,
            sha256=_fingerprint(der),
            pem=ssl.DER_cert_to_PEM_cert(der),
        )
    except ValueError:  # real servers show certificates that break the rules
        return None


def describe(certificate: Certificate, now: datetime | None = None) -> str:
    """Return a certificate in one line of Portuguese: for whom, by whom, until when."""
    shown = ", ".join(certificate.names[:3]) or "(sem nome)"
    more = f" e mais {len(certificate.names) - 3}" if len(certificate.names) > 3 else ""
    days = certificate.days_left(now or datetime.now(UTC))
    until = f"{certificate.not_after:%d/%m/%Y}"
    ends = f"vence em {_days(days)} ({until})" if days >= 0 else f"venceu em {until}"
    return f"certificado de {shown}{more}, emitido por {certificate.issuer}, {ends}"


def _fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).digest().hex(":").upper()


def _days(days: int) -> str:
    return {0: "menos de um dia", 1: "1 dia"}.get(days, f"{days} dias")


def _names(parsed: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        named = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (_name_of(parsed.subject),)
    hosts = named.get_values_for_type(x509.DNSName)
    return (*hosts, *map(str, named.get_values_for_type(x509.IPAddress)))


def _name_of(name: x509.Name) -> str:
    """The organisation and the common name, whichever there are."""
    from cryptography.x509.oid import NameOID

    found = [
        str(attribute.value)
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
        for attribute in name.get_attributes_for_oid(oid)
    ]
    return " ".join(dict.fromkeys(found)) or "(sem nome)"
