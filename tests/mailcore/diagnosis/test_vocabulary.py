"""The little language the vocabulary is written in, and what holds its files together."""

from __future__ import annotations

import re
import time
import tomllib
from importlib.resources import files

import pytest

from mailcore.diagnosis import clients
from mailcore.diagnosis.decide import decide
from mailcore.diagnosis.normalise import normalise
from mailcore.diagnosis.texts import texts
from mailcore.diagnosis.vocabulary import Vocabulary, read, vocabulary
from tests.tables import each_row

_DATA = {
    "concepts": {
        "who": ["user", "caixa postal", "recipient*"],
        "gone": ["unknown", "does not exist"],
        "anyone": ["(who)", "nobody"],
    },
    "codes": {},
}


def vocabulary_of(*says: str, unless: tuple[str, ...] = (), **more: object) -> Vocabulary:
    return read({**_DATA, "finding": [{"code": "found", "weight": 5, "says": says, "unless": unless, **more}]})


def is_found(said: Vocabulary, reply: str, phase: str = "") -> bool:
    return decide(normalise(reply), phase, said).code == "found"


@each_row(
    ("phrase", "reply", "found"),
    [
        ("(who) (gone)", "550 user unknown", True),
        ("(who) (gone)", "550 <bia@example.org> user <bia@example.org> unknown", True),
        ("(who) (gone)", "550 the user is unknown", False),
        ("(who) ... (gone)", "550 the user is unknown", True),
        ("(who) ... (gone)", "550 the user is not unknown", False),
        ("(who) ... (gone)", "550 user a b c d e f g h unknown", False),
        ("(gone) ... (who)", "550 user unknown", False),
        ("(gone) & (who)", "550 user unknown", True),
        ("(gone)", "550 it is not unknown", False),
        ("(gone)", "550 it is not unknown. really unknown", True),
        ("(gone)", "550 it does not exist", True),
        ("(who)", "550 Recipients, all of them", True),
        ("(who)", "550 a caixa postal", True),
        ("(who)", "550 a Caixa Postál", True),
        ("(who)", "550 a caixa", False),
        ("(anyone)", "550 user", True),
        ("(anyone)", "550 nobody", True),
        ("no such (who)", "550 no such user", True),
        ("block*", "550 Blocked.", True),
        ("@ip ... block*", "550 192.0.2.1 is blocked", True),
        ("(gone)", "550 <unknown@example.org>", False),
        ("(gone)", "550 unknown.example.org", False),
    ],
)
def test_a_phrase(phrase: str, reply: str, found: bool) -> None:
    assert is_found(vocabulary_of(phrase), reply) is found


def test_it_means_something_else_with_other_words() -> None:
    said = vocabulary_of("(gone)", unless=("planet",))
    assert is_found(said, "550 unknown")
    assert not is_found(said, "550 unknown planet")


def test_phase_and_permanence_limit_it() -> None:
    assert not is_found(vocabulary_of("(gone)", at=["auth"]), "550 unknown")
    assert is_found(vocabulary_of("(gone)", at=["unknown"]), "550 unknown")
    assert not is_found(vocabulary_of("(gone)", not_at=["data"]), "550 unknown", "data")
    assert not is_found(vocabulary_of("(gone)", temporary=True), "550 unknown")
    assert is_found(vocabulary_of("(gone)", temporary=True), "450 unknown")


def test_a_concept_there_is_not_is_an_error() -> None:
    with pytest.raises(KeyError):
        vocabulary_of("(nothing) (gone)")


def test_the_evidence_is_what_stands_in_the_reply() -> None:
    found = decide(normalise("550 A Caixa Postal <bia@example.org> Does Not Exist!"), "", vocabulary_of("(who) (gone)"))
    assert found.evidence == ("Caixa Postal <bia@example.org> Does Not Exist",)


def test_every_concept_is_used_and_every_diagnosis_has_a_text() -> None:
    data = tomllib.loads(files("mailcore.diagnosis").joinpath("vocabulary.toml").read_text("utf-8"))
    phrases = [phrase for finding in data["finding"] for phrase in (*finding["says"], *finding.get("unless", ()))]
    terms = [term for terms in data["concepts"].values() for term in terms]
    used = set(re.findall(r"\(([a-z_]+)\)", " ".join((*phrases, *terms))))
    assert used == set(data["concepts"])
    assert {finding.code for finding in vocabulary().findings} <= set(texts())
    assert clients.codes() <= set(texts())


def test_terms_are_written_as_they_are_read() -> None:
    """Lower case, no accent, no hyphen or apostrophe: anything else could never be found."""
    data = tomllib.loads(files("mailcore.diagnosis").joinpath("vocabulary.toml").read_text("utf-8"))
    for terms in data["concepts"].values():
        for term in terms:
            assert re.fullmatch(r"\([a-z_]+\)|[a-z0-9#@* ]+", term), term


def test_the_longest_reply_is_read_in_no_time() -> None:
    reply = "550 5.7.1 " + "user unknown mailbox not blocked sender recipient limit exceeded " * 200
    decide(normalise(reply), "", vocabulary())
    started = time.process_time()
    decide(normalise(reply), "", vocabulary())
    assert time.process_time() - started < 0.5
