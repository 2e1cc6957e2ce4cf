"""The scripts and style sheets are whole: what the browser would drop without a word is found here.

``make lint`` has a linter read the scripts; here a parser reads both as they travel to the browser.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import tinycss2

from ui.assets import PARTS, all_parts, part, script, style

ASSETS = Path(__file__).parents[2] / "ui" / "assets"
SCRIPTS = sorted(path.name for path in ASSETS.glob("*.js"))
STYLES = sorted(path.name for path in ASSETS.glob("*.css"))


def test_there_are_some() -> None:
    assert {"chrome.js", "rows.js", "shortcuts.js"} <= set(SCRIPTS)
    assert {"chrome.css", "rows.css"} <= set(STYLES)


@pytest.mark.parametrize("name", STYLES)
def test_a_style_sheet_parses(name: str) -> None:
    assert style(name)
    assert "/*" not in style(name)
    assert _errors(tinycss2.parse_stylesheet(style(name), skip_comments=True, skip_whitespace=True)) == []


def _errors(rules: list[tinycss2.ast.Node]) -> list[str]:
    found = [rule.message for rule in rules if rule.type == "error"]
    for rule in rules:
        if rule.type in ("qualified-rule", "at-rule") and rule.content:
            found += _errors(tinycss2.parse_blocks_contents(rule.content, skip_comments=True, skip_whitespace=True))
    return found


def test_the_parser_sees_a_broken_style_sheet() -> None:
    broken = "a { color: red } .b { width 3px; } } c { x: y }"
    assert _errors(tinycss2.parse_stylesheet(broken, skip_comments=True, skip_whitespace=True))


@pytest.mark.parametrize("source", [all_parts("chrome"), *map(part, PARTS)], ids=["all", *PARTS])
def test_what_travels_parses_and_knows_every_name(source: str, tmp_path: Path) -> None:
    assert not re.search(r"^\s*//", source, re.MULTILINE)
    travelling = tmp_path / "travelling.js"
    travelling.write_text(source, "utf-8")
    linter = shutil.which("oxlint", path=sysconfig.get_path("scripts"))
    assert linter, "oxlint is pinned in requirements-dev.txt"
    rules = ASSETS.parents[1] / ".oxlintrc.json"
    checked = subprocess.run(
        [linter, "--config", str(rules), "-A", "all", "-D", "no-undef", str(travelling)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_every_script_travels_with_the_rest() -> None:
    # The one that stands in the page itself (ui/shell.py) is no component.
    assert {f"{name}.js" for name in PARTS} == set(SCRIPTS) - {"connect.js"}
    for name in PARTS:
        assert script(f"{name}.js").count("export default ") == 1
    # Below this size Streamlit sends it again with every run.
    assert len(all_parts("chrome")) > 10_000


def test_no_script_makes_html_of_text() -> None:
    rules = (ASSETS.parents[1] / ".oxlintrc.json").read_text("utf-8")
    for name in ("innerHTML", "outerHTML", "insertAdjacentHTML"):
        assert name in rules
        assert all(name not in script(each) for each in SCRIPTS)
