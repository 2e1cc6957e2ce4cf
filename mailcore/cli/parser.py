"""The commands and their options. Nothing heavy is imported here, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING

from mailcore.cli.batch_options import batches, suppressions, worker
from mailcore.cli.options import (
    DEFAULT_LIST_LIMIT,
    Parser,
    add_command,
    add_id,
    command_group,
    key,
    moment_or_ago,
    server_number,
    whole_number,
)
from mailcore.registry.fields import FIELD, FIELDS, Group, Option, Sort, kinds_with
from mailcore.transports import kinds

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

    from mailcore.cli.options import Commands
    from mailcore.registry.fields import Field

OAUTH_PROVIDERS = ("microsoft", "google")
OAUTH_MODES = ("delegated", "application")
EXPORT_FORMATS = ("csv", "json")
STATUSES = ("accepted", "refused", "failed", "uncertain", "rejected_by_rule")
ROLES = ("admin", "support", "analyst")
PHASES = ("connect", "auth", "mail", "rcpt", "data")

_EXITS = (
    "códigos de saída: 0 feito; 2 uso errado; 3 recusado pelas nossas regras; 4 recusado pelo servidor, ou "
    "servidor, banco ou chaveiro fora do alcance; 5 incerto"
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; ``command`` of what it parses names the command ("servers list")."""
    parser = Parser(prog=_called(), description="Servidores de e-mail.", epilog=_EXITS)
    parser.set_defaults(json=False)
    commands = parser.add_subparsers(title="comandos", metavar="COMANDO", required=True)
    _servers(commands)
    _send(add_command(commands, "send", "envia uma mensagem por um servidor registrado"))
    explain = add_command(commands, "explain", "explica as respostas de servidores que houver num texto")
    about = explain.add_argument_group("o quê")
    about.add_argument("text", metavar="TEXTO", help="o que foi recebido, como veio; “-” lê da entrada padrão")
    about.add_argument("--phase", choices=PHASES, help="em que momento veio, se o texto não diz")
    about.add_argument("--provider", metavar="ID", help="de que provedor do catálogo, se o texto não diz")
    _log(add_command(commands, "log", "mostra os envios registrados, do mais novo ao mais velho"))
    _quota(commands)
    secrets = command_group(commands, "secrets", "as senhas guardadas")
    add_command(
        secrets,
        "rotate",
        "cifra de novo, com a primeira chave, todas as senhas guardadas no banco",
        "secrets ",
    )
    _oauth(commands)
    _users(commands)
    batches(commands)
    suppressions(commands)
    worker(commands)
    add_command(commands, "doctor", "mostra as configurações em vigor e o que não está em ordem")
    backup = add_command(
        commands, "backup", "copia o banco de dados, também com o programa aberto; a chave fica à parte"
    )
    backup.add_argument("file", metavar="ARQUIVO", help="onde pôr a cópia; não pode existir ainda")
    restore = add_command(commands, "restore", "faz o banco de dados a partir de uma cópia, numa pasta de dados vazia")
    restore.add_argument("file", metavar="ARQUIVO", help="a cópia que o comando backup fez")
    return parser


def _called() -> str:
    """How the person called the program: by the command that an installation makes, or as a module."""
    return "mailcore" if PurePath(sys.argv[0]).stem == "mailcore" else "python -m mailcore"


def _servers(commands: Commands) -> None:
    group = command_group(commands, "servers", "os servidores registrados")
    listing = add_command(group, "list", "lista os servidores, pela descrição", "servers ")
    filters = listing.add_argument_group("filtros")
    filters.add_argument("--search", metavar="TEXTO", default="", help="só os que têm todas estas palavras")
    filters.add_argument("--kind", choices=_kinds(), help="só os deste tipo")
    filters.add_argument(
        "--limit",
        metavar="N",
        type=whole_number,
        default=DEFAULT_LIST_LIMIT,
        help="no máximo tantos (%(default)s, se não for dado)",
    )
    add_id(add_command(group, "show", "mostra um servidor", "servers "))
    suggest = add_command(group, "suggest", "diz o que o catálogo sabe de um endereço ou servidor", "servers ")
    suggest.add_argument_group("de quem").add_argument(
        "text", metavar="ENDEREÇO_OU_SERVIDOR", help="nome@dominio, ou o servidor de envio"
    )

    add = add_command(group, "add", "registra um servidor", "servers ")
    add.add_argument_group("tipo").add_argument(
        "--kind", choices=_kinds(), default=str(FIELD["kind"].default), help="%(default)s, se não for dado"
    )
    _fields(add)

    edit = add_command(group, "edit", "muda de um servidor só o que for dado", "servers ")
    add_id(edit)
    edit.add_argument_group("tipo").add_argument("--kind", choices=_kinds(), help="muda o tipo de envio")
    _fields(edit)

    check = add_command(group, "check", "testa um servidor, ou todos os ativos, sem enviar nada", "servers ")
    which = check.add_argument_group("qual")
    which.add_argument("id", metavar="ID", type=server_number, nargs="?", help="número do servidor")
    which.add_argument("--all", action="store_true", help="todos os ativos, lado a lado")
    which.add_argument("--rcpt", metavar="ENDEREÇO", help="pergunta também por este destinatário; nada é enviado")

    authorize = add_command(group, "authorize", "autoriza por OAuth2: diz aonde ir e espera até terminar", "servers ")
    add_id(authorize)
    authorize.common.add_argument(
        "--device", action="store_true", help="por um código, digitado em qualquer máquina (só Microsoft)"
    )

    export = add_command(group, "export", "escreve todos os servidores, sem as senhas", "servers ")
    export.add_argument_group("como").add_argument(
        "--format", choices=EXPORT_FORMATS, default="csv", help="csv, se não for dado"
    )
    taken = add_command(group, "import", "registra e altera o que um arquivo CSV ou JSON diz: tudo ou nada", "servers ")
    source = taken.add_argument_group("de onde")
    source.add_argument("file", metavar="ARQUIVO", help="como a exportação o escreve; “-” lê da entrada padrão")
    source.add_argument("--dry-run", action="store_true", help="só diz o que faria")

    delete = add_command(group, "delete", "apaga um servidor e a senha dele; o histórico fica", "servers ")
    add_id(delete)
    delete.common.add_argument("--yes", action="store_true", help="não pergunta antes")


def _kinds() -> list[str]:
    return [str(kind) for kind in FIELD["kind"].choices]


def _fields(parser: Parser) -> None:
    """The options of a record. None means "not given", so that an edit leaves it as it is."""
    for group in (Group.IDENTITY, Group.CONNECTION, Group.LOGIN, Group.LIMITS):
        rows = [(row, row.option) for row in FIELDS if row.option and row.option.group is group]
        options = parser.add_argument_group(_heading(group, [row for row, _ in rows]))
        for row, option in rows:
            _field(options, row, option)


def _heading(group: Group, rows: list[Field]) -> str:
    """The group, and for which kinds its options are, where not for all."""
    having = dict.fromkeys(kind.id for row in rows for kind in kinds_with(row))
    return str(group) if len(having) == len(kinds()) else f"{group} (só {', '.join(having)})"


def _field(group: argparse._ArgumentGroup, row: Field, option: Option) -> None:
    if row.sort is Sort.SECRET:
        group.add_argument(option.flag, action="store_true", help=option.help)
    elif row.sort is Sort.CHOICE and not option.off:
        group.add_argument(option.flag, dest=row.name, choices=[str(value) for value in row.choices], help=option.help)
    elif row.is_choice:
        choice = group.add_mutually_exclusive_group() if option.off else group
        choice.add_argument(option.flag, dest=row.name, action="store_const", const=True, help=option.help)
        if option.off:
            choice.add_argument(option.off, dest=row.name, action="store_const", const=False, help=option.off_help)
    else:
        group.add_argument(option.flag, dest=row.name, metavar=option.metavar, help=option.help)


_OF_OTHERS = {
    "password": "--password-stdin",
    "email": "EMAIL",
    "client_secret": "--secret-stdin",
    "app": "ID",
    "html": "--html-file",
    "starts_at": "--start-at",
    "attachments": "--attach",
    "file_column": "--attach-column",
    "state": "ID",
    "address": "ENDEREÇO",
}


def option_of(field: str) -> str:
    """Return the option that sets a field, in words for a complaint ("--verify/--no-verify")."""
    option = FIELD[field].option if field in FIELD else None
    if option is None:
        return _OF_OTHERS.get(field, "--" + field.replace("_", "-"))
    return f"{option.flag}/{option.off}" if option.off else option.flag


def _send(parser: Parser) -> None:
    required = parser.add_argument_group("por onde e para quem")
    required.add_argument("--server", metavar="ID", type=server_number, required=True, help="número do servidor")
    required.add_argument("--to", metavar="ENDEREÇO", action="append", default=[], help="pode ser repetida")
    required.add_argument("--cc", metavar="ENDEREÇO", action="append", default=[], help="pode ser repetida")
    required.add_argument(
        "--bcc", metavar="ENDEREÇO", action="append", default=[], help="cópia oculta; pode ser repetida"
    )
    message = parser.add_argument_group("mensagem")
    message.add_argument("--subject", metavar="TEXTO", help="assunto")
    body = message.add_mutually_exclusive_group()
    body.add_argument("--text", metavar="TEXTO", help="texto simples")
    body.add_argument(
        "--eml",
        metavar="ARQUIVO",
        help="mensagem pronta, com os cabeçalhos dela; os destinatários são os das opções",
    )
    message.add_argument(
        "--idempotency-key",
        metavar="CHAVE",
        type=key,
        help="repetida, devolve o primeiro resultado sem enviar de novo; só o que falhou é tentado outra vez",
    )


def _log(parser: Parser) -> None:
    filters = parser.add_argument_group("filtros")
    filters.add_argument(
        "--server", metavar="ID", type=server_number, help="só os deste servidor, que pode já não existir"
    )
    filters.add_argument(
        "--since", metavar="QUANDO", type=moment_or_ago, help="a partir de: 2026-11-23, 2026-11-23T14:05, 24h, 7d"
    )
    filters.add_argument("--status", choices=STATUSES, help="só os que terminaram assim")
    filters.add_argument(
        "--limit",
        metavar="N",
        type=whole_number,
        default=DEFAULT_LIST_LIMIT,
        help="no máximo tantos (%(default)s, se não for dado)",
    )


def _quota(commands: Commands) -> None:
    quota = add_command(commands, "quota", "mostra quanto cada conta usou e quanto cabe")
    which = quota.add_argument_group("qual")
    which.add_argument("--server", metavar="ID", type=server_number, help="só a conta deste servidor")
    more = quota.add_subparsers(title="comandos", metavar="COMANDO")
    external = add_command(more, "add-external", "conta o que saiu da conta por fora deste programa", "quota ")
    what = external.add_argument_group("o quê")
    what.add_argument("--server", metavar="ID", type=server_number, help="número do servidor")
    what.add_argument("--units", metavar="N", type=whole_number, help="quantas unidades")
    what.add_argument("--at", metavar="QUANDO", type=moment_or_ago, help="quando saíram (agora, se não for dado)")
    what.add_argument("--file", metavar="CSV", help="um arquivo com as colunas server_id, at e units")


def _oauth(commands: Commands) -> None:
    group = command_group(
        command_group(commands, "oauth", "login por OAuth2"), "apps", "os aplicativos registrados nos provedores"
    )
    add_command(group, "list", "lista os aplicativos, sem os segredos", "oauth apps ")
    add = add_command(group, "add", "registra um aplicativo", "oauth apps ")
    what = add.add_argument_group("o aplicativo")
    what.add_argument("--provider", choices=OAUTH_PROVIDERS, required=True, help="quem dá as autorizações")
    _application(what, is_new=True)
    edit = add_command(group, "edit", "muda de um aplicativo só o que for dado", "oauth apps ")
    edit.add_argument_group("qual").add_argument("id", metavar="ID", type=whole_number, help="número do aplicativo")
    what = edit.add_argument_group("o aplicativo")
    _application(what, is_new=False)
    what.add_argument("--remove-secret", action="store_true", help="apaga o segredo: o aplicativo é um cliente público")
    remove = add_command(group, "remove", "apaga um aplicativo e o segredo dele", "oauth apps ")
    remove.add_argument_group("qual").add_argument("id", metavar="ID", type=whole_number, help="número do aplicativo")
    remove.common.add_argument("--yes", action="store_true", help="não pergunta antes")


def _application(what: _ArgumentGroup, *, is_new: bool) -> None:
    what.add_argument("--name", metavar="NOME", required=is_new, help="como a tela o chama, único")
    what.add_argument("--client-id", metavar="ID", required=is_new, help="o ID do cliente, como o provedor o mostra")
    what.add_argument("--tenant", metavar="ID", default="" if is_new else None, help="o ID do diretório (Microsoft)")
    what.add_argument(
        "--mode",
        choices=OAUTH_MODES,
        default=OAUTH_MODES[0] if is_new else None,
        help="delegated (uma pessoa autoriza, como nasce) ou application (trabalha sozinho)",
    )
    what.add_argument(
        "--secret-stdin",
        action="store_true",
        help="lê da entrada padrão o segredo, ou o arquivo JSON da conta de serviço",
    )
    what.add_argument(
        "--secret-ends-on", metavar="DIA", help="o último dia do segredo, como 2026-12-31: o programa avisa antes"
    )


def _users(commands: Commands) -> None:
    group = command_group(commands, "users", "quem pode entrar na tela, e em que papel")
    add_command(group, "list", "lista os usuários", "users ")
    add = add_command(group, "add", "registra alguém; sem senha, mostra um link de um só uso para criá-la", "users ")
    _email(add)
    add.add_argument_group("o quê").add_argument(
        "--role", choices=ROLES, required=True, help="admin (administrador), support (suporte) ou analyst (analista)"
    )
    _person(add)
    edit = add_command(group, "edit", "muda de alguém só o que for dado", "users ")
    _email(edit)
    what = edit.add_argument_group("o quê")
    what.add_argument("--role", choices=ROLES, help="outro papel; as sessões da pessoa terminam")
    choice = what.add_mutually_exclusive_group()
    for flag, value, text in (("--active", True, "pode entrar"), ("--inactive", False, "não entra mais")):
        choice.add_argument(flag, dest="is_active", action="store_const", const=value, help=text)
    _person(edit)
    sessions = add_command(group, "sessions", "lista as sessões de alguém", "users ")
    _email(sessions)
    sessions.common.add_argument("--revoke", action="store_true", help="termina todas elas")
    _email(add_command(group, "link", "faz um link de um só uso com que alguém cria a própria senha", "users "))
    remove = add_command(group, "remove", "apaga alguém; o que fez continua registrado", "users ")
    _email(remove)
    remove.common.add_argument("--yes", action="store_true", help="não pergunta antes")


def _email(parser: Parser) -> None:
    parser.add_argument_group("quem").add_argument("email", metavar="EMAIL", help="o endereço com que a pessoa entra")


def _person(parser: Parser) -> None:
    who = parser.add_argument_group("a pessoa")
    who.add_argument("--name", metavar="NOME", help="como a tela a chama")
    who.add_argument(
        "--password-stdin",
        action="store_true",
        help="lê da entrada padrão a senha com que ela entra; num terminal, pergunta sem mostrar",
    )
