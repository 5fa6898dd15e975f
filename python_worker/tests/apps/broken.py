"""An app whose import fails."""

print("about to fail")
raise RuntimeError("the data file is missing")
