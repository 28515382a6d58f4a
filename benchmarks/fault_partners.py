"""More items of `benchmarks.faults`: what a map depends on is scarce, slow or damaged."""

import atexit
import multiprocessing
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks.fault_items import BAD, witness
from benchmarks.fault_programs import (
    NothingLearnedError,
    slow_double_of_one,
    slow_double_of_two,
)

N_CLIENTS = 40  # that the server takes at once
ANSWER_S = 10e-3
RESULT_S = 5.0  # in which a result of 2 ms of work comes
SERVER = f"""
import asyncio
n_open = 0
async def serve(reader, writer):
    global n_open
    n_open += 1
    writer.write(b"full" if n_open > {N_CLIENTS} else b"fine")
    await reader.read()
    n_open -= 1
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=500)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


# -- a server that takes few clients -------------------------------------------------------------


class TooManyClientsError(Exception):
    """The server has refused a client."""


def starts_a_server(_: Any, __: Any) -> Any:
    """A process apart; the items that ask it."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    atexit.register(server.kill)
    assert server.stdout is not None
    return partial(asks_the_server, port=int(server.stdout.readline()))


def asks_the_server(x: int, port: int = 0) -> int:
    """As a query to a database, each over a connection of its own."""
    if x == BAD:
        witness("asks the server")
    with socket.create_connection(("127.0.0.1", port)) as asked:
        if asked.recv(4) != b"fine":
            raise TooManyClientsError
        time.sleep(ANSWER_S)
    return 2 * x


# -- data that need results ----------------------------------------------------------------------

_n_taken = [0]


class NoResultError(Exception):
    """The data wait for a result in vain."""


def data_that_wait_for_results() -> Iterator[int]:
    """Each item follows from the result before it, as the next page of a listing does."""
    for x in range(100):
        if x == BAD:
            witness("the data wait for the result before")
        until_s = time.monotonic() + RESULT_S
        while _n_taken[0] < x:
            if time.monotonic() > until_s:
                raise NoResultError
            time.sleep(1e-3)
        yield x


def tells_the_data(results: Iterator[Any]) -> list[Any]:
    """Takes results one by one."""
    taken = []
    for result in results:
        taken.append(result)
        _n_taken[0] += 1
    return taken


# -- a damaged cache -----------------------------------------------------------------------------


def learns_beside_a_cut_line(_: Any, mapped: Any) -> None:
    """The disk was full, or the machine went off, while a line was written."""
    from amorsize import cache
    from amorsize.cache import journal, location

    def run(function: Any) -> None:
        def maps() -> None:
            list(mapped(function, list(range(60))))

        process = multiprocessing.get_context("fork").Process(target=maps)
        process.start()
        process.join()

    run(slow_double_of_one)
    with open(f"{location.folder()}/{journal.NAME}", "ab") as file:
        file.write(b'{"key": "profile:cut", "record": {"item_s": 0.0')
    witness("a line is cut")
    run(slow_double_of_two)
    known = {str(entry) for entry in cache.entries()}
    for name in ("one", "two"):
        if not any(f"slow_double_of_{name}" in entry for entry in known):
            raise NothingLearnedError(f"slow_double_of_{name}")


def cannot_keep_what_it_learns(_: Any, mapped: Any) -> None:
    """A folder that not even root may change; it is told once, and costs no result."""
    os.environ["AMORSIZE_HOME"] = "/sys/amorsize"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for function in (slow_double_of_one, slow_double_of_two):
            list(mapped(function, list(range(60))))
    witness("; ".join(str(one.message) for one in told))
    if len(told) != 1 or "AMORSIZE_HOME" not in str(told[0].message):
        raise NothingLearnedError
