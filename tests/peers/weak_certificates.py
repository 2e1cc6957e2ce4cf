"""Servers whose TLS is well formed and too weak or too old: short keys, short Diffie-Hellman, an ended authority."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

SHORT_KEY, SHORT_AUTHORITY, SHORT_DH, ENDED_AUTHORITY, SELF_SIGNED = (
    "short_key",
    "short_authority",
    "short_dh",
    "ended_authority",
    "self_signed",
)
_DAY = timedelta(days=1)
# The 1024-bit prime of RFC 2409 §6.2 as Diffie-Hellman parameters: to find one takes long.
_SHORT_PARAMETERS = b"""\
-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""


@dataclass(frozen=True)
class WeakServer:
    """A server's TLS settings and the authority behind them."""

    context: ssl.SSLContext
    authority_pem: str


@cache
def weak_server(which: str) -> WeakServer:
    """Return a server of one of the kinds above, for 127.0.0.1 and localhost."""
    now = datetime.now(UTC)
    authority_key = rsa.generate_private_key(65537, 1024 if which == SHORT_AUTHORITY else 2048)
    ends = now - _DAY if which == ENDED_AUTHORITY else now + 30 * _DAY
    authority = _certificate(
        "Autoridade", authority_key, "Autoridade", authority_key, (now - 9 * _DAY, ends), is_ca=True
    )
    key = rsa.generate_private_key(65537, 1024 if which == SHORT_KEY else 2048)
    signer = ("servidor", key) if which == SELF_SIGNED else ("Autoridade", authority_key)
    own = _certificate("servidor", key, *signer, (now - 2 * _DAY, now + 29 * _DAY), is_ca=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder) / "chain.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain.write_bytes(private + _pem(own))
        context.load_cert_chain(chain)
        if which == SHORT_DH:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers("DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
            parameters = Path(folder) / "dh.pem"
            parameters.write_bytes(_SHORT_PARAMETERS)
            context.load_dh_params(parameters)
    return WeakServer(context, _pem(authority).decode())


def _certificate(
    name: str,
    key: rsa.RSAPrivateKey,
    issuer: str,
    issuer_key: rsa.RSAPrivateKey,
    valid: tuple[datetime, datetime],
    *,
    is_ca: bool,
) -> x509.Certificate:
    hosts = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if not is_ca:
        builder = builder.add_extension(hosts, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
