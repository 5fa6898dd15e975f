"""deploy/: the container image, the compose example and the Kubernetes manifests. No engine runs here: what they hold is
parsed, compared with what samovard and samovar-worker take, and their commands are run as processes of this machine."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.keys import Keys
from e2e.processes import ROOT, SAMOVAR, SAMOVARD, Program, Scene, wait_until
from e2e.test_http import Web
from packages.test_version import SCRIPTS

DEPLOY = ROOT / "deploy"
IMAGE = f"samovar:{(ROOT / 'VERSION').read_text().strip()}"
SCHEMAS = Path(__file__).parent / "kubernetes"
PROGRAMS = {"samovard": SAMOVARD, "samovar": SAMOVAR} | {
    name: ROOT / "build/venv/bin" / name for name in SCRIPTS
}
COREUTILS = ("install", "sleep", "test")  # essential in Debian
USER = 7711


def manifests() -> list[Any]:
    files = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    return [each for file in files for each in yaml.safe_load_all(file.read_text())]


def manifest(kind: str, name: str) -> Any:
    return next(e for e in manifests() if (e["kind"], e["metadata"]["name"]) == (kind, name))


def pods() -> dict[str, Any]:
    found = [each for each in manifests() if each["kind"] == "Deployment"]
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in found}


def containers() -> Iterator[tuple[Any, Any]]:
    for pod in pods().values():
        for each in [*pod.get("initContainers", []), *pod["containers"]]:
            yield pod, each


def only(pod: str) -> Any:
    (found,) = pods()[pod]["containers"]
    return found


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def instructions() -> list[tuple[str, str]]:
    """Of the last stage of the Containerfile: word and rest, continued lines joined."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line and line[0] not in "# "]
    last = max(number for number, (word, _) in enumerate(lines) if word == "FROM")
    return [(word, rest) for word, rest in lines[last:]]


def instruction(word: str) -> str:
    (found,) = [rest for each, rest in instructions() if each == word]
    return found


def image_command() -> list[str]:
    return list(json.loads(instruction("CMD")))


def health_command() -> list[str]:
    return list(json.loads(instruction("HEALTHCHECK").partition("CMD ")[2]))


def probe(container: Any, key: str) -> Any:
    return container[key] if key.endswith("Probe") else {}


def commands() -> list[list[str]]:
    """Every command of every container, its probe or its hook."""
    found = [image_command(), health_command()]
    for each in compose()["services"].values():
        found += [each["command"]] if "command" in each else []
        found += [each["healthcheck"]["test"][1:]] if "healthcheck" in each else []
    for _, each in containers():
        found.append([*each["command"], *each.get("args", [])])
        found += [hook["exec"]["command"] for hook in each.get("lifecycle", {}).values()]
        found += [each[key]["exec"]["command"] for key in each if "exec" in probe(each, key)]
    return found


def options_of(program: str, *command: str) -> set[str]:
    run = subprocess.run([PROGRAMS[program], *command, "--help"], capture_output=True, text=True)
    return set(re.findall(r"--[a-z][\w-]+", run.stdout))


# --- what every container runs -----------------------------------------------------------------------------


def test_every_command_is_one_of_the_image_and_takes_its_options() -> None:
    assert len(commands()) >= 10
    for program, *rest in commands():
        if program not in COREUTILS:
            assert program in PROGRAMS, program
            given = {word.partition("=")[0] for word in rest if word.startswith("--")}
            known = options_of(program)
            if program == "samovar":
                known |= options_of(
                    program, next(word for word in rest if word in ("ping", "call"))
                )
            assert given <= known, (program, given - known)


def test_every_container_is_of_the_image_that_the_containerfile_makes() -> None:
    images = {each["image"] for _, each in containers()}
    images |= {each["image"] for each in compose()["services"].values()}
    assert images == {IMAGE}
    assert f"-t {IMAGE} " in (DEPLOY / "Containerfile").read_text()


# --- the image ---------------------------------------------------------------------------------------------


def test_the_image_is_of_debian_12_in_two_stages_and_runs_as_a_user_of_a_known_number() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    assert len(re.findall(r"^FROM docker\.io/library/debian:12\b", text, re.MULTILINE)) == 2
    assert instruction("USER") == f"{USER}:{USER}"
    assert f"--uid {USER} " in text and f"--gid {USER} " in text
    for script in re.findall(r"\bscript/\w+", text):
        assert (ROOT / script).exists(), script


def test_the_image_gets_the_packages_that_script_package_makes() -> None:
    installed = re.findall(r"/packages/([\w-]+)_\*\.deb", instruction("RUN"))
    made = (ROOT / "cmake/packages.cmake").read_text()
    assert installed == ["samovard", "python3-samovar"]
    assert set(installed) <= set(re.findall(r"^set\(packages (.*)\)$", made, re.M)[0].split())


def inside(scene: Scene, words: list[str]) -> list[str]:
    """What a container runs, with the shared folder in the scene's directory and this machine's programs."""
    words = [word.replace("/run/samovar/", f"{scene.directory}/") for word in words]
    return [str(PROGRAMS.get(words[0], words[0])), *words[1:]]


def run(scene: Scene, words: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = dict(each.split("=", 1) for each in instruction("ENV").split())
    endpoint = environment["SAMOVAR_ENDPOINT"].replace("/run/samovar/", f"{scene.directory}/")
    return subprocess.run(
        inside(scene, words),
        env=scene.env | {"SAMOVAR_ENDPOINT": endpoint},
        capture_output=True,
        text=True,
    )


def test_the_commands_of_the_image_and_of_compose_serve_a_call(scene: Scene) -> None:
    services = compose()["services"]
    assert run(scene, health_command()).returncode != 0, "healthy without a broker"
    broker = scene.run(*inside(scene, image_command()), name="samovard")
    broker.wait_for_line("^samovard: ready")
    assert run(scene, health_command()).returncode == 0
    worker = scene.run(*inside(scene, services["worker"]["command"]), name="samovar-worker")
    worker.wait_for_line("^samovar-worker: .* ready ")
    assert run(scene, services["worker"]["healthcheck"]["test"][1:]).returncode == 0
    assert run(scene, services["call"]["command"]).stdout == '"Brew Once"\n'


# --- compose -----------------------------------------------------------------------------------------------


def test_compose_starts_each_once_what_it_needs_is_healthy_without_ports_or_rights() -> None:
    services = compose()["services"]
    assert list(services) == ["broker", "worker", "call"]
    for name, each in services.items():
        assert each["network_mode"] == "none" and "ports" not in each
        assert each["read_only"] and each["cap_drop"] == ["ALL"]
        assert "endpoints:/run/samovar" in each["volumes"], name
        build = each["build"]
        assert (DEPLOY / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Containerfile")
    for name, needed in (("worker", "broker"), ("call", "worker")):
        assert services[name]["depends_on"] == {needed: {"condition": "service_healthy"}}
    volumes = {each.split(":")[0] for service in services.values() for each in service["volumes"]}
    assert volumes == set(compose()["volumes"])


# --- Kubernetes --------------------------------------------------------------------------------------------


def configuration() -> dict[str, Any]:
    return tomllib.loads(manifest("ConfigMap", "samovard")["data"]["samovard.toml"])


def test_there_is_all_that_a_deployment_needs() -> None:
    kinds = {(each["kind"], each["metadata"]["name"]) for each in manifests()}
    assert kinds == {
        ("ConfigMap", "samovard"),
        *(
            (kind, name)
            for kind in ("Deployment", "PodDisruptionBudget")
            for name in ("samovard", "words")
        ),
        *(("Service", name) for name in ("samovar", "samovar-backend")),
    }


def test_every_pod_is_without_rights_and_bounded() -> None:
    for pod, each in containers():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] == context["runAsGroup"] == USER
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert each["resources"]["requests"] and each["resources"]["limits"]["memory"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in each["volumeMounts"]} <= volumes


def test_the_ports_are_those_of_the_configuration() -> None:
    default = subprocess.run([SAMOVARD, "--print-default-config"], capture_output=True, text=True)
    defaults, given = tomllib.loads(default.stdout), configuration()
    ports = {each["name"]: each["containerPort"] for each in only("samovard")["ports"]}
    for name in ("frontend", "backend"):
        assert [f"tcp://0.0.0.0:{ports[name]}"] == given[name]
        assert [f"tcp://127.0.0.1:{ports[name]}"] == defaults[name]
    assert given["http"]["listen"] == f"0.0.0.0:{ports['http']}"
    offered = {}
    for name in ("samovar", "samovar-backend"):
        for port in manifest("Service", name)["spec"]["ports"]:
            assert port["port"] == ports[port["targetPort"]]
            offered[f"tcp://{name}:{port['port']}"] = port["name"]
    (backend,) = [word for word in only("words")["args"] if word.startswith("--connect=")]
    assert offered[backend.removeprefix("--connect=")] == "backend"


def test_selectors_select_the_pods_that_they_mean() -> None:
    labels = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
        for each in manifests()
        if each["kind"] == "Deployment"
    }
    meant = {
        "samovard": "samovard",
        "samovar": "samovard",
        "samovar-backend": "samovard",
        "words": "words",
    }
    for each in manifests():
        if each["kind"] != "ConfigMap":
            selector = each["spec"]["selector"]
            wanted = selector.get("matchLabels", selector).items()
            selected = [name for name, has in labels.items() if wanted <= has.items()]
            assert selected == [meant[each["metadata"]["name"]]], each["metadata"]


def test_there_is_time_to_drain() -> None:
    broker = pods()["samovard"]
    pause = int(only("samovard")["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = configuration()["deadlines"]["drain_grace_ms"] / 1000
    assert pause + drain < broker["terminationGracePeriodSeconds"]
    (stop,) = [word for word in only("words")["args"] if word.startswith("--stop-grace=")]
    assert int(stop.partition("=")[2]) < pods()["words"]["terminationGracePeriodSeconds"]


def test_the_memory_of_the_broker_is_more_than_what_may_wait() -> None:
    default = subprocess.run([SAMOVARD, "--print-default-config"], capture_output=True, text=True)
    queued = tomllib.loads(default.stdout)["limits"]["max_queued_bytes"]
    assert only("samovard")["resources"]["limits"]["memory"] == "2Gi" and queued < 2 << 30


def test_the_init_containers_bring_the_keys_that_are_read() -> None:
    for name in ("samovard", "words"):
        text = json.dumps(only(name)) + json.dumps(configuration() if name == "samovard" else "")
        (init,) = pods()[name]["initContainers"]
        brought = {Path(word).name for word in init["command"] if word.startswith("/secret/")}
        assert brought == set(re.findall(r"/run/keys/([\w.]+)", text))


@pytest.fixture
def keys(scene: Scene) -> Keys:
    """Those of the ConfigMap, in the scene's directory."""
    found = Keys(scene)
    for name in ("http", "client"):
        assert found.samovar("keygen", name).returncode == 0
    scene.path("token").write_text("open\n")
    scene.path("token").chmod(0o600)
    data = manifest("ConfigMap", "samovard")["data"]["allowed.toml"]
    public = re.sub(r"PUBLIC KEY OF (\w+)\.pub", lambda match: found.public(match[1]), data)
    found.list.write_text(public)
    return found


def test_the_broker_and_the_pool_of_the_manifests_serve_a_call_and_answer_the_probes(
    scene: Scene, keys: Keys
) -> None:
    text = manifest("ConfigMap", "samovard")["data"]["samovard.toml"]
    text = text.replace("/run/keys", str(scene.directory)).replace("0.0.0.0:7780", "127.0.0.1:0")
    broker = scene.broker(config=text, transport="tcp")
    web, probes = Web(broker), only("samovard")
    live, ready = (probes[f"{word}Probe"]["httpGet"] for word in ("liveness", "readiness"))
    assert web.ask("GET", live["path"])[0] == 200
    assert web.ask("GET", ready["path"])[0] == 200, "no worker yet, and workers come by a Service"
    assert web.call("words.capwords", ["brew once"])[0] == 401

    arguments = [each.replace("/run/keys", str(scene.directory)) for each in only("words")["args"]]
    arguments = [re.sub("^--connect=.*", f"--connect={broker.backend}", e) for e in arguments]
    arguments = [each.replace("/tmp/ready", str(scene.path("ready"))) for each in arguments]
    command = only("words")["readinessProbe"]["exec"]["command"]
    command = [each.replace("/tmp/ready", str(scene.path("ready"))) for each in command]
    assert subprocess.run(command).returncode != 0
    pool: Program = scene.run(PROGRAMS[only("words")["command"][0]], *arguments, name="pool")
    wait_until(lambda: subprocess.run(command).returncode == 0, "its pods are never ready")
    said = keys.samovar(
        "--endpoint",
        broker.frontend,
        *keys.arguments("client"),
        "call",
        "words.capwords",
        "brew once",
    )
    assert said.stdout == '"Brew Once"\n', said
    assert web.call("words.capwords", ["tea"], Authorization="Bearer open")[0] == 200
    assert web.ask("GET", ready["path"])[0] == 200


def differences(objects: list[Any]) -> list[str]:
    if not (SCHEMAS / "node_modules/kubernetes-models").exists() or not shutil.which("node"):
        pytest.skip("script/check deploy has not installed Kubernetes' schemas")
    run = subprocess.run(
        ["node", SCHEMAS / "validate.mjs"],
        input=json.dumps(objects),
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout.splitlines()


def test_the_manifests_are_as_the_schemas_of_kubernetes_say() -> None:
    assert differences(manifests()) == []


def test_a_manifest_that_differs_from_the_schemas_is_named() -> None:
    wrong = manifest("Deployment", "words")
    wrong["spec"]["replicas"] = "two"
    assert differences([wrong])[0].startswith("Deployment words: ")
    assert differences([{**wrong, "kind": "Deploiment"}])[0].startswith("Deploiment words: ")


@pytest.mark.parametrize(
    "path", ["", "spec", "spec/template/spec", "spec/template/spec/containers/0/readinessProbe"]
)
def test_a_misspelt_key_is_named_wherever_it_stands(path: str) -> None:
    wrong = place = manifest("Deployment", "words")
    for key in path.split("/") if path else []:
        place = place[int(key) if key.isdigit() else key]
    place["periodSecond"] = {"a": 1}
    where = f"/{path}/periodSecond" if path else "/periodSecond"
    assert differences([wrong]) == [f"Deployment words: {where} is no key of it"]
