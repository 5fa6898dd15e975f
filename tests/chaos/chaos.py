"""script/chaos."""

import argparse
import random
import resource
import sys
from dataclasses import fields
from pathlib import Path

from chaos.harness import Size, stage

KEEP = Path("build/chaos")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/chaos",
        description="Kills, stops, restarts and cuts off what runs under load, and compares what callers heard with what"
        f" workers ran. Logs and ledgers are in {KEEP} afterwards. Exit code 1 when a bar is missed.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the faults")
    for each in fields(Size):
        option = f"--{each.name.removesuffix('_s').replace('_', '-')}"
        parser.add_argument(option, dest=each.name, type=type(each.default), default=each.default)
    return parser.parse_args()


def main() -> int:
    args = arguments()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    size = Size(**{each.name: getattr(args, each.name) for each in fields(Size)})
    print(f"seed {args.seed}", flush=True)
    with stage(size, random.Random(args.seed), KEEP) as running:
        verdict, bars = running.run(lambda line: print(line, flush=True))
    print(
        "outcomes:",
        ", ".join(f"{count:,} {word}" for word, count in verdict.outcomes.most_common()),
    )
    print(f"runs: {verdict.runs:,}")
    print(*(bar.line() for bar in bars), *verdict.examples[:20], sep="\n")
    return 0 if all(bar.ok for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
