"""What HTTP does beside ZeroMQ: 100 calls a second, an open page, and a scrape of the metrics each second.

Usage: http_caller.py PORT METHOD. Until it is ended.
"""

import http.client
import sys
import threading
import time

JSON = {"Content-Type": "application/json"}


def ask_again_and_again(port: int, verb: str, path: str, body: str | None, period_s: float) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    due = time.monotonic()
    while True:
        connection.request(verb, path, body, JSON if body else {})
        response = connection.getresponse()
        text = response.read()
        assert response.status == 200, text
        due = max(due + period_s, time.monotonic())
        time.sleep(max(due - time.monotonic(), 0))


def main(port: int, method: str) -> None:
    asked = [
        *[("POST", f"/v1/call/{method}", '["192.168.0.7"]', 0.04)] * 4,
        ("GET", "/v1/live", None, 1.0),
        ("GET", "/metrics", None, 1.0),
    ]
    threads = [threading.Thread(target=ask_again_and_again, args=(port, *each)) for each in asked]
    for thread in threads:
        thread.start()
    print("http_caller ready", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
