"""Reading headers and bodies by the RFCs alone: nothing here comes from the standard library's email package.

Written for the tests, so that what mailcore writes is not read by the code that wrote it.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field

_WORD = re.compile(rb"=\?([A-Za-z0-9_-]+)(?:\*[A-Za-z-]+)?\?([BbQq])\?([!->@-~]*)\?=")


def header_text(raw: bytes) -> str:
    """Return the text of a header's value as it stands on the wire (RFC 5322 §2.2.3, RFC 2047 §6.2)."""
    line = b""
    for piece in raw.split(b"\r\n"):
        if line:
            assert piece[:1] in (b" ", b"\t"), "a folded line begins with a blank"
            assert piece.strip(), "no line of blanks alone"
        line += piece
    result, last_end, last_was_word = "", 0, False
    for match in _WORD.finditer(line):
        assert len(match[0]) <= 75, "an encoded word has at most 75 characters"
        between = line[last_end : match.start()]
        if not (last_was_word and between.strip(b" \t") == b""):
            result += between.decode("ascii")
        payload = match[3]
        if match[2] in b"Bb":
            octets = base64.b64decode(payload, validate=True)
        else:
            octets, position = b"", 0
            while position < len(payload):
                char = payload[position : position + 1]
                if char == b"=":
                    octets += bytes([int(payload[position + 1 : position + 3], 16)])
                    position += 3
                else:
                    octets += b" " if char == b"_" else char
                    position += 1
        result += octets.decode(match[1].decode("ascii"))  # each word holds whole characters (RFC 2047 §5)
        last_end, last_was_word = match.end(), True
    result += line[last_end:].decode("ascii")
    return result.strip(" ")


@dataclass
class Entity:
    """A message or a part: its fields in order, and what it holds."""

    fields: list[tuple[str, bytes]]
    content: bytes = b""
    """A leaf's octets, its transfer encoding undone."""
    parts: list[Entity] = field(default_factory=list)

    def value(self, name: str) -> bytes:
        """The first field of this name, unfolded; empty where there is none."""
        found = [value for key, value in self.fields if key.lower() == name.lower()]
        return found[0].replace(b"\r\n", b"").strip() if found else b""

    def parameter(self, name: str, of: str) -> str:
        """A parameter of a field, plain, quoted or as RFC 2231 has it."""
        return parameters(self.value(name)).get(of, "")

    @property
    def kind(self) -> str:
        value = self.value("Content-Type").split(b";")[0].strip().lower().decode("latin-1")
        return value or "text/plain"

    def leaves(self) -> list[Entity]:
        """The parts that hold content."""
        if not self.kind.startswith("multipart/"):
            return [self]
        return [leaf for part in self.parts for leaf in part.leaves()]


def read(message: bytes) -> Entity:
    """Read a message whose lines end in CR LF."""
    head, _, body = message.partition(b"\r\n\r\n") if not message.startswith(b"\r\n") else (b"", b"", message[2:])
    fields: list[tuple[str, bytes]] = []
    for line in head.split(b"\r\n") if head else []:
        if line[:1] in (b" ", b"\t"):
            name, value = fields[-1]
            fields[-1] = (name, value + b"\r\n" + line)
        else:
            name_, colon, value = line.partition(b":")
            assert colon, line
            fields.append((name_.decode("ascii"), value))
    entity = Entity(fields)
    encoding = entity.value("Content-Transfer-Encoding").lower()
    if entity.kind.startswith("multipart/"):
        mark = b"--" + entity.parameter("Content-Type", "boundary").encode()
        pieces: list[list[bytes]] = []
        closed = False
        for line in body.split(b"\r\n"):
            stripped = line.rstrip(b" \t")
            if stripped == mark + b"--":
                closed = True
                break
            if stripped == mark:
                pieces.append([])
            elif pieces:
                pieces[-1].append(line)
        assert closed, "the last mark is there"
        entity.parts = [read(b"\r\n".join(lines)) for lines in pieces]
    elif encoding == b"base64":
        entity.content = base64.b64decode(re.sub(rb"\s", b"", body))
    elif encoding == b"quoted-printable":
        joined = re.sub(rb"=[ \t]*\r\n", b"", body)
        entity.content = re.sub(rb"=([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), joined)
    else:
        entity.content = body
    return entity


def parameters(value: bytes) -> dict[str, str]:
    """Return the parameters of a Content-… field."""
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for name, quoted, bare in re.findall(rb';\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))', value):
        text = re.sub(r"\\(.)", r"\1", quoted.decode("utf-8")) if quoted else bare.decode("ascii")
        key = name.decode("ascii").lower()
        if "*" not in key:
            plain[key] = text
            continue
        base, _, rest = key.partition("*")
        pieces.setdefault(base, {})[int(rest.rstrip("*") or 0)] = (key.endswith("*"), text)
    for base, numbered in pieces.items():
        octets, charset = b"", "utf-8"
        for number in sorted(numbered):
            is_encoded, text = numbered[number]
            if is_encoded and number == 0:
                charset, _, text = text.split("'", 2)
            octets += (
                re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())
                if is_encoded
                else text.encode()
            )
        plain[base] = octets.decode(charset)
    return plain


# ---------------------------------------------------------------------- files as they come
_ANY_WORD = re.compile(rb"=\?([!-<>@-~]+?)(?:\*[A-Za-z-]+)?\?([BbQq])\?([^?]*)\?=")


def whole_line_ends(raw: bytes) -> bytes:
    """Every line end as CR LF."""
    return re.sub(rb"\r\n|\r|\n", b"\r\n", raw)


def text_of_octets(raw: bytes) -> str:
    """What stands in 8 bits: UTF-8, else Windows-1252, else Latin-1."""
    for charset in ("utf-8", "cp1252"):
        try:
            return raw.decode(charset)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def lenient_text(raw: bytes) -> str:
    """A header's words: encoded words read where they can be, runs of blanks as one, quotes aside."""
    line = raw.replace(b"\r\n", b"")
    words: list[tuple[str, str]] = []
    end = 0
    for match in _ANY_WORD.finditer(line):
        words.append(("text", text_of_octets(line[end : match.start()])))
        payload = text_of_octets(match[3]).encode()  # 8 bits in a word are no octets of its charset
        if match[2] in b"Bb":
            try:
                octets = base64.b64decode(payload + b"=" * (-len(payload) % 4))
            except ValueError:
                octets = payload
        else:
            octets = re.sub(
                rb"=([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), payload.replace(b"_", b" ")
            )
        try:
            words.append(("word", octets.decode(match[1].decode("ascii"))))
        except (LookupError, UnicodeError):
            words.append(("word", octets.decode("latin-1")))
        end = match.end()
    words.append(("text", text_of_octets(line[end:])))
    kept = [
        text
        for number, (kind, text) in enumerate(words)
        if not (kind == "text" and not text.strip(" \t") and 0 < number < len(words) - 1)
    ]
    return " ".join("".join(kept).replace('"', "").replace("\\", "").split())


def lenient_addresses(raw: bytes) -> str:
    """As :func:`lenient_text`, blanks aside and international domains in their ASCII spelling."""

    def in_ascii(found: re.Match[str]) -> str:
        try:
            return found[0].encode("idna").decode("ascii")
        except UnicodeError:
            return found[0]

    return "".join(re.sub(r"(?<=@)[^\s<>,;:()]+", in_ascii, lenient_text(raw)).split())


def read_file(data: bytes) -> Entity:
    """Read a file as mail programs do, however it is written; never fails on what mailcore accepts."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    return _leniently(re.sub(rb"\A>?From [^\r\n]*(?:\r\n|\r|\n)", b"", data))


def _leniently(data: bytes) -> Entity:
    lines = whole_line_ends(data).split(b"\r\n")
    fields: list[tuple[str, bytes]] = []
    begins = next((number for number, line in enumerate(lines, 1) if not line), len(lines))
    for line in lines[:begins]:
        if not line:
            break
        if line[:1] in (b" ", b"\t"):
            if fields and line.strip():
                fields[-1] = (fields[-1][0], fields[-1][1] + b"\r\n" + line)
        else:
            name, _, value = line.partition(b":")
            fields.append((name.strip().decode("latin-1"), value))
    entity = Entity(fields)
    body = lines[begins:]
    kind = lenient_kind(entity)
    encoding = entity.value("Content-Transfer-Encoding").split(b";")[0].strip().lower()
    if kind.startswith("multipart/"):
        mark = b"--" + lenient_parameters(entity.value("Content-Type")).get("boundary", "").encode()
        pieces: list[list[bytes]] = []
        for line in body:
            stripped = line.rstrip(b" \t")
            if stripped == mark + b"--":
                break
            if stripped == mark:
                pieces.append([])
            elif pieces:
                pieces[-1].append(line)
        else:
            if pieces and not any(pieces[-1]):
                pieces.pop()  # cut off right after a mark: nothing was begun there
        entity.parts = [_leniently(b"\r\n".join(piece)) for piece in pieces]
    elif kind == "message/rfc822" and encoding in (b"", b"7bit", b"8bit", b"binary"):
        entity.parts = [_leniently(b"\r\n".join(body))]
    else:
        entity.content = _undone(b"\r\n".join(body), encoding)
    return entity


def lenient_kind(entity: Entity) -> str:
    """The kind of a part; text where it says nothing sensible."""
    kind = entity.value("Content-Type").split(b";")[0].strip().lower().decode("latin-1")
    return kind if re.fullmatch(r"[^\s/]+/[^\s/]+", kind) else "text/plain"


def lenient_parameters(value: bytes) -> dict[str, str]:
    """Parameters, the first of a name counting."""
    found: dict[str, str] = {}
    for name, quoted, bare in re.findall(rb';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))', value):
        text = re.sub(rb"\\(.)", rb"\1", quoted) or bare
        found.setdefault(name.decode("latin-1").lower(), text_of_octets(text))
    return found


def _undone(raw: bytes, encoding: bytes) -> bytes:
    if encoding == b"base64":
        kept = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
        kept = kept[: len(kept) - (len(kept) % 4 == 1)]
        return base64.b64decode(kept + b"=" * (-len(kept) % 4))
    if encoding == b"quoted-printable":
        joined = re.sub(rb"[ \t]+(?=\r\n|\Z)", b"", raw)
        joined = re.sub(rb"=(?:\r\n|\Z)", b"", joined)
        return re.sub(rb"=([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), joined)
    return raw
