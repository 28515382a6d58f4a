"""What to try next follows from the trace of a call, and from nothing else."""

import pytest
import traces

from amorsize._page.advice import advice


def test_advice_for_a_call_that_is_fine():
    """It says so, and names what else there is."""
    fine = traces.trace(traces.chunk(0, 0, 5), traces.chunk(1, 0, 5))

    (only,) = advice(fine)
    assert only.startswith("Nothing stands out.")


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"rejected": ("threads and processes: it prints",)}, "in the caller: it prints. If"),
        ({"makespan_s": 0.01}, "too short for workers"),
        ({"warmup_s": 4.0}, "4 s more for its first item"),
    ],
)
def test_advice_names_what_stands_out(more, text):
    call = traces.trace(traces.chunk(0, 0, 5), traces.chunk(1, 0, 5), **more)

    assert any(text in one for one in advice(call))


def test_advice_on_a_busy_machine_and_on_a_long_end():
    """Others had a fifth of the time; one worker was alone for the second half."""
    busy = traces.trace(traces.chunk(0, 0, 5, delay_s=2.0, cpu=0.6), traces.chunk(1, 0, 5))
    long = traces.trace(traces.chunk(0, 0, 10), traces.chunk(1, 0, 5))

    assert "Other programs had the cores for 20% of" in advice(busy)[0]
    assert "waited 2.5 s on average" in advice(long)[0]


def test_advice_after_deaths():
    """How they ended, how many items ran again, and which options there are."""
    (first, *_) = advice(traces.two_workers(n_repeated=10))

    assert first.startswith("1 worker ended with items in hand (signal 9 (SIGKILL)), and 10 items")
    assert "max_worker_memory=" in first


def test_advice_where_sending_costs_much():
    """Half of what an item takes."""
    call = traces.trace(traces.chunk(0, 0, 5), traces.chunk(1, 0, 5))
    call = call.replace(profile=call.profile.replace(pickle_s=0.05))

    assert advice(call)[0].startswith("To send an item and its result takes 50 ms, beside 100 ms")
