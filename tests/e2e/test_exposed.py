"""Functions of importable modules as services, with no file written: samovar-worker --expose."""

from collections.abc import Callable

import pytest

from e2e.processes import APPS, Broker, Program, Scene
from e2e.raw import Client

Expose = Callable[..., Program]


@pytest.fixture
def expose(scene: Scene, broker: Broker) -> Expose:
    def start(what: str, *options: object, workers: int = 1, wait: bool = True) -> Program:
        return scene.pool(broker.backend, f"--expose={what}", workers, *options, wait=wait)

    return start


def test_functions_of_a_package_become_methods(expose: Expose, client: Client) -> None:
    expose("jieba:initialize(),lcut,cut", "--name", "segment", workers=2)
    words = client.ok("segment.lcut", "我来到北京清华大学")
    assert words == ["我", "来到", "北京", "清华大学"]
    assert client.ok("segment.cut", "我来到北京清华大学") == words, "what it yields, as a list"
    assert client.ok("segment.cut", "我来到北京清华大学", cut_all=True)[-1] == "大学"
    outcome = client.call("segment.initialize")
    assert outcome.word == "bad_request" and "it has: cut, lcut" in outcome.message


def test_without_a_name_the_service_is_called_as_the_module(expose: Expose, client: Client) -> None:
    expose("os.path:join,basename")
    assert client.ok("os.path.join", "a", "b") == "a/b"
    assert client.ok("os.path.basename", "a/b") == "b"


def test_a_module_is_found_in_the_working_directory(expose: Expose, client: Client) -> None:
    expose("shelf:add,Box.make,box.size,jar=Box.jar,spread,pieces")
    assert client.ok("shelf.add", 1, b=2) == 3
    assert client.ok("shelf.make", 3) == [0, 0, 0]
    assert client.ok("shelf.size") == 7
    assert client.ok("shelf.jar") == "jar"
    assert client.ok("shelf.spread", 3) == [0, 2, 4]
    assert client.ok("shelf.pieces", 2) == [0, 1]


def test_a_star_is_all_public_functions(expose: Expose, client: Client) -> None:
    expose("shelf:*,other-name=add")
    assert client.ok("shelf.add", 1, 2) == client.ok("shelf.other-name", 1, 2) == 3
    assert client.ok("shelf.later", 1) == 2, "async functions, too"
    assert (
        client.call("shelf.trickle", 2).word == "bad_request"
    ), "a stream: its caller has to want one"
    outcome = client.call("shelf.no_such")
    assert outcome.message.endswith(
        "it has: add, fails, later, other-name, pieces, shape, spread, trickle"
    )


def test_a_module_in_c_can_be_exposed(expose: Expose, client: Client) -> None:
    expose("math:*")
    assert client.ok("math.gcd", 12, 18) == 6
    outcome = client.call("math.sqrt", -1)
    assert (outcome.word, outcome.value["type"]) == ("app_error", "ValueError")
    assert client.call("math.sqrt").word == "bad_request"


def test_wrong_arguments_are_told_from_a_function_that_fails(
    expose: Expose, client: Client
) -> None:
    expose("shelf:add,fails")
    outcome = client.call("shelf.add", 1)
    assert outcome.word == "bad_request"
    assert "its parameters are (a: int, b: int)" in outcome.message
    outcome = client.call("shelf.add", 1, "x")
    assert (outcome.word, outcome.value["type"]) == ("app_error", "TypeError")
    outcome = client.call("shelf.fails")
    assert outcome.value["traceback"].splitlines()[1].startswith(f'  File "{APPS}/shelf.py"')
    assert "exposed.py" not in outcome.value["traceback"]


def test_what_cannot_be_encoded_is_named(expose: Expose, client: Client) -> None:
    expose("shelf:shape")
    outcome = client.call("shelf.shape")
    assert outcome.word == "app_error"
    assert "shelf.shape holds a complex at result['z']" in outcome.message
    assert "return [real, imag]" in outcome.message


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no_such_module:f", "there is no module 'no_such_module'"),
        ("broken:f", "importing broken raised ModuleNotFoundError"),
        ("shelf:lend", "module shelf has no 'lend'; its functions are: add, fails"),
        ("shelf:Box.no_such", "module shelf has no 'Box.no_such'"),
        ("shelf:WIDTH", "shelf:WIDTH is of type int, not a function"),
        ("shelf:Box.size", "shelf:Box.size needs an object of Box"),
        ("shelf:fails(),add", "load raised RuntimeError: the shelf is empty"),
    ],
)
def test_what_cannot_be_exposed_ends_samovar_worker_with_a_sentence(
    expose: Expose, what: str, said: str
) -> None:
    pool = expose(what, wait=False)
    assert pool.exit_code() == 1
    (line,) = pool.lines(f"samovar-worker: cannot serve --expose {what}: ")
    assert said in line


def test_samovard_exposes_functions_by_its_configuration(scene: Scene) -> None:
    broker = scene.broker(
        config=f'[[service]]\nname = "shelf"\nexpose = "shelf:add"\ndirectory = "{APPS}"\n'
    )
    assert broker.client().ok("shelf.add", 1, 2) == 3
