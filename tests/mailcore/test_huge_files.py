"""Twenty megabytes of anything cost little memory and time; the first hundred faults are told, the rest counted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailcore import Mailcore
from mailcore.errors import ValidationError
from mailcore.registry import exchange_file
from mailcore.registry.exchange import plan_import
from mailcore.registry.exchange_file import MAX_BYTES, MAX_RECORDS
from mailcore.registry.remarks import MOST_TOLD
from mailcore.settings import Settings


@pytest.fixture
def sqlite_core(tmp_path: Path) -> Iterator[Mailcore]:
    core = Mailcore(Settings(data_dir=tmp_path / "data", keyring="database"))
    yield core
    core.close()


HEADER = b"id;name;host;port;security;from_address\n"
MOST_MEGABYTES = 300
MOST_CPU_SECONDS = 20

PLAN = """
import json, os, resource, sys, traceback
from pathlib import Path
from mailcore import Mailcore
from mailcore.errors import ValidationError
from mailcore.registry import exchange_file
from mailcore.registry.exchange import plan_import
from mailcore.settings import Settings

def plan(file, what, most_records):
    exchange_file.MAX_RECORDS = most_records
    core = Mailcore(settings)
    data = Path(file).read_bytes()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    if what == "external":
        try:
            core.read_external_use(data)
        except ValidationError as error:
            told = counted = len(error.errors)
    else:
        plan = plan_import(core.database, data)
        told, counted = len(plan.errors), plan.error_count
    seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    core.close()
    # Not ru_maxrss, which begins with what the parent had.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps([told, counted, seconds, int(peak.split()[1]) / 1024]), flush=True)

settings = Settings(data_dir=Path(sys.argv[1]), keyring="database")
Mailcore(settings).close()
for line in sys.stdin:
    if pid := os.fork():
        if os.waitpid(pid, 0)[1]:
            print(json.dumps(None), flush=True)
        continue
    try:
        plan(*json.loads(line))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
"""


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process that has loaded the library and made a database, and forks another for each file."""
    command = [sys.executable, "-c", PLAN, str(tmp_path_factory.mktemp("planner"))]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def filled(piece: bytes, head: bytes = b"", tail: bytes = b"") -> bytes:
    """Twenty megabytes of one piece, again and again."""
    return head + piece * ((MAX_BYTES - len(head) - len(tail)) // len(piece)) + tail


FILES: dict[str, Callable[[], bytes]] = {
    "rows too short": lambda: filled(b"x\n", HEADER),
    "bad rows": lambda: filled(b";;;x;y;a@\n", HEADER),
    "empty lines": lambda: filled(b"\n", HEADER),
    "a row without end": lambda: filled(b";", HEADER),
    "a cell without end": lambda: filled(b'"\n";', HEADER),
    "unknown columns": lambda: filled(b"coluna;"),
    "wide characters": lambda: filled(b"x;x\n", HEADER, "😀".encode()),
    "empty objects": lambda: filled(b"{},", b"[", '{"name":"😀"}]'.encode()),
    "nested": lambda: filled(b"[],", b'[{"name":[', b"[]]}]"),
    "brackets without end": lambda: filled(b"["),
    "unknown members": lambda: b"[" + b",".join(b'{"k%d":1}' % number for number in range(1_200_000)) + b"]",
    "quotes without end": lambda: filled(b'\\"', b'[{"name":"'),
}


SHARES = {"bad rows": 0.1, "empty objects": 0.1}
"""Of the records that are read before the rest is not: each row costs the same, and keeps nothing."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize("name", FILES)
def test_twenty_megabytes_of_anything(name: str, planner: subprocess.Popen[str], tmp_path: Path) -> None:
    share = SHARES.get(name, 1)
    told, counted, seconds, megabytes = planned(planner, FILES[name](), tmp_path, records=int(MAX_RECORDS * share))
    assert 1 <= told <= MOST_TOLD
    assert counted >= told
    assert megabytes <= MOST_MEGABYTES
    assert seconds <= MOST_CPU_SECONDS * share


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")
def test_twenty_megabytes_of_external_use(planner: subprocess.Popen[str], tmp_path: Path) -> None:
    data = filled(b"x,y,z\n", b"server_id,at,units\n")
    told, _, seconds, megabytes = planned(planner, data, tmp_path, "external")
    assert told == 1
    assert megabytes <= MOST_MEGABYTES
    assert seconds <= MOST_CPU_SECONDS


def planned(
    planner: subprocess.Popen[str], data: bytes, folder: Path, what: str = "servers", records: int = MAX_RECORDS
) -> tuple[int, int, float, float]:
    (folder / "file").write_bytes(data)
    assert planner.stdin is not None
    assert planner.stdout is not None
    planner.stdin.write(json.dumps([str(folder / "file"), what, records]) + "\n")
    planner.stdin.flush()
    answer = json.loads(planner.stdout.readline())
    assert answer is not None, "it ended with a fault"
    told, counted, seconds, megabytes = answer
    return told, counted, seconds, megabytes


def test_the_first_hundred_faults_are_told_and_the_rest_is_counted(sqlite_core: Mailcore) -> None:
    rows = b"".join(b";n%d;h.example;25;none;a%d@b.example\n" % (number, number) for number in range(50))
    plan = plan_import(sqlite_core.database, HEADER + rows + b"x\n" * 130)
    assert [remark.line for remark in plan.errors] == list(range(52, 152))
    assert plan.error_count == 130
    assert plan.more_errors == "E mais 30 erros, fora da lista."
    assert (len(plan.created), plan.does_something) == (50, False)


def test_of_use_elsewhere_too(sqlite_core: Mailcore) -> None:
    with pytest.raises(ValidationError) as caught:
        sqlite_core.read_external_use(b"server_id,at,units\n" + b"x,y,z\n" * 130)
    assert len(caught.value.errors) == 101
    assert caught.value.errors[-1].message == "E mais 30 linhas com erro."


def test_a_file_of_too_many_servers_is_not_read_to_its_end(
    sqlite_core: Mailcore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exchange_file.MAX_RECORDS == 50_000
    most = 1_200
    monkeypatch.setattr(exchange_file, "MAX_RECORDS", most)
    rows = b"".join(b";n%d;h.example;25;none;a@b.example\n" % number for number in range(most + 2))
    plan = plan_import(sqlite_core.database, HEADER + rows)
    assert ["mais de 1.200 servidores" in remark.message for remark in plan.errors] == [True]
    assert len(plan.created) == most
