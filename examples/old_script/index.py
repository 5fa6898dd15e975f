"""The article's resident process: waits for a line on stdin, and answers it with a line of JSON on stdout."""

import json
import select
import sys

import GeoIP

database = GeoIP.new(GeoIP.GEOIP_MEMORY_CACHE)


def get(ip):
    """What is known about an IP address."""
    return {"code": database.country_code_by_addr(ip), "name": database.country_name_by_addr(ip)}


if __name__ == "__main__":
    epoll = select.epoll()
    epoll.register(sys.stdin.fileno(), select.EPOLLIN)
    while True:
        epoll.poll()
        line = sys.stdin.readline()
        if not line:
            break
        if line.strip():
            sys.stdout.write(json.dumps(get(line.strip())) + "\n")
            sys.stdout.flush()
