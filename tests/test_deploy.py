"""The files to install with: they parse, they name what there is, and what they start has a door."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def test_the_compose_file_has_a_door_and_keeps_no_secret() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    app = compose["services"]["app"]
    assert app["environment"]["MAILCORE_LOGIN"] == "${MAILCORE_LOGIN:-accounts}"
    assert all(port.startswith("127.0.0.1:") for port in app["ports"])
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|SECRET|KEY", name):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?\}", value), name
    assert set(compose["volumes"]) == {"data", "database"}


def test_the_dockerfile_starts_the_app_as_nobody_special() -> None:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text("utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    words = [line.split()[0] for line in lines]
    known = {"FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert set(words) <= known
    assert words.index("USER") < words.index("CMD")
    assert lines[words.index("CMD")] == 'CMD ["python", "-m", "streamlit", "run", "app.py"]'
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert {".git", ".streamlit/secrets.toml", "data"} <= set(ignored)


def test_the_image_builds() -> None:
    if shutil.which("docker") is None:
        pytest.skip("no docker on this machine")
    if subprocess.run(["docker", "info"], capture_output=True, timeout=60).returncode != 0:
        pytest.skip("docker's daemon is not running on this machine")
    subprocess.run(["docker", "build", "--quiet", "."], cwd=ROOT, check=True, timeout=280)


def test_the_unit_of_systemd_starts_the_app() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((ROOT / "deploy/servidores-de-email.service").read_text("utf-8"))
    service = unit["Service"]
    assert service["ExecStart"].endswith("streamlit run app.py")
    assert "MAILCORE_LOGIN=accounts" in service["Environment"]
    assert "SECRET" not in service["Environment"]
    assert service["User"] == "mailcore"


def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd on this machine")
    python = tmp_path / "app/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/true")
    unit = tmp_path / "servidores-de-email.service"
    text = (ROOT / "deploy" / unit.name).read_text("utf-8")
    assert "/opt/servidores-de-email" in text
    unit.write_text(text.replace("/opt/servidores-de-email", str(tmp_path / "app")))
    done = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True, timeout=60)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
    assert ours == []


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_a_proxy_proves_itself_and_passes_on_nothing_a_client_wrote(name: str) -> None:
    text = (ROOT / "deploy" / name).read_text("utf-8")
    assert text.count("{") == text.count("}")
    for header in ("X-Mailcore-Proxy", "X-Forwarded-For", "X-Forwarded-Email", "Forwarded"):
        assert header in text
    assert "proxy_add_x_forwarded_for" not in text


def test_every_setting_and_file_the_walks_name_is_there() -> None:
    from mailcore.settings import Settings

    known = {f"MAILCORE_{name.upper()}" for name in Settings.model_fields}
    for path in (ROOT / "docs").glob("*.md"):
        text = path.read_text("utf-8")
        assert set(re.findall(r"MAILCORE_[A-Z_]+[A-Z]", text)) <= known, path
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert target.startswith("http") or (path.parent / target).exists(), (path, target)
