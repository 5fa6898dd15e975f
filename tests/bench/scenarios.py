"""What is measured: each scenario is one closed loop of the driver against one setup."""

from collections.abc import Callable
from dataclasses import dataclass

from bench import setups
from bench.setups import PYTHON
from bench.stage import ROOT, SERVERS, Stage

OUTSTANDING = (1, 64, 1000)
LINES = ("--", PYTHON, SERVERS / "lines.py")
WAYS = ROOT / "examples" / "demo" / "ways"


@dataclass(frozen=True)
class Setup:
    name: str
    start: Callable[[Stage], setups.Target]
    pinned: bool = False  # all its processes on one core, the driver too


@dataclass(frozen=True)
class Scenario:
    setup: Setup
    transport: str
    outstanding: int
    options: tuple[object, ...] = ()
    processes: int = 1  # of the driver, which share `outstanding`
    suffix: str = ""
    quick: bool = False
    seconds: float = 1.0  # times the usual duration
    most_rounds: int = 100  # what takes long is not measured in every round

    @property
    def name(self) -> str:
        return f"{self.setup.name}{self.suffix}/{self.outstanding}"


def _usual(setup: Setup, transport: str, *options: object, quick: bool = False) -> list[Scenario]:
    # Enough calls for a p99 where there is one at a time.
    return [
        Scenario(setup, transport, n, options, quick=quick, seconds=2.0 if n == 1 else 1.0)
        for n in OUTSTANDING
    ]


LIMIT = Setup("limit", setups.proxy("echo"))
LIMIT_TCP = Setup("limit_tcp", setups.proxy("echo", "tcp"))
PROXY_PLAIN = Setup("proxy_plain", setups.proxy("zmq_plain"))
PROXY_TUNED = Setup("proxy_tuned", setups.proxy("zmq_tuned"))
PROXY_TUNED_PINNED = Setup("proxy_tuned_one_core", setups.proxy("zmq_tuned"), pinned=True)
PROXY_ECHO_PYTHON = Setup("proxy_echo_python", setups.proxy("zmq_echo"))
DIRECT_PLAIN = Setup("direct_plain", setups.direct("zmq_plain"))
DIRECT_TUNED = Setup("direct_tuned", setups.direct("zmq_tuned"))
SAMOVAR = Setup("samovar", setups.samovar(1))
SAMOVAR_2 = Setup("samovar_2_workers", setups.samovar(2))
SAMOVAR_HTTP = Setup("samovar_http", setups.samovar(1, http=True))
SAMOVAR_TCP = Setup("samovar_tcp", setups.samovar(1, "tcp"))
SAMOVAR_2_TCP = Setup("samovar_2_workers_tcp", setups.samovar(2, "tcp"))
SAMOVAR_PINNED = Setup("samovar_one_core", setups.samovar(1), pinned=True)
SAMOVAR_NULL = Setup("samovar_null", setups.samovar(0))
STDIO = Setup("stdio", setups.nothing)
NATS = Setup("nats", setups.nats)
REDIS_BATCH = Setup("redis_batch", setups.redis("batch"))
REDIS_PLAIN = Setup("redis_plain", setups.redis("plain"))
GRPC_SYNC = Setup("grpc_sync", setups.grpc("sync"))
GRPC_AIO = Setup("grpc_aio", setups.grpc("aio"))

CLIENTS = 8
BODIES = {"100B": 100, "10KiB": 10 << 10, "1MiB": 1 << 20, "64MiB": 64 << 20}


def _bodies() -> list[Scenario]:
    found = []
    for label, size in BODIES.items():
        outstanding = {"100B": 64, "10KiB": 64, "1MiB": 4, "64MiB": 1}[label]
        quick = label == "1MiB"
        most_rounds = 2 if label == "64MiB" else 100
        for setup, transport, way in (
            (LIMIT, "zmq", ""),
            (PROXY_ECHO_PYTHON, "zmq", ""),
            (SAMOVAR_NULL, "samovar", ""),
            (SAMOVAR_NULL, "samovar", "_attached"),
            (SAMOVAR, "samovar", ""),
            (SAMOVAR, "samovar", "_attached"),
        ):
            options = ("--body", size) + (("--attachment",) if way else ())
            suffix = f"_body_{label}{way}"
            found.append(
                Scenario(
                    setup,
                    transport,
                    outstanding,
                    options,
                    suffix=suffix,
                    quick=quick,
                    most_rounds=most_rounds,
                )
            )
    return found


SCENARIOS: list[Scenario] = [
    *_usual(LIMIT, "zmq", quick=True),
    *[Scenario(LIMIT, "zmq", n, ("--frames", 1), suffix="_1_frame") for n in OUTSTANDING],
    *_usual(PROXY_PLAIN, "zmq", quick=True),
    *_usual(PROXY_TUNED, "zmq", quick=True),
    *_usual(DIRECT_PLAIN, "zmq"),
    *_usual(DIRECT_TUNED, "zmq"),
    *_usual(SAMOVAR, "samovar", quick=True),
    *_usual(SAMOVAR_HTTP, "samovar"),
    *_usual(SAMOVAR_2, "samovar", quick=True),
    *_usual(SAMOVAR_NULL, "samovar", quick=True),
    *_usual(SAMOVAR_TCP, "samovar"),
    *_usual(SAMOVAR_2_TCP, "samovar"),
    *_usual(LIMIT_TCP, "zmq"),
    *[Scenario(SAMOVAR, "samovar", n, ("--decode",), suffix="_decoded") for n in OUTSTANDING],
    Scenario(LIMIT, "zmq", 1000, processes=CLIENTS, suffix="_8_clients", quick=True),
    Scenario(SAMOVAR, "samovar", 1000, processes=CLIENTS, suffix="_8_clients", quick=True),
    Scenario(PROXY_TUNED_PINNED, "zmq", 1, seconds=2.0),
    Scenario(SAMOVAR_PINNED, "samovar", 1, quick=True, seconds=2.0),
    Scenario(STDIO, "stdio", 1, LINES, quick=True),
    Scenario(STDIO, "stdio", 64, LINES),
    Scenario(STDIO, "stdio", 1, ("--pause-us", 200, *LINES), suffix="_pause", quick=True),
    Scenario(SAMOVAR, "samovar", 1, ("--pause-us", 200), suffix="_pause", quick=True),
    Scenario(LIMIT, "zmq", 1000, ("--connections", 1000), suffix="_connections_1000", quick=True),
    Scenario(SAMOVAR, "protocol", 1000, ("--connections", 1), suffix="_connections_1", quick=True),
    Scenario(
        SAMOVAR, "protocol", 1000, ("--connections", 1000), suffix="_connections_1000", quick=True
    ),
    *_usual(NATS, "nats", quick=True),
    *_usual(REDIS_BATCH, "redis", quick=True),
    *_usual(REDIS_PLAIN, "redis"),
    *_usual(GRPC_SYNC, "grpc"),
    *_usual(GRPC_AIO, "grpc"),
    *_bodies(),
]
