"""An app that cannot be loaded."""

import a_module_that_nobody_has  # type: ignore[import-not-found] # noqa: F401

import samovar

service = samovar.Service("broken")


@service.method
def never() -> None:
    pass
