"""What somebody is told before using a provider: what will fail, and what to see to first, in Portuguese."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailcore.catalog.data import Provider

_MONTHS = (
    "janeiro", "fevereiro", "março", "abril", "maio", "junho",
    "julho", "agosto", "setembro", "outubro", "novembro", "dezembro",
)  # fmt: skip
_NOT_CONFIRMED = {
    "secondary": "Limite não confirmado pelo provedor: o número vem de terceiros.",
    "unverified": "Limite não confirmado pelo provedor: o número só foi visto em programas públicos.",
}


def warnings(provider: Provider, *, domain: str, sharing: list[Provider], today: date) -> tuple[str, ...]:
    """Return sentences about one provider, the gravest first.

    Args:
        domain: that of the sender's address, or "" where none was given.
        sharing: the plans the same settings may belong to, where only the host is known; it shows which
            of them the limit is for.
        today: a password login that ends is spoken of differently before and after.
    """
    sentences = [
        _unknown_host(provider, domain),
        password_advice(provider, today),
        provider.care_pt,
        _user(provider),
        _settings(provider),
        *_limit(provider, sharing),
        "Quando o limite acaba, cada nova tentativa soma 24 horas de bloqueio: pare de enviar até ele liberar."
        if provider.no_probing
        else "",
    ]
    return tuple(filter(None, sentences))


def _unknown_host(provider: Provider, domain: str) -> str:
    if provider.host or provider.kind != "hosting":
        return ""  # elsewhere the row's own note says why there is none
    usual = f"mail.{domain}" if domain else "mail. seguido do domínio do cliente"
    return f"O servidor de envio não pode ser deduzido daqui. Nesta hospedagem costuma ser {usual}."


def password_advice(provider: Provider, today: date) -> str:
    """Return what to know of the password before typing one: that it must be an app password, or that none works."""
    login, ends = provider.password_login, provider.password_ends_on
    if login == "app_password":
        where = provider.app_password_page or "nas configurações de segurança da conta"
        preposition = "em " if provider.app_password_page else ""
        return f"A senha da conta não serve: crie uma senha de app {preposition}{where} e use-a no lugar dela."
    if login == "retired" and ends is not None:
        return (
            f"Este provedor não aceita mais senha, nem senha de app, desde {ends:%d/%m/%Y}: nenhuma senha vai "
            "funcionar. Em “Forma de login”, escolha OAuth2 e autorize."
        )
    if login == "ends" and ends is not None:
        if today <= ends:
            return (
                f"O login com senha vai parar de funcionar {_moment(ends)}, a não ser que o administrador da empresa "
                "o ligue de novo. Em “Forma de login”, OAuth2 continua valendo."
            )
        return (
            f"O login com senha vem desligado desde {_moment(ends, bare=True)}: ele só funciona se o administrador da "
            "empresa o ligou de novo. Em “Forma de login”, escolha OAuth2 e autorize."
        )
    if provider.app_password_page:
        return f"Se a conta usa verificação em duas etapas, crie uma senha de app em {provider.app_password_page}."
    return ""


def _user(provider: Provider) -> str:
    if provider.user_form in ("", "address"):
        return ""
    if provider.user_form == "local_part":
        return "O usuário é só a parte antes do @, não o endereço inteiro."
    if provider.user_form == "panel":
        return "Use o usuário e a senha (ou a chave) de SMTP do painel do provedor, não os da conta."
    return f"O usuário é a palavra “{provider.user_form}”, e a senha é a chave da API."


def _settings(provider: Provider) -> str:
    if provider.host and provider.settings_confidence == "unverified":
        return "Servidor e porta não confirmados pelo provedor: só foram vistos em programas públicos. Teste antes."
    return ""


def _limit(provider: Provider, sharing: list[Provider]) -> list[str]:
    if provider.daily_limit is not None:
        kinds = {other.kind for other in sharing} | {provider.kind}
        shared = "Este servidor atende contas gratuitas e pagas; o limite mostrado é o da gratuita."
        both = provider.kind == "free" and len(kinds) > 1
        return [_NOT_CONFIRMED.get(provider.confidence, ""), shared if both else ""]
    if provider.no_limit == "by_plan":
        return ["O limite depende do plano ou da conta: veja no painel do provedor."]
    if provider.no_limit == "not_read":
        return [f"O limite não foi conferido aqui; ele está em {provider.source}."]
    if provider.no_limit == "hourly":
        figure = f"{provider.hourly:,}".replace(",", ".")
        return [f"Este provedor limita por hora, não por dia: a partir de {figure} por hora."]
    return ["Este provedor não publica o limite."]


def _moment(day: date, *, bare: bool = False) -> str:
    """ "no fim de dezembro de 2026" for a month's last day, else the date."""
    if (day + timedelta(days=1)).day != 1:
        return f"{day:%d/%m/%Y}" if bare else f"em {day:%d/%m/%Y}"
    month = f"{_MONTHS[day.month - 1]} de {day.year}"
    return f"o fim de {month}" if bare else f"no fim de {month}"
