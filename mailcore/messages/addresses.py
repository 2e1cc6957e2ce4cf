"""E-mail addresses and host names, as people type and paste them.

Every complaint is a :class:`ValueError` whose text is the end of a Portuguese sentence that begins with
the field's name ("Servidor: um endereço de servidor não tem espaços.").

Sources: RFC 5321 §4.1.2 and §4.5.3.1 (syntax and sizes), RFC 6531 (non-ASCII local parts), RFC 5891 and
UTS #46 (international domains).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass

_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff\u00ad"
_IDEOGRAPHIC_DOTS = re.compile("[\u3002\uff0e\uff61]")  # UTS #46 reads these as "."
_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_DOT_ATOM = re.compile(rf"[{_ATEXT}\u0080-\U0010ffff]+(\.[{_ATEXT}\u0080-\U0010ffff]+)*")
_MAIL_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_HOST_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")  # "_" stands in real intranet names
_SEPARATORS = re.compile(r"[,;\r\n]")
_SCHEME = re.compile(r"(smtps?|https?|submissions?|imaps?|pop3?s?|tls|ssl)://", re.IGNORECASE)
_NAMED = re.compile(r"^.*<([^<>]*)>\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HostInput:
    """A host as typed, cleaned of what was pasted along."""

    host: str
    """ASCII, lower case; an IPv6 address stands without brackets."""
    port: int | None
    """The port pasted behind the host, if any."""
    note: str
    """What was cleaned, in Portuguese; empty where the host stands as typed."""


def parse_address(text: str) -> str:
    """Return one e-mail address as it goes on the wire: domain in lower case and in A-labels.

    A local part outside ASCII stays as it is (it needs a server with SMTPUTF8). Quoted local parts
    are refused: RFC 5321 §4.1.2 warns against them and no provider hands them out.

    Raises:
        ValueError: it is not exactly one address; the text says what is wrong.
    """
    address = unicodedata.normalize("NFC", _strip(text))
    if address.count("@") > 1:
        raise ValueError("há mais de um @. Escreva um endereço só.")
    named = _NAMED.match(address)
    if named:
        raise ValueError(f"escreva só o endereço, sem o nome: {_strip(named[1])}.")
    _refuse_blanks(address, "um endereço de e-mail")
    if address.lower().startswith("mailto:"):
        raise ValueError("escreva só o endereço, sem “mailto:”.")
    local, at, domain = address.rpartition("@")
    if not at or not domain:
        raise ValueError("falta o domínio, a parte depois do @, como em nome@exemplo.com.br.")
    if not local:
        raise ValueError("falta o nome antes do @, como em nome@exemplo.com.br.")
    _check_local_part(local)
    address = f"{local}@{_mail_domain(domain)}"
    if len(address.encode()) > 254:  # RFC 5321 §4.5.3.1.3: 256 with the angle brackets
        raise ValueError("o endereço é longo demais; cabem até 254 caracteres.")
    return address


def split_addresses(text: str) -> list[str]:
    """Split what stands in a recipients field at commas, semicolons and line feeds.

    A name before the address ("Maria <maria@exemplo.com>") is dropped, commas inside a quoted name do
    not split, and empty pieces are left out. The pieces are not validated; see :func:`parse_address`.
    """
    pieces = _SEPARATORS.split(_without_quoted_names(text))
    addresses = (_NAMED.sub(r"\1", piece) for piece in pieces)
    return [address for address in map(_strip, addresses) if address]


def same_mailbox_key(address: str) -> str:
    """Return a key that two spellings of one mailbox share.

    Case, a ``+tag`` and the spelling of an international domain do not count; at Gmail neither do dots
    (support.google.com/mail/answer/7436150). What is no address comes back in folded case.
    """
    folded = unicodedata.normalize("NFC", _strip(address)).casefold()
    local, _, domain = folded.rpartition("@")
    try:
        domain = _mail_domain(domain)
    except ValueError:
        return folded
    local = local.partition("+")[0] or local
    if domain in ("gmail.com", "googlemail.com"):
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def parse_host(text: str) -> HostInput:
    """Return the host name or address somebody typed, without what was pasted along.

    "https://smtp.x.com/ " is smtp.x.com; "smtp.x.com:587" is smtp.x.com and port 587. The port of a
    web address is dropped, for it is not the mail server's.

    Raises:
        ValueError: no host can be made of it; the text says what is wrong.
    """
    rest, removed = _strip(text), []
    scheme = _SCHEME.match(rest)
    if scheme:
        rest = _strip(rest[scheme.end() :])
        removed.append(f"o “{scheme[0]}”")
    rest, slash, path = _partition_any(rest, "/?#")
    if slash:
        removed.append("o que vinha depois da barra" if path else "a barra do fim")
    user, at, rest = rest.rpartition("@")
    if at and not scheme:
        raise ValueError(
            "isto é um endereço de e-mail. Escreva o endereço do servidor, por exemplo smtp.exemplo.com.br."
        )
    if user:
        removed.append("o usuário")
    rest, port = _split_port(_strip(rest))
    if port is not None and scheme and scheme[1].lower().startswith("http"):
        removed.append("a porta da página")
        port = None
    elif port is not None:
        removed.append(f"a porta {port}")
    host = _host_name(rest)
    if rest.endswith(".") and host == rest[:-1].lower():
        removed.append("o ponto do fim")
    return HostInput(host, port, _note(host, rest, removed))


def _note(host: str, typed: str, removed: list[str]) -> str:
    converted = "" if typed.isascii() else ", que é como a internet escreve este nome"
    if not removed:
        return f"ficou {host}{converted}." if converted else ""
    listed = removed[0] if len(removed) == 1 else f"{', '.join(removed[:-1])} e {removed[-1]}"
    return f"ficou {host}{converted}; tiramos {listed}."


def _host_name(text: str) -> str:
    if not text:
        raise ValueError("falta o endereço do servidor, por exemplo smtp.exemplo.com.br.")
    _refuse_blanks(text, "um endereço de servidor")
    literal = text.removeprefix("[").removesuffix("]").removeprefix("IPv6:")
    if ":" in literal or text.startswith("["):
        return _ip_address(literal)
    host = _domain(text, _HOST_LABEL, "o endereço do servidor")
    return _ip_address(host) if host.rpartition(".")[2].isdigit() else host


def _split_port(text: str) -> tuple[str, int | None]:
    """Part a ":587" from the host; a bare IPv6 address has several colons and no port."""
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]+):([^:]*)", text)
    if match is None:
        return text, None
    digits = match[2].strip()
    if not digits:
        return match[1], None
    if not re.fullmatch(r"[0-9]{1,5}", digits) or not 1 <= int(digits) <= 65_535:
        raise ValueError("o número depois dos dois-pontos não é uma porta; ela vai de 1 a 65535.")
    return _strip(match[1]), int(digits)


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("isto não é um endereço IP válido. Confira os números.") from None


def _mail_domain(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        inside = text[1:-1]
        address = _ip_address(inside.removeprefix("IPv6:"))
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    domain = _domain(text, _MAIL_LABEL, "o domínio, a parte depois do @,")
    if domain == "localhost":
        return domain
    if "." not in domain:
        raise ValueError(f"o domínio “{domain}” está incompleto; falta o final, como .com ou .com.br.")
    if domain.rpartition(".")[2].isdigit():
        raise ValueError("o domínio, a parte depois do @, não pode terminar em número.")
    return domain


def _domain(text: str, label_rule: re.Pattern[str], what: str) -> str:
    """Return a domain in lower-case A-labels, each checked against ``label_rule``."""
    dotted = _IDEOGRAPHIC_DOTS.sub(".", text).removesuffix(".")
    labels = [_a_label(label, what) for label in dotted.split(".")]
    for label in labels:
        if not label:
            raise ValueError(f"{what} tem um ponto sobrando.")
        if len(label) > 63:
            raise ValueError(f"{what} é longo demais; cabem até 63 letras entre dois pontos.")
        if not label_rule.fullmatch(label):
            raise ValueError(f"{what} tem um caractere que não pode estar ali; confira “{label}”.")
    domain = ".".join(labels)
    if len(domain) > 253:
        raise ValueError(f"{what} é longo demais; cabem até 253 caracteres.")
    return domain


def _a_label(label: str, what: str) -> str:
    if label.isascii():
        return label.lower()  # also "xn--…": what was registered counts, whatever the tables of today say
    import idna  # loads its tables only where there is something to convert

    try:
        return idna.encode(label, uts46=True).decode("ascii")
    except UnicodeError:  # idna.IDNAError is one
        raise ValueError(f"{what} tem um caractere que não existe em domínios; confira “{label}”.") from None


def _check_local_part(local: str) -> None:
    if '"' in local:
        raise ValueError("escreva o endereço sem aspas.")
    if not _DOT_ATOM.fullmatch(local):
        if local.startswith(".") or local.endswith(".") or ".." in local:
            raise ValueError("há um ponto sobrando antes do @.")
        raise ValueError("há um caractere que não pode estar antes do @. Escreva um endereço só.")
    if len(local.encode()) > 64:  # RFC 5321 §4.5.3.1.1
        raise ValueError("a parte antes do @ é longa demais; cabem até 64 caracteres.")


def _refuse_blanks(text: str, what: str) -> None:
    if any(char.isspace() for char in text):
        raise ValueError(f"{what} não tem espaços nem quebras de linha.")
    if any(char in _INVISIBLE or unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise ValueError("há um caractere invisível no meio. Apague e digite de novo.")


def _strip(text: str) -> str:
    """Without white space and the invisible characters that web pages leave around a copied address."""
    stripped = text.strip().strip(_INVISIBLE).strip()
    return stripped if stripped == text else _strip(stripped)


def _without_quoted_names(text: str) -> str:
    return re.sub(r'"(?:[^"\\\r\n]|\\.)*"(?=\s*<)', "", text)


def _partition_any(text: str, separators: str) -> tuple[str, str, str]:
    match = re.search(f"[{re.escape(separators)}]", text)
    return (text[: match.start()], match[0], text[match.end() :]) if match else (text, "", "")
