"""A resident process over stdio, done well: a blocking read per line, a flush per line, JSON."""

import json
import sys

from table import TABLE

loads, dumps = json.loads, json.dumps
write, flush = sys.stdout.write, sys.stdout.flush
for line in sys.stdin:
    write(dumps(TABLE[loads(line)["ip"]]) + "\n")
    flush()
