"""What HTTP makes of a service's schema: /openapi.json, and bytes and points in time as text."""

import json
import subprocess
from typing import Any

import pytest

from e2e.atelier import Atelier
from e2e.processes import ROOT, Broker, Scene
from e2e.test_http import Web, events

VALIDATOR = ROOT / "page/node_modules/@seriousme/openapi-schema-validator"
CHECK = """
const [validator, file] = process.argv.slice(2);
const { Validator } = await import(`${validator}/index.js`);
const result = await new Validator().validate(file);
console.log(JSON.stringify(result));
"""


@pytest.fixture
def broker(scene: Scene) -> Broker:
    return scene.broker("--http", "127.0.0.1:0")


@pytest.fixture
def web(scene: Scene, broker: Broker) -> Web:
    Atelier(scene, broker)
    return Web(broker)


def document(web: Web) -> Any:
    status, found, _ = web.ask("GET", "/openapi.json")
    assert status == 200
    return found


@pytest.mark.skipif(not VALIDATOR.exists(), reason="script/page has not installed the validator")
def test_it_is_valid_openapi(scene: Scene, broker: Broker, web: Web) -> None:
    scene.pool(broker.backend)
    scene.pool(broker.backend, "brook:service")
    path = scene.path("openapi.json")
    path.write_text(json.dumps(document(web)))
    script = scene.path("check.mjs")
    script.write_text(CHECK)
    done = subprocess.run(
        ["node", script, VALIDATOR, path], capture_output=True, text=True, check=True
    )
    result = json.loads(done.stdout)
    assert result["valid"], result["errors"]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_it_says_what_each_method_takes_and_returns(web: Web) -> None:
    found = document(web)
    assert found["openapi"] == "3.1.0"
    scale = found["paths"]["/v1/call/atelier.scale"]["post"]
    by_name, by_place = scale["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert by_name["required"] == ["drawing"] and by_name["additionalProperties"] is False
    assert set(by_name["properties"]) == {"drawing", "factor", "colour"}
    assert by_name["properties"]["factor"]["default"] == 2.0
    assert (by_place["minItems"], by_place["maxItems"]) == (1, 2)  # colour is for keywords only
    assert scale["description"].startswith("Scales a drawing.")
    result = scale["responses"]["200"]["content"]["application/json"]["schema"]
    assert result == {"$ref": "#/components/schemas/atelier.Drawing"}
    assert "text/event-stream" in json.dumps(found["paths"]["/v1/stream/atelier.corners"])
    for reference in references(found):
        at = found
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]


def test_bytes_are_base64_and_points_in_time_text_where_the_schema_says_so(web: Web) -> None:
    drawing = {"title": "x", "points": [{"x": 1.0}], "data": "AAEC", "parts": []}
    nested = {**drawing, "parent": {**drawing, "data": "/w=="}, "parts": [drawing]}
    for body in ([nested, 3.0], {"drawing": nested, "factor": 3.0}):
        status, scaled = web.call("atelier.scale", body)
        assert status == 200, scaled
        assert scaled["points"] == [{"x": 3.0, "y": 1.5}]
        assert scaled["data"] == "AAEC" and scaled["parent"]["data"] == "/w=="
        assert scaled["parts"][0]["data"] == "AAEC"
    made = {**drawing, "made": "2026-11-24T20:38:42.5+01:00"}
    status, scaled = web.call("atelier.scale", [made])
    assert status == 200 and scaled["made"] == "2026-11-24T19:38:42.5Z"
    assert "like 2026-" in web.call("atelier.scale", [{**drawing, "made": "noon"}])[1]["detail"]
    # As it was before, too.
    status, scaled = web.call("atelier.scale", [{**drawing, "data": {"$bytes": "AAEC"}}])
    assert status == 200 and scaled["data"] == "AAEC"


def test_what_is_no_base64_is_named(web: Web) -> None:
    drawing = {"title": "x", "points": [], "parts": [{"title": "y", "points": [], "data": "a b"}]}
    status, problem = web.call("atelier.scale", [drawing])
    assert status == 400 and problem["code"] == "bad_request"
    assert "argument 1.parts[0].data has to be bytes in base64" in problem["detail"]
    status, problem = web.call("atelier.scale", {"drawing": drawing})
    assert "argument 'drawing'.parts[0].data" in problem["detail"]


def test_items_of_streams_and_methods_without_hints_go_on_as_they_were(
    scene: Scene, broker: Broker, web: Web
) -> None:
    scene.pool(broker.backend)
    drawing = {"title": "x", "points": [{"x": 1.0}]}
    _, text, _ = web.ask("POST", "/v1/stream/atelier.corners", [drawing])
    assert events(text) == [("", {"x": 1.0, "y": 0.5}), ("end", None)]
    assert web.call("kitchen.echo", ["AAEC"]) == (200, "AAEC")
    assert web.call("kitchen.echo", [{"$bytes": "AAEC"}]) == (200, {"$bytes": "AAEC"})
    assert web.call("kitchen.zeros", [3]) == (200, "AAAA")
    assert web.call("kitchen.length", ["AAEC"]) == (200, 3)


def test_the_schema_of_a_service_is_there(web: Web) -> None:
    status, schema, _ = web.ask("GET", "/v1/schema/atelier")
    assert status == 200 and schema["methods"]["scale"]["idempotent"]
    status, problem, _ = web.ask("GET", "/v1/schema/nobody")
    assert status == 404 and problem["code"] == "no_service"


def test_a_token_is_part_of_it(scene: Scene) -> None:
    scene.path("token").write_text("sesame\n")
    http = f'[http]\nlisten = "127.0.0.1:0"\ntoken_file = "{scene.path("token")}"\n'
    web = Web(scene.broker(config=http))
    assert web.ask("GET", "/openapi.json")[0] == 401
    status, found, _ = web.ask("GET", "/openapi.json", Authorization="Bearer sesame")
    assert status == 200 and found["security"] == [{"token": []}]
