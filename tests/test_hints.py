"""Data and calls that are surely meant otherwise are refused with the call to make."""

import functools

import pytest

from amorsize import WrongTypeError, autotune, tuned_map


def add(a, b):
    return a + b


def scale(a, *, rate):
    return a * rate


def last_note(call):
    with pytest.raises(TypeError) as caught:
        call()
    return caught.value.__notes__[-1]


class Adder:
    def add(self, a, b):
        return a + b


@pytest.mark.parametrize(
    "func", [add, lambda a, b: a + b, Adder().add, functools.partial(add), pow]
)
@pytest.mark.parametrize("decorated", [True, False])
def test_pairs_for_a_function_of_two_lead_to_the_starred_form(func, decorated):
    """And that is the right one."""
    pairs = [(1, 2), (3, 4)]
    call = autotune(func) if decorated else functools.partial(tuned_map, func)

    assert "*zip(*pairs)" in last_note(lambda: call(pairs))
    assert call(*zip(*pairs, strict=True)) == [func(*pair) for pair in pairs]


@pytest.mark.parametrize("backend", ["serial", "thread", "process"])
def test_the_hint_is_there_wherever_the_item_ran(backend):
    """It is made in the caller."""
    assert "*zip(*pairs)" in last_note(lambda: tuned_map(add, [(1, 2)] * 9, backend=backend))


def test_a_missing_keyword_leads_to_item_kwargs():
    """By its name."""
    assert 'item_kwargs={"rate": ...}' in last_note(lambda: tuned_map(scale, [1, 2]))
    assert tuned_map(scale, [1, 2], item_kwargs={"rate": 3}) == [3, 6]


@pytest.mark.parametrize("rest", [3, "utf-8", None, {"rate": 3}, 2.5])
def test_a_value_beside_the_data_leads_to_item_kwargs(rest):
    """Where only iterables can stand; a text is one by accident."""
    with pytest.raises(WrongTypeError, match="item_kwargs="):
        tuned_map(scale, [1, 2], rest)
    with pytest.raises(WrongTypeError, match=r"scale\(data, option=x\)"):
        autotune(scale)([1, 2], rest)


def test_a_keyword_of_the_function_among_the_options_leads_to_item_kwargs():
    """tuned_map takes options by name, and this is none."""
    with pytest.raises(WrongTypeError, match=r'item_kwargs=\{"ndigits": ...\}'):
        tuned_map(round, [1.25], ndigits=1)


@pytest.mark.parametrize("option", ["n_jobs", "max_workers"])
def test_an_option_among_the_keywords_of_a_call_leads_to_using(option):
    """A decorated function is given them, and this one takes none; `using` knows other names."""
    said = last_note(lambda: autotune(scale)([1, 2], rate=3, **{option: 2}))

    assert f"scale.using({option}=...)(data)" in said
    assert option in last_note(lambda: tuned_map(scale, [1], item_kwargs={"rate": 3, option: 2}))
    assert autotune(scale).using(n_jobs=2)([1, 2], rate=3) == [3, 6]


def test_records_for_a_function_of_their_fields_are_named_so():
    """A dict is one item."""
    assert "add(**item)" in last_note(lambda: tuned_map(add, [{"a": 1, "b": 2}]))


def fails_inside(pair):
    return add(pair)


@pytest.mark.parametrize("func", [fails_inside, len, int])
def test_an_error_of_the_items_own_gets_no_hint(func):
    """The function could be called: what it says is all there is to say."""
    assert "item 0" in last_note(lambda: tuned_map(func, [(1, 2)] if func is not len else [1]))


# -- tables -----------------------------------------------------------------------------------


@pytest.fixture
def table():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"a": [1, 1, 2], "b": [3, 4, 5]})


def test_a_table_is_refused_with_the_calls_that_may_be_meant(table):
    """Its columns' names are never meant."""

    class Special(type(table)):
        pass

    for frame in (table, Special(table)):
        with pytest.raises(WrongTypeError) as caught:
            tuned_map(add, frame)
        for call in ("df.itertuples()", "df.groupby(...)", "df[col]"):
            assert f"tuned_map(add, {call})" in str(caught.value)
    with pytest.raises(WrongTypeError, match=r"add\(df\.itertuples\(\)\)"):
        autotune(add)(table)
    with pytest.raises(WrongTypeError, match=r"df\.itertuples\(\)"):
        list(autotune(add).stream(table))


def test_the_calls_that_are_named_work(table):
    """Each of them."""
    assert [row.a + row.b for row in table.itertuples()] == [4, 5, 7]
    assert tuned_map(lambda pair: len(pair[1]), table.groupby("a")) == [2, 1]
    assert tuned_map(
        lambda key, rows: (key, len(rows)), *zip(*table.groupby("a"), strict=True)
    ) == [
        (1, 2),
        (2, 1),
    ]
    assert tuned_map(abs, table["b"]) == [3, 4, 5]
    assert "*zip(*pairs)" in last_note(lambda: tuned_map(add, table.iterrows()))


def test_a_class_that_is_called_like_a_table_is_data():
    """Its own module says what going through it gives."""

    class DataFrame(list):
        pass

    assert tuned_map(abs, DataFrame([-1, 2])) == [1, 2]


def test_the_methods_of_a_tuned_function_are_listed():
    """Where the shell and editors look for them; those of the function as well."""
    tuned = autotune(add)

    assert {"stream", "using", "explain", "plan", "one", "tune", "forget", "drift"} <= {*dir(tuned)}
    assert {"__name__", "__code__"} <= {*dir(tuned)}
    assert {"stream", "using"} <= {*dir(autotune(Adder.add))}
