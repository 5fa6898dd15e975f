"""Manual pages and completions of shells, made from what the commands themselves say they can be told."""
