"""The findings of an examination: noted on the way, put into words at the end."""

from __future__ import annotations

from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._function.files.item_paths import Path


#: The name of the items in messages.
OF_ITEMS = "the items themselves"
#: Names of functions, methods and attributes that set the state of a random generator.
SEEDING = frozenset(
    {"seed", "setstate", "set_state", "set_bit_generator", "bit_generator", "__setstate__"}
    | {"manual_seed", "manual_seed_all", "set_rng_state", "fork_rng", "set_seed"}
    | {"set_random_seed", "seed_everything"}
)


class Reach(Value):
    """What the calls of a function share and change, in words for messages.

    `shared` names what it reads that can change, and its type: "global CACHE (dict)".
    `calls` names what no two threads may do at once: "os.chdir, which changes the folder".
    `bound` names what only the caller can do: "input, which reads what is typed".
    `stores` names what they assign that outlives the call, and that a worker process would lose:
    "global total", "global CACHE[...]", "closure seen.append()", "self.total".
    `copies` names what must not exist twice, in worker processes: "global LOG (TextIOWrapper)".
    `unread` names what reading could not decide, so that an item has to be watched.
    `draws` names the process-wide random generators that items draw from.
    `of_loop` names what asks for the event loop that runs in the thread which calls it.
    `seeds`: it may set the state of a random generator that outlives the item.
    `reseeds` names the generators of the program that each item seeds before it draws from any.
    """

    shared: tuple[str, ...]
    stores: tuple[str, ...]
    copies: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    draws: tuple[str, ...] = ()
    of_loop: tuple[str, ...] = ()
    seeds: bool = False
    reseeds: tuple[str, ...] = ()
    touches: bool = False  # it writes, sends or starts something, perhaps to be done but once
    connects: bool = False  # it names what talks to services
    alters: dict[str, str] = {}  # noqa: RUF012 - of the process, by its own calls: these, and how
    changed: tuple[str, ...] = ()  # what it changes, and may share with worker processes on purpose
    at_descriptors: tuple[
        str, ...
    ] = ()  # what it calls with numbers of descriptors of the caller's
    named_by: tuple[tuple[Path, ...], ...] = ()  # the parts of an item that name a changed file
    names_files: bool = False  # whether its code names some file that is changed
    changes_arguments: bool = False  # its code does, if an item is of a kind that can be changed

    @property
    def thread_safe(self) -> bool:
        """Nothing that changes is shared, so calls may run in several threads at once."""
        return not self.shared and not self.stores and not self.calls


class Objects(Value):
    """The objects that were found on the way, by the names used in messages."""

    generators: dict[str, Any] = {}  # noqa: RUF012 - random ones that belong to no module
    locks: dict[str, Any] = {}  # noqa: RUF012 - of threads
    mutables: dict[str, Any] = {}  # noqa: RUF012 - containers and instances that items may change
    handles: dict[str, Any] = {}  # noqa: RUF012 - open files, connections and the like

    @property
    def any_found(self) -> bool:
        """Whether there is any."""
        return any((self.generators, self.locks, self.mutables, self.handles))


class Findings:
    """What is noted on the way; `Reach` says what most of it means.

    Attributes:
        stores: What is assigned, by the method that does it; "" if that surely runs.
        names: The names in all code of the project that was examined; of functions that open
            something also the full names.
        on_descriptors: Calls with descriptors that must be the item's own.
        at_descriptors: Calls with descriptors that may be the item's own.
        at_numbers: Calls with numbers of descriptors that are the caller's.
        named_by: For each file that is changed, the parts of an item that its name is made of.
        names_files: Whether the code names some file that is changed.
        reseeds: The generators that each item seeds before it draws; None: it seeds none at all.
    """

    def __init__(self) -> None:
        self.shared: dict[str, None] = {}
        self.copies: dict[str, None] = {}
        self.calls: dict[str, None] = {}
        self.bound: dict[str, None] = {}
        self.unread: dict[str, None] = {}
        self.draws: dict[str, None] = {}
        self.of_loop: dict[str, None] = {}
        self.changed: dict[str, None] = {}
        self.alters: dict[str, str] = {}
        self.touches = self.connects = self.names_files = False
        self.reseeds: tuple[str, ...] | None = None
        self.stores: dict[tuple[str, str], None] = {}
        self.names: dict[str, None] = {}
        self.on_descriptors: dict[str, None] = {}
        self.at_descriptors: dict[str, None] = {}
        self.at_numbers: dict[str, None] = {}
        self.named_by: dict[tuple[Path, ...], None] = {}
        self._found: dict[str, dict[int, tuple[str, Any]]] = {n: {} for n in Objects._fields}

    def reach(self) -> Reach:
        """The findings in words."""
        stores = self._stored()
        return Reach(
            shared=tuple(self.shared),
            stores=stores,
            copies=tuple(self.copies),
            calls=tuple(self.calls),
            bound=tuple(self.bound),
            unread=tuple(self.unread),
            draws=tuple(self.draws),
            of_loop=tuple(self.of_loop),
            seeds=self.reseeds is not None or self._seeds_its_own(),
            reseeds=() if self._seeds_its_own() else self.reseeds or (),
            touches=self.touches,
            connects=self.connects,
            alters=self.alters,
            changed=tuple(self.changed),
            at_descriptors=tuple({**self.at_numbers, **self.at_descriptors}),
            named_by=tuple(self.named_by),
            names_files=self.names_files,
        )

    def objects(self) -> Objects:
        """The objects that were found."""
        return Objects(**{name: dict(found.values()) for name, found in self._found.items()})

    def _seeds_its_own(self) -> bool:
        """Whether a generator that was found may be seeded, by the names in the code."""
        return bool(self._found["generators"]) and not SEEDING.isdisjoint(self.names)

    def keep(self, kind: str, value: Any, label: str) -> None:
        """Keep an object that was found; `kind` is the field of `Objects` that it belongs to."""
        self._found[kind].setdefault(id(value), (label or "self", value))

    @property
    def mutables(self) -> list[tuple[str, Any]]:
        """The objects that items may change, by name, as far as they are found."""
        return list(self._found["mutables"].values())

    def doubt(self, what: str) -> None:
        """Note as shared what reading could not decide."""
        self.shared[what] = self.unread[what] = None

    def leave_out(self, what: str) -> None:
        """Note what nobody has read: the caller alone may run it, as it may change anything."""
        self.doubt(what)
        self.copies[what] = None

    def _stored(self) -> tuple[str, ...]:
        """The stores that surely run. One in a method that no code names is shared instead."""
        found: dict[str, None] = {}
        perhaps: dict[str, str] = {}
        for method, store in self.stores:
            if not method or method.startswith("__") or method in self.names:
                found[store] = None
            else:
                perhaps[store] = method
        for store in [store for store in perhaps if store not in found]:
            what = f"{store} (stored to in {perhaps[store]})"
            self.doubt(what)
        return tuple(found)
