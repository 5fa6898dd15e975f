"""The second way: a resident process that waits for stdin with epoll, and answers a line with a line.

Lines that arrive together are taken into Python's buffer together, where epoll does not see them: all but the
first wait until something more arrives. That is what the caller's timer, an empty line every 500 ms, is for.
"""

import select
import sys

import GeoIP

database = GeoIP.new(GeoIP.GEOIP_MEMORY_CACHE)
epoll = select.epoll()
epoll.register(sys.stdin.fileno(), select.EPOLLIN)
while True:
    epoll.poll()
    line = sys.stdin.readline()
    if not line:
        break
    if line.strip():
        sys.stdout.write(f"{database.country_code_by_addr(line.strip())}\n")
        sys.stdout.flush()
