"""The list of servers without a browser: what a link opens, and what each row says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import text

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft
from mailcore.vocabulary import CheckState, Kind, SendStatus
from tests.actors import ME
from tests.pages.drawn import open_page, rows_of


def register(core: Mailcore, name: str, **changes: object) -> int:
    values = {"host": "smtp.x.example", "from_address": "a@x.example", "username": "a@x.example", "port": 587}
    draft = ServerDraft(name=name, **(values | changes))
    return core.servers.create(draft, SecretStr("Segredo-Único-7391"), actor=ME).server.id


def column(name: str, **query: str) -> list[str]:
    """Return what the list says in one column of the view that this link opens."""
    return [row[name] for row in rows_of(open_page("servidores", **query))]


def test_a_link_opens_the_order_the_page_and_the_columns_it_names(core: Mailcore) -> None:
    for index in range(60):
        changes = {"daily_limit": 12_000, "notes": "Só à noite\ndepois das 22"} if index == 59 else {}
        register(core, f"Servidor {index:02}", host=f"smtp{(index * 7) % 60:02}.x.example", **changes)
    hosts = [f"smtp{index:02}.x.example" for index in range(60)]
    assert column("Servidor", ordem="host") == hosts[:50]
    assert column("Servidor", ordem="-host") == hosts[:9:-1]
    assert column("Servidor", ordem="-host", pagina="2") == hosts[9::-1]
    assert column("Descrição", ordem="secret_ref")[0] == "Servidor 00"
    (first, *_) = rows_of(open_page("servidores", ordem="-name", colunas="daily_limit,notes,username,secret_ref"))
    more = {"Limite diário": "12.000", "Observações": "Só à noite depois das 22", "Usuário": "a@x.example"}
    assert {heading: first[heading] for heading in more} == more


def test_each_column_says_what_it_is_for(core: Mailcore) -> None:
    bakery = register(core, "Padaria", from_address="notas@padaria.example", daily_limit=1_500, is_default=True)
    register(
        core, "Volume", kind=Kind.ELASTIC_EMAIL, is_paid=True, is_active=False, port=None, from_address="v@x.example"
    )
    core.servers.record_check(core.servers.get(bakery), CheckState.FAILED, "auth")
    with core.database.write() as session:
        moment = (datetime.now(UTC) - timedelta(hours=2, minutes=5)).replace(tzinfo=None)
        session.execute(text("UPDATE mail_server SET last_check_at = :at"), {"at": moment})
    first, second = rows_of(open_page("servidores"))
    assert {heading: said for heading, said in first.items() if said} == {
        "Descrição": "Padaria",
        "Descrição below": "notas@padaria.example",
        "Servidor": "smtp.x.example",
        "Servidor below": "587 · STARTTLS",
        "Conta": "Gratuita",
        "Cota hoje": "0 de 1.500",
        "Último teste": "✗ Com falha: senha recusada · há 2 h",
        "Ativo": "Sim",
        "Padrão": "Padrão",
    }
    assert (second["Servidor"], second["Conta"], second["Ativo"]) == ("API da Elastic Email", "Paga", "Não")


def test_the_list_is_sorted_by_what_is_used_of_the_quota(core: Mailcore) -> None:
    used = {"Ana": 10, "Bia": 95, "Caio": 0, "Duda": 100}
    for name, units in used.items():
        server = core.servers.get(register(core, name, daily_limit=100, username=f"{name}@x.example"))
        if units:
            core.settle(core.reserve(server, units), SendStatus.ACCEPTED)
    register(core, "Sem limite")
    shown = {row["Descrição"]: row["Cota hoje"] for row in rows_of(open_page("servidores"))}
    assert shown == {**{name: f"{units} de 100" for name, units in used.items()}, "Sem limite": ""}
    assert column("Descrição", ordem="quota") == ["Caio", "Ana", "Bia", "Duda", "Sem limite"]
    assert column("Descrição", ordem="-quota") == ["Duda", "Bia", "Ana", "Caio", "Sem limite"]
