"""Some seconds of script/chaos."""

import random

from chaos.harness import Size, stage

SIZE = Size(
    calls=5000,
    worker_kills=8,
    pool_kills=2,
    broker_restarts=3,
    client_kills=1,
    zygote_kills=1,
    stops=3,
    cuts=4,
    stalls=2,
    long_stalls=0,
    rate=4000,
    pause_s=0.1,
)


def test_every_call_ends_once_and_nothing_runs_twice_whatever_dies_meanwhile() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    with stage(SIZE, random.Random(seed), keep=None) as running:
        verdict, bars = running.run(print)
    print(verdict.outcomes, *verdict.examples, sep="\n")
    assert [bar.line() for bar in bars if not bar.ok] == []
