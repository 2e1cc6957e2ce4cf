"""Cutting the servers' replies out of a paragraph, wherever they stand in it.

A reply may begin a line, stand in mid-sentence ("o servidor respondeu 550 5.1.1 …"), or have its code behind its words
("User unknown (550)"). Numbers that are something else (an id, a time, a port, a line of a program, 550 people) are
left alone.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING

from mailcore.diagnosis.normalise import folded
from mailcore.diagnosis.replies import known_words
from mailcore.transports.scrub import MAX_REPLY

if TYPE_CHECKING:
    from mailcore.diagnosis.pasted import Paragraph


@dataclass(slots=True)
class Piece:
    """One reply cut out."""

    words: str
    """With its code; the lines of a multi-line one parted by line feeds."""
    line: int
    """Where it begins, in lines of the paragraph."""
    at: int
    """Where it begins, in characters of the paragraph."""


_REPLY = re.compile(
    r"""
      (?<![\w.@/+=$,-])(?<!\w:)\#?
      (?P<code>[45]\d\d)
      (?:(?P<more>-)(?=\S) | [)\]]?(?:\s?[:;,]|\s[-–—]|\.(?!\d))?(?=[\s)\]"'<]|$))
      \s?(?:[\#(\[]?(?P<enhanced>[245]\.\d{1,3}\.\d{1,3})(?:[)\]:]|(?![\d.]*\d)))?
    | (?<![\w.@/+-])(?<!\d[ ])\#?(?P<alone>[45]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)(?=[\s)\]:,;]|[A-Z][a-z]|$)
    """,
    re.VERBOSE,
)
_END = re.compile(
    r"\n|\s\(in re(?:ply|sponse) to|'\)|'\}|', '|\"\)|' \(in reply|\s\(delivery temporarily|\s;?\s?Last-Attempt-Date:"
    r"|\sFinal-Recipient:|\sRemote-MTA:|\sStatus:|\sAction:|\sReporting-MTA:|\sWill-Retry-Until:|',\s|\",\s"
    r"|\s(?:N[uú]mero d[eo] [Ee]rro|Error Number|Porta|Port|Seguro|Secure(?: ?\(SSL\))?|Protocolo|Protocol|Conta"
    r"|Account)\s?:|\s[Tt]he following SMTP error"
    r"|\s+at (?:System|com|org|javax?|jakarta|sun|Object|process|async)\b[. ]|\s+em System\.|\snested exception is"
)
# What a mail program says right before it repeats a reply.
_BEFORE = re.compile(
    r"(?:said|says|reply|replied|response(?: was| from [\w.\[\]-]{1,60})?|returned|responded(?: with)?|answered|got"
    r"|error(?: code| number| message)?|code|smtp|status|server|rejected|failed|login|bounced?|with|was|command"
    r"|diagnostic-code|retornou|respondeu|resposta(?: do servidor)?(?: foi)?|erro|mensagem|c[oó]digo|falha|recusou"
    r"|devolveu|deu|rejeitou|rejeitad[ao]|com|exception|exce[cç][aã]o|received|recebid[ao]|recebeu|[>)\]\"'«“(;:,–—-]"
    r"|\*\*|<<<|<-|->)"
    r"(?: (?:a|an|o|um|uma|the|code|error|erro|c[oó]digo|status|number|n[uú]mero|reply|message|permanent|temporary"
    r"|de|do|da|smtp|is|e|é|foi|following|with)){0,4}"
    r"[ \t]{0,3}[:=;'\"“(\[#b<-]{0,4}[ \t]{0,3}$",
    re.IGNORECASE,
)
# A number that is something else. Searched in small letters, as the words below.
_NOT_BEFORE = re.compile(
    r"(?:\b(?:line|linha|port|porta|pid|id|build|vers[aã]o|version|size|tamanho|bytes|delay|page|p[aá]gina|ticket|pedido"
    r"|protocolo|chamado|nf-?e?|nota|n[º°o]|item|total|fila|queue|job|session|thread|process|processo|cep|ramal|sala"
    r"|apto|r\$|us\$|art(?:igo)?|lei|mais de|cerca de|at[eé]|para|of|de|em|in|took|after|http/\d(?:\.\d)?|http|html"
    r"|windows|office|outlook|20\d\d)"
    r"|\d{1,2}h)[ \t:=#.\[(-]{0,3}$|\d[:/,.]$"
)
_UNITS = re.compile(
    r"\s?(?:ms|s|seg|segundos|seconds|kb|mb|gb|bytes|%|reais|pessoas|clientes|contatos|destinat[aá]rios|e-?mails|emails"
    r"|mensagens|messages|envios|linhas|lines|itens|items|dias|days|horas|hours|minutos|minutes|usu[aá]rios|users|times"
    r"|vezes|recipients|p[aá]ginas|mil|unidades|notas|pedidos|registros|records|caixas|contas)\b",
    re.IGNORECASE,
)
# Words a mail server's reply has at least one of. Searched in small letters: four times as fast as re.IGNORECASE.
_MAIL_WORDS = re.compile(
    r"mail|messag|recipient|\bsender|\buser|\baddress|relay|auth|login|password|reject|denied|block|refus|spam|quota"
    r"|limit|domain|\bhost|connect|\btls|try again|unavailable|policy|\berror|command|syntax"
    r"|not (?:allow|accept|permit)|service|temporar|deferred|greylist|mensagem|mensaje|usu[aá]rio\b|senha|recusad"
    r"|bloquead|inexistente|n[aã]o existe|caixa postal|caixa de|dom[ií]nio|destinat|remetente|cota\b|no such|unknown"
    r"|transaction|unroutable|unrouteable|invalid|exceed|not found|failed|administrative|access|virus|required"
)
_STATUS_HEADER = re.compile(r"\bStatus: ?$", re.IGNORECASE)
_CODES = frozenset(
    (*range(421, 423), *range(430, 460), 471, *range(500, 505), *range(510, 526), *range(530, 560), 571, 572)
)
_BARE_STATUS = re.compile(r"#?[245]\.\d{1,3}\.\d{1,3}[ ()\w]{0,40}")
# "Erro de servidor: 454 / Resposta do servidor: 454 4.7.1": the label of the next field is none of the reply's words.
_LABEL = re.compile(
    r"\s*\b(?:resposta(?: do servidor)?|server response|response|mensagem|message|detail|detalhe|erro|error)\s?:\s*$",
    re.IGNORECASE,
)
_MOST_CODES = 4_000
"""Numbers of one paragraph that are looked at."""
_MOST_LOOKS_BACK = 100
"""Codes of one paragraph behind which words are looked for."""
_BARE_CODE = re.compile(r"#?[45]\d\d\W*")
# "554): ", "550: ", "535 - " as one begins a reply in one's own words
_AFTER_CODE = re.compile(r"^#?([45]\d\d)(?:[)\]]\s?[:;,.]?|\s?[:;,.])\s*(?:[-–—]\s)?(?=\S)|^#?([45]\d\d)\s[-–—]\s")
_CODE_ALONE = re.compile(r"[45]\d\d(?!\s?[#(]?[245]\.\d)")
_SAYS_NOTHING = re.compile(r"#?[245]\.0\.0[ ()\w]{0,40}")
_SENTENCE = re.compile(r"[.;!?](?=\s)|\n|\s[-–—]\s|[«»“”\"]")
_LEAD = re.compile(
    r"^.{0,120}?(?:said|respondeu|retornou|responded|response(?: was)?|resposta|replied|error|erro)\s?:\s",
    re.IGNORECASE,
)
_CODE_WORD = re.compile(
    r"[\s,(\[-]*(?:\(?\b(?:smtp|error|erro|code|c[oó]digo|status|reply|n[uú]mero|number|de|do|the|with|com)\b[\s:#]*){0,5}[\s:(\[#-]*$",
    re.IGNORECASE,
)


def pieces_of(paragraph: Paragraph) -> list[Piece]:
    """Return the replies of a paragraph; the lines of a multi-line reply become one piece.

    A bounce's bare "Status: 5.1.1" counts only where no reply stands beside it.
    """
    text = "\n".join(line.text for line in paragraph)
    ends_of_lines = list(accumulate(len(line.text) + 1 for line in paragraph))
    starts = []
    looks_back = _MOST_LOOKS_BACK
    for start in islice(_REPLY.finditer(text), _MOST_CODES):
        if _begins_reply(start, text):
            starts.append(start)
        elif looks_back and _follows_words(start, text):
            looks_back -= 1
            if known_words(_sentence_before(text[: start.start()])) is not None:
                starts.append(start)
    pieces: list[Piece] = []
    goes_on = ""  # the code of a reply whose last line is yet to come
    for number, start in enumerate(starts):
        until = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        words = _cut(text[start.start() : until])
        code = start["code"] or ""
        line = bisect_right(ends_of_lines, start.start())
        if pieces and goes_on and code == goes_on:
            pieces[-1].words = f"{pieces[-1].words}\n{words}"[:MAX_REPLY]
        elif pieces and start["alone"] and text[start.start() - 1] == "(" and _goes_with(pieces[-1], line, words):
            # Roundcube: "SMTP Error (554): Failed to add recipient (5.7.1 Relay access denied)"
            pieces[-1].words = f"{pieces[-1].words[:3]} {words}"[:MAX_REPLY]
        else:
            if not start["more"]:
                words = _AFTER_CODE.sub(lambda code: f"{code[1] or code[2]} ", words)
            if not _has_words(words):
                words = _with_words_before(words, text[: start.start()])
            pieces.append(Piece(words[:MAX_REPLY], line, start.start()))
        goes_on = code if start["more"] else ""
    pieces = [piece for piece in pieces if not _BARE_CODE.fullmatch(piece.words)]
    spoken = [piece for piece in pieces if not _BARE_STATUS.fullmatch(piece.words)]
    return spoken or [piece for piece in pieces if not _SAYS_NOTHING.fullmatch(piece.words)]


def _goes_with(piece: Piece, line: int, words: str) -> bool:
    code = _CODE_ALONE.match(piece.words)
    return piece.line == line and code is not None and code[0][0] == words.lstrip("#")[0]


def _begins_reply(start: re.Match[str], text: str) -> bool:
    """Whether a code has its reply behind it, or is a bounce's bare status."""
    before = _before(start, text)
    after = text[start.end() : start.end() + 300].lstrip(" ")
    if start["alone"]:
        # "Status: 5.1.1" and "response was: 5.7.0 Must issue"; a version's number has no such words around it.
        return bool(
            _STATUS_HEADER.search(before) or (_MAIL_WORDS.search(after[:200].lower()) and _is_introduced(before))
        )
    if int(start["code"]) not in _CODES or _NOT_BEFORE.search(before.lower()):
        return False
    if start["enhanced"]:
        return True
    if not after or _UNITS.match(after) or not (after[0].isalpha() or after[0] in "<\"'[#(@*-“«"):
        return False
    return bool(_MAIL_WORDS.search(after.lower())) and _is_introduced(before)


def _follows_words(start: re.Match[str], text: str) -> bool:
    """Whether a code may stand behind its words: "User unknown (550)"."""
    if start["alone"] or int(start["code"]) not in _CODES:
        return False
    before = _before(start, text)
    after = text[start.end() : start.end() + 20]
    if not before.strip() or _NOT_BEFORE.search(before.lower()) or _UNITS.match(after.lstrip()):
        return False
    return bool(_MAIL_WORDS.search(before.lower())) and _is_introduced(before)


def _is_introduced(before: str) -> bool:
    return not before.strip() or _BEFORE.search(before[-45:]) is not None


def _before(start: re.Match[str], text: str) -> str:
    return text[max(0, start.start() - 70) : start.start()].rpartition("\n")[2]


def _cut(words: str) -> str:
    end = _END.search(words)
    words = _LABEL.sub("", words[: end.start()] if end else words)
    return words.strip().rstrip("'\"({[,;").strip()


def _has_words(words: str) -> bool:
    letters = re.sub(r"[\W\d_]+", "", words)
    return len(letters) > 2


def _sentence_before(text: str) -> str:
    """The words right before a code, without those that only introduce it."""
    text = text[-300:].rpartition("\n")[2]
    text = text[: len(text) - len(_trailing(text))]
    parts = _SENTENCE.split(text.rstrip(" .;-–—"))
    kept = parts[-1] if _has_words(parts[-1]) else text
    return _LEAD.sub("", kept).strip(" '\"([{,:;-")


def _trailing(text: str) -> str:
    match = _CODE_WORD.search(text)
    return match[0] if match else ""


def _with_words_before(words: str, before: str) -> str:
    said = _sentence_before(before)
    code = re.match(r"#?[245][\d.]*", words)
    return f"{code[0]} {said}" if said and code and known_words(said) is not None else words


_CODE_NAMED = re.compile(
    r"\b(?:erro|error|c[oó]digo|code|falh\w+ com|failed with|recus\w+ com|smtp)[ ]{0,2}"
    r"(?:smtp|n[uú]mero|n[ºo°.]{0,2}|de|o|a|number|code|c[oó]digo|erro|error|:|#|é|is|[ ]){0,6}"
    r"(?P<code>4[25]\d|5[0-5]\d)(?![\w.,:/-]*\d)"
    r"(?! ?(?:%|reais|pessoas|clientes|mil)\b)",
    re.IGNORECASE,
)


def code_named(text: str) -> str:
    """Return a reply code that somebody only names ("aparece o erro 535"), or nothing."""
    match = _CODE_NAMED.search(text)
    return match["code"] if match and int(match["code"]) in _CODES else ""


# ---------------------------------------------------------------- replies without a code
_LOG_WITHOUT_CODE = re.compile(
    r"""
    (?: \*\*[ ]\S+@[^\s:]+:[ ]
      | (?:\*\*|==)[ ]\S+(?:[ ]\S+){0,12}?[ ]R=\S+                                  # Exim: ** to R=router T=transport:
        (?:[ ][THXCPFS]=\S*(?:[ ]\[[\w.:]+\](?::\d+)?)?){0,8}(?:[ ]defer)?(?:[ ]\(-?\d+\))?(?:[ ]H=\S+)?:?[ ]
      | rejected[ ](?:RCPT|MAIL|connection|after[ ]DATA|EHLO|HELO)\b[^:]{0,120}:[ ]  # Exim's reject log
      | \bX-Postfix;[ ] | \bx-unix;[ ] | \bLocal[ ]reason:[ ]
      | \bstatus=(?:bounced|deferred|undeliverable)[ ]\((?!host[ ]\S+\[)            # Postfix
      | \bsaid:[ ] | \bresponded:[ ] | \brespondeu:[ ]                            # Thunderbird and others
      | \bserver[ ]response(?:[ ]was)?:[ ] | \bresposta[ ]do[ ]servidor(?:[ ]foi)?:[ ]
    )
    (?P<words>[^\n]{6,600})
    """,
    re.IGNORECASE | re.VERBOSE,
)


def words_in_log(text: str) -> str:
    """Return what a line of a mail log, or a program that repeats a reply, says without any code, or nothing."""
    match = _LOG_WITHOUT_CODE.search(text)
    return _cut(match["words"]).rstrip(")") if match else ""


_TROUBLE = re.compile(
    r"error|erro\b|fail|falh|reject|rejeit|recus|denied|negad|refus|block|bloque|exced|exceed|limit|unknown|\bnot\b|n't\b"
    r"|\bnao\b|invalid|require|requer|exige|expir|unable|could|exception|excecao|undeliver|devolv|bounce|quota|cota\b"
    r"|full\b|chei[ao]|too many|suspen|disabled|desativ|discard|descart|defer|greylist|spam"
)


_ABOUT_MAIL = re.compile(
    r"mail|messag|mensag|mensaje|smtp|servidor|server|recipient|destinat|sender|sending|remetente|mailbox|caixa|\buser"
    r"|usuario|senha|password|login|autentic|authentic|spam|relay|\bspf|dkim|dmarc|\btls|\bssl|dominio|domain|\bhost"
    r"|\benvio|\benvi|\bip\b"
)


def speaks_of_trouble(text: str) -> bool:
    """Whether a line without any code sounds like an error at all, and like one of mail."""
    line = folded(text)
    return bool(_TROUBLE.search(line) and _ABOUT_MAIL.search(line))
