"""The vocabulary: what words say of who is at fault and of what, read from ``vocabulary.toml``.

A *concept* is one idea in all its words, English and Portuguese first (``recipient``, ``unknown``, ``too_many``). A
*finding* is a diagnosis and the phrases that speak for it, written with concepts in brackets::

    (recipient) ... (unknown)     the one and, up to six words later, the other, with no "not" between them
    no such (mailbox)             neighbours
    (quota) & (per_day)           both, anywhere, in any order
    blacklist*                    any word that begins so

A phrase does not count where a negation stands right before it ("is not blocked"). Place-holders
(:mod:`mailcore.diagnosis.normalise`) may stand between neighbours, and may be named.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

_GAP = r"(?: (?!(?:not|never|nao|nunca|nem|isnt|wasnt|arent)(?= ))\S+){0,6}?"
_BETWEEN_NEIGHBOURS = r"(?: @(?:addr|ip|host|id|url))*"
_NEGATIONS = tuple(f" {word}" for word in ("not", "never", "nao", "nunca", "isnt", "wasnt", "sem", "without"))
_PIECE = re.compile(r"\([a-z_]+\)|\.\.\.|[^\s()]+")
_MOST_WORDS = 20_000


@dataclass(frozen=True, slots=True)
class Phrase:
    """One way of saying a finding."""

    written: str
    """As it stands in the file."""
    parts: tuple[str, ...]
    """Regular expressions, each of which has to be found."""
    needs: int
    """The ideas and words without which it cannot be there, as bits."""

    def is_in(self, line: str, have: int) -> bool:
        """Whether it stands in a line in which these ideas may be."""
        return self.needs & have == self.needs and bool(self.found_in(line))

    def found_in(self, line: str) -> tuple[tuple[int, int], ...]:
        """Return where its parts stand in a normalised line; nothing where one of them does not."""
        spans = []
        for part in self.parts:
            search = _compiled(part).search
            match = search(line)
            while match is not None and line.endswith(_NEGATIONS, 0, match.start()):
                match = search(line, match.start() + 1)
            if match is None:
                return ()
            spans.append(match.span())
        return tuple(spans)


Hit = tuple[Phrase, tuple[tuple[int, int], ...]]
"""A phrase and where its parts stand."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What some phrases speak for."""

    code: str
    weight: float
    """3: a commonplace; 5: what happened, but not to whom; 7: both; 9: cannot mean anything else."""
    phrases: tuple[Phrase, ...]
    unless: tuple[Phrase, ...]
    """Phrases with which it means something else."""
    at: frozenset[str]
    """Only in these phases; empty for all. ``unknown`` stands for a phase nobody knows."""
    not_at: frozenset[str]
    temporary: bool | None
    """True: only in a 4xx; False: only in what is none."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All of it, ready to be looked through."""

    findings: tuple[Finding, ...]
    codes: dict[str, dict[str, float]]
    """Reply code or enhanced code (``550``, ``5.1.1``, ``x.1.1``) -> diagnosis -> how much it speaks for it."""
    bits: dict[str, int]
    """A word, or the beginning of one with ``*`` -> the bits of the ideas that begin with it."""
    by_idea: dict[int, tuple[tuple[int, Phrase], ...]]
    """A bit -> the phrases to look at where it is there, each with the place of its finding."""
    known: dict[str, int] = field(default_factory=dict, compare=False)
    """Words looked up before."""

    def phrases_in(self, line: str, have: int) -> dict[int, list[Hit]]:
        """Return the phrases that stand in a line, by the place of their finding.

        Args:
            have: the bits of everything that may be in it.
        """
        hits: dict[int, list[Hit]] = {}
        left = have
        while left:
            bit = left & -left
            left ^= bit
            for place, phrase in self.by_idea.get(bit, ()):
                if phrase.needs & have == phrase.needs and (spans := phrase.found_in(line)):
                    hits.setdefault(place, []).append((phrase, spans))
        return hits

    def ideas_in(self, words: tuple[str, ...]) -> int:
        """Return the bits of everything that may be in these words."""
        have = 0
        known = self.known
        for word in words:
            bits = known.get(word)
            have |= self._look_up(word) if bits is None else bits
        return have

    def _look_up(self, word: str) -> int:
        bits = self.bits.get(word, 0)
        for length in range(1, len(word) + 1):
            bits |= self.bits.get(f"{word[:length]}*", 0)
        if len(self.known) > _MOST_WORDS:
            self.known.clear()
        self.known[word] = bits
        return bits

    def with_phrases(self, keep: frozenset[tuple[str, str]]) -> Vocabulary:
        """Return it with only these (diagnosis, phrase): to measure what the others are worth."""
        findings = tuple(
            Finding(
                entry.code,
                entry.weight,
                tuple(phrase for phrase in entry.phrases if (entry.code, phrase.written) in keep),
                entry.unless,
                entry.at,
                entry.not_at,
                entry.temporary,
            )
            for entry in self.findings
        )
        return Vocabulary(findings, self.codes, self.bits, _by_idea(findings))


@cache
def vocabulary() -> Vocabulary:
    """Return the vocabulary of ``vocabulary.toml``, read once."""
    return read(tomllib.loads(files("mailcore.diagnosis").joinpath("vocabulary.toml").read_text("utf-8")))


def read(data: dict[str, Any]) -> Vocabulary:
    """Return the vocabulary that is written as ``vocabulary.toml`` is.

    Raises:
        KeyError: a phrase names a concept there is not.
    """
    return _Reader(data).read()


def _by_idea(findings: tuple[Finding, ...]) -> dict[int, tuple[tuple[int, Phrase], ...]]:
    """File each phrase under the idea in it that the fewest others need."""
    needed_by = Counter(bit for finding in findings for phrase in finding.phrases for bit in _bits_of(phrase.needs))
    filed: dict[int, list[tuple[int, Phrase]]] = {}
    for place, finding in enumerate(findings):
        for phrase in finding.phrases:
            rarest = min(_bits_of(phrase.needs), key=lambda bit: needed_by[bit])
            filed.setdefault(rarest, []).append((place, phrase))
    return {bit: tuple(phrases) for bit, phrases in filed.items()}


def _bits_of(needs: int) -> list[int]:
    bits = []
    while needs:
        bits.append(needs & -needs)
        needs &= needs - 1
    return bits


@cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source)


class _Reader:
    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._bits: dict[str, int] = {}
        self._next = 1
        self._concepts: dict[str, tuple[str, int]] = {}
        self._bits_of_words: dict[str, int] = {}

    def read(self) -> Vocabulary:
        concepts: dict[str, list[str]] = self._data["concepts"]
        for name, given in concepts.items():
            terms = [term for entry in given for term in (concepts[entry[1:-1]] if entry[0] == "(" else (entry,))]
            bit = self._new_bit()
            for term in terms:
                self._begins(term.split(" ")[0], bit)
            # The longest first: "over quota" before "over".
            ways = "|".join(self._words(term) for term in sorted(terms, key=len, reverse=True))
            self._concepts[name] = (f"(?:{ways})", bit)
        findings = tuple(self._finding(entry) for entry in self._data["finding"])
        return Vocabulary(findings, self._data["codes"], self._bits, _by_idea(findings))

    def _finding(self, entry: dict[str, Any]) -> Finding:
        return Finding(
            code=entry["code"],
            weight=entry["weight"],
            phrases=tuple(self._phrase(written) for written in entry["says"]),
            unless=tuple(self._phrase(written) for written in entry.get("unless", ())),
            at=frozenset(entry.get("at", ())),
            not_at=frozenset(entry.get("not_at", ())),
            temporary=entry.get("temporary"),
        )

    def _phrase(self, written: str) -> Phrase:
        """Read one phrase.

        Raises:
            KeyError: it names a concept there is not.
        """
        parts, needs = [], 0
        for part in written.split(" & "):
            source = ""
            gap = True
            for piece in _PIECE.findall(part):
                if piece == "...":
                    source += _GAP
                    gap = True
                    continue
                if piece[0] == "(":
                    words, bit = self._concepts[piece[1:-1]]
                else:
                    words, bit = self._words(piece), self._word_bit(piece)
                source += f"{'' if gap else _BETWEEN_NEIGHBOURS} {words}"
                gap = False
                needs |= bit
            parts.append(f"{source}(?= )")
        return Phrase(written, tuple(parts), needs)

    def _words(self, term: str) -> str:
        return re.escape(term).replace(r"\*", r"\w*").replace(r"\ ", " ")

    def _word_bit(self, word: str) -> int:
        known = self._bits_of_words.get(word)
        if known is None:
            known = self._bits_of_words[word] = self._new_bit()
            self._begins(word, known)
        return known

    def _begins(self, word: str, bit: int) -> None:
        self._bits[word] = self._bits.get(word, 0) | bit

    def _new_bit(self) -> int:
        bit = self._next
        self._next <<= 1
        return bit
