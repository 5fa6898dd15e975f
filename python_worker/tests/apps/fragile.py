"""An app that loads as long as the file named in FRAGILE_FILE says "fine"."""

import os
from pathlib import Path

import samovar

if Path(os.environ["FRAGILE_FILE"]).read_text() != "fine":
    raise RuntimeError("the data has gone bad")

service = samovar.Service("fragile")


@service.method
def die() -> None:
    os._exit(9)
