"""Header fields in bytes: kept as they came, folded and read (RFC 5322 §2.2, RFC 2231).

The standard library's parser raises on headers that real programs write, so fields stay what they are, and only what
must be written is written here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from mailcore.messages.encoded_words import decoded_words, header_text, read_bytes

MAX_LINE = 998
"""Octets of a line without its CR LF (RFC 5322 §2.1.1); servers refuse or cut longer ones."""


class HeaderError(ValueError):
    """A field that cannot be written or read; the text is the end of a Portuguese sentence."""


@dataclass(frozen=True, slots=True)
class Field:
    """One header field as it stands in a message."""

    name: str
    value: bytes
    """What follows the colon, folds included, without the last line end; lines are parted by CR LF."""

    @property
    def key(self) -> str:
        """The name in lower case, by which fields are found."""
        return self.name.lower()

    @property
    def text(self) -> str:
        """The value unfolded, in UTF-8 or else Windows-1252, not decoded any further."""
        return decoded_bytes(unfolded(self.value)).strip()

    def line(self) -> bytes:
        """The whole field with its line end."""
        return self.name.encode("ascii") + b":" + self.value + b"\r\n"


def field(name: str, value: str) -> Field:
    """Make a field of a value that is written out already, folded with CR LF where it is long."""
    return Field(name, b" " + value.encode("utf-8"))


def text_field(name: str, text: str) -> Field:
    """Make a field of free text, such as a subject: plain where it can be, else in encoded words."""
    return Field(name, b" " + header_text(text, len(name) + 2).encode("ascii"))


def unfolded(value: bytes) -> bytes:
    """Take the line ends out and leave the blanks behind them (RFC 5322 §2.2.3)."""
    return value.replace(b"\r\n", b"")


def decoded_bytes(raw: bytes) -> str:
    """Read what stands in 8 bits in a header: UTF-8, or else Windows-1252, as old programs write it."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


# ---------------------------------------------------------------- parameters
_PARAMETER = re.compile(r';\s*([A-Za-z0-9!#$&+^_`{}|~.-]+\*?[0-9]*\*?)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"\s]*)')


def parameters(text: str) -> tuple[str, dict[str, str]]:
    """Return a Content-… field's value in lower case and its parameters, decoded; the first of a name counts.

    Reads RFC 2231's continuations and charsets, and also the encoded words that many programs write instead.
    """
    value = text.partition(";")[0].strip().lower()
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for name, written in _PARAMETER.findall(text[len(text.partition(";")[0]) :]):
        is_quoted = written.startswith('"')
        content = re.sub(r"\\(.)", r"\1", written[1:-1]) if is_quoted else written
        base, star, rest = name.lower().partition("*")
        if not star:
            plain.setdefault(base, decoded_words(content))
            continue
        number = re.match(r"\d{1,3}", rest)
        pieces.setdefault(base, {})[int(number[0]) if number else 0] = (name.endswith("*"), content)
    return value, plain | {name: _joined(found) for name, found in pieces.items()}


def _joined(found: dict[int, tuple[bool, str]]) -> str:
    charset, raw = "utf-8", b""
    for number, (is_encoded, content) in sorted(found.items()):
        if is_encoded and number == 0 and content.count("'") >= 2:
            charset, _, content = content.split("'", 2)
        raw += _percent_bytes(content) if is_encoded else content.encode("utf-8")
    return read_bytes(charset or "us-ascii", raw) if raw else ""


def _percent_bytes(text: str) -> bytes:
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode("utf-8"))


def parameters_in_ascii(name: str, text: str) -> Field:
    """Write a Content-… field that came in 8 bits: its parameters as RFC 2231 has them.

    Raises:
        HeaderError: there are 8-bit characters outside the parameters.
    """
    written = _PARAMETER.sub(_parameter_in_ascii, text)
    if not written.isascii():
        raise HeaderError("tem acentos fora dos parâmetros.")
    return field(name, written)


def _parameter_in_ascii(match: re.Match[str]) -> str:
    if match[0].isascii():
        return match[0]
    name = match[1].rstrip("*")
    content = re.sub(r"\\(.)", r"\1", match[2][1:-1]) if match[2].startswith('"') else match[2]
    encoded = quote(content, safe="")
    pieces = re.findall(r"(?:%[0-9A-F]{2}|[^%]){1,50}", encoded)
    if len(pieces) == 1:
        return f";\r\n {name}*=utf-8''{encoded}"
    first = f";\r\n {name}*0*=utf-8''{pieces[0]}"
    return first + "".join(f";\r\n {name}*{number}*={piece}" for number, piece in enumerate(pieces[1:], 1))


# ---------------------------------------------------------------- long lines
def refolded(given: Field) -> Field:
    """Return the field with no line over :data:`MAX_LINE`, folded at blanks it has already.

    Raises:
        HeaderError: there is no blank to fold at.
    """
    if all(len(line) <= MAX_LINE for line in given.line().split(b"\r\n")):
        return given
    lines: list[bytes] = []
    for line in (b"." * (len(given.name) + 1) + given.value).split(b"\r\n"):
        rest = line
        while len(rest) > MAX_LINE:
            cut = max(rest.rfind(b" ", 1, MAX_LINE), rest.rfind(b"\t", 1, MAX_LINE))
            if cut <= 0 or not rest[:cut].strip():
                raise HeaderError(f"tem uma linha de mais de {MAX_LINE} caracteres sem espaço onde quebrar.")
            lines.append(rest[:cut])
            rest = rest[cut:]
        lines.append(rest)
    return Field(given.name, b"\r\n".join(lines)[len(given.name) + 1 :])
