"""What `explain()` says is said once, and contradicts nothing beside it."""

import pytest

from amorsize import autotune
from amorsize.policy.evidence.drift import Drift
from amorsize.policy.profile import Plan
from amorsize.policy.state import Note
from amorsize.report import rows
from tests import traces

HOLD = "the items hold the GIL"
LOST = "a worker process would lose what items store in global SEEN (backend='process' allows it)"
SHARE = "threads would share global SEEN (list) (thread_safe=True allows it)"


def told(heading, **changes):
    return [text for found, text in rows(traces.two_workers(**changes)) if found == heading]


def noted(*notes):
    return {"notes": tuple(Note(now_s=0.1, what=what, why=why) for what, why in notes)}


def in_the_loop(**fields):
    return {"plan": Plan(backend="serial", n_jobs=1, chunksize=10, source="learned"), **fields}


@pytest.mark.parametrize(
    ("note", "rejected", "expected"),
    [
        (("process", HOLD), [f"threads: {HOLD}"], "process - threads are rejected, see below"),
        (
            ("the loop", LOST),
            [f"threads: {SHARE}", f"processes: {LOST}"],
            "the loop - processes are rejected, see below",
        ),
        (
            ("the loop", f"{SHARE}; {LOST}"),
            [f"threads: {SHARE}", f"processes: {LOST}"],
            "the loop - threads and processes are rejected, see below",
        ),
        (("thread", "the items wait"), [f"processes: {LOST}"], "thread - the items wait"),
        (("process", HOLD), [], f"process - {HOLD}"),
    ],
)
def test_a_reason_is_told_once(note, rejected, expected):
    """Where it stands under what was rejected, the decision only says so."""
    whys = told("why", **noted(note), rejected=tuple(rejected))

    assert whys == [f"after 100 ms: {expected}"]
    assert told("rejected", rejected=tuple(rejected)) == rejected


def test_a_loop_in_spite_of_another_decision_says_so():
    """Processes were chosen, but none paid for what was left."""
    whys = told("why", **in_the_loop(**noted(("process", HOLD))))

    assert whys[0] == f"after 100 ms: process - {HOLD}"
    assert whys[1].startswith("the loop all the same - ")


def test_a_loop_without_a_decision_has_a_reason():
    """The items were over before workers came into question."""
    assert told("why", **in_the_loop(notes=())) == [
        "the loop - the items were done before workers could have paid"
    ]


@pytest.mark.parametrize(
    "fields",
    [
        noted(("the loop", "one usable core, and the items compute")),
        {"notes": (), "n_items": 1},
        {"notes": (), "rejected": ("threads and processes: it prints",)},
        {"notes": (), "plan": Plan(backend="serial", n_jobs=1, chunksize=9, source="asked")},
    ],
    ids=["decided", "one item", "bound to the caller", "asked for"],
)
def test_a_loop_that_has_its_reason_gets_no_other(fields):
    """Nor does one that the caller has asked for."""
    assert not [why for why in told("why", **in_the_loop() | fields) if "could have paid" in why]


def test_a_full_chunk_has_no_more_items_than_the_call():
    """What a chunk could take where items take next to nothing is told of no call."""
    [chosen] = told(
        "chosen", n_items=60, plan=Plan(backend="thread", n_jobs=3, chunksize=46782, source="asked")
    )

    assert chosen == "3 threads, 60 items in a full chunk"


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (1.0, "items cost what was remembered, but are of another kind"),
        (1.02, "items cost what was remembered, but are of another kind"),
        (3.0, "an item costs 3 x what was remembered, or is of another kind"),
    ],
)
def test_a_change_of_kind_alone_is_no_change_of_cost(factor, expected):
    """Once what was remembered would be no change."""
    drift = Drift(now_s=0.1, what="profile", factor=factor, n_chunks=3, answer="put aside")

    assert str(drift) == f"{expected}: put aside"


class Node:
    def __init__(self, value):
        self.value, self.seen = value, []


def look(node):
    return node.value


def test_what_items_have_in_common_is_named_in_one_phrase():
    """It stands in a sentence, so it is none itself."""
    from amorsize._engine.options.call_options import Options
    from amorsize._engine.placement.placement import against_threads
    from amorsize._function.sharing.thread_safety import examine

    root = Node(1)
    reach, _ = examine(look, [root, root])

    why = against_threads(reach, Options())
    assert why is not None
    assert why.startswith("threads would share what items have in common (Node)")
    assert why.count("share") == 1


def test_workers_that_waited_are_told_by_their_number_in_the_call():
    """However many an earlier call has left: the call asked for two."""
    first = autotune(look_alone, backend="process", n_jobs=4)
    first(range(40))
    second = autotune(look_alone, backend="process", n_jobs=2)
    second(range(40))

    told_of = [text for found, text in second.explain().rows() if " there - " in text]
    assert told_of == [] or "2 workers are there" in told_of[0]


def look_alone(x):
    total = 0
    for n in range(2000):
        total += n * x
    return total
