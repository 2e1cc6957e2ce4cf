"""Start the stand-ins, fill the demo's database once, and run the app; all of it ends together."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from demo.batch import draft
from demo.certificates import Authority
from demo.elastic import ElasticEmail
from demo.month import DAYS, fill
from demo.portfolio import EXAMPLES, KEY, NOWHERE, PASSWORD, STARTTLS, TLS, register
from demo.servers import Mailbox, MailServers, lead_here
from mailcore import open_mailcore
from mailcore.settings import load_settings

if TYPE_CHECKING:
    from mailcore import Mailcore

PORTS = {STARTTLS: 2587, TLS: 2465, NOWHERE: 2525}
"""The records name them, so they are the same at every start."""
ELASTIC_PORT = 2480


def start_servers(folder: Path, ports: dict[str, int], elastic_port: int) -> tuple[str, dict[str, int], str]:
    """Start the stand-ins; return the authority of their certificates, their ports, and the root of the service.

    Raises:
        OSError: a port is taken.
    """
    authority = Authority(folder / "demo-authority.pem")
    known = [each for each in EXAMPLES if each.is_known]
    contexts = {each.host: authority.context(each.host, each.certificate_days) for each in known}
    boxes = {
        each.address: Mailbox(PASSWORD if each.password_works else "outra-senha", each.is_full_there) for each in known
    }
    starttls, tls = MailServers(contexts, boxes).start(ports[STARTTLS], ports[TLS])
    root = ElasticEmail(KEY, ["bompreco.example"]).start(elastic_port)
    lead_here({each.host for each in known})
    return authority.pem, ports | {STARTTLS: starttls, TLS: tls}, root


def fill_once(core: Mailcore, ports: dict[str, int], ca_pem: str, days: int = DAYS) -> bool:
    """Register the examples with their month, or so many days, unless there are servers; return whether it did."""
    if not core.servers.is_empty():
        return False
    servers = register(core, ports, ca_pem)
    fill(core, servers, days)
    core.check_all(servers=core.all_servers())
    draft(core, servers["Clínica Bem Viver — lembretes"])
    return True


def main() -> None:
    """Run the demo until Ctrl+C."""
    folder = load_settings().data_dir
    folder.mkdir(parents=True, exist_ok=True)
    try:
        ca_pem, ports, root = start_servers(folder, PORTS, ELASTIC_PORT)
    except OSError as error:
        sys.exit(f"A demo usa as portas 2465, 2480 e 2587 deste computador, e uma está ocupada: {error}")
    os.environ["MAILCORE_ELASTIC_EMAIL_URL"] = root
    with open_mailcore() as core:
        if core.servers.is_empty():
            print("Criando um mês de exemplo…")
        fill_once(core, ports, ca_pem)
    from streamlit.web.cli import main as streamlit

    app = Path(__file__).resolve().parents[1] / "app.py"
    streamlit(args=["run", str(app), *sys.argv[1:]], prog_name="streamlit")


if __name__ == "__main__":
    main()
