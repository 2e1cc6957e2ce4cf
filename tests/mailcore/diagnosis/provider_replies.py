"""The replies of ``provider_replies.txt``, read for tests: (phase, reply, category, code) each."""

from __future__ import annotations

from pathlib import Path

Case = tuple[str, str, str, str]


def _read() -> dict[str, list[Case]]:
    sections: dict[str, list[Case]] = {}
    for line in Path(__file__).with_suffix(".txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            sections[line.strip("[]")] = cases = []
        elif line and not line.startswith("#"):
            phase, category, code, reply = (part.strip() for part in line.split("|"))
            cases.append((phase, reply.replace("\\n", "\n"), category, code))
    return sections


_SECTIONS = _read()
GOOGLE, MICROSOFT, YAHOO = _SECTIONS["google"], _SECTIONS["microsoft"], _SECTIONS["yahoo"]
SERVICES = _SECTIONS["services"]
ELASTIC_EMAIL = [(int(status), words, category, code) for status, words, category, code in _SECTIONS["elastic_email"]]
"""(HTTP status, the text of Error, category, code)"""
SMTP = [case for name, cases in _SECTIONS.items() if name != "elastic_email" for case in cases]
