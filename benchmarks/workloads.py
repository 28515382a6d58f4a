"""What the contenders are given to do: each workload a job, its data and what is known of it.

The jobs are in `benchmarks.jobs`, so that a process which runs one imports what it needs and no
more. Contenders are told nothing of what stands here; it says which bounds apply.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One job over one set of data."""

    name: str
    module: str  # of benchmarks.jobs
    job: str
    data: str
    item_cost_s: float  # about, in the mean
    n_items: int | None  # None: it depends on the machine's files
    waiting: bool = False  # its items mostly wait
    releases_gil: bool = False  # and takes and returns 128 KiB or more
    small_items: bool = True  # arguments and results under 1 kB
    short: bool = False  # well under a second in all

    @property
    def computes_all_the_time(self) -> bool:
        """Whether its total CPU time means something: no waiting, items of 20 us or more."""
        return not self.waiting and self.item_cost_s >= 20e-6

    @property
    def shows_busy_share(self) -> bool:
        """Whether it computes for a second and more with little to send."""
        return self.computes_all_the_time and self.small_items and not self.short


WORKLOADS = (
    Workload(
        name="0.1 us x 400k",
        module="computing",
        job="remainder",
        data="four_hundred_thousand",
        item_cost_s=0.1e-6,
        n_items=400_000,
        short=True,
    ),
    Workload(
        name="10 us x 60k",
        module="computing",
        job="ten_us",
        data="sixty_thousand",
        item_cost_s=10e-6,
        n_items=60_000,
        short=True,
    ),
    Workload(
        name="60 us x 30k",
        module="computing",
        job="sixty_us",
        data="thirty_thousand",
        item_cost_s=60e-6,
        n_items=30_000,
    ),
    Workload(
        name="0.5 ms x 1200",
        module="computing",
        job="n_primes",
        data="prime_limits",
        item_cost_s=0.5e-3,
        n_items=1200,
        short=True,
    ),
    Workload(
        name="10 ms, three decades",
        module="computing",
        job="churn",
        data="three_decades",
        item_cost_s=10e-3,
        n_items=120,
    ),
    Workload(
        name="six of 0.25 s",
        module="computing",
        job="churn",
        data="six_big",
        item_cost_s=0.25,
        n_items=6,
    ),
    Workload(
        name="heavy tail, big ones last",
        module="computing",
        job="churn",
        data="big_ones_last",
        item_cost_s=4e-3,
        n_items=300,
    ),
    Workload(
        name="60 ms in all",
        module="computing",
        job="churn",
        data="sixty_ms_in_all",
        item_cost_s=0.6e-3,
        n_items=100,
        short=True,
    ),
    Workload(
        name="a generator",
        module="computing",
        job="churn",
        data="generated",
        item_cost_s=0.3e-3,
        n_items=3000,
        short=True,
    ),
    Workload(
        name="parse the stdlib",
        module="parsing",
        job="count_nodes",
        data="library_sources",
        item_cost_s=11e-3,
        n_items=None,
    ),
    Workload(
        name="zlib",
        module="compressing",
        job="shrink",
        data="payloads",
        item_cost_s=16e-3,
        n_items=90,
        releases_gil=True,
        small_items=False,
    ),
    Workload(
        name="numpy",
        module="arrays",
        job="phases",
        data="signals",
        item_cost_s=20e-3,
        n_items=60,
        releases_gil=True,
        small_items=False,
    ),
    Workload(
        name="8 ms waits x 300",
        module="waiting",
        job="wait_8_ms",
        data="three_hundred",
        item_cost_s=8e-3,
        n_items=300,
        waiting=True,
    ),
    Workload(
        name="40 ms waits x 200",
        module="waiting",
        job="wait_40_ms",
        data="two_hundred",
        item_cost_s=40e-3,
        n_items=200,
        waiting=True,
    ),
    Workload(
        name="5 ms wait + 1 ms work",
        module="waiting",
        job="wait_then_compute",
        data="two_hundred",
        item_cost_s=6e-3,
        n_items=200,
        waiting=True,
    ),
    Workload(
        name="15 ms wait + 10 ms work",
        module="waiting",
        job="wait_then_parse",
        data="two_hundred",
        item_cost_s=25e-3,
        n_items=200,
        waiting=True,
    ),
    Workload(
        name="4 waits of 0.5 s",
        module="waiting",
        job="wait_500_ms",
        data="four",
        item_cost_s=0.5,
        n_items=4,
        waiting=True,
    ),
    Workload(
        name="8 waits of 0.2 s",
        module="waiting",
        job="wait_200_ms",
        data="eight",
        item_cost_s=0.2,
        n_items=8,
        waiting=True,
    ),
    Workload(
        name="20 waits of 0.1 s",
        module="waiting",
        job="wait_100_ms",
        data="twenty",
        item_cost_s=0.1,
        n_items=20,
        waiting=True,
    ),
    Workload(
        name="32 waits of 0.1 s",
        module="waiting",
        job="wait_100_ms",
        data="thirty_two",
        item_cost_s=0.1,
        n_items=32,
        waiting=True,
    ),
)


def by_name(name: str) -> Workload:
    """The workload of that name.

    Raises:
        KeyError: There is none; the text lists those there are.
    """
    for workload in WORKLOADS:
        if workload.name == name:
            return workload
    raise KeyError(f"no workload {name!r}; there are {', '.join(w.name for w in WORKLOADS)}")
