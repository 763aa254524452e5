"""Have threads read a number and write the next one; print the rate and the losses.

A process of its own. The arguments: the package, the URL of an SQLite file, how many
threads there are to be, and how many requests each is to make.
"""

import importlib
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor


def main() -> None:
    """Call the application without a server."""
    package, url, threads, number = sys.argv[1:]
    app = importlib.import_module(package).create_app({"DATABASE_URL": url})
    path = url.removeprefix("sqlite:///")
    before = value(path)

    def post(_thread: int) -> None:
        client = app.test_client()
        for _ in range(int(number)):
            client.post("/add", base_url="http://localhost")

    started = time.perf_counter()
    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(post, range(int(threads))))
    seconds = time.perf_counter() - started
    total = int(threads) * int(number)
    print(total / seconds, total - (value(path) - before))


def value(path: str) -> int:
    """Return the number."""
    query = "SELECT name FROM topic"
    return int(sqlite3.connect(path).execute(query).fetchone()[0])


main()
