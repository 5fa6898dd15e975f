"""docs/reference/ is what the code says."""

import importlib.util
import re
from types import ModuleType

import pytest

from e2e.processes import ROOT


def load_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "script/lib/reference.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKER = load_maker()


@pytest.mark.parametrize("name", MAKER.PAGES)
def test_a_page_of_the_reference_is_current(name: str) -> None:
    page = (ROOT / "docs/reference" / name).read_text(encoding="utf-8")
    assert MAKER.PAGES[name]() == page, "run script/docs reference"


def test_every_key_that_samovard_reads_is_explained() -> None:
    code = (ROOT / "broker/config_file.cpp").read_text()
    read = set(re.findall(r'\.(?:text|texts|flag|number|numbers|milliseconds)\("(\w+)"', code))
    page = (ROOT / "docs/reference/configuration.md").read_text()
    assert len(read) > 20
    assert {key for key in read if f"| `{key}` |" not in page} <= {"name"}


def test_every_family_of_metrics_is_explained() -> None:
    code = (ROOT / "http/metrics.cpp").read_text()
    page = (ROOT / "docs/reference/metrics.md").read_text()
    families = set(re.findall(r'"(samovar_\w+[a-z])"', code))
    assert len(families) > 10
    assert not {family for family in families if f"| `{family}` |" not in page}
