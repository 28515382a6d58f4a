"""Reading a function runs nobody's code."""

import types

from amorsize._function.sharing.thread_safety import examine

HOOKED = types.ModuleType("test_reading_runs_nothing_module")


def test_reading_runs_no_code_of_the_project():
    """Properties of metaclasses, hooks of modules, descriptors of classes: they may do anything."""
    ran = []

    class Noting(type):
        @property
        def serial(cls):
            ran.append("property")

        def __getattr__(cls, name):
            ran.append(name)
            raise AttributeError(name)

    class Field:
        def __get__(self, owner, kind=None):
            ran.append("descriptor")

    class Plain(metaclass=Noting):
        field = Field()

    HOOKED.__getattr__ = ran.append

    examine(lambda: (Plain.serial, Plain.missing(), Plain.field(), HOOKED.missing()), [])

    assert ran == []
