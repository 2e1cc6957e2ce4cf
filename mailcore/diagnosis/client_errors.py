"""What programs say when they never reached a server, by the words of their systems and libraries.

Python, Java, .NET, PHP, OpenSSL, Windows and Linux each have their own for the same five troubles. Data only; the
codes are those of ``mailcore/diagnosis/diagnoses.toml``.
"""

from __future__ import annotations

_WORDS = (
    ("dns_failed", ("temporary failure in name resolution", "eai_again", "try again later (dns", "wsatry_again")),
    (
        "dns_not_found",
        (
            "getaddrinfo failed",
            "name or service not known",
            "nodename nor servname",
            "no such host is known",
            "enotfound",
            "unknownhostexception",
            "could not resolve host",
            "host inexistente",
            "este host não é conhecido",
            "getaddrinfo: ",
            "php_network_getaddresses",
            "remote name could not be resolved",
        ),
    ),
    ("tls_expired", ("certificate has expired", "certificate expired", "certificado expirado", "certificado vencido")),
    ("tls_not_yet_valid", ("certificate is not yet valid",)),
    (
        "tls_hostname",
        ("hostname mismatch", "doesn't match", "is not valid for", "remotecertificatenamemismatch", "altnames"),
    ),
    (
        "tls_untrusted",
        (
            "self-signed certificate",
            "self signed certificate",
            "unable to get local issuer",
            "unable to verify the first certificate",
            "pkix path building failed",
            "remote certificate is invalid",
            "certificate verify failed",
            "depth_zero_self_signed_cert",
        ),
    ),
    (
        "tls_wrong_mode",
        (
            "wrong_version_number",
            "wrong version number",
            "unknown protocol",
            "unrecognized ssl message",
            "record layer failure",
        ),
    ),
    (
        "tls_version",
        ("unsupported protocol", "alert protocol version", "no protocols available", "tlsv1_alert_protocol"),
    ),
    ("tls_failed", ("handshake failure", "handshake_failure", "ssl handshake", "unable to negotiate")),
    (
        "starttls_not_offered",
        ("starttls extension not supported", "starttls is required but", "does not support starttls"),
    ),
    (
        "auth_not_offered",
        ("smtp auth extension not supported", "no suitable authentication method", "authentication is not supported"),
    ),
    ("login_refused", ("could not authenticate", "authenticationfailedexception", "falha na autenticação")),
    (
        "connect_refused",
        ("connection refused", "econnrefused", "actively refused", "recusou ativamente", "wsaeconnrefused", "10061"),
    ),
    (
        "connect_unreachable",
        ("network is unreachable", "no route to host", "enetunreach", "ehostunreach", "10051", "10065"),
    ),
    (
        "connect_timeout",
        ("timed out", "etimedout", "connection timeout", "10060", "tempo limite", "could not connect to smtp host"),
    ),
    (
        "disconnected",
        (
            "connection unexpectedly closed",
            "econnreset",
            "connection reset by peer",
            "forcibly closed",
            "10054",
            "broken pipe",
        ),
    ),
)


def cause_of(text: str) -> str | None:
    """Return the code of the trouble a program speaks of, or None."""
    line = text.lower()
    return next((code for code, words in _WORDS if any(each in line for each in words)), None)
