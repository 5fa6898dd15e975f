"""Types for the Node client that samovar stubgen made: checked by the TypeScript compiler, and called."""

import json
import subprocess
from pathlib import Path

import pytest

from e2e.atelier import Atelier, stubgen
from e2e.processes import ROOT, Broker, Scene

CLIENT = ROOT / "node_client"
TSC = CLIENT / "node_modules/.bin/tsc"

pytestmark = pytest.mark.skipif(
    not (CLIENT / "dist/index.mjs").exists(), reason="script/node has not built it"
)

PROGRAM = """
import { Client, NdArray, SamovarError, kw } from "samovar";
import type { Atelier, AtelierStreams, Drawing } from "./atelier.d.ts";
import schema from "./atelier.json" with { type: "json" };

const client = new Client(process.argv[2]!);
const atelier = client.service<Atelier>("atelier", { schema });
const streams = client.streams<AtelierStreams>("atelier", { schema, window: 2 });
const drawing: Drawing = { title: "a", points: [{ x: 1 }, { x: 2, y: 3 }], colour: "blue" };
const said: unknown[] = [];
try {
  const scaled = await atelier.scale(drawing, kw({ factor: 3 }));
  said.push(scaled.points[1]!.y, scaled.colour, scaled.level);
  said.push((await atelier.scale(drawing)).points[0]!.x);
  said.push(await atelier.delete(kw({ template: "ab", times: 2 })));
  said.push(Array.from((await atelier.double(NdArray.of(new Float64Array([1, 2.5])))).elements() as Float64Array));
  const corners: number[] = [];
  for await (const point of streams.corners(drawing)) corners.push(point.x);
  said.push(corners);
  await atelier.nothing();
} catch (error) {
  said.push(error instanceof SamovarError ? error.message : String(error));
}
client.close();
console.log(JSON.stringify(said));
"""


@pytest.fixture
def atelier(scene: Scene, broker: Broker) -> Atelier:
    return Atelier(scene, broker)


def prepare(here: Path) -> None:
    (here / "node_modules").mkdir()
    (here / "node_modules/samovar").symlink_to(CLIENT)
    (here / "node_modules/@types").symlink_to(CLIENT / "node_modules/@types")
    (here / "package.json").write_text('{"type": "module"}')
    options = {
        "target": "es2022",
        "module": "nodenext",
        "strict": True,
        "resolveJsonModule": True,
        "noUncheckedIndexedAccess": True,
        "exactOptionalPropertyTypes": True,
        "types": ["node"],
        "allowImportingTsExtensions": True,
        "rewriteRelativeImportExtensions": True,
        "skipLibCheck": True,
    }
    (here / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}))
    stubgen(here, "atelier:service", "--ts", "atelier.d.ts", "--json", "atelier.json")


def compile_(here: Path, text: str) -> str:
    (here / "program.mts").write_text(text)
    done = subprocess.run(
        [TSC, "--project", here], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def run(here: Path, broker: Broker) -> list[object]:
    done = subprocess.run(
        ["node", "--no-warnings", here / "program.mjs", broker.frontend],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr
    said: list[object] = json.loads(done.stdout)
    return said


def test_types_are_checked_and_the_service_is_called(atelier: Atelier) -> None:
    here = atelier.app.parent
    prepare(here)
    assert compile_(here, PROGRAM) == ""
    assert run(here, atelier.broker) == [9, "blue", 20, 2, "abab", [2, 5], [1, 2]]
    for wrong in (
        PROGRAM.replace('colour: "blue"', 'colour: "green"'),
        PROGRAM.replace("kw({ factor: 3 })", "kw({ faktor: 3 })"),
        PROGRAM.replace("corners: number[]", "corners: string[]"),
    ):
        assert "error TS" in compile_(here, wrong)


def test_a_program_hears_what_has_changed_since_its_types_were_made(atelier: Atelier) -> None:
    here = atelier.app.parent
    prepare(here)
    assert compile_(here, PROGRAM) == ""
    atelier.change("class Point:\n    x: float\n", "class Point:\n    x: float\n    z: float\n")
    (said,) = run(here, atelier.broker)
    assert isinstance(said, str) and said.startswith("schema_mismatch: atelier.scale is not what")
