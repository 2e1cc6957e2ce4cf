"""The papers say what the program does: commands, options, settings, files and tests that they name, both ways."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import shlex
import tomllib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from mailcore.cli.parser import build_parser
from mailcore.settings import Settings
from tests.tables import each_row

ROOT = Path(__file__).parents[1]
PAPERS = sorted(path.name for path in ROOT.glob("*.md"))
OURS = ("mailcore/", "ui/", "pages/", "tests/", "examples/", "docs/", "benchmarks/", ".streamlit/")


def for_tests() -> set[str]:
    """The variables that only the tests read: switches, and what must not be skipped."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    return set(re.findall(r"\bMAILCORE_(?:REQUIRE_[A-Z_]*[A-Z]|HYPOTHESIS)\b", sources))


@cache
def paper(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def commands() -> dict[str, set[str]]:
    """Command → its options, as the parser has them."""
    found: dict[str, set[str]] = {}

    def walk(parser: argparse.ArgumentParser, name: str) -> None:
        options: set[str] = set()
        inner: dict[str, argparse.ArgumentParser] = {}
        for action in parser._actions:
            options |= {option for option in action.option_strings if option.startswith("--")}
            if isinstance(action, argparse._SubParsersAction):
                inner |= action.choices
        if parser.get_default("command"):
            found[name] = options - {"--help", "--json"}
        for word, child in inner.items():
            walk(child, f"{name} {word}".strip())

    walk(build_parser(), "")
    return found


def command_line() -> str:
    """The README's part about the command line."""
    return paper("README.md").partition("## Command line\n")[2].partition("\n## ")[0]


def table_rows() -> list[list[str]]:
    rows = [line for line in command_line().splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows]


def test_the_readme_names_every_command_and_no_other() -> None:
    assert sorted(row[0].strip("`") for row in table_rows()) == sorted(commands())


def test_the_readme_names_every_option_and_no_other() -> None:
    named = set(re.findall(r"(--[a-z][a-z-]+)", command_line())) - {"--help", "--json"}
    assert named == {option for options in commands().values() for option in options}
    shared = commands()["servers add"] & commands()["servers edit"]
    for name, described, _example in table_rows():
        own = set(re.findall(r"`(--[a-z][a-z-]+)`", described))
        assert own <= commands()[name.strip("`")], name
        if name.strip("`") not in ("servers add", "servers edit"):
            rest = commands()[name.strip("`")] - own - shared
            assert not rest - {"--idempotency-key"}, f"{name} lacks {rest}"


@each_row("row", table_rows())
def test_the_readmes_examples_are_right_use(row: list[str]) -> None:
    for example in re.findall(r"`([^`]+)`", row[2]):
        words = shlex.split(re.split(r" [<>] ", example)[0])
        words = [word for word in words if word != "…" and not word.startswith("MAILCORE_")]
        assert build_parser().parse_args(words).command == row[0].strip("`")


def test_the_readme_names_every_setting_and_no_other() -> None:
    prefix = Settings.model_config["env_prefix"]
    settings = {f"{prefix}{name}".upper() for name in Settings.model_fields}
    rows = re.findall(r"^\| (`MAILCORE_[A-Z_`, ]+) \| (.*?) \|", paper("README.md"), re.MULTILINE)
    assert sorted(name for names, _ in rows for name in re.findall(r"\w+", names)) == sorted(settings)
    named = set(re.findall(r"MAILCORE_[A-Z_]+", paper("README.md")))
    assert settings <= named <= settings | for_tests()
    for names, defaults in rows:
        for name, default in zip(re.findall(r"\w+", names), defaults.split(", "), strict=False):
            value = Settings.model_fields[name.removeprefix(prefix).lower()].default
            if isinstance(value, int | str) and value:
                assert default in (f"`{int(value) if isinstance(value, bool) else value}`", "loopback"), name


@each_row("name", [name for name in PAPERS if name != "README.md"])
def test_the_other_papers_name_only_settings_that_there_are(name: str) -> None:
    settings = {f"MAILCORE_{field}".upper() for field in Settings.model_fields}
    assert set(re.findall(r"MAILCORE_[A-Z_]+", paper(name))) <= settings | for_tests()


def test_the_exit_codes_are_those_of_the_program() -> None:
    from mailcore.cli.exits import Exit

    table = re.findall(r"^\| (\d) \| ", command_line(), re.MULTILINE)
    assert [int(code) for code in table] == sorted(code for code in Exit if code < 100)


@each_row("name", PAPERS)
def test_every_file_and_test_that_a_paper_names_is_there(name: str) -> None:
    for quoted in re.findall(r"`([^`\n]+)`", paper(name)) + re.findall(r"\]\(([^)#]+)\)", paper(name)):
        path, _, test = quoted.partition("::")
        known = path.startswith(
            ("mailcore/", "ui/", "pages/", "tests/", "examples/", "docs/", "benchmarks/", ".streamlit/")
        )
        if not known or "<" in path or path == ".streamlit/secrets.toml":
            continue
        assert (ROOT / path).exists(), f"{name} names {quoted}"
        if test:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert test in functions, f"{name} names {quoted}"


def test_every_reference_in_a_docstring_leads_somewhere() -> None:
    for path in [path for folder in ("mailcore", "ui") for path in (ROOT / folder).rglob("*.py")]:
        for reference in re.findall(r":[a-z]+:`~?((?:mailcore|ui)\.[\w.]+)", path.read_text(encoding="utf-8")):
            assert is_there(reference.split(".")), f"{path} refers to {reference}"


def is_there(parts: list[str]) -> bool:
    for length in range(len(parts), 0, -1):
        with suppress(ImportError):
            found: Any = importlib.import_module(".".join(parts[:length]))
            for name in parts[length:]:
                found = getattr(found, name, None) or getattr(found, "__annotations__", {}).get(name)
            return found is not None
    return False


@each_row("name", PAPERS)
def test_every_link_leads_somewhere(name: str) -> None:
    headings = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles(name)}
    for link in re.findall(r"\]\(([^)]+)\)", paper(name)):
        if link.startswith("#"):
            assert link[1:] in headings, link
        elif not link.startswith("https://"):
            assert (ROOT / link.partition("#")[0]).exists(), link


def titles(name: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", paper(name), re.MULTILINE)


def test_every_target_of_make_is_explained_and_every_one_explained_is_there() -> None:
    targets = set(
        re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    )
    named = set(re.findall(r"\bmake ([a-z]+)\b(?=`| {2,}#| PYTEST)", paper("README.md") + paper("CONTRIBUTING.md")))
    assert named == targets


def test_the_architecture_knows_every_room_and_every_invariant_in_order() -> None:
    text = paper("ARCHITECTURE.md")
    rooms = {path.parent.name for path in ROOT.glob("mailcore/*/__init__.py")}
    single = {path.name for path in ROOT.glob("mailcore/*.py")} - {"__init__.py", "__main__.py"}
    plan = text.partition("```\n")[2].partition("```")[0]
    assert not {room for room in rooms if f"{room}/" not in plan} | {file for file in single if file not in plan}
    numbers = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", text, re.MULTILINE)
    assert [int(number) for number, _ in numbers] == list(range(1, 13))
    assert all("::test_" in held or held.startswith("to come") for _, held in numbers)
    changes = text.partition("## Where do I change")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\| (?!what |---)", changes, re.MULTILINE)) >= 10


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    versions = re.findall(r"^## \[([\d.]+)\] - (\d{4}-\d\d-\d\d)$", paper("CHANGELOG.md"), re.MULTILINE)
    assert versions[0][0] == version
    assert [day for _, day in versions] == sorted((day for _, day in versions), reverse=True)
    assert "## [Unreleased]" in paper("CHANGELOG.md")
