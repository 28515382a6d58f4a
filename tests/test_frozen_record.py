"""Frozen records: what their constructors do while they are replaced by quicker ones."""

from amorsize.policy.frozen_record import OFTEN, Value


def test_a_constructor_that_another_thread_replaces_meanwhile_still_makes_records():
    """A thread that has looked it up before goes on with it."""

    class Point(Value):
        x: int
        y: int = 0

    looked_up_before = Point.__new__

    made = [looked_up_before(Point, x=number) for number in range(OFTEN + 3)]

    assert made == [Point(x=number) for number in range(OFTEN + 3)]
