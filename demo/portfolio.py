"""The servers of the demo, and which of them is what an example of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import SecretStr

from mailcore.actor import Actor
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.vocabulary import Kind, LimitWindow, Security

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer

KEY = "chave-de-exemplo"
PASSWORD = "senha-de-exemplo"
NOTE = "Registro de exemplo, criado por “make demo”. Quem responde por ele é este computador, enquanto a demo roda."
ANA, BRUNO, CARLA = Actor("Ana Lima"), Actor("Bruno Reis"), Actor("Carla Dias")
STARTTLS, TLS, NOWHERE = "starttls", "tls", "nowhere"
"""On which of the stand-ins' ports a host is; on the last nobody listens."""
ELASTIC = "Elastic Email — campanhas"


@dataclass(frozen=True, slots=True)
class Example:
    """One SMTP account."""

    name: str
    host: str
    box: str
    """The sender, before the @."""
    port: str = STARTTLS
    daily_limit: int | None = 500
    is_paid: bool = False
    used_today: float = 0.2
    """How much of the limit, 1.0 being all."""
    certificate_days: int = 200
    is_known: bool = True
    """Its name is found; else there is no such host."""
    password_works: bool = True
    is_full_there: bool = False
    """The provider says that its limit of the day is used up: the account is held."""
    by: Actor = ANA

    @property
    def address(self) -> str:
        return f"{self.box}@{self.host.partition('.')[2]}"


EXAMPLES = (
    Example("Padaria São João — notas fiscais", "smtp.padariasaojoao.example", "notas", TLS, 500, used_today=0.86),
    Example("Clínica Bem Viver — lembretes", "mail.bemviver.example", "lembretes", STARTTLS, 2_000, True, 0.41),
    Example("Auto Peças Irmãos Souza", "smtp.irmaossouza.example", "vendas", password_works=False, daily_limit=300),
    Example("Contabilidade Horizonte — guias", "email.horizonte.example", "guias", TLS, 5_000, True, 0.63, 9, by=BRUNO),
    Example("Escola Pequeno Príncipe", "smtp.pequenoprincipe.example", "secretaria", daily_limit=200, used_today=1.0),
    Example("Mercado Bom Preço — promoções", "smtp.bompreco.example", "ofertas", TLS, 10_000, True, 0.34, by=CARLA),
    Example("Farmácia Santa Luzia", "mail.santaluzia.example", "pedidos", daily_limit=250, is_known=False, by=BRUNO),
    Example("Imobiliária Praça da Sé — boletos", "smtp.pracadase.example", "boletos", STARTTLS, 1_500, True, 0.97),
    Example("Oficina do Zé (servidor antigo)", "smtp.oficinadoze.example", "oficina", NOWHERE, None, used_today=0),
    Example("Hotel Vista Mar — reservas", "smtp.vistamar.example", "reservas", TLS, 3_000, True, 0.22, 23, by=CARLA),
    Example("Transportadora Rota Sul", "smtp.rotasul.example", "rastreio", is_full_there=True, by=BRUNO),
)


def register(core: Mailcore, ports: dict[str, int], ca_pem: str) -> dict[str, MailServer]:
    """Register every example, some of them changed by others afterwards; return them by name."""
    servers = {each.name: _register(core, each, ports[each.port], ca_pem) for each in EXAMPLES}
    draft = ServerDraft(
        name=ELASTIC,
        kind=Kind.ELASTIC_EMAIL,
        from_address="campanhas@bompreco.example",
        from_name="Mercado Bom Preço",
        is_paid=True,
        daily_limit=50_000,
        limit_window=LimitWindow.CALENDAR_DAY,
        notes=NOTE,
    )
    servers[ELASTIC] = core.servers.create(draft, SecretStr(KEY), actor=CARLA).server
    for name, who, changes in (
        ("Clínica Bem Viver — lembretes", BRUNO, {"daily_limit": 3_000}),
        ("Clínica Bem Viver — lembretes", CARLA, {"reply_to": "contato@bemviver.example", "daily_limit": 2_000}),
        ("Mercado Bom Preço — promoções", ANA, {"from_name": "Mercado Bom Preço"}),
        ("Oficina do Zé (servidor antigo)", BRUNO, {"is_active": False}),
    ):
        server = core.servers.get(servers[name].id)
        core.servers.update(server, replace(draft_of(server), **changes), actor=who)
    return {name: core.servers.get(server.id) for name, server in servers.items()}


def _register(core: Mailcore, example: Example, port: int, ca_pem: str) -> MailServer:
    draft = ServerDraft(
        name=example.name,
        host=example.host,
        port=port,
        security=Security.SSL_TLS if example.port == TLS else Security.STARTTLS,
        username=example.address,
        from_address=example.address,
        from_name=example.name.partition(" — ")[0],
        is_paid=example.is_paid,
        is_default=example.name.startswith("Clínica"),
        daily_limit=example.daily_limit,
        limit_window=LimitWindow.CALENDAR_DAY if example.is_paid else LimitWindow.ROLLING_24H,
        ca_pem=ca_pem,
        notes=NOTE,
    )
    return core.servers.create(draft, SecretStr(PASSWORD), actor=example.by).server
