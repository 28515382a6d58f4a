"""Items that ask for the event loop of the calling thread run there, while one runs there."""

import asyncio
import time

import pytest

from amorsize import autotune


def work():
    end = time.process_time() + 4e-3
    while time.process_time() < end:
        pass


def is_running(_):
    work()
    try:
        return asyncio.get_running_loop().is_running()
    except RuntimeError:
        return False


def by_another_name(_):
    from asyncio import get_running_loop as running

    time.sleep(5e-3)
    try:
        return running() is not None
    except RuntimeError:
        return False


class Client:
    def kind(self):
        try:
            asyncio.current_task()
        except RuntimeError:
            return "sync"
        return "async"

    def get(self, _):
        work()
        return self.kind()


def all_tasks(_):
    work()
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return None


def runs_one(number):
    work()
    coroutine = asyncio.sleep(0, number)
    try:
        return asyncio.run(coroutine)
    except RuntimeError as error:
        coroutine.close()
        return str(error)


ASKING = [is_running, by_another_name, Client().get, all_tasks, runs_one]


@pytest.mark.parametrize("func", ASKING, ids=lambda one: one.__qualname__)
def test_beside_a_running_loop_they_find_it(func):
    tuned = autotune(func, cache=False)

    async def main():
        return tuned(range(40)), [func(one) for one in range(40)]

    mapped, by_loop = asyncio.run(main())
    assert mapped == by_loop
    assert "an event loop runs in this thread" in str(tuned.explain())


@pytest.mark.parametrize("func", ASKING, ids=lambda one: one.__qualname__)
def test_where_none_runs_they_may_run_in_workers(func):
    tuned = autotune(func, cache=False)

    assert tuned(range(40)) == [func(one) for one in range(40)]
    assert tuned.explain().trace.plan.backend != "serial", str(tuned.explain())


def test_other_items_run_in_workers_beside_a_loop():
    def item(number):
        work()
        return number

    tuned = autotune(item, cache=False)

    async def main():
        return tuned(range(60))

    assert asyncio.run(main()) == list(range(60))
    assert tuned.explain().trace.plan.backend == "process", str(tuned.explain())


def test_a_thread_beside_the_loop_is_none_of_its():
    tuned = autotune(is_running, cache=False)

    async def main():
        return await asyncio.to_thread(tuned, range(40))

    assert asyncio.run(main()) == [False] * 40
