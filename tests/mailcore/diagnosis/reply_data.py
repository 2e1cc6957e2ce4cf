"""Replies of real servers with what they mean, and how well the rules do on them, source by source.

``replies/*.jsonl``: one reply a line, as quoted in public (bug reports, help pages, sample bounces; addresses and ids
replaced): ``reply``, ``phase`` (the command line's word, or null), ``provider``, ``source``, and ``accept``, the
categories and fields a person accepts. ``learned`` is what the rules were made with. The sets called ``held_out``
were gathered afterwards, one after the other, and each was measured before anything was learned from it; what they
scored then stands in :data:`FIRST_SCORES`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mailcore.diagnosis.decide import decide
from mailcore.diagnosis.normalise import normalise
from mailcore.diagnosis.providers import own_meaning
from mailcore.diagnosis.replies import PHASES, classify, phase_of
from mailcore.diagnosis.texts import texts
from mailcore.diagnosis.vocabulary import Vocabulary, vocabulary

FIRST_SCORES = {
    "held_out_1": (90.9, 90.9),
    "held_out_2": (94.5, 93.8),
    "held_out_3": (95.7, 95.7),
    "held_out_4": (97.1, 97.1),
}
"""Per cent of categories, and of categories with field, on a set nobody had tuned on."""
_FOLDER = Path(__file__).parent / "replies"


@dataclass(frozen=True)
class Case:
    reply: str
    phase: str
    source: str
    accept: frozenset[tuple[str, str | None]]
    file: str


@dataclass(frozen=True)
class Score:
    replies: int
    category: float
    """Per cent."""
    field: float
    """Per cent of category and field together."""


def sets() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.jsonl"))


@cache
def cases() -> tuple[Case, ...]:
    found = []
    for path in sorted(_FOLDER.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            one = json.loads(line)
            accept = frozenset((each["category"], each["field"]) for each in one["accept"])
            found.append(Case(one["reply"], one["phase"] or "", _name(one["source"]), accept, path.stem))
    return tuple(found)


def _name(source: str) -> str:
    """A repository, or the host of a page."""
    parts = source.split(" ")[0].removeprefix("https://").removeprefix("http://").split("/")
    return "/".join(parts[1:3]) if parts[0] == "github.com" else parts[0] if "." in parts[0] else source


def score(chosen: list[Case]) -> Score:
    found = [classify(case.reply, phase=case.phase) for case in chosen]
    return _score([(case, one.category, one.field) for case, one in zip(chosen, found, strict=True)])


def _score(answers: list[tuple[Case, str, str | None]]) -> Score:
    categories = sum(category in {each for each, _ in case.accept} for case, category, _ in answers)
    fields = sum((category, field) in case.accept for case, category, field in answers)
    return Score(len(answers), 100 * categories / len(answers), 100 * fields / len(answers))


SMALL = "the small sources, each by itself"
_LARGE = 8


def by_source() -> dict[str, list[Case]]:
    """Return the replies by who published them; those of few replies are counted together."""
    sources: dict[str, list[Case]] = defaultdict(list)
    for case in cases():
        sources[case.source].append(case)
    large = {name: found for name, found in sorted(sources.items()) if len(found) >= _LARGE}
    return large | {SMALL: [case for case in cases() if case.source not in large]}


def leaving_out(name: str) -> Score:
    """Return the score on a source without the phrases of the vocabulary that its replies alone speak for.

    A phrase that decides in this source and in no other would not be there without it. One that decides nowhere in the
    data came from standards, manuals and the words of both languages, not from a source.
    """
    answers = []
    for case in by_source()[name]:
        answers.append((case, *_answer(case, _without(case.source))))
    return _score(answers)


@cache
def _without(source: str) -> Vocabulary:
    supported = _supported()
    kept = frozenset(
        (finding.code, phrase.written)
        for finding in vocabulary().findings
        for phrase in finding.phrases
        if supported.get((finding.code, phrase.written)) != {source}
    )
    return vocabulary().with_phrases(kept)


@cache
def _supported() -> dict[tuple[str, str], frozenset[str]]:
    supported: dict[tuple[str, str], set[str]] = defaultdict(set)
    for case in cases():
        reply = normalise(case.reply)
        decision = decide(reply, PHASES.get(case.phase, "") or phase_of(reply), vocabulary())
        for phrase in decision.phrases:
            supported[decision.code, phrase].add(case.source)
    return {phrase: frozenset(names) for phrase, names in supported.items()}


def _answer(case: Case, rest: Vocabulary) -> tuple[str, str | None]:
    reply = normalise(case.reply)
    own = own_meaning(reply, "")
    code = own[0] if own else decide(reply, PHASES.get(case.phase, "") or phase_of(reply), rest).code
    return texts()[code]["category"], texts()[code].get("field")
