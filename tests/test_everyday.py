"""Everyday functions are judged as they should be, by results and by effects."""

import sys

import pytest

from benchmarks.everyday import page, verdicts
from benchmarks.everyday.verdicts import Told, Where


@pytest.fixture(scope="module")
def cases():
    before = list(sys.path)
    yield verdicts.all_cases()
    sys.path[:] = before


def test_there_are_functions_of_every_kind(cases):
    """As many as are promised, each with a name of its own and somewhere to run."""
    n_of_kind = dict.fromkeys(page.KINDS, 0)
    for case in cases.values():
        n_of_kind[case.kind] += 1

    assert n_of_kind["waits"] >= 60
    assert n_of_kind["handles"] >= 40
    assert n_of_kind["settings"] >= 40
    assert n_of_kind["state"] >= 30
    assert n_of_kind["in place"] >= 20
    assert n_of_kind["pure"] >= 20


# -- the judge -----------------------------------------------------------------------------------


class TuneOptions:
    """A case, as far as comparing needs one."""

    name, draws, shared = "any", False, ()


class Drawing(TuneOptions):
    draws = True


def told(results=("1", "2"), effects=None, error="", said="", end="", ran=None):
    call = {
        "error": error,
        "results": list(results),
        "effects": {"items": "[]", **(effects or {})},
        "ran": ran or {},
    }
    return Told(
        calls={name: {"call": name, **call} for name in verdicts.CALLS},
        said=said,
        complaints="",
        end=end,
    )


def verdict(loop, auto, case=TuneOptions):
    found = verdicts.compared(case, Where(), loop, auto)
    return page.worst(found), " ".join(one.detail for one in found)


@pytest.mark.parametrize(
    ("auto", "wanted", "named"),
    [
        (told(), verdicts.EQUAL, ""),
        (told(results=("1", "1")), verdicts.DIFFERS, "1 of 2 results"),
        (told(results=("1",)), verdicts.DIFFERS, "1 results, the loop has 2"),
        (told(effects={"file out.txt": "1"}), verdicts.DIFFERS, "file out.txt"),
        (told(effects={"items": "[1]"}), verdicts.DIFFERS, "items"),
        (told(said="1\n1\n"), verdicts.DIFFERS, "2 lines for 0"),
        (told(error="ValueError: no"), verdicts.RAISES, "ValueError: no"),
        (told(end="ends with SIGSEGV"), verdicts.RAISES, "SIGSEGV"),
        (told(end=verdicts.HANGS), verdicts.HANGS, "at its end"),
    ],
)
def test_what_differs_is_found_and_named(auto, wanted, named):
    found, detail = verdict(told(), auto)

    assert found == wanted
    assert named in detail


def test_a_call_that_never_came_is_a_hang():
    """What was over before it keeps its verdict."""
    auto = told(end=verdicts.HANGS)
    for name in verdicts.CALLS[1:]:
        del auto.calls[name]
    found = verdicts.compared(TuneOptions, Where(), told(), auto)

    assert [one.verdict for one in found] == [verdicts.EQUAL, verdicts.HANGS]


@pytest.mark.parametrize(
    ("results", "wanted"), [(("1", "2"), verdicts.EQUAL), (("1", "1"), verdicts.DIFFERS)]
)
def test_draws_are_judged_by_being_others(results, wanted):
    """Not by being those of the loop."""
    assert verdict(told(results=("8", "9")), told(results=results), Drawing)[0] == wanted


def test_draws_have_to_be_the_same_after_seeding():
    """In later calls, and with any number of workers."""
    auto = told()
    auto.calls["n_jobs=2"] = {**auto.calls["first"], "results": ["3", "4"]}
    found, detail = verdict(told(), auto, Drawing)

    assert found == verdicts.DIFFERS
    assert "2 of 2 draws" in detail


# -- twenty of them ------------------------------------------------------------------------------

SOME = (  # of each kind some, each in one of the places
    *("in_language", "drawn", "folder_if_missing", "logged_in", "patched_helper", "warned_once"),
    *(
        "in_closure",
        "appended",
        "put_into_queue",
        "own_connection",
        "scratch_space",
        "scratch_object",
    ),
    *("sampled", "tagged_row", "grown_set", "display_hook", "library_config"),
    *("of_temporary_file", "sum_of_group", "digest"),
)


@pytest.fixture(scope="module")
def folders():
    with verdicts.places() as found:
        yield found


@pytest.mark.parametrize(("place", "name"), [(place, name) for place, name in enumerate(SOME)])
def test_results_and_effects_are_the_loops(place, name, cases, folders):
    """A first call, a second one, and one that tries another plan; the benchmark has hundreds."""
    if name not in cases:
        pytest.skip(f"{name} needs a package that is not here")
    where = verdicts.EVERYWHERE[place % 4]

    found = verdicts.Judge(folders, bound_s=50.0).judged(cases[name], (where,))

    assert [(one.call, one.detail) for one in found if one.verdict != verdicts.EQUAL] == []
