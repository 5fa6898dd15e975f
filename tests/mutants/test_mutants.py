"""The mutants of script/mutants fit the code as it is, and each says what it breaks."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MUTANTS = sorted(HERE.glob("*.patch"))


def sentence(mutant: Path) -> str:
    return mutant.read_text(encoding="utf-8").splitlines()[0]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.stem)
def test_a_mutant_still_applies(mutant: Path) -> None:
    command = ["patch", "--dry-run", "--force", "--fuzz=0", "--strip=1", f"--input={mutant}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "checking file broker/core/" in done.stdout or "checking file client/" in done.stdout


def test_each_mutant_says_what_it_breaks_in_one_sentence() -> None:
    assert len(MUTANTS) >= 14
    sentences = [sentence(mutant) for mutant in MUTANTS]
    assert [text for text in sentences if not (text[:1].isupper() and text.endswith("."))] == []
    assert len(set(sentences)) == len(sentences)
