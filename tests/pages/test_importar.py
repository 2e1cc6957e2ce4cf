"""The page "Importar e exportar" without a browser: errors, a file that comes back, somebody else's save, many."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mailcore.registry.exchange import template_csv, to_json, to_people_csv
from tests.actors import ME
from tests.pages.drawn import alerts, give_file, open_page, press, rows_of, said, sent_to_the_browser
from tests.pages.records import register

if TYPE_CHECKING:
    from mailcore import Mailcore

PASSWORD = "Segredo-Único-9917"
HEADER = "id;Descrição;Servidor;E-mail do remetente;Usuário\n"


def test_what_was_downloaded_changes_nothing_when_it_comes_back(core: Mailcore) -> None:
    for number in range(3):
        register(core, None, f"=SOMA({number})", from_address="a@a.example", username="a", password=PASSWORD)
    zone = core.settings.zone
    app = open_page("importar")
    for name, made in (
        ("servidores.csv", to_people_csv(core.all_servers(), zone).encode("utf-8-sig")),
        ("servidores.json", to_json(core.all_servers(), zone).encode()),
    ):
        assert PASSWORD.encode() not in made
        app = give_file(app, made, name)
        assert "não há nada a importar" in said(app)
        (button,) = [each for each in app.button if each.label == "Importar"]
        assert button.disabled
    assert PASSWORD.encode() not in sent_to_the_browser(app)
    assert template_csv().startswith("id;name;kind;host;")


def test_a_save_by_somebody_else_since_the_preview_is_shown_anew(core: Mailcore) -> None:
    register(core, None, "Padrão", is_default=True)
    opened = register(core, None, "Loja")
    app = give_file(open_page("importar"), json.dumps([{"id": opened.id, "from_name": "Loja"}]).encode(), "x.json")
    assert "altera 1 servidor" in said(app)
    core.servers.set_active([opened.id], is_active=False, actor=ME)
    app = press(app, "Importar")
    assert "Este servidor foi alterado por outra pessoa" in alerts(app)
    assert core.servers.get(opened.id).from_name == ""
    app = press(app, "Importar")
    assert "Importado:" in alerts(app)
    stored = core.servers.get(opened.id)
    assert (stored.from_name, stored.is_active) == ("Loja", False)


def test_of_thousands_of_new_servers_one_page_is_drawn(core: Mailcore) -> None:
    rows = "".join(f";Cliente {number:05};smtp.example.com;c{number}@c.example;\n" for number in range(3_000))
    app = give_file(open_page("importar"), (HEADER + rows).encode(), "muitos.csv")
    assert "registra 3.000 servidores novos" in said(app)
    assert len(rows_of(app, "Novos")) == 50
    assert len(sent_to_the_browser(app)) < 100_000
    assert core.servers.is_empty()
