"""SMTP, as a kind of server: its fields and their rules, its account, its words."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, ClassVar

from mailcore.labels import SECURITY
from mailcore.transports.kind import Record, ServerKind, Typed
from mailcore.vocabulary import Auth, Kind, Security

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import SecretStr

    from mailcore.transports.base import Transport


class SmtpKind(ServerKind):
    """An account at a server that is reached over SMTP."""

    id = Kind.SMTP
    label = "SMTP"
    fields = (
        *("host", "port", "security", "security_auto", "verify_certificate", "requires_auth", "username"),
        *("auth", "oauth_app_id", "ca_pem"),
    )
    steps: ClassVar[Mapping[str, str]] = {
        "resolve": "Procurar o servidor na internet (DNS)",
        "connect": "Conectar",
        "greeting": "Saudação do servidor",
        "tls": "Criptografia",
        "ehlo": "Apresentação",
        "auth": "Login",
        "sender": "Remetente",
        "recipients": "Destinatários",
        "data": "Entrega da mensagem",
    }
    asks_recipient = True
    has_doors = True

    def transport(self) -> type[Transport]:
        """Return the SMTP client."""
        from mailcore.transports.smtp import SmtpTransport

        return SmtpTransport

    def clean(self, typed: Typed) -> dict[str, Any]:
        """Take a host as people paste it, suggest the port, and let "Automático" follow it."""
        host, pasted_port = _host(typed)
        port = _port(typed, pasted_port)
        follows = bool(typed.value("security_auto"))
        security = automatic_security(port) if follows else typed.value("security")
        return {
            "host": host,
            "port": port,
            "security": security,
            "security_auto": typed.value("security_auto"),
            "verify_certificate": typed.value("verify_certificate"),
            "requires_auth": typed.value("requires_auth"),
            "username": typed.cleaned("username", needed=True) if typed.value("requires_auth") else "",
            **_form_of_login(typed, security),
            "ca_pem": _ca_pem(typed, is_used=security is not Security.NONE),
        }

    def account(self, record: Record, secret: SecretStr | None, current: str, pepper: Callable[[], str]) -> str:
        """Return login and host; ports do not matter: 465 and 587 lead to the same account.

        Spellings that a provider takes for one login are one: case, and, where the user name is the part before
        the @ (UOL, BOL), the domain. A server without login counts by sender, as far as anybody can tell.
        """
        from mailcore.catalog import for_host
        from mailcore.messages.addresses import same_mailbox_key

        host, username = record.host, record.username
        if not username:
            return f"{self.id}:{host}/-/{same_mailbox_key(record.from_address)}"
        provider = for_host(host)
        login = same_mailbox_key(username) if "@" in username else username.casefold()
        if provider is not None and provider.user_form == "local_part":
            login = login.partition("@")[0]
        return f"{self.id}:{host}/{login}"

    def shown_security(self, record: Record) -> str:
        """Return the form of TLS."""
        return SECURITY[record.security]


def suggested_port(security: Security, security_auto: bool = False) -> int:
    """Return the submission port to suggest: 465 for direct TLS, else 587 (RFC 8314, RFC 6409)."""
    return 465 if security is Security.SSL_TLS and not security_auto else 587


def automatic_security(port: int) -> Security:
    """Return what "Automático" means on a port: direct TLS on 465, STARTTLS elsewhere, never plain."""
    return Security.SSL_TLS if port == 465 else Security.STARTTLS


def _form_of_login(typed: Typed, security: Security) -> dict[str, Any]:
    if not typed.value("requires_auth"):
        return {"auth": Auth.NONE, "oauth_app_id": None}
    if typed.value("auth") is not Auth.OAUTH2:
        return {"auth": Auth.PASSWORD, "oauth_app_id": None}
    if security is Security.NONE:
        typed.error("security", "com OAuth2 a conexão tem de ser criptografada. Marque esta caixa.")
    if not typed.value("verify_certificate"):
        typed.error("verify_certificate", "com OAuth2 o certificado tem de ser verificado. Marque esta caixa.")
    app_id = typed.cleaned("oauth_app_id")
    if app_id is None and not str(typed.value("oauth_app_id") or "").strip():
        typed.error("oauth_app_id", "escolha o aplicativo registrado no provedor.")
    return {"auth": Auth.OAUTH2, "oauth_app_id": app_id}


def _host(typed: Typed) -> tuple[str, int | None]:
    from mailcore.messages.addresses import parse_host

    value = str(typed.value("host")).strip()
    if not value:
        typed.error("host", "preencha com o endereço do servidor, por exemplo smtp.exemplo.com.br.")
        return "", None
    try:
        parsed = parse_host(value)
    except ValueError as error:
        typed.error("host", str(error))
        return value, None
    if parsed.note:
        typed.note("host", parsed.note)
    return parsed.host, parsed.port


def _port(typed: Typed, pasted: int | None) -> int:
    value = typed.value("port")
    text = str(value if value is not None else "").strip()
    suggested = suggested_port(typed.value("security"), typed.value("security_auto"))
    if not text:
        return pasted or suggested
    return typed.number("port", text) or suggested


def _ca_pem(typed: Typed, *, is_used: bool) -> str:
    value = str(typed.value("ca_pem")).strip()
    if not value or not is_used:
        return value
    if "PRIVATE KEY" in value:
        typed.error("ca_pem", "isto contém uma chave privada. Cole só o certificado da autoridade.")
        return value
    if not _loads_as_pem(typed.cleaned("ca_pem")):
        typed.error(
            "ca_pem",
            "isto não é um certificado em formato PEM. Ele começa com “-----BEGIN CERTIFICATE-----” e "
            "termina com “-----END CERTIFICATE-----”.",
        )
    return value


def _loads_as_pem(text: str) -> bool:
    try:
        # Not the default context, which reads every authority of the system first.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError, TypeError):  # TypeError: it is not even ASCII
        return False
    return True
