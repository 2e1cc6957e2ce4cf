"""The arrows between rooms are held: a forbidden import breaks the contract that forbids it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("mailcore", "ui", "pages")

FORBIDDEN = {
    "pages -> ui -> mailcore": ("ui/words.py", "import pages.cotas"),
    "inside mailcore, one way, package by package": ("mailcore/quota/rules.py", "import mailcore.sending.ledger"),
    "inside the quotas, one way": ("mailcore/quota/account_state.py", "import mailcore.quota.rules"),
    "inside the form, one way": ("ui/cadastro/login_forms.py", "import ui.cadastro.values"),
    "the library knows no screen": ("mailcore/quota/reports.py", "import pandas"),
    "a transport knows no database": ("mailcore/messages/compose.py", "import sqlalchemy"),
    "a page holds no SQL, SMTP or HTTP": ("pages/cotas.py", "import smtplib"),
}
"""Contract → a file, and an import that it forbids there."""


def verdicts(folder: Path) -> dict[str, str]:
    """Contract → ``KEPT`` or ``BROKEN``, as the import checker says of the packages in a folder."""
    checker = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(checker), "--no-cache"],
        cwd=folder,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^(.+?) (KEPT|BROKEN)", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    return dict(found)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A copy of the program."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_each_contract_is_kept_and_breaks_at_what_it_forbids(program: Path) -> None:
    assert verdicts(program) == dict.fromkeys(FORBIDDEN, "KEPT")
    for file, line in FORBIDDEN.values():
        with (program / file).open("a", encoding="utf-8") as source:
            source.write(f"\n{line}\n")
    assert verdicts(program) == dict.fromkeys(FORBIDDEN, "BROKEN")
