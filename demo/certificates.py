"""Certificates for the stand-ins: an authority of the demo's own, and for each host one that ends on a chosen day."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

_LIFE = timedelta(days=365)


class Authority:
    """Vouches for the stand-ins; kept in a file, because the records of the demo name it."""

    def __init__(self, file: Path) -> None:
        """Read it from a file, or make it and write it there."""
        if file.exists():
            data = file.read_bytes()
            key, self._certificate = load_pem_private_key(data, None), x509.load_pem_x509_certificate(data)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self._key = key
            return
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Autoridade de exemplo")
        made = _begun(name, name, self._key.public_key(), datetime.now(UTC) + 10 * _LIFE)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        made = made.add_extension(_usage(signs=True), critical=True)
        self._certificate = made.sign(self._key, hashes.SHA256())
        file.write_bytes(_pem(self._key) + self._certificate.public_bytes(Encoding.PEM))
        file.chmod(0o600)

    @property
    def pem(self) -> str:
        """What a record has in "Certificado da autoridade"."""
        return self._certificate.public_bytes(Encoding.PEM).decode()

    def context(self, host: str, days: int) -> ssl.SSLContext:
        """Return a server's TLS settings, with a certificate for a host that ends in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        ends = datetime.now(UTC) + timedelta(days=days)
        made = _begun(_name(host), self._certificate.subject, key.public_key(), ends)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = made.add_extension(ours, critical=False).add_extension(_usage(signs=False), critical=True)
        certificate = made.sign(self._key, hashes.SHA256())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:  # OpenSSL takes a chain from a file alone
            file = Path(folder) / "chain.pem"
            file.write_bytes(_pem(key) + certificate.public_bytes(Encoding.PEM))
            context.load_cert_chain(file)
        return context


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, ends: datetime
) -> x509.CertificateBuilder:
    begins = datetime.now(UTC) - timedelta(days=1)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return made.serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
