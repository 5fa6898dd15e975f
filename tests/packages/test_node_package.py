"""The tarball of node_client/, installed without a network into an empty folder, and used by import, require and tsc."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from e2e.processes import ROOT, SAMOVAR_WORKER, Broker, Scene
from script.lib import version

CLIENT = ROOT / "node_client"
LIBRARIES = ("zeromq", "@msgpack/msgpack", "cmake-ts", "node-addon-api")  # it and what they need

pytestmark = pytest.mark.skipif(
    not (CLIENT / "dist/index.mjs").exists() or not shutil.which("npm"),
    reason="script/node has not built it",
)

PROGRAM = """
const client = new Client(process.argv[2]);
client.call("words.capwords", ["brew once"]).then((said) => {
  console.log(said);
  client.close();
});
"""
TYPED = """
import { Client } from "samovar";
const client: Client = new Client(process.argv[2]!);
const said: string = await client.call<string>("words.capwords", ["brew once"]);
console.log(said);
client.close();
"""


def run(here: Path, *words: object) -> str:
    cache = {"npm_config_cache": str(here / "cache"), "npm_config_update_notifier": "false"}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=here,
        env=os.environ | cache,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program's folder, with the tarball and those of its libraries installed."""
    tmp_path = tmp_path_factory.mktemp("npm")
    tarballs, found = tmp_path / "tarballs", tmp_path / "program"
    tarballs.mkdir()
    found.mkdir()
    installed = [CLIENT / "node_modules" / name for name in LIBRARIES]
    pack = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", tarballs]
    run(tmp_path, *pack, CLIENT, *installed)
    (found / "package.json").write_text('{"private": true}')
    install = ["npm", "install", "--silent", "--offline", "--ignore-scripts", "--no-audit"]
    run(found, *install, *sorted(tarballs.iterdir()))
    assert not (found / "node_modules/samovar").is_symlink()
    return found


@pytest.fixture
def broker(scene: Scene) -> Broker:
    found = scene.broker()
    worker = [SAMOVAR_WORKER, "--expose", "string:capwords", "--name", "words"]
    pool = scene.run(*worker, "--connect", found.backend, name="samovar-worker")
    pool.wait_for_line("^samovar-worker: .* ready ")
    return found


def test_it_is_used_by_import_by_require_and_in_typescript(folder: Path, broker: Broker) -> None:
    (folder / "esm.mjs").write_text('import { Client } from "samovar";' + PROGRAM)
    (folder / "common.cjs").write_text('const { Client } = require("samovar");' + PROGRAM)
    (folder / "typed.mts").write_text(TYPED)
    shutil.copytree(CLIENT / "node_modules/@types", folder / "node_modules/@types")
    shutil.copytree(CLIENT / "node_modules/undici-types", folder / "node_modules/undici-types")
    options = ["--strict", "--module", "nodenext", "--target", "es2022", "--types", "node"]
    run(folder, CLIENT / "node_modules/.bin/tsc", *options, "typed.mts")
    for program in ("esm.mjs", "common.cjs", "typed.mjs"):
        assert run(folder, "node", program, broker.frontend) == "Brew Once\n", program


def test_it_holds_the_library_and_nothing_else(folder: Path) -> None:
    installed = folder / "node_modules/samovar"
    assert {path.name for path in installed.iterdir()} == {"dist", "package.json"}
    assert json.loads((installed / "package.json").read_text())["version"] == version.current()
