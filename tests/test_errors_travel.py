"""Exceptions of items arrive as themselves, or as a stand-in that tells all there is to tell."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import amorsize
from amorsize import RemoteError, autotune, tuned_map
from amorsize.crews import travel
from benchmarks import fault_items


def there_and_back(error):
    """An exception as it arrives from a worker, with the text of its traceback."""
    try:
        raise error
    except BaseException as raised:
        return travel.unpack_error(travel.pack_error(raised))


class Doubling(Exception):
    """Its constructor would say twice what it is given."""

    def __init__(self, code):
        super().__init__(f"code {code}")


@pytest.mark.parametrize(
    "error",
    [
        fault_items.OddConstructor("item", 3),
        fault_items.BreaksWhenRebuilt("text"),
        fault_items.Frozen("text"),
        fault_items.Mute(),
        Doubling(5),
        FileNotFoundError(2, "No such file", "/missing"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        ExceptionGroup("two", [ValueError(1), fault_items.OddConstructor("item", 3)]),
        StopIteration(3),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_arrives_as_itself(error):
    """Type, arguments, attributes and notes are those that were raised."""
    travel.add_note(error, "a note")
    rebuilt, text = there_and_back(error)

    assert type(rebuilt) is type(error)
    assert pickle.dumps(rebuilt.args) == pickle.dumps(error.args) or len(rebuilt.args) == 2
    assert rebuilt.__dict__.keys() == error.__dict__.keys()
    assert rebuilt.__notes__ == ["a note"]
    assert "there_and_back" in text


@given(st.recursive(st.text() | st.integers() | st.none() | st.binary(), st.tuples))
def test_whatever_it_was_made_with(argument):
    """Arguments of any kind survive."""
    rebuilt, _ = there_and_back(LookupError(argument, "more"))

    assert rebuilt.args == (argument, "more")


def test_one_that_cannot_travel_has_a_stand_in():
    """It tells type, text and traceback."""
    rebuilt, text = there_and_back(fault_items.CarriesLock("what happened"))

    assert isinstance(rebuilt, RemoteError)
    assert "fault_items.CarriesLock: what happened" in str(rebuilt)
    assert "lock" in str(rebuilt)
    assert "there_and_back" in text


def test_a_long_message_is_told_shortly_beside_the_exception():
    """The exception keeps all of it; the traceback in its note does not say it again."""
    rebuilt, text = there_and_back(ValueError("x" * 1_000_000))

    assert len(rebuilt.args[0]) == 1_000_000
    assert len(text) < 30_000
    assert "there_and_back" in text


@pytest.mark.parametrize("backend", ["serial", "thread", "process"])
@pytest.mark.parametrize("kind", [fault_items.Frozen, fault_items.Mute])
def test_one_that_takes_no_attributes_is_named_all_the_same(backend, kind):
    """The note and what was computed need no attribute to be set."""

    def work(index):
        if index == 5:
            raise kind()
        return index

    with pytest.raises(kind) as caught:
        tuned_map(work, range(20), backend=backend, thread_safe=True)

    assert any("item 5 (5)" in note for note in caught.value.__notes__)
    assert amorsize.partial(caught.value).items() >= {i: i for i in range(5)}.items()


def test_a_message_shows_only_the_beginning_of_a_large_item():
    """Nobody waits for the repr of what fills the memory."""

    class Huge(bytes):
        def __repr__(self):
            raise AssertionError("all of it was asked for")

    assert len(travel.short_repr(bytes(50_000_000))) <= travel.REPR_LENGTH
    assert "AssertionError" in travel.short_repr(Huge())


@pytest.mark.parametrize("backend", ["auto", "serial", "process"])
def test_ctrl_c_while_data_is_read_does_not_wait_for_its_turn(backend):
    """An interrupt is not the data's own failure: nothing below it is waited for."""
    n_run = []

    def data():
        yield from range(5)
        raise KeyboardInterrupt

    stream = autotune(n_run.append, backend=backend).stream(data())

    with pytest.raises(KeyboardInterrupt) as caught:
        list(stream)
    assert not hasattr(caught.value, "__notes__")
    assert len(n_run) <= 5
