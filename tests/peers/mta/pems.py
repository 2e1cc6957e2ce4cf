"""Certificates as the PEM files a mail server reads: key first, then certificate and what is above it."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from functools import cache

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

GOOD, EXPIRED, SELF_SIGNED, WRONG_NAME = "good", "expired", "self_signed", "wrong_name"


@cache
def _authority() -> trustme.CA:
    return trustme.CA(organization_name="mail servers")


def authority_pem() -> str:
    """Return the authority behind all of them but ``SELF_SIGNED``."""
    return _authority().cert_pem.bytes().decode()


@cache
def key_and_chain(which: str) -> bytes:
    """Return one of the certificates above, with its key."""
    if which == SELF_SIGNED:
        return _self_signed()
    now, day = datetime.now(UTC), timedelta(days=1)
    begin, end = (now - 2 * day, now - day) if which == EXPIRED else (now - day, now + 365 * day)
    names = ("another.example",) if which == WRONG_NAME else ("127.0.0.1", "localhost")
    return _authority().issue_cert(*names, not_before=begin, not_after=end).private_key_and_cert_chain_pem.bytes()


def _self_signed() -> bytes:
    """What an installer of a mail server makes: right name and dates, signed by nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)
