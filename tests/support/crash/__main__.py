"""``python -m support.crash``: the crash test in full."""

from __future__ import annotations

import argparse
import sys
import time

from support.crash.whole import crash


def main() -> int:
    """Print what was killed, what came of it and what was found wrong; that decides the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=60, help="the storm ends then, however few were killed")
    parser.add_argument("--reruns", type=int, default=8)
    chosen = parser.parse_args()
    began = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    storm = crash(
        kills=chosen.kills,
        most_seconds=60 * chosen.minutes,
        seed=chosen.seed,
        days=chosen.days,
        reruns=chosen.reruns,
        say=say,
    )
    for title, counted in (
        ("killed", storm.kills),
        ("when", storm.where),
        ("outcomes", storm.outcomes),
        ("errors", storm.errors),
    ):
        say(f"{title}:")
        for name, count in sorted(counted.items()):
            say(f"  {count:5}  {name}")
    say(f"{len(storm.acknowledged)} acknowledged acts found again, {storm.answers} answers of servers")
    say(f"seed {chosen.seed}: {storm.killed} kills, {time.monotonic() - began:.0f} s, {len(storm.problems)} problems")
    for problem in storm.problems:
        say(f"PROBLEM {problem}")
    return bool(storm.problems) or storm.killed < chosen.kills


if __name__ == "__main__":
    raise SystemExit(main())
