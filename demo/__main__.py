"""Fill the demo database once. Every host ends in .example (RFC 2606), so nobody is ever contacted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from mailcore import open_mailcore
from mailcore.actor import Actor
from mailcore.quota.external_use import Entry
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import CheckState, Kind, LimitWindow, Security

_NOTE = "Registro de exemplo, criado por “make demo”. O servidor não existe: um teste diz que não foi encontrado."

# description, host, security, sender, paid, daily limit, what its last test found
_SMTP = [
    ("Padaria São João — notas fiscais", "smtp.padariasaojoao.example", "ssl_tls", "notas@", False, 500, ("ok", None)),
    ("Clínica Bem Viver — lembretes", "mail.bemviver.example", "starttls", "lembretes@", True, 2000, ("ok", None)),
    ("Auto Peças Irmãos Souza", "smtp.irmaossouza.example", "starttls", "vendas@", False, 300, ("failed", "auth")),
    ("Contabilidade Horizonte — guias", "email.horizonte.example", "ssl_tls", "guias@", True, 5000, ("ok", None)),
    ("Escola Pequeno Príncipe", "smtp.pequenoprincipe.example", "starttls", "secretaria@", False, 500, ("never", None)),
    ("Mercado Bom Preço — promoções", "smtp.bompreco.example", "ssl_tls", "ofertas@", True, 10000, ("ok", None)),
    ("Farmácia Santa Luzia", "mail.santaluzia.example", "starttls", "pedidos@", False, 250, ("failed", "dns")),
    ("Imobiliária Praça da Sé — boletos", "smtp.pracadase.example", "starttls", "boletos@", True, 1500, ("ok", None)),
    ("Oficina do Zé (servidor antigo)", "192.0.2.25", "none", "oficina@", False, None, ("failed", "network")),
    ("Hotel Vista Mar — reservas", "smtp.vistamar.example", "ssl_tls", "reservas@", True, 3000, ("ok", None)),
    ("Transportadora Rota Sul", "smtp.rotasul.example", "starttls", "rastreio@", False, 500, ("never", None)),
]


def _made_up_use(server: MailServer, limit: int) -> Iterator[Entry]:
    """A month of use, as if made elsewhere: nothing ever left through these servers."""
    chance = random.Random(server.id)
    now = datetime.now(UTC)
    for day in range(30):
        for _ in range(4):
            at = now - timedelta(days=day, minutes=chance.randint(10, 1_200))
            yield Entry(server, at, chance.randint(1, max(2, limit * (3 + server.id % 4) // 25)))


def main() -> None:
    """Register the examples, unless the database already has servers."""
    core = open_mailcore()
    if core.servers.search(ServerQuery()).total:
        return
    for name, host, security, box, paid, limit, (state, category) in _SMTP:
        address = box + (host.split(".", 1)[1] if host[0].isalpha() else "oficinadoze.example")
        draft = ServerDraft(
            name=f"[Exemplo] {name}",
            host=host,
            security=Security(security),
            security_auto=security != "none",
            port=465 if security == "ssl_tls" else 587,
            username=address,
            from_address=address,
            from_name=name.split(" — ")[0],
            is_paid=paid,
            is_active="antigo" not in name,
            is_default=name.startswith("Clínica"),
            daily_limit=limit,
            limit_window=LimitWindow.CALENDAR_DAY if paid else LimitWindow.ROLLING_24H,
            notes=_NOTE,
        )
        server = core.servers.create(draft, SecretStr("senha-de-exemplo"), actor=Actor("demo")).server
        if state != "never":
            core.servers.record_check(server, CheckState(state), category)
        if limit:
            core.record_external_use(list(_made_up_use(server, limit)), actor=Actor("demo"))
    core.servers.create(
        ServerDraft(
            name="[Exemplo] Elastic Email — campanhas",
            kind=Kind.ELASTIC_EMAIL,
            from_address="campanhas@bompreco.example",
            from_name="Mercado Bom Preço",
            is_paid=True,
            daily_limit=50_000,
            notes=_NOTE,
        ),
        SecretStr("chave-de-exemplo"),
        actor=Actor("demo"),
    )


main()
