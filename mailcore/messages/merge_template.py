"""Merge templates: ``{{ campo }}`` in subject, text and HTML, read once and checked before anything is sent.

Jinja reads the syntax, in its sandbox, and a list of what is allowed leaves little of it: fields, a few filters and
``{% if %}``. No loop, no call, no attribute and no arithmetic, so that a template can neither run away nor reach
anything but its fields. In HTML every field is escaped, always.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

from mailcore.errors import FieldError, ValidationError

_FILTERS = {
    **{name: FILTERS[name] for name in ("upper", "lower", "title", "capitalize", "trim")},
    # Every field is there; what a spreadsheet lacks is an empty cell.
    "default": lambda value, otherwise="": value or otherwise,
}
_IN_PORTUGUESE = {"maiusculas": "upper", "minusculas": "lower", "nome_proprio": "title", "padrao": "default"}
ALLOWED_FILTERS = tuple(_IN_PORTUGUESE)
"""What may follow a field: ``{{ nome|maiusculas }}``; Jinja's own names for them, and few others, are taken too."""
_FILTERS |= {name: _FILTERS[known] for name, known in _IN_PORTUGUESE.items()}

UNSUBSCRIBE_FIELD = "descadastro"
"""A field every batch of the kind Divulgação has: the recipient's own address for unsubscribing."""

MAX_SOURCE = 2_000_000
"""Characters of a template's text or HTML."""

_ALLOWED = (
    *(nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter, nodes.If, nodes.CondExpr),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
)
_WORDS_FOR = {nodes.For: "for", nodes.Getattr: "ponto", nodes.Getitem: "colchetes", nodes.Call: "parênteses"}
_TAG = re.compile(r"\{\{(-?)((?:[^{}\n]|\{(?!\{)|\}(?!\}))*?)(-?)\}\}")
# A heading of a spreadsheet that is no name in Jinja: "Nome do cliente", "E-mail", "Valor (R$)", "2ª via".
_HEADING = re.compile(r"\w[\w$%&#/ºª°-]*(?: +[\w$%&#/ºª°()-]+)*")
_OPERATORS = frozenset({"if", "else", "and", "or", "not", "in", "is"})
_LABELS = {"subject": "Assunto", "text": "Mensagem", "html": "Mensagem (HTML)"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a template that differs from recipient to recipient."""

    render: Callable[[Mapping[str, str]], str]


Pieces = tuple[str | Piece, ...]
"""A template's text: what is the same for everybody, and what is not, in turn."""


class MergeTemplate:
    """Subject, text and HTML of a batch, read and checked."""

    __slots__ = ("_written", "html", "names", "subject", "text")

    def __init__(self, subject: Pieces, text: Pieces, html: Pieces, written: dict[str, str]) -> None:
        """Keep what :meth:`parse` has read."""
        self.subject, self.text, self.html = subject, text, html
        self._written = written
        self.names: frozenset[str] = frozenset(written.values())
        """The fields it uses, as they are written in it."""

    @classmethod
    def parse(cls, *, subject: str, text: str, html: str) -> MergeTemplate:
        """Read the three; where there is HTML alone, the text is made of it.

        Raises:
            ValidationError: a sentence for each of Assunto and Mensagem that cannot be used, with its line.
        """
        reader = _Reader()
        if not subject.strip():
            reader.error("subject", "preencha o assunto.")
        elif any(unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") for char in subject.strip()):
            reader.error("subject", "escreva numa linha só, sem quebra de linha nem tabulação.")
        if not text.strip() and not html.strip():
            reader.error("text", "escreva o texto, simples ou em HTML.")
        read_subject = reader.pieces("subject", subject.strip())
        read_html = reader.pieces("html", html, in_html=True) if html.strip() else ()
        read_text = reader.pieces("text", text) if text.strip() else ()
        reader.raise_errors()
        if not read_text:
            read_text = reader.text_from(html)
        return cls(read_subject, read_text, read_html, reader.written)

    def unknown(self, columns: Iterable[str], *, marketing: bool = False) -> list[str]:
        """Return the fields that no column gives, as they are written, in order; see :meth:`bind`.

        Args:
            marketing: :data:`UNSUBSCRIBE_FIELD` is there without a column.
        """
        found = _Columns(columns)
        missing = {name for name in self.names if found.get(name) is None}
        return sorted(missing - {UNSUBSCRIBE_FIELD} if marketing else missing)

    def bind(self, columns: Iterable[str], *, marketing: bool = False) -> dict[str, str]:
        """Return which column each field takes; an unsubscribe address that no column gives is left out.

        Case, accents and signs do not count where no column has exactly the name: ``{{ nome_do_cliente }}`` is the
        column “Nome do cliente” too.

        Raises:
            ValidationError: a field that no column gives, by its name.
        """
        columns = list(columns)
        if unknown := self.unknown(columns, marketing=marketing):
            listed = ", ".join("{{" + name + "}}" for name in unknown)
            only = f" {{{{{UNSUBSCRIBE_FIELD}}}}} existe sem coluna só no tipo Divulgação."
            raise ValidationError(
                [
                    FieldError(
                        "text",
                        f"Mensagem: nenhuma coluna dos destinatários se chama {listed}."
                        + (only if UNSUBSCRIBE_FIELD in unknown else ""),
                    )
                ]
            )
        found = _Columns(columns)
        bound = {ident: found.get(name) for ident, name in self._written.items()}
        return {ident: column for ident, column in bound.items() if column is not None}


def field_key(name: str) -> str:
    """Return a name without case, accents and signs, by which a field finds its column."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    return re.sub(r"[\W_]+", "_", plain.casefold()).strip("_")


def joined(pieces: Pieces, values: Mapping[str, str]) -> str:
    """Return a template's text for one recipient."""
    return "".join(piece if isinstance(piece, str) else piece.render(values) for piece in pieces)


class _Columns:
    def __init__(self, columns: Iterable[str]) -> None:
        self._exact = set(columns)
        self._by_key: dict[str, str] = {}
        for column in columns:
            self._by_key.setdefault(field_key(column), column)

    def get(self, name: str) -> str | None:
        return name if name in self._exact else self._by_key.get(field_key(name))


def _environment(*, in_html: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=in_html, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=not in_html
    )
    environment.globals.clear()
    environment.tests.clear()
    environment.filters = dict(_FILTERS)
    return environment


_PLAIN, _HTML = _environment(in_html=False), _environment(in_html=True)


class _NotAllowedError(Exception):
    """The arguments are a line and a Portuguese sentence."""


class _Reader:
    """Reads the texts of one template; their complaints are collected."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []
        self.written: dict[str, str] = {}
        """The name Jinja knows a field by → the name as it is written."""
        self._idents: dict[str, str] = {}

    def error(self, field: str, sentence: str) -> None:
        self.errors.append(FieldError(field, f"{_LABELS[field]}: {sentence}"))

    def raise_errors(self) -> None:
        if self.errors:
            raise ValidationError(self.errors)

    def pieces(self, field: str, source: str, *, in_html: bool = False) -> Pieces:
        """Return a text in pieces; none, and a complaint, where it cannot be used."""
        if len(source) > MAX_SOURCE:
            self.error(field, f"o texto tem {len(source)} caracteres; cabem até {MAX_SOURCE}.")
            return ()
        try:
            return self._read(source, _HTML if in_html else _PLAIN)
        except _NotAllowedError as error:
            line, sentence = error.args
            self.error(field, f"na linha {line}, {sentence}" if line > 1 or "\n" in source else sentence)
        except TemplateError as error:
            line = getattr(error, "lineno", 1) or 1
            self.error(
                field,
                f"na linha {line}, há {{{{ }}}} ou {{% %}} que não se entende. Escreva um campo como "
                "{{nome}}, com o nome de uma coluna.",
            )
        except (RecursionError, SyntaxError, MemoryError):
            self.error(field, "há condições demais, umas dentro das outras.")
        return ()

    def text_from(self, html: str) -> Pieces:
        """Return the text of the HTML; where an ``if`` loses its end on the way, without conditions."""
        from mailcore.messages.html_text import text_of

        text = text_of(html)
        try:
            return self._read(text, _PLAIN)
        except (TemplateError, _NotAllowedError):
            return self._read(re.sub(r"\{%.*?%\}", "", text, flags=re.DOTALL), _PLAIN)

    def _read(self, source: str, environment: ImmutableSandboxedEnvironment) -> Pieces:
        source = source.replace("\r\n", "\n").replace("\r", "\n")
        tree = environment.parse(_TAG.sub(self._named, source))
        pieces: list[str | Piece] = []
        for node in tree.body:
            _check(node, node.lineno or 1)
            for each in node.nodes if isinstance(node, nodes.Output) else [node]:
                pieces.append(_piece(each, environment))
                for name in [each] if isinstance(each, nodes.Name) else each.find_all(nodes.Name):
                    self.written.setdefault(name.name, self._as_written(name.name))
        return tuple(pieces)

    def _as_written(self, ident: str) -> str:
        return next((name for name, known in self._idents.items() if known == ident), ident)

    def _named(self, tag: re.Match[str]) -> str:
        """Give a heading that is no name in Jinja a name of its own."""
        # Editors of web pages write blanks as entities.
        inside = tag[2].replace("&nbsp;", " ").replace("\xa0", " ")
        head, bar, filters = inside.partition("|")
        name = re.sub(r" +", " ", head.strip())
        is_heading = _HEADING.fullmatch(name) and not name.isidentifier() and not name.isdecimal()
        if is_heading and not _OPERATORS & set(name.split(" ")):
            name = self._idents.setdefault(name, f"coluna_{len(self._idents) + 1}_")
        return "{{" + tag[1] + f" {name} {bar}{filters}" + tag[3] + "}}"


def _check(node: nodes.Node, line: int) -> None:
    """Refuse whatever is not on the list."""
    line = node.lineno or line  # some nodes have none
    if not isinstance(node, _ALLOWED) or (isinstance(node, nodes.Operand) and node.op not in ("eq", "ne")):
        word = _WORDS_FOR.get(type(node), "")
        what = f"“{word}” não pode ser usado" if word else "há um comando ou uma conta que não pode ser usado"
        raise _NotAllowedError(
            line,
            f"{what}. Escreva só campos, como {{{{nome}}}}, filtros ({', '.join(ALLOWED_FILTERS)}) e {{% if campo %}}.",
        )
    if isinstance(node, nodes.Filter):
        if node.name not in _FILTERS:
            raise _NotAllowedError(line, f"não existe o filtro “{node.name}”. Há {', '.join(ALLOWED_FILTERS)}.")
        if node.node is None or node.dyn_args or node.dyn_kwargs or node.kwargs:
            raise _NotAllowedError(line, f"o filtro “{node.name}” não foi escrito direito.")
    for child in node.iter_child_nodes():
        _check(child, line)


def _piece(node: nodes.Node, environment: ImmutableSandboxedEnvironment) -> str | Piece:
    if isinstance(node, nodes.TemplateData):
        return str(node.data)
    if isinstance(node, nodes.Name):
        value: Callable[[Any], Any] = itemgetter(node.name)
        return Piece((lambda values: escape(value(values))) if environment.autoescape else value)
    whole = nodes.Template([node if isinstance(node, nodes.Stmt) else nodes.Output([node])], lineno=1)
    whole.set_environment(environment)
    return Piece(environment.from_string(whole).render)
