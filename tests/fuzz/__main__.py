"""``python -m tests.fuzz``: try, print what failed, and how many were tried."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.run import run


def main() -> int:
    """Run what the arguments ask for; 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a part of the names of what is tried")
    options = parser.parse_args()
    begun = time.monotonic()
    tried, failed = run(options.seed, seconds=options.seconds, most=options.most, only=options.only, form=True)
    for failure in failed[:20]:
        print(failure)
    a_minute = tried.total() / (time.monotonic() - begun) * 60
    print(f"tried {tried.total()} ({dict(tried)}), {a_minute:.0f} a minute, failed {len(failed)}, seed {options.seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
