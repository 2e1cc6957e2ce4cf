"""A message taken apart into its MIME parts (RFC 2045, RFC 2046), each as it stands in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailcore.messages.headers import Field, parameters
from mailcore.messages.transfer import UnwritableError, from_base64, from_quoted_printable, with_whole_line_ends

_LINE_END = re.compile(rb"\r\n|\r|\n")
_LINE_END_LAST = re.compile(rb"(?:\r\n|\r|\n)\Z")
_FIELD_LINE = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_MOST_LEVELS = 40
PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})
"""Transfer encodings under which content stands as it is."""


@dataclass(slots=True)
class Part:
    """A message or one part of it."""

    fields: list[Field]
    body: bytes
    """As it stands in the file, line ends included; for a multipart, all of it."""
    children: list[Part] = field(default_factory=list)
    """The parts of a multipart, or the one message of a ``message/rfc822``."""
    preamble: bytes = b""
    epilogue: bytes = b""

    def text(self, name: str) -> str:
        """The first field of this name, unfolded; empty where there is none."""
        return next((each.text for each in self.fields if each.key == name), "")

    @property
    def content_type(self) -> str:
        """``text/plain`` where nothing is said (RFC 2045 §5.2)."""
        kind, _ = parameters(self.text("content-type"))
        return kind if re.fullmatch(r"[^\s/]+/[^\s/]+", kind) else "text/plain"

    @property
    def charset(self) -> str:
        """In lower case; empty where none is named."""
        return parameters(self.text("content-type"))[1].get("charset", "").strip().lower()

    @property
    def boundary(self) -> str:
        return parameters(self.text("content-type"))[1].get("boundary", "")

    @property
    def encoding(self) -> str:
        """The Content-Transfer-Encoding in lower case; empty where none is named."""
        return self.text("content-transfer-encoding").partition(";")[0].strip().lower()

    @property
    def filename(self) -> str:
        """The name an attachment is to be saved under; empty where none is given."""
        disposition = parameters(self.text("content-disposition"))[1].get("filename", "")
        return disposition or parameters(self.text("content-type"))[1].get("name", "")

    @property
    def is_attachment(self) -> bool:
        return parameters(self.text("content-disposition"))[0] == "attachment"

    @property
    def is_multipart(self) -> bool:
        return self.content_type.startswith("multipart/")

    def leaves(self) -> Iterator[Part]:
        """Yield the parts that hold content; an attached message is one of them and is not entered."""
        if not self.is_multipart:
            yield self
            return
        for child in self.children:
            yield from child.leaves()

    def decoded(self) -> bytes:
        """The content of a leaf with its transfer encoding undone; text has CR LF between its lines."""
        if self.encoding == "base64":
            return from_base64(self.body)
        if self.encoding == "quoted-printable":
            return from_quoted_printable(self.body)
        return self.body if self.encoding == "binary" else with_whole_line_ends(self.body)


def parsed(data: bytes, *, level: int = 0) -> Part:
    """Take a message apart.

    Raises:
        UnwritableError: its header is none, or a multipart has no parts.
    """
    if level > _MOST_LEVELS:
        raise UnwritableError("tem partes dentro de partes demais.")
    fields, start = _header(data)
    part = Part(fields, data[start:])
    _refuse_twice(part)
    if part.is_multipart:
        _cut_at_boundary(part, level)
    elif part.content_type == "message/rfc822" and part.encoding in PLAIN_ENCODINGS:
        try:
            part.children = [parsed(part.body, level=level + 1)]
        except UnwritableError:
            part.children = []  # somebody else's message, sent along as it is
    return part


def _refuse_twice(part: Part) -> None:
    for name in ("content-type", "content-transfer-encoding"):
        if sum(each.key == name for each in part.fields) > 1:
            raise UnwritableError(f"traz duas vezes o cabeçalho {name.title()}; apague um deles.")


def _header(data: bytes) -> tuple[list[Field], int]:
    """Return the fields and where the body begins."""
    found: list[tuple[str, list[bytes]]] = []
    position, number = 0, 0
    while position < len(data):
        end = _LINE_END.search(data, position)
        line = data[position : end.start() if end else len(data)]
        position = end.end() if end else len(data)
        number += 1
        if not line:
            break
        if line[:1] in b" \t":
            if not found:
                raise UnwritableError("não começa com cabeçalhos de mensagem (De, Para, Assunto).")
            if line.strip():  # a line of blanks could be taken for the end of the header
                found[-1][1].append(line)
            continue
        match = _FIELD_LINE.fullmatch(line)
        if match is None:
            raise UnwritableError(
                f"tem no cabeçalho uma linha que não é “Nome: valor” (a {number}ª). "
                "Entre o cabeçalho e o texto há uma linha em branco."
                if found
                else "não começa com cabeçalhos de mensagem (De, Para, Assunto)."
            )
        found.append((match[1].decode("ascii"), [match[2]]))
    return [Field(name, b"\r\n".join(lines).rstrip(b" \t")) for name, lines in found], position


def _cut_at_boundary(part: Part, level: int) -> None:
    boundary = part.boundary
    if not boundary:
        raise UnwritableError("diz ter partes (multipart) e não diz o que as separa (boundary).")
    # Begins with a literal, which is looked for many times as fast as a line's beginning.
    mark = re.compile(re.escape(b"--" + boundary.encode("utf-8")) + rb"(--)?[ \t]*(?=[\r\n]|\Z)")
    pieces: list[bytes] = []
    begins: int | None = None
    for found in mark.finditer(part.body):
        if found.start() and part.body[found.start() - 1] not in b"\r\n":
            continue
        # The line end before a mark belongs to the mark (RFC 2046 §5.1.1).
        before = _LINE_END_LAST.sub(b"", part.body[begins or 0 : found.start()])
        if begins is None:
            part.preamble = before
        else:
            pieces.append(before)
        line_end = _LINE_END.match(part.body, found.end())
        begins = line_end.end() if line_end else len(part.body)
        if found[1]:
            part.epilogue = part.body[begins:]
            break
    else:
        if begins is not None and begins < len(part.body):
            pieces.append(part.body[begins:])  # the file ends before its last mark
    if not pieces:
        raise UnwritableError("diz ter partes (multipart) e não tem nenhuma.")
    part.children = [parsed(piece, level=level + 1) for piece in pieces]
