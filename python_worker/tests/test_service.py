"""Declaring a service."""

import subprocess
import sys

import pytest

from samovar import Service


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

    with pytest.raises(TypeError, match="is async"):
        Service("s").method(later)
    with pytest.raises(TypeError, match="decorates a function"):
        Service("s").method("name")  # type: ignore[call-overload]


def test_an_application_is_importable_without_zmq_and_msgpack():
    code = "import sys, samovar; sys.exit(bool({'zmq', 'msgpack'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
