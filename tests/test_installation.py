"""What ``pip install .`` gives: built, installed and used from a folder that is not the checkout."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import Distribution, distribution, distributions, version
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
_FILE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, BUILD = _FILE["project"], _FILE["build-system"]

OPEN = """
import mailcore
import mailcore.diagnosis.replies as replies
print(replies.classify("535 5.7.8 no"))
with mailcore.open_mailcore() as core:
    draft = mailcore.ServerDraft(name="Loja", host="a.example", requires_auth=False, from_address="a@exemplo.com.br")
    core.servers.create(draft, actor=mailcore.computer_user())
    print(mailcore.__file__, core.settings.data_dir, core.quotas())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built with the tools installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    build = f"import sys, {BUILD['build-backend']} as backend; print(backend.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return folder / done.stdout.split()[-1]


def new_environment(folder: Path) -> Path:
    """Make an empty virtual environment; return the folder of its programs."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    return folder / ("Scripts" if os.name == "nt" else "bin")


def install(programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run(programs: Path, cwd: Path, *command: str) -> str:
    """Run a program of the environment as a person would, anywhere, without settings."""
    home = cwd / "home"
    home.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
    environment = kept | {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "share"),
        "USERPROFILE": str(home),
        "MAILCORE_KEYRING": "database",
    }
    called = [str(programs / command[0]), *command[1:]]
    done = subprocess.run(called, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def try_out(programs: Path, elsewhere: Path) -> None:
    """Use the installed library and its command from a folder that has nothing to do with it."""
    assert "uso: mailcore " in run(programs, elsewhere, "mailcore", "--help")
    assert "uso: python -m mailcore " in run(programs, elsewhere, "python", "-m", "mailcore", "--help")
    # A text of every data file: the catalogue, the diagnoses, the migrations.
    assert "smtp.gmail.com" in run(programs, elsewhere, "mailcore", "servers", "suggest", "ana@gmail.com")
    diagnosed, first = run(programs, elsewhere, "python", "-c", OPEN).split("\n", 1)
    assert "auth/" in diagnosed
    assert str(programs.parent) in first.split()[0]
    assert str(ROOT) not in first
    assert str(elsewhere / "home") in first
    assert "Loja" in run(programs, elsewhere, "mailcore", "servers", "list")
    assert sorted(path.name for path in elsewhere.iterdir()) == ["home"]


def test_the_wheel_holds_the_library_whole_and_nothing_else(wheel: Path) -> None:
    shipped = {name for name in ZipFile(wheel).namelist() if not name.split("/")[0].endswith(".dist-info")}
    tracked = subprocess.run(
        ["git", "ls-files", "mailcore"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not tracked:
        pytest.skip("this is no checkout of git, so there is nothing to compare the wheel with")
    assert {name for name in tracked if (ROOT / name).exists()} <= shipped
    assert {name.split("/")[0] for name in shipped} == {"mailcore"}
    assert "mailcore/py.typed" in shipped


def test_pip_install_in_an_empty_environment_works_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    """Of the wheel that pip would build of the checkout: with the tools it would fetch, as the test below holds.

    The environment of the tests lends the libraries that the wheel asks for, and no other. With
    ``MAILCORE_REQUIRE_REGISTRY=1`` pip fetches those that it chooses itself.
    """
    folder, elsewhere = tmp_path / "env", tmp_path / "elsewhere"
    elsewhere.mkdir()
    programs = new_environment(folder)
    if os.environ.get("MAILCORE_REQUIRE_REGISTRY") == "1":
        done = install(programs, "--retries", "1", "--timeout", "10", "--no-compile", str(wheel))
    else:
        done = install(programs, "--no-index", "--no-deps", str(wheel))
        lend_what_it_requires(Path(sysconfig.get_path("purelib", vars={"base": str(folder)})))
    assert done.returncode == 0, done.stderr
    try_out(programs, elsewhere)


def lend_what_it_requires(site: Path) -> None:
    """Put into the environment of ``site`` every library that the wheel there requires, and those require in turn."""
    [installed] = distributions(name=PROJECT["name"], path=[str(site)])
    wanted, seen = needs(installed), set()
    while wanted:
        requirement = wanted.pop()
        if requirement in seen:
            continue
        seen.add(requirement)
        lent = distribution(requirement.name)
        assert requirement.specifier.contains(lent.version), requirement
        wanted += needs(lent, *requirement.extras)
        for name in {path.parts[0] for path in lent.files or ()} - {"..", "__pycache__"}:
            source, target = Path(str(lent.locate_file(name))), site / name
            if target.exists():  # two libraries in one namespace
                continue
            if os.name != "nt":
                target.symlink_to(source)
            elif source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)


def needs(library: Distribution, *extras: str) -> list[Requirement]:
    """What a library requires on this machine, with these extras."""

    def is_for_us(requirement: Requirement) -> bool:
        marker = requirement.marker
        return marker is None or any(marker.evaluate({"extra": name}) for name in ("", *extras))

    return [each for each in map(Requirement, library.requires or ()) if is_for_us(each)]


def test_the_wheel_was_built_with_what_pip_would_fetch_for_it() -> None:
    for text in BUILD["requires"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(version(requirement.name)), requirement
    assert {Requirement(text).name for text in BUILD["requires"]} == {BUILD["build-backend"].split(".")[0]}


def test_the_pins_of_the_app_lie_within_the_ranges_of_the_library() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    found = re.findall(r"^([\w.-]+)(?:\[\w+\])?==([^ \n;]+)", text, re.MULTILINE)
    pins = {name.lower(): version for name, version in found}
    extras = PROJECT["optional-dependencies"]
    wanted = [Requirement(text) for text in (*PROJECT["dependencies"], *extras["frames"], *extras["app"])]
    for requirement in wanted:
        if requirement.name != PROJECT["name"]:
            assert requirement.specifier.contains(pins[requirement.name.lower()]), requirement


def test_every_library_that_mailcore_imports_is_declared() -> None:
    declared, frames = (
        {name for text in texts for name in modules_of(Requirement(text).name)}
        for texts in (PROJECT["dependencies"], PROJECT["optional-dependencies"]["frames"])
    )
    for path in (ROOT / "mailcore").rglob("*.py"):
        allowed = declared | frames if "frames" in path.relative_to(ROOT).as_posix() else declared
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            for name in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"mailcore", ""}:
                assert name in allowed, f"{path}: {name}"


def modules_of(library: str) -> set[str]:
    """What can be imported of an installed library."""
    return {path.parts[0].removesuffix(".py") for path in distribution(library).files or ()}
