"""Chunks that workers get before they are through with the last one."""

import pytest

from amorsize.policy.actions import Send
from amorsize.simulate import World, tuner_for
from amorsize.simulate.engine import Engine


class Told:
    """A tuner, and for each chunk that it sent ahead of another how many items were left."""

    def __init__(self, world):
        self.tuner, self.n_sent, self.ahead = tuner_for(world), 0, []

    def tell(self, event):
        self.tuner.tell(event)

    def next(self, status):
        queued = {worker.number: worker.n_queued for worker in self.tuner.workers}
        action = self.tuner.next(status)
        if isinstance(action, Send):
            self.n_sent += 1
            if queued[action.worker]:
                self.ahead.append(status.n_left)
        return action


def sent_by(**world):
    world = World(thread_reason="not looked at", **world)
    told = Told(world)
    Engine(world, told).play()
    return told


@pytest.mark.parametrize("n_cores", [2, 4])
def test_where_workers_take_all_cores_none_waits_for_the_caller(n_cores):
    """It is woken on a core that is busy, and waits for that one's turn to end."""
    sent = sent_by(costs_s=(8e-3,) * 2000, n_cores=n_cores)

    assert len(sent.ahead) > 0.8 * sent.n_sent


def test_the_last_items_go_to_whoever_is_free():
    """One in advance of a long item would be begun later than by another worker."""
    sent = sent_by(costs_s=(8e-3,) * 2000, n_cores=2)

    assert min(sent.ahead) > 20


def test_long_chunks_are_not_sent_ahead():
    """To wait for the caller is little beside them, and to wait behind one of them is much."""
    sent = sent_by(costs_s=(60e-3,) * 100, n_cores=2)

    assert len(sent.ahead) <= 1  # the worker that is started before the first item is known
