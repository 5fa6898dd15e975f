"""Declaring a service."""

import subprocess
import sys

import pytest

from samovar import Context, Service
from samovar.method import Kind


def test_a_method_stays_a_function_and_is_offered_under_its_name():
    service = Service("ipgeo")

    @service.method
    def country(ip: str) -> str:
        return ip + "!"

    assert country("x") == "x!"
    assert service.methods["country"].function is country
    assert not service.methods["country"].idempotent


def test_a_method_may_have_another_name_and_be_idempotent():
    service = Service("a.b-c_D")

    @service.method(name="other-name", idempotent=True)
    def function() -> None:
        ...

    assert list(service.methods) == ["other-name"]
    assert service.methods["other-name"].idempotent


@pytest.mark.parametrize("name", ["", "a b", "größe", "a/b", "x" * 254, "a\n", None, 5])
def test_a_service_needs_a_name_that_can_go_over_the_wire(name):
    with pytest.raises(ValueError, match="cannot name a service"):
        Service(name)


def test_the_brokers_own_name_is_refused():
    with pytest.raises(ValueError, match="the broker's own"):
        Service("samovar")


@pytest.mark.parametrize("name", ["", "a.b", "a b", "größe"])
def test_a_method_needs_a_name_without_a_dot(name):
    with pytest.raises(ValueError, match="cannot name a method"):
        Service("s").method(name=name)(print)


def test_a_lambda_must_be_given_a_name():
    with pytest.raises(ValueError, match="give another with"):
        Service("s").method(lambda: None)


def test_a_name_is_given_once():
    service = Service("s")
    service.method(name="f")(len)
    with pytest.raises(ValueError, match="has a method 'f' already .builtins.len."):
        service.method(name="f")(print)


def test_service_and_method_together_have_255_bytes():
    service = Service("s" * 250)
    service.method(name="m" * 4)(print)
    with pytest.raises(ValueError, match="longer than 255"):
        service.method(name="m" * 5)(print)


def test_what_a_worker_cannot_call_is_refused():
    async def later() -> None:
        ...

    def stream(values: list[int]):
        yield from values

    def with_context(ctx: Context, values: list[int]) -> list[int]:
        return values

    with pytest.raises(TypeError, match="cannot run in threads"):
        Service("s").method(threads=2)(later)
    with pytest.raises(TypeError, match="can neither stream nor take a Context"):
        Service("s").batch()(stream)
    with pytest.raises(TypeError, match="can neither stream nor take a Context"):
        Service("s").batch()(with_context)
    with pytest.raises(TypeError, match="cannot be pure"):
        Service("s").method(pure=True)(stream)
    with pytest.raises(TypeError, match="decorates a function"):
        Service("s").method("name")  # type: ignore[call-overload]


def test_the_kind_of_a_handler_is_seen_from_its_function():
    service = Service("s", threads=3)

    @service.method
    def plain(a: int) -> None:
        ...

    @service.method
    async def later(ctx: "Context") -> None:
        ...

    @service.method
    def stream(ctx: Context):
        yield

    @service.method
    async def stream_later(ctx: "samovar.Context"):  # noqa: F821
        yield

    class Callable:
        async def __call__(self) -> None:
            ...

    service.method(name="object")(Callable())
    service.method(name="builtin", threads=1)(len)
    kinds = {name: method.kind for name, method in service.methods.items()}
    assert kinds == {
        "plain": Kind.THREAD,
        "later": Kind.ASYNC,
        "stream": Kind.GENERATOR,
        "stream_later": Kind.ASYNC_GENERATOR,
        "object": Kind.ASYNC,
        "builtin": Kind.THREAD,
    }
    wants = [name for name, method in service.methods.items() if method.wants_context]
    assert wants == ["later", "stream", "stream_later"]


def test_concurrency_is_what_the_service_says_or_its_methods_need():
    service = Service("s")
    assert service.concurrency == 1
    service.method(print)
    assert service.concurrency == 1
    service.method(threads=5, name="b")(print)
    assert service.concurrency == 5
    service.batch(max_size=200, name="c")(print)
    assert service.concurrency == 200
    assert Service("s", concurrency=7).concurrency == 7


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 3},
        {"priority": "high"},
        {"priority": True},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"hard_timeout": -1},
        {"hard_timeout": 100_000},
        {"threads": 0},
        {"threads": 257},
        {"threads": 1.5},
    ],
)
def test_numbers_that_make_no_sense_are_refused(options):
    [name] = options
    with pytest.raises(ValueError, match=f"{name}="):
        Service("s").method(**options)(print)
    with pytest.raises(ValueError, match="concurrency="):
        Service("s", concurrency=0)
    with pytest.raises(ValueError, match="max_size="):
        Service("s").batch(max_size=0)
    with pytest.raises(ValueError, match="max_delay_ms="):
        Service("s").batch(max_delay_ms=-1)


def test_a_service_of_plain_functions_costs_no_event_loop():
    code = (
        "import sys; from samovar import Service; from samovar.worker_main import import_the_rest\n"
        "service = Service('s'); service.method(len); import_the_rest(service)\n"
        "sys.exit(bool({'asyncio', 'samovar.scheduler', 'concurrent.futures'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_an_application_is_importable_without_zmq_and_msgpack():
    code = "import sys, samovar; sys.exit(bool({'zmq', 'msgpack'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
