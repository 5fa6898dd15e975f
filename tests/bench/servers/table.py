"""The work that every handler does: one look-up. The C++ side asks in drive/payload.hpp."""

from typing import Any

ADDRESSES = [f"192.168.{i // 256}.{i % 256}" for i in range(1024)]

TABLE: dict[str, dict[str, Any]] = {
    ip: {
        "ip": ip,
        "country": "CN",
        "name": "China",
        "city": "Beijing",
        "latitude": 39.9,
        "longitude": 116.4,
    }
    for ip in ADDRESSES
}
