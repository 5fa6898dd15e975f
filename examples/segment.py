"""A package that takes long to load: Chinese word segmentation with Debian's python3-jieba.

Loading its dictionary takes about a second, once for each worker, and prints to stderr meanwhile: the case that
makes a process per call unbearable.

    samovar-worker examples.segment:service --connect tcp://127.0.0.1:7712
"""

import contextlib
import os
import tempfile
from pathlib import Path

import jieba

from samovar import Service


def _load_dictionary() -> None:
    """Loads it from where only this user can write.

    jieba keeps a parsed copy, by default under a fixed name in /tmp: but it is read with marshal, which must
    not be given what a stranger wrote.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "samovar-segment"
    with contextlib.ExitStack() as stack:
        try:
            cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            jieba.dt.tmp_dir = str(cache)
        except OSError:  # a home that cannot be written to: the dictionary is parsed each time
            jieba.dt.tmp_dir = stack.enter_context(tempfile.TemporaryDirectory())
        jieba.initialize()


_load_dictionary()
service = Service("segment")


@service.method(idempotent=True)
def cut(text: str) -> list[str]:
    """The words of a Chinese text, in their order; what is not Chinese stays as it is."""
    return list(jieba.cut(text))
