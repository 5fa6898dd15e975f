"""The first use of Samovar: which country is an IP address in?

Debian's python3-geoip wraps a C library and a database that it keeps in memory. Serve it with

    samovar-worker examples.ipgeo:service --connect tcp://127.0.0.1:7712
"""

import GeoIP

from samovar import Service

_database = GeoIP.new(GeoIP.GEOIP_MEMORY_CACHE)
_code_of = _database.country_code_by_addr
_name_of = _database.country_name_by_addr

service = Service("ipgeo")


@service.method(idempotent=True)
def country(ip: str) -> str | None:
    """The ISO 3166 code of the country that an IPv4 address is in, "CN"; None if it is in none."""
    code: str | None = _code_of(ip)
    return code


@service.method(idempotent=True)
def country_name(ip: str) -> str | None:
    """The English name of the country, "China"; None if the address is in none."""
    name: str | None = _name_of(ip)
    return name


@service.method(idempotent=True)
def countries(ips: list[str]) -> list[str | None]:
    """country() of many addresses, in their order."""
    return [_code_of(ip) for ip in ips]
