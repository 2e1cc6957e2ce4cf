"""The options of batches, of the suppression list and of the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore.cli.options import add_command, command_group, moment_or_ago, server_number, whole_number
from mailcore.vocabulary import BatchKind, RecipientStatus, SuppressionScope

if TYPE_CHECKING:
    from mailcore.cli.options import Commands, Parser

SHOWN = tuple(
    status.value for status in RecipientStatus if status not in (RecipientStatus.STARTED, RecipientStatus.DEFERRED)
)
DEFAULT_THREADS = 4
_ACTS = {
    "start": "inicia um rascunho",
    "pause": "para um lote depois das mensagens que já estão a caminho",
    "resume": "retoma um lote pausado",
    "cancel": "encerra um lote; o que falta não é enviado",
}


def batches(commands: Commands) -> None:
    """Add ``batch …``."""
    group = command_group(commands, "batch", "envio em lote: uma mensagem para muitos")
    _create(add_command(group, "create", "confere a lista inteira, cria o lote e o inicia", "batch "))
    add_command(group, "list", "lista os lotes, do mais novo ao mais velho", "batch ")
    _id(add_command(group, "show", "mostra um lote", "batch "))
    preview = add_command(group, "preview", "mostra a mensagem como o destinatário de uma linha a recebe", "batch ")
    _id(preview)
    preview.add_argument_group("de quem").add_argument(
        "--row", metavar="N", type=whole_number, help="a linha do arquivo (a primeira, se não for dada)"
    )
    for name, description in _ACTS.items():
        _id(add_command(group, name, description, "batch "))
    recipients = add_command(group, "recipients", "mostra o que houve com cada destinatário", "batch ")
    _id(recipients)
    recipients.add_argument_group("filtros").add_argument("--status", choices=SHOWN, help="só os que estão assim")
    retry = add_command(group, "retry", "tenta de novo os que não receberam", "batch ")
    _id(retry)
    which = retry.add_argument_group("quais").add_mutually_exclusive_group(required=True)
    which.add_argument("--failed", action="store_true", help="os recusados e os não entregues")
    which.add_argument("--uncertain", action="store_true", help="os incertos, que podem receber duas vezes")


def suppressions(commands: Commands) -> None:
    """Add ``suppressions …``."""
    group = command_group(commands, "suppressions", "quem não recebe mais nada de lotes")
    add_command(group, "list", "lista os endereços, do mais novo ao mais velho", "suppressions ")
    add = add_command(group, "add", "põe um endereço na lista", "suppressions ")
    _address(add)
    why = add.add_argument_group("por quê")
    why.add_argument("--reason", metavar="TEXTO", default="", help="o motivo, para quem olhar depois")
    why.add_argument(
        "--scope",
        choices=[scope.value for scope in SuppressionScope],
        default=SuppressionScope.ALL.value,
        help="all (todos os lotes, como nasce) ou marketing (só divulgação)",
    )
    _address(add_command(group, "remove", "tira um endereço da lista", "suppressions "))


def worker(commands: Commands) -> None:
    """Add ``worker``."""
    parser = add_command(commands, "worker", "envia os lotes; quantos se queira ao mesmo tempo, em qualquer máquina")
    how = parser.add_argument_group("como")
    how.add_argument(
        "--threads",
        metavar="N",
        type=whole_number,
        default=DEFAULT_THREADS,
        help="no máximo tantas conexões (%(default)s, se não for dado)",
    )
    how.add_argument("--until-idle", action="store_true", help="termina quando não há nada que se possa fazer agora")


def _create(parser: Parser) -> None:
    required = parser.add_argument_group("por onde e para quem")
    required.add_argument("--server", metavar="ID", type=server_number, required=True, help="número do servidor")
    required.add_argument(
        "--recipients", metavar="ARQUIVO", required=True, help="CSV ou XLSX, com uma linha por destinatário"
    )
    required.add_argument("--email-column", metavar="COLUNA", default="", help="a dos endereços, se não é evidente")
    message = parser.add_argument_group("mensagem")
    message.add_argument("--subject", metavar="TEXTO", required=True, help="assunto; {{coluna}} põe o dado da linha")
    message.add_argument("--text-file", metavar="ARQUIVO", help="o texto simples, em UTF-8")
    message.add_argument("--html-file", metavar="ARQUIVO", help="o texto em HTML, em UTF-8")
    message.add_argument("--attach", metavar="ARQUIVO", action="append", default=[], help="anexo para todos; repetível")
    message.add_argument("--attach-column", metavar="COLUNA", default="", help="a do nome do anexo de cada um")
    message.add_argument("--attach-dir", metavar="PASTA", help="onde estão os anexos de cada um")
    how = parser.add_argument_group("como")
    how.add_argument(
        "--kind",
        choices=[kind.value for kind in BatchKind],
        default=BatchKind.TRANSACTIONAL.value,
        help="%(default)s, se não for dado; marketing leva como se descadastrar",
    )
    how.add_argument("--name", metavar="NOME", default="", help="como a tela o chama (o assunto, se não for dado)")
    how.add_argument("--start-at", metavar="QUANDO", type=moment_or_ago, help="não antes de: 2026-11-27T09:00")
    how.add_argument(
        "--refusal-share",
        metavar="N",
        type=whole_number,
        help="para quando tantos por cento forem recusados (10, se não for dado; 100 nunca para)",
    )
    how.add_argument("--draft", action="store_true", help="só cria; inicie depois com batch start")


def _id(parser: Parser) -> None:
    parser.add_argument_group("qual").add_argument("id", metavar="ID", type=whole_number, help="número do lote")


def _address(parser: Parser) -> None:
    parser.add_argument_group("qual").add_argument("address", metavar="ENDEREÇO", help="o endereço de e-mail")
