"""A list that changes while it is mapped over is followed as a loop follows it, to its end."""

import pytest

from amorsize import SerializationError, autotune, failed_index, tuned_map

LOOPS = [{"backend": "serial"}, {"n_jobs": 1}, {"backend": "serial", "return_exceptions": True}]


def loop_over(function, data):
    return [function(item) for item in data]


class Removing:
    """Takes each item out of the list: a loop sees every second one."""

    def __init__(self):
        self.data = list(range(20))

    def item(self, number):
        self.data.remove(number)
        return number


class Clearing(Removing):
    """Has enough after a few."""

    def item(self, number):
        if number == 7:
            self.data.clear()
        return number


class Crawling(Removing):
    """Each item finds two more, up to a bound."""

    def __init__(self):
        self.data = [1]

    def item(self, number):
        self.data.extend(found for found in (2 * number, 2 * number + 1) if found < 3000)
        return number


class Popping(Removing):
    """The last item is dropped for each that is done."""

    def item(self, number):
        return number, self.data.pop()


class Replacing(Removing):
    """Each item changes the next one; the length stays."""

    def item(self, number):
        place = self.data.index(number)
        if place + 1 < len(self.data):
            self.data[place + 1] += number
        return number


class ShrinkingThenGrowing(Removing):
    """An iterator that was at its end stays there."""

    def item(self, number):
        if number < 5:
            self.data.remove(number)
        if number == 18:
            self.data[:] = self.data[:-10]
        return number


KINDS = [Removing, Clearing, Crawling, Popping, Replacing, ShrinkingThenGrowing]


@pytest.mark.parametrize("options", LOOPS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_serial_path_is_the_loop(kind, options):
    """Items that are taken out are skipped, items that are added follow, the end is the end."""
    looped, mapped = kind(), kind()
    expected = loop_over(looped.item, looped.data)

    assert tuned_map(mapped.item, mapped.data, **options) == expected
    assert mapped.data == looped.data


@pytest.mark.parametrize("kind", KINDS)
def test_the_serial_backend_follows_such_a_list_as_well(kind, monkeypatch):
    """`AMORSIZE_BACKEND=serial` promises the plain loop."""
    monkeypatch.setenv("AMORSIZE_BACKEND", "serial")
    looped, mapped = kind(), kind()

    assert tuned_map(mapped.item, mapped.data) == loop_over(looped.item, looped.data)


@pytest.mark.parametrize("kind", KINDS)
def test_so_it_is_inside_an_item(kind):
    """A call that an item makes is a loop."""

    def inner(_):
        mapped = kind()
        return tuned_map(mapped.item, mapped.data)

    looped = kind()
    assert tuned_map(inner, [1, 2, 3]) == [loop_over(looped.item, looped.data)] * 3


def test_functions_written_in_c_come_to_the_end_as_well():
    """They are called by map(), to which the end and an item's StopIteration look alike."""
    todo = list(range(20))
    assert tuned_map(todo.remove, todo, backend="serial") == [None] * 10
    assert todo == list(range(1, 20, 2))

    class Stops:
        def __call__(self, item):
            if item == 3:
                raise StopIteration

    with pytest.raises(StopIteration):
        tuned_map(Stops(), [1, 2, 3], backend="serial")


def test_of_several_lists_any_may_come_to_its_end():
    """The first of them gets shorter with every item."""
    todo, names = list(range(20)), [str(number) for number in range(20)]

    def item(one, name):
        todo.remove(one)
        return name

    assert tuned_map(item, todo, names, backend="serial") == names[:10]
    assert todo == list(range(1, 20, 2))


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("place", [0, 3, 9])
def test_an_item_of_several_iterables_may_raise_stop_iteration(kind, place):
    """Which starmap() would take for the end."""

    def item(number, other):
        if number == place:
            raise StopIteration
        return number + other

    with pytest.raises(StopIteration) as caught:
        tuned_map(item, list(range(10)), kind(range(10)), backend="serial")
    assert failed_index(caught.value) == place


def test_the_shortest_of_several_lists_decides():
    """As zip does: one grows, the other ends."""
    first = [0]

    def item(one, other):
        first.append(one + 1)
        return one, other

    assert tuned_map(item, first, ["a", "b", "c"], n_jobs=1) == [(0, "a"), (1, "b"), (2, "c")]


def test_a_known_short_call_follows_its_list_too():
    """A function that is known to be quick is run at once; it ends and goes on all the same."""
    data: list[int] = []

    def item(number):
        if number < 15:
            data.append(number + 1)
        if number == 12:
            del data[14:]
        return number

    for _ in range(2):
        tuned_map(item, [20] * 30)
    data[:] = [0]

    assert tuned_map(item, data) == list(range(16))


@pytest.mark.parametrize("backend", ["serial", "thread", "process"])
def test_a_stream_follows_what_its_consumer_adds(backend):
    """The consumer runs between two items, wherever these do."""
    data, found = [0], []

    for result in autotune(abs, backend=backend).stream(data):
        found.append(result)
        if result < 30:
            data.append(result + 1)

    assert found == list(range(31))


def test_in_threads_it_ends():
    """Who takes what out is a matter of luck there, but there is an end."""
    work = Removing()

    found = tuned_map(work.item, work.data, backend="thread", n_jobs=2)

    assert len(found) <= 20


def test_a_worker_whose_list_an_item_has_changed_says_so():
    """It has a list of its own: what is left of that is no longer what the caller has."""
    work = Removing()

    with pytest.raises(SerializationError, match="changed the list that is mapped over"):
        tuned_map(work.item, work.data, backend="process", chunksize=3, n_jobs=1)
    assert work.data == list(range(20))


def test_a_worker_runs_the_items_of_its_chunk_whatever_one_does_to_the_list():
    """Each index keeps its item."""
    work = Clearing()

    found = tuned_map(work.item, work.data, backend="process", chunksize=20)

    assert found == list(range(20))
