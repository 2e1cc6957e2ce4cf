"""Why the last test of a server failed, in two or three words: what the list has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailcore.storage.tables import MailServer

OF_CATEGORY = {
    "auth": "senha recusada",
    "quota": "limite atingido",
    "throttled": "ritmo excedido",
    "blocked": "envio bloqueado",
    "recipient": "destinatário recusado",
    "temporary": "falha passageira",
    "config": "configuração recusada",
    "tls": "criptografia falhou",
    "dns": "servidor não encontrado",
    "network": "não respondeu",
}
_OF_CODE = {
    "account_blocked": "conta bloqueada",
    "account_not_active": "conta não ativa",
    "account_paused": "conta em pausa",
    "api_access": "chave sem permissão",
    "api_key": "chave recusada",
    "api_key_malformed": "chave malformada",
    "api_key_missing": "falta a chave",
    "app_password_login": "falta senha de app",
    "auth_no_method": "login não aceito",
    "auth_not_offered": "não oferece login",
    "auth_oauth_only": "só aceita OAuth2",
    "basic_auth_disabled": "senha desativada",
    "browser_login": "pede login no site",
    "connect_refused": "conexão recusada",
    "connect_unreachable": "rede inacessível",
    "connection_refused_by_policy": "conexão recusada",
    "disconnected": "desligou a conexão",
    "dns_failed": "DNS falhou",
    "gmail_app_password": "falta senha de app",
    "gmail_suspended": "conta suspensa",
    "login_other_way": "login não aceito",
    "login_required": "exige login",
    "microsoft_security_defaults": "senha desativada",
    "microsoft_smtp_auth_off": "SMTP desligado",
    "not_encrypted": "sem criptografia",
    "not_smtp": "não é SMTP",
    "proton_banned": "conta suspensa",
    "redirected": "desviou o pedido",
    "relay_denied": "exige login",
    "secret_missing": "falta a senha",
    "sender_not_allowed": "remetente recusado",
    "sender_not_verified": "remetente não confirmado",
    "sender_refused": "remetente recusado",
    "sendgrid_sender": "remetente não confirmado",
    "service_trouble": "serviço com problemas",
    "ses_not_verified": "remetente não confirmado",
    "smtp_not_enabled": "SMTP desligado",
    "starttls_not_offered": "não oferece STARTTLS",
    "starttls_refused": "recusou STARTTLS",
    "tls_authority_expired": "autoridade vencida",
    "tls_bad_authority": "autoridade ilegível",
    "tls_expired": "certificado vencido",
    "tls_hostname": "certificado de outro",
    "tls_not_yet_valid": "certificado futuro",
    "tls_own_authority_expired": "autoridade vencida",
    "tls_untrusted": "certificado desconhecido",
    "tls_version": "criptografia antiga",
    "tls_weak_authority": "certificado fraco",
    "tls_weak_dh": "criptografia fraca",
    "tls_weak_key": "certificado fraco",
    "tls_wrong_mode": "modo SSL errado",
    "too_many_logins": "logins demais",
    "unreadable_answer": "resposta ilegível",
    "wrong_host": "servidor ou porta errada",
}


def cause(server: MailServer) -> str:
    """Return why, as exactly as it was noted; empty where nothing was."""
    of_category = OF_CATEGORY.get(server.last_check_category or "", "")
    return _OF_CODE.get(server.last_check_code or "", of_category)
