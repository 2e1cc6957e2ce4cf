"""``python -m benchmarks [name …]``: run all benchmarks, or those named, and print a table each."""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks.report import table

NAMES = {
    "search": "Search through mailcore.registry.servers",
    "memory": "Memory of many threads on SQLite, 100,000 servers",
    "growth": "What the app keeps of runs and sessions",
    "pages": "The list page in the browser",
    "door": "What the door costs",
    "quotas": "Reserving units, and what quotas cost to read",
    "frames": "DataFrames over a million rows of the ledger",
    "batches": "Batches without the wire",
    "checks": "The staged check, replies and the ledger row",
    "diagnosis": "Replies of real servers, read right",
    "wire": "A batch over the wire, against nodemailer pooled",
    "versus_django": "The same work in the app and in the Django admin, 100,000 servers",
}


def main(names: list[str]) -> int:
    """Run what is asked for; a figure over its target is printed, and is no failure."""
    if unknown := set(names) - set(NAMES):
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in names or NAMES:
        figures = import_module(f"benchmarks.{name}").run()
        print(table(NAMES[name], figures), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
