"""A message put together again as SMTP can carry it.

Nothing is changed that need not be: what SMTP can carry goes as it stands. What it cannot (lines over 998 octets, NUL,
binary parts, 8 bits toward a server without 8BITMIME) is encoded anew, part by part. Inside a signature nothing may
be changed, so there it is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailcore.messages.address_fields import ADDRESS_FIELDS, address_field_in_ascii, tokens
from mailcore.messages.encoded_words import decoded_words, has_hidden_break
from mailcore.messages.headers import Field, HeaderError, field, parameters_in_ascii, refolded, text_field
from mailcore.messages.parts import PLAIN_ENCODINGS, Part
from mailcore.messages.transfer import (
    UnwritableError,
    base64_lines,
    carries,
    from_quoted_printable,
    quoted_printable,
    rewrapped_base64,
    with_whole_line_ends,
)

_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NOT_OVER_ASCII = ("utf-16", "utf-32", "utf16", "utf32", "ucs-2", "ucs-4")
_MANY_8_BIT = 0.3
"""From this share of 8-bit octets on base64 is the shorter and no less readable form."""


def is_known_charset(name: str) -> bool:
    """Whether text in this charset can be read."""
    try:
        b"a".decode(name)
    except (LookupError, ValueError):
        return False
    return True


def written(part: Part, *, eight_bit: bool) -> bytes:
    """Return the message in bytes that SMTP can carry: whole line ends, no line over 998 octets, no NUL.

    Args:
        eight_bit: bodies may stay in 8 bits (only toward a server with 8BITMIME).

    Raises:
        UnwritableError: what would have to be encoded anew is signed, or nobody knows its charset.
    """
    is_signed = any(each.key == "dkim-signature" for each in part.fields)
    content = _Writer(eight_bit=eight_bit, is_signed=is_signed).message(part)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


@dataclass(slots=True)
class _Writer:
    eight_bit: bool
    is_signed: bool

    def message(self, part: Part) -> bytes:
        fields, body = self._body(part)
        return b"".join(each.line() for each in fields) + b"\r\n" + body

    def _body(self, part: Part) -> tuple[list[Field], bytes]:
        if part.is_multipart and not self.is_signed and part.content_type != "multipart/signed":
            return self._multipart(part)
        whole = with_whole_line_ends(part.body)
        if self.is_signed or part.content_type == "multipart/signed":
            if not carries(whole, eight_bit=self.eight_bit):
                raise UnwritableError(
                    "está assinada, e o texto precisaria ser recodificado: a assinatura deixaria de valer."
                )
            return part.fields, whole
        if part.content_type.startswith("message/"):
            return self._attached_message(part, whole)
        return self._leaf(part, whole)

    def _multipart(self, part: Part) -> tuple[list[Field], bytes]:
        mark = b"--" + part.boundary.encode("utf-8")
        pieces = [self.message(_with_tidy_fields(child)) for child in part.children]
        around = [with_whole_line_ends(text) for text in (part.preamble, part.epilogue)]
        # What stands around the parts is for nobody's eyes.
        preamble, epilogue = (text if carries(text, eight_bit=self.eight_bit) else b"" for text in around)
        body = preamble + b"\r\n" if preamble else b""
        body += b"".join(mark + b"\r\n" + piece + b"\r\n" for piece in pieces) + mark + b"--\r\n" + epilogue
        return _relabelled(part.fields, body), body

    def _attached_message(self, part: Part, whole: bytes) -> tuple[list[Field], bytes]:
        """RFC 2046 §5.2.1: an attached message takes no other encoding; only what is in it can be encoded anew."""
        if part.encoding in PLAIN_ENCODINGS and not carries(whole, eight_bit=self.eight_bit):
            if not part.children:
                raise UnwritableError("traz anexada uma mensagem que o servidor não pode receber como está.")
            (child,) = part.children
            inner = _Writer(self.eight_bit, self.is_signed or any(f.key == "dkim-signature" for f in child.fields))
            whole = inner.message(Part(_fields_in_ascii(child.fields), child.body, child.children))
        elif part.encoding not in PLAIN_ENCODINGS:
            return self._leaf(part, whole)
        return _relabelled(part.fields, whole), whole

    def _leaf(self, part: Part, whole: bytes) -> tuple[list[Field], bytes]:
        if part.encoding == "base64" and not carries(whole, eight_bit=False):
            return part.fields, rewrapped_base64(whole)
        if part.encoding == "quoted-printable" and not carries(whole, eight_bit=False):
            return part.fields, quoted_printable(from_quoted_printable(whole))
        if part.encoding not in PLAIN_ENCODINGS:
            if not carries(whole, eight_bit=self.eight_bit):
                raise UnwritableError(
                    f"tem uma parte em {part.encoding[:40]}, que o servidor não pode receber como está."
                )
            return part.fields, whole
        is_text = part.content_type.startswith("text/") and not part.charset.startswith(_NOT_OVER_ASCII)
        as_it_is = is_text or part.encoding != "binary"
        if as_it_is and carries(whole, eight_bit=self.eight_bit):
            return _relabelled(part.fields, whole), whole
        return _encoded_anew(part, whole, is_text=is_text)


def _encoded_anew(part: Part, whole: bytes, *, is_text: bool) -> tuple[list[Field], bytes]:
    if not is_text or b"\0" in whole:
        raw = part.body if part.encoding == "binary" or part.charset.startswith(_NOT_OVER_ASCII) else whole
        return _with_encoding(part.fields, "base64"), base64_lines(raw)
    if not whole.isascii() and not is_known_charset(part.charset):
        raise UnwritableError(
            f"tem texto com acentos num conjunto de caracteres que não existe (“{part.charset[:40]}”)."
            if part.charset
            else "tem texto com acentos e não diz em que conjunto de caracteres (charset). Acrescente, por exemplo, "
            "“Content-Type: text/plain; charset=utf-8”."
        )
    return _with_encoding(part.fields, "quoted-printable"), quoted_printable(whole)


def _relabelled(fields: list[Field], body: bytes) -> list[Field]:
    """Say of a body that goes as it is what it is: 7bit and 8bit are often left out or mixed up."""
    named = next((each.text.lower() for each in fields if each.key == "content-transfer-encoding"), "")
    needed = "7bit" if body.isascii() else "8bit"
    if named == needed or (not named and needed == "7bit") or (named == "8bit" and needed == "7bit"):
        return fields
    return _with_encoding(fields, needed)


def _with_encoding(fields: list[Field], encoding: str) -> list[Field]:
    new = field("Content-Transfer-Encoding", encoding)
    places = [number for number, each in enumerate(fields) if each.key == "content-transfer-encoding"]
    if not places:
        return [*fields, new]
    return [new if number == places[0] else each for number, each in enumerate(fields)]


# ---------------------------------------------------------------- header fields
def _with_tidy_fields(part: Part) -> Part:
    if all(each.value.isascii() and carries(each.line(), eight_bit=False) for each in part.fields):
        return part
    return Part(_fields_in_ascii(part.fields), part.body, part.children, part.preamble, part.epilogue)


def _fields_in_ascii(fields: list[Field]) -> list[Field]:
    return [field_in_ascii(each) for each in fields]


def field_in_ascii(given: Field) -> Field:
    """Return a field as SMTP can carry it: bare accents encoded, long lines folded; else as it came.

    Raises:
        UnwritableError: the field cannot be read, or holds what would break out of it.
    """
    try:
        return refolded(_checked(given))
    except HeaderError as error:
        raise UnwritableError(f"traz o cabeçalho {given.name[:60]}, que {error}") from None


def _checked(given: Field) -> Field:
    text = given.text
    if _CONTROL.search(given.value.replace(b"\r\n", b"")):
        raise HeaderError("tem caracteres de controle.")
    if has_hidden_break(text):
        raise HeaderError("esconde uma quebra de linha num trecho codificado.")
    if given.key in ADDRESS_FIELDS:
        tokens(text)
        return given if given.value.isascii() else address_field_in_ascii(given.name, text)
    if given.value.isascii():
        return given
    if given.key in ("content-type", "content-disposition"):
        return parameters_in_ascii(given.name, text)
    return text_field(given.name, decoded_words(text.replace("\t", " ")))


def text_part(text: str, subtype: str = "plain") -> tuple[list[Field], bytes]:
    """Return the fields and the body of a text of our own; ASCII only, so that any server takes it."""
    lines = re.split("\r\n|\r|\n", text.removesuffix("\n").removesuffix("\r")) if text else []
    raw = b"".join(line.encode("utf-8") + b"\r\n" for line in lines)
    is_plain = raw.isascii() and all(len(line) <= 78 and not line.startswith("From ") for line in lines)
    fields = [
        field("MIME-Version", "1.0"),
        field("Content-Type", f'text/{subtype}; charset="utf-8"'),
    ]
    if is_plain and not any(line != line.rstrip() for line in lines):
        return [*fields, field("Content-Transfer-Encoding", "7bit")], raw
    if sum(byte > 0x7F for byte in raw) > len(raw) * _MANY_8_BIT:
        return [*fields, field("Content-Transfer-Encoding", "base64")], base64_lines(raw)
    return [*fields, field("Content-Transfer-Encoding", "quoted-printable")], quoted_printable(raw)
