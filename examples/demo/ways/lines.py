"""The second way done well: a blocking read per line, a flush per line."""

import sys

import GeoIP

database = GeoIP.new(GeoIP.GEOIP_MEMORY_CACHE)
for line in sys.stdin:
    sys.stdout.write(f"{database.country_code_by_addr(line.rstrip())}\n")
    sys.stdout.flush()
