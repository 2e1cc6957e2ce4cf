"""``make audit``: the known weaknesses of every pinned package, by pip-audit, which asks PyPI's advisories.

It needs the network, so it is no part of ``make lint``. What was learned is kept in ``.audit.json``: where the service
cannot be reached, that is told for the versions that are still pinned, with its date. Ends with 0 where every package
was asked about and nothing is known, with 1 where a weakness is known, with 2 where some could not be asked about.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PINS = ROOT / "requirements-dev.txt"
"""It has everything that requirements.txt has, and the tools of the tests."""
KEPT = ROOT / ".audit.json"

Answer = dict[str, Any]


@dataclass
class Audit:
    """What is known of the pinned packages."""

    asked: int = 0
    """Packages that the service answered for."""
    remembered: int = 0
    """Packages that it did not answer for now, but did once, at the pinned version."""
    unknown: list[str] = field(default_factory=list)
    weak: list[str] = field(default_factory=list)
    """A line for each weakness."""
    kept: Answer = field(default_factory=dict)
    """What to keep for the next time: "name version" → the ids of its weaknesses and when they were asked for."""

    @property
    def status(self) -> int:
        """What the program ends with."""
        return 1 if self.weak else 2 if self.unknown or self.remembered else 0


def judge(dependencies: list[Answer], pinned: dict[str, str], before: Answer, today: str) -> Audit:
    """Put together what the service says and what it said before."""
    answers = {each["name"].lower(): each for each in dependencies}
    audit = Audit()
    for name, version in sorted(pinned.items()):
        package, answer = f"{name} {version}", answers.get(name, {})
        if "vulns" in answer and answer.get("version") == version:
            audit.asked += 1
            audit.kept[package] = {"ids": [_told(each) for each in answer["vulns"]], "day": today}
        elif package in before:
            audit.remembered += 1
            audit.kept[package] = before[package]
        else:
            audit.unknown.append(package)
            continue
        known = audit.kept[package]
        as_of = "" if known["day"] == today else f", as of {known['day']}"
        audit.weak += [f"{package}: {told}{as_of}" for told in known["ids"]]
    return audit


def _told(weakness: Answer) -> str:
    mended = ", ".join(weakness.get("fix_versions") or []) or "no version yet"
    return f"{weakness['id']} (mended in {mended})"


def pins(text: str) -> dict[str, str]:
    """Return name → version of a file of pins."""
    lines = (line.partition(";")[0].strip() for line in text.splitlines())
    found = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {name.partition("[")[0].strip().lower(): version.strip() for name, _, version in found}


def _ask(service: list[str]) -> list[Answer]:
    command = [
        str(Path(sys.executable).with_name("pip-audit")),
        "--disable-pip",
        "--no-deps",
        "--requirement",
        str(PINS),
    ]
    options = ["--progress-spinner", "off", "--format", "json", "--timeout", "15"]
    done = subprocess.run([*command, *options, *service], capture_output=True, text=True, check=False)
    try:
        answered: list[Answer] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return []  # it ended without a report: the service was not reached
    return answered


def main(arguments: list[str]) -> int:
    """Ask, print what is known, and keep it."""
    before: Answer = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    pinned = pins(PINS.read_text("utf-8"))
    audit = judge(_ask(arguments), pinned, before, datetime.now(UTC).date().isoformat())
    KEPT.write_text(json.dumps(audit.kept, indent=1, sort_keys=True) + "\n", "utf-8")
    for line in audit.weak:
        print(line)
    print(f"{len(pinned)} packages: {audit.asked} asked about, {len(audit.weak)} known weaknesses.")
    if audit.remembered:
        print(f"The service did not answer for {audit.remembered} packages: of those the last answer counts.")
    if audit.unknown:
        print(
            f"Nothing is known of {len(audit.unknown)} packages, for the service could not be reached: try again with"
        )
        print("a network that reaches the index of packages, or with AUDIT_ARGS='--vulnerability-service osv'.")
    return audit.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
