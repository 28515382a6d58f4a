"""A hundred profiles that are wrong, and jobs to try them on, in virtual time."""

from random import Random

from amorsize.policy.evidence.exploration_cost import Explored
from amorsize.policy.profile import Profile
from amorsize.simulate import World

RIGHT = Profile.of(
    backend="process",
    n_jobs=2,
    chunksize=10,
    item_s=1e-3,
    item_cpu_s=1e-3,
    spread_log=0.1,
    pickle_s=2e-6,
    warmup_s=0.0,
    holds_gil=True,
    waits=False,
    n_items=1000,
    typical_s=1e-3,
    n_chunks=60,
    chunk_items=10.0,
    achieved={"process x 2": 1.9},
)
MUCH_TIME = Explored(used_s=1e14, rival="thread").as_dict()
# Alone or together: what could be wrong about a function that changed, or in a forged record.
LIES = {
    "costs nothing": {"item_s": 1e-9, "item_cpu_s": 1e-9, "typical_s": 1e-9},
    "10 us": {"item_s": 1e-5, "item_cpu_s": 1e-5, "typical_s": 1e-5},
    "10 ms": {"item_s": 1e-2, "item_cpu_s": 1e-2, "typical_s": 1e-2},
    "1 s": {"item_s": 1.0, "item_cpu_s": 1.0, "typical_s": 1.0},
    "a month": {"item_s": 3e6, "item_cpu_s": 3e6, "typical_s": 3e6},
    "waits": {"waits": True, "item_cpu_s": 1e-6, "backend": "thread", "n_jobs": 64},
    "waits long": {
        "waits": True, "item_s": 0.2, "item_cpu_s": 1e-6, "backend": "thread", "n_jobs": 256,
    },
    "releases the GIL": {"holds_gil": False, "backend": "thread"},
    "never watched": {"holds_gil": None},
    "loop": {"backend": "serial", "n_jobs": 1, "holds_gil": None, "n_chunks": 0},
    "cannot be sent": {"pickle_s": 1e6},
    "travels for nothing": {"pickle_s": 0.0},
    "warms up for long": {"warmup_s": 1e6},
    "warms up": {"warmup_s": 0.5},
    "everything goes": {"spread_log": 10.0},
    "nothing varies": {"spread_log": 0.0},
    "one job": {"n_jobs": 1},
    "4096 jobs": {"n_jobs": 4096},
    "one in a chunk": {"chunksize": 1, "chunk_items": 1.0},
    "all in a chunk": {"chunksize": 10**12, "chunk_items": 1e6},
    "many items": {"n_items": 10**12, "n_chunks": 10**12, "n_calls": 10**12},
    "achieved much": {"achieved": {"process x 2": 4096.0, "thread x 2": 4096.0}},
    "achieved less": {"n_short": 2},
    "no CPU time": {"item_cpu_s": 0.0},
    "much time to try": {"explored": MUCH_TIME, "n_calls": 10**6},
    "few jobs are best": {"explored": {**MUCH_TIME, "used_s": 0.0, "n_waiters": 1}},
}  # fmt: skip
N_PLANTED = 100


def planted():
    """Names and profiles: each lie alone, then pairs and triples of them, always the same."""
    found = {name: RIGHT.replace(**lie) for name, lie in LIES.items()}
    random = Random(0)
    while len(found) < N_PLANTED:
        names = sorted(random.sample(sorted(LIES), random.choice((2, 3))))
        changes = {key: value for name in names for key, value in LIES[name].items()}
        found[" + ".join(names)] = RIGHT.replace(**changes)
    return found


def jobs(n_cores):
    """Jobs of every sort that are over soon, by name."""
    random = Random(1)

    def costs(n_items, mean_s, sigma=0.1):
        return tuple(mean_s * random.lognormvariate(0.0, sigma) for _ in range(n_items))

    return {
        "tiny": World(costs_s=costs(20_000, 2e-6), n_cores=n_cores),
        "small": World(costs_s=costs(20_000, 30e-6), n_cores=n_cores),
        "short": World(costs_s=costs(40, 1e-3), n_cores=n_cores),
        "1 ms": World(costs_s=costs(1000, 1e-3), n_cores=n_cores),
        "uneven": World(costs_s=costs(500, 3e-3, 1.0), n_cores=n_cores),
        "20 ms": World(costs_s=costs(60, 20e-3), n_cores=n_cores),
        "0.3 s": World(costs_s=costs(6 * n_cores, 0.3), n_cores=n_cores),
        "waits": World(costs_s=costs(300, 20e-3), n_cores=n_cores, waits=True),
        "releases": World(costs_s=costs(500, 2e-3), n_cores=n_cores, holds_gil=False),
        "payload": World(costs_s=costs(2000, 0.3e-3), n_cores=n_cores, pickle_s=200e-6),
    }
