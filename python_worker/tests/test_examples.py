"""The examples, called as plain functions."""

import importlib
import stat

import pytest

from samovar import Service


def test_ipgeo_knows_where_addresses_are():
    pytest.importorskip("GeoIP")
    ipgeo = importlib.import_module("examples.ipgeo")
    assert isinstance(ipgeo.service, Service)
    assert ipgeo.country("1.0.1.0") == "CN"
    assert ipgeo.country("8.8.8.8") == "US"
    assert ipgeo.country("127.0.0.1") is None
    assert ipgeo.country_name("8.8.8.8") == "United States"
    assert ipgeo.countries(["1.0.1.0", "8.8.8.8"]) == ["CN", "US"]


def test_segment_cuts_words_and_keeps_its_cache_to_itself(monkeypatch, tmp_path):
    pytest.importorskip("jieba")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    segment = importlib.import_module("examples.segment")
    assert segment.cut("我来到北京清华大学") == ["我", "来到", "北京", "清华大学"]
    directory = tmp_path / "samovar-segment"
    assert list(directory.iterdir())
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
