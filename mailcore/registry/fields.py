"""The one table of a record's fields: what each is called, what it takes, and where it is seen.

The form, the list, the command line, CSV and JSON, the trail, the search and what is stored read it. A new
field is one row here, a migration that adds its column, and its paragraph in ``mailcore/help.toml``. A field
that code names (``server.host``) also stands in :class:`mailcore.storage.tables.MailServer` and in
:class:`mailcore.registry.drafts.ServerDraft`, for the type checker; one that is only carried need not.

Nothing heavy is imported here, so that the command line's ``--help`` answers at once.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from mailcore import labels
from mailcore.registry.field import Column, Field, Group, Option, Place, Sort, Tab
from mailcore.text import fold
from mailcore.transports import KIND_LABELS, kind_of, kinds
from mailcore.vocabulary import DEFAULT_KIND, Auth, Kind, LimitUnit, LimitWindow, Security

if TYPE_CHECKING:
    from mailcore.transports.kind import ServerKind

__all__ = [
    "CHECK_BOUND",
    "FIELD",
    "FIELDS",
    "IN_FILES",
    "LABELS",
    "SEARCHED",
    "SECRET_BOUND",
    "STORED",
    "Column",
    "Field",
    "Group",
    "Option",
    "Place",
    "Sort",
    "Tab",
    "accepted_words",
    "fields_of",
    "file_words",
    "kinds_with",
    "rows_of",
    "without",
]

_YES_OR_NO = {
    **dict.fromkeys(("true", "sim", "s", "1", "verdadeiro", "yes"), True),
    **dict.fromkeys(("false", "nao", "n", "0", "falso", "no"), False),
}

FIELDS = (
    Field(
        name="name",
        label="Descrição",
        sort=Sort.LINE,
        max_length=200,
        needed=True,
        place=Place(Tab.GENERAL, 20, 2),
        column=Column("Descrição", 176),
        option=Option("--name", Group.IDENTITY, "descrição, única"),
        searched=True,
    ),
    Field(
        name="kind",
        label="Tipo de envio",
        sort=Sort.CHOICE,
        default=DEFAULT_KIND,
        choices=KIND_LABELS,
        place=Place(Tab.GENERAL, 21),
        column=Column("Tipo", 112),
        option=Option("--kind", Group.KIND, "muda o tipo de envio"),
        secret_bound=True,
    ),
    Field(
        name="host",
        label="Servidor",
        sort=Sort.LINE,
        max_length=255,
        needed=True,
        place=Place(Tab.GENERAL, 30),
        placeholder="smtp.exemplo.com.br",
        column=Column("Servidor", 134),
        option=Option("--host", Group.CONNECTION, "por exemplo smtp.exemplo.com.br", "SERVIDOR"),
        searched=True,
        secret_bound=True,
        of_connection=True,
    ),
    Field(
        name="port",
        label="Porta envio",
        sort=Sort.NUMBER,
        default=None,
        least=1,
        most=65_535,
        complaint="use um número de 1 a 65535; os mais comuns são 587 e 465.",
        place=Place(Tab.AUTHENTICATION, 30),
        column=Column("Porta", 50),
        option=Option("--port", Group.CONNECTION, "porta; 587 ou 465, conforme a segurança", "N"),
        secret_bound=True,
        of_connection=True,
    ),
    Field(
        name="security",
        label="SSL",
        sort=Sort.CHOICE,
        default=Security.STARTTLS,
        absent=Security.SSL_TLS,
        choices=labels.SECURITY,
        also={"ssl/tls": Security.SSL_TLS, "automatico": None},
        accepts="starttls, ssl_tls ou none, ou deixe em branco para que siga a porta",
        place=Place(Tab.AUTHENTICATION, 40),
        column=Column("Segurança", 100),
        option=Option("--security", Group.CONNECTION, "sem ela: ssl_tls na porta 465, starttls nas outras; nunca none"),
        secret_bound=True,
        of_connection=True,
    ),
    Field(
        name="security_auto",
        label="Modo SSL",
        sort=Sort.FLAG,
        default=False,
        choices={True: "Automático", False: "escolhido por alguém"},
        place=Place(Tab.AUTHENTICATION, 31),
        in_file=False,
        of_connection=True,
    ),
    Field(
        name="verify_certificate",
        label="Exigir certificado válido",
        sort=Sort.FLAG,
        default=True,
        place=Place(Tab.AUTHENTICATION, 41),
        column=Column("Certificado exigido", 120),
        option=Option(
            "--verify",
            Group.CONNECTION,
            "exige certificado válido (como nasce)",
            off="--no-verify",
            off_help="aceita qualquer certificado",
        ),
        check_bound=True,
        of_connection=True,
    ),
    Field(
        name="requires_auth",
        label="Meu servidor requer autenticação",
        sort=Sort.FLAG,
        default=True,
        place=Place(Tab.AUTHENTICATION, 10),
        in_file=False,
        of_connection=True,
        stored=False,  # a record that logs in has a user name
    ),
    Field(
        name="username",
        label="Usuário",
        sort=Sort.LINE,
        max_length=320,
        place=Place(Tab.AUTHENTICATION, 20),
        column=Column("Usuário", 92),
        option=Option("--username", Group.LOGIN, 'só smtp; "" desliga o login', "USUÁRIO"),
        searched=True,
        secret_bound=True,
        of_connection=True,
    ),
    Field(
        name="secret",
        label="Senha",
        sort=Sort.SECRET,
        max_length=1_000,
        place=Place(Tab.AUTHENTICATION, 21),
        option=Option(
            "--secret-stdin",
            Group.LOGIN,
            "lê da entrada padrão a senha, ou a chave da API; num terminal, pergunta sem mostrar",
        ),
        in_file=False,
        stored=False,
    ),
    Field(
        name="auth",
        label="Forma de login",
        sort=Sort.CHOICE,
        default=Auth.PASSWORD,
        choices=labels.AUTH,
        also={fold(labels.login(Auth.OAUTH2, provider)): Auth.OAUTH2 for provider in labels.OAUTH_PROVIDER},
        place=Place(Tab.AUTHENTICATION, 12),
        column=Column("Forma de login", 110),
        option=Option("--auth", Group.LOGIN, "password (como nasce, se há usuário), oauth2 ou none"),
        check_bound=True,
        of_connection=True,
    ),
    Field(
        name="oauth_app_id",
        label="Aplicativo",
        sort=Sort.NUMBER,
        default=None,
        least=1,
        complaint="use o número de um aplicativo registrado (oauth apps list).",
        place=Place(Tab.AUTHENTICATION, 22),
        option=Option("--oauth-app", Group.LOGIN, "número do aplicativo registrado, com --auth oauth2", "ID"),
        check_bound=True,
        of_connection=True,
    ),
    Field(
        name="from_address",
        label="E-mail do remetente",
        sort=Sort.ADDRESS,
        max_length=320,
        needed=True,
        place=Place(Tab.GENERAL, 10, 3),
        placeholder="nome@exemplo.com.br",
        column=Column("Remetente", 92),
        option=Option("--from", Group.IDENTITY, "e-mail do remetente", "ENDEREÇO"),
        searched=True,
        check_bound=True,
    ),
    Field(
        name="from_name",
        label="Nome do remetente",
        sort=Sort.LINE,
        max_length=200,
        place=Place(Tab.GENERAL, 11, 2),
        column=Column("Nome do remetente", 150),
        option=Option("--from-name", Group.IDENTITY, "nome do remetente", "NOME"),
    ),
    Field(
        name="reply_to",
        label="Responder para",
        sort=Sort.ADDRESS,
        max_length=320,
        place=Place(Tab.GENERAL, 12, 2),
        placeholder="o mesmo do remetente",
        column=Column("Responder para", 160),
        option=Option("--reply-to", Group.IDENTITY, "para onde vão as respostas", "ENDEREÇO"),
    ),
    Field(
        name="is_paid",
        label="Conta",
        sort=Sort.CHOICE,
        default=False,
        choices=labels.PAID,
        also=_YES_OR_NO,
        accepts="sim (paga) ou não (gratuita)",
        place=Place(Tab.GENERAL, 40),
        column=Column("Conta", 72),
        option=Option("--paid", Group.LIMITS, "conta paga", off="--free", off_help="conta gratuita (como nasce)"),
    ),
    Field(
        name="is_active",
        label="Ativo",
        sort=Sort.FLAG,
        default=True,
        also={fold(word): value for value, word in labels.ACTIVE.items()},
        place=Place(Tab.GENERAL, 51),
        column=Column("Ativo", 50),
        option=Option(
            "--active", Group.IDENTITY, "aceita envios (como nasce)", off="--inactive", off_help="recusa envios"
        ),
    ),
    Field(
        name="is_default",
        label="Servidor padrão",
        sort=Sort.FLAG,
        default=False,
        place=Place(Tab.GENERAL, 52),
        column=Column("Padrão", 58),
        option=Option("--default", Group.IDENTITY, "faz dele o servidor padrão"),
    ),
    Field(
        name="daily_limit",
        label="Limite diário",
        sort=Sort.NUMBER,
        default=None,
        least=1,
        most=100_000_000,
        complaint=(
            "use um número inteiro a partir de 1, ou deixe em branco para não limitar. Para parar os envios, "
            "desmarque Ativo."
        ),
        place=Place(Tab.GENERAL, 41),
        placeholder="sem limite",
        column=Column("Limite diário", 124),
        option=Option("--daily-limit", Group.LIMITS, 'quanto cabe numa janela; "" tira o limite', "N"),
    ),
    Field(
        name="limit_unit",
        label="Contar por",
        sort=Sort.CHOICE,
        default=LimitUnit.RECIPIENTS,
        choices=labels.UNIT,
        place=Place(Tab.GENERAL, 42),
        column=Column("Contar por", 118),
        option=Option("--limit-unit", Group.LIMITS, "o que o limite conta"),
    ),
    Field(
        name="limit_window",
        label="Janela",
        sort=Sort.CHOICE,
        default=LimitWindow.ROLLING_24H,
        choices=labels.WINDOW,
        place=Place(Tab.GENERAL, 43),
        column=Column("Janela", 140),
        option=Option("--limit-window", Group.LIMITS, "em 24 horas corridas ou no dia civil"),
    ),
    Field(
        name="same_address",
        label="Origem igual ao destino",
        sort=Sort.CHOICE,
        default=None,  # follows the account: see drafts.default_same_address
        choices=labels.SAME_ADDRESS,
        place=Place(Tab.GENERAL, 50, 2),
        column=Column("Origem igual ao destino", 120),
        option=Option(
            "--same-address", Group.LIMITS, "origem igual ao destino; sem ela: block na gratuita, allow na paga"
        ),
    ),
    Field(
        name="notes",
        label="Observações",
        sort=Sort.LINES,
        max_length=4_000,
        place=Place(Tab.GENERAL, 60),
        column=Column("Observações", 200),
        option=Option("--notes", Group.IDENTITY, "observações"),
        in_document=False,
        searched=True,
    ),
    Field(
        name="ca_pem",
        label="Certificado da autoridade (PEM)",
        sort=Sort.LINES,
        max_length=100_000,
        place=Place(Tab.AUTHENTICATION, 50),
        placeholder="Só para servidores com autoridade própria: -----BEGIN CERTIFICATE-----",
        option=Option(
            "--ca-file",
            Group.CONNECTION,
            'certificado PEM de uma autoridade própria; "" tira o que havia',
            "ARQUIVO",
            reads_file=True,
        ),
        in_document=False,
        check_bound=True,
        of_connection=True,
    ),
)
"""Every field, in the order of files and of what the command line prints."""

FIELD = {row.name: row for row in FIELDS}
"""Name → field."""

LABELS = {row.name: row.label for row in FIELDS}
STORED = tuple(row.name for row in FIELDS if row.stored)
"""The columns that a person fills in."""
IN_FILES = tuple(row.name for row in FIELDS if row.in_file)
SEARCHED = tuple(row.name for row in FIELDS if row.searched)
SECRET_BOUND = tuple(row.name for row in FIELDS if row.secret_bound)
CHECK_BOUND = tuple(row.name for row in FIELDS if row.secret_bound or row.check_bound)
"""What a check uses: all that a secret is for, and more."""


def fields_of(kind: Kind) -> tuple[Field, ...]:
    """Return the fields that this kind of server has."""
    has = kind_of(kind).fields
    return tuple(row for row in FIELDS if not row.of_connection or row.name in has)


def without(kind: Kind) -> dict[str, Any]:
    """Return what a record of this kind has in those fields that its kind has not."""
    has = kind_of(kind).fields
    rows = (row for row in FIELDS if row.of_connection and row.name not in has)
    return {row.name: row.default if row.absent is None else row.absent for row in rows}


def kinds_with(row: Field) -> list[ServerKind]:
    """Return the kinds that have a field."""
    return [kind for kind in kinds() if not row.of_connection or row.name in kind.fields]


def rows_of(tab: Tab, kind: Kind) -> list[list[Field]]:
    """Return what a tab of the form shows for a kind of server, row by row."""
    shown = sorted((row for row in fields_of(kind) if row.place.tab is tab), key=lambda row: row.place.spot)
    return [list(beside) for _, beside in groupby(shown, key=lambda row: row.place.spot // 10)]


def file_words(row: Field) -> dict[str, Any]:
    """Return what a file may say for a field of few values, folded → the value it means."""
    if row.sort is Sort.FLAG:
        return {**_YES_OR_NO, **row.also}
    stored = {fold(value): value for value in row.choices if isinstance(value, str)}
    return {**stored, **{fold(word): value for value, word in row.choices.items()}, **row.also}


def accepted_words(row: Field) -> str:
    """Return what a file may say for a field of few values, for a complaint."""
    if row.accepts or row.sort is Sort.FLAG:
        return row.accepts or "sim ou não"
    *first, last = [
        value if fold(word) == fold(value).replace("_", " ") else f"{value} ({labels.inside(word)})"
        for value, word in row.choices.items()
    ]
    return f"{', '.join(first)} ou {last}"
