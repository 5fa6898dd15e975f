"""index.py as a service of its own: its function, without the loop, the lines and the JSON."""

import GeoIP

from samovar import Service

service = Service("ipgeo")


@service.load
def load() -> "GeoIP.GeoIP":
    """Once for all workers; what it returns becomes service.state."""
    return GeoIP.new(GeoIP.GEOIP_MEMORY_CACHE)


@service.warm_up
def warm_up() -> None:
    """A new generation of code and data serves only if this passes."""
    assert get("1.0.1.0")["code"] == "CN"


@service.method(idempotent=True)
def get(ip: str) -> dict[str, str | None]:
    """What is known about an IP address."""
    database = service.state
    return {"code": database.country_code_by_addr(ip), "name": database.country_name_by_addr(ip)}


@service.method(idempotent=True)
def get_many(ips: list[str]) -> list[dict[str, str | None]]:
    """get() of many addresses, in their order."""
    return [get(ip) for ip in ips]
