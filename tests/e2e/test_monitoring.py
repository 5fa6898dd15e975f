"""deploy/grafana and deploy/prometheus: what they ask for is what samovard exports."""

import json
import re
import shutil
import subprocess

import pytest

from e2e.processes import ROOT, Scene
from e2e.raw import Client
from e2e.test_http import Web

RULES = ROOT / "deploy/prometheus/samovar.rules.yml"
DASHBOARD = ROOT / "deploy/grafana/samovar.json"

METRIC = re.compile(r"\bsamovar_[a-z_]+\b")
SELECTOR = re.compile(r"(samovar_[a-z_]+)\{([^}]*)\}")
LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")


def expressions() -> list[str]:
    """All PromQL of both."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    found += [each["query"] for each in dashboard["templating"]["list"]]
    lines = RULES.read_text().split("groups:")[1].splitlines()
    return found + [line for line in lines if "expr" in line or "samovar_" in line]


@pytest.fixture
def exported(scene: Scene) -> dict[str, set[str]]:
    """The labels of each metric of a samovard that has done something."""
    broker = scene.broker("--http", "127.0.0.1:0")
    scene.pool(broker.backend)
    client: Client = broker.client()
    client.ok("kitchen.add", 1)
    status, text, _ = Web(broker).ask("GET", "/metrics")
    assert status == 200
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(samovar_[a-z_]+)(?:\{(.*)\})? ", text, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'([a-z_]+)="', labels))
    return found


def test_every_metric_and_label_that_is_asked_for_is_exported(
    exported: dict[str, set[str]],
) -> None:
    asked = expressions()
    names = {name for text in asked for name in METRIC.findall(text)}
    assert len(names) > 20
    assert names <= set(exported), f"nobody exports {sorted(names - set(exported))}"
    for text in asked:
        for name, labels in SELECTOR.findall(text):
            known = exported[name] | {"instance", "job"}  # those that Prometheus adds
            assert set(LABEL.findall(labels)) <= known, text


def test_the_dashboard_has_panels_with_titles_that_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert panel["title"] and not taken & cells and place["x"] + place["w"] <= 24
        taken |= cells


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus)")
@pytest.mark.parametrize(
    "arguments", [["check", "rules", RULES.name], ["test", "rules", "samovar.rules.test.yml"]]
)
def test_promtool_takes_the_rules_and_they_fire_when_they_should(arguments: list[str]) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus)")
def test_promtool_takes_the_dashboards_expressions(scene: Scene) -> None:
    """As rules, which is how promtool checks an expression without a server."""
    dashboard = json.loads(DASHBOARD.read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [
        {"record": f"e{at}", "expr": expr.replace("$__rate_interval", "5m")}
        for at, expr in enumerate(targets)
    ]
    path = scene.path("rules.yml")
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_nothing_to_complain_about_in_the_metrics(scene: Scene) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool (Debian: prometheus)")
    broker = scene.broker("--http", "127.0.0.1:0")
    scene.pool(broker.backend)
    broker.client().ok("kitchen.add", 1)
    _, text, _ = Web(broker).ask("GET", "/metrics")
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
