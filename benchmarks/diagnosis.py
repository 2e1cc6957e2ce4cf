"""How many replies of real servers are read right, source by source, and what reading one costs."""

from __future__ import annotations

import time

from benchmarks.report import Figure
from mailcore.diagnosis.replies import classify
from tests.mailcore.diagnosis.reply_data import FIRST_SCORES, Score, by_source, cases, leaving_out, score, sets


def run() -> list[Figure]:
    """Return the scores in per cent (higher is better), and the time."""
    figures = []
    for name in sets():
        first = (
            f"{FIRST_SCORES[name][0]} and {FIRST_SCORES[name][1]} before it was learned from"
            if name in FIRST_SCORES
            else ""
        )
        figures += _of(name, score([case for case in cases() if case.file == name]), first)
    for name, found in by_source().items():
        left_out = leaving_out(name)
        remark = f"with field {left_out.field:.1f} %; not left out {score(found).category:.1f} %"
        figures.append(
            Figure(
                f"{name}, left out: categories of {left_out.replies}", left_out.category, "%", 85, remark, at_least=True
            )
        )
    return [*figures, _cost()]


def _of(name: str, found: Score, remark: str) -> list[Figure]:
    return [
        Figure(f"{name}: categories of {found.replies}", found.category, "%", 95, remark, at_least=True),
        Figure(f"{name}: with field", found.field, "%", 90, at_least=True),
    ]


def _cost() -> Figure:
    chosen = cases()
    for case in chosen:
        classify(case.reply, phase=case.phase)
    begun = time.process_time()
    for case in chosen:
        classify(case.reply, phase=case.phase)
    each = (time.process_time() - begun) / len(chosen)
    return Figure("one reply classified", each * 1e6, "µs", 200, f"mean of all {len(chosen)}, CPU")
