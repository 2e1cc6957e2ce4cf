"""What a refused certificate itself has to say about why it was refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailcore.diagnosis.texts import Diagnosis
    from mailcore.transports.base import Certificate

_MOST_NAMES = 5


def with_certificate(diagnosis: Diagnosis, certificate: Certificate | None) -> Diagnosis:
    """Add to the cause which names a certificate is for, or when it ended, where that is what was wrong."""
    if certificate is None:
        return diagnosis
    if diagnosis.code == "tls_hostname" and certificate.names:
        more = len(certificate.names) - _MOST_NAMES
        names = ", ".join(certificate.names[:_MOST_NAMES]) + (f" e mais {more}" if more > 0 else "")
        return replace(diagnosis, cause=f"{diagnosis.cause} Este é de: {names}.")
    if diagnosis.code == "tls_expired":
        return replace(diagnosis, cause=f"{diagnosis.cause} Ele venceu em {certificate.not_after:%d/%m/%Y}.")
    return diagnosis
