"""Decides, chunk by chunk, what the caller and its workers do next.

There is no tuning phase: every decision is taken while real items run, from what they have cost so
far. The caller works itself until a worker has delivered; workers get chunks sized by what is left;
a chunk that takes too long comes back.
"""

from __future__ import annotations

from amorsize.policy import route, sizing
from amorsize.policy.facts import (
    Died,
    Event,
    Host,
    Inlined,
    Job,
    Profile,
    Ready,
    Report,
    Started,
    Surveyed,
    View,
    Watched,
    Weighed,
)
from amorsize.policy.model import WAITING_SHARE, Estimates
from amorsize.policy.plan import (
    Action,
    Plan,
    RunInline,
    Send,
    StartWorker,
    Survey,
    Unwatch,
    Wait,
    Watch,
    Weigh,
)
from amorsize.policy.value import Value

inf = float("inf")  # as math has it, without the 1 ms of loading that

SLICE_S = 2e-3  # the caller looks up from its own items this often once workers may need it
PATIENT_SLICE_S = 10e-3  # and this often while workers are out of the question
SLICE_SHARE = 1.0  # a slice lasts at most as long as all before it: costs may yet change
FIRST_SLICE_S = 100e-6  # but this long in any case: telling a slice's story takes 15 us
SERIAL_SLICE_S = 50e-3  # a slice of the loop, when nobody else needs the caller
GROWTH_INLINE = 4  # a slice has at most this many times the items seen so far
BET_SHARE, BET_S = 0.03, 4e-3  # what starting workers may cost if it never pays: the promise
FEW_WITHOUT_SURVEY = 256  # beyond, not even 16 cores make the first item matter: nothing is asked
FEW_PER_CORE = 16  # up to so many items a core, one unlucky first item matters
UNSURVEYED_OVERHEAD_S = 100e-6  # of a chunk, on the hosts seen so far
LEAST_LEFT_S = 2e-3  # work left for which no worker was ever worth starting: nothing is surveyed
SURE_S = 0.3e-3  # of items run before their cost is believed; shorter slices are mostly clockwork
LEAST_ITEM_S = 0.25e-6  # to pickle and read back the smallest result takes about 0.15 us
FIRST_READY_S = 2e-3  # how long the caller waits for workers it started before the first item
WORTH = 1.5  # workers the caller could keep busy, below which sending costs more than it brings
KEEP_WORTH = 1.2  # and below which it stops sending: the gap avoids going back and forth
PAYBACK = 0.85  # workers must save 15 % of what is left, or they are not started
CHECK_S, CHECK_SLICES = 0.2e-3, 4  # how long a remembered profile is checked on this call's items
LONG_CHECK_S = 5e-3  # items at least this long are sent at once and judged by first reports
LONG_WAIT_S = 50e-3  # waiting items: a crowd of threads is a dear mistake, one item is soon run
FITS = 3.0  # a profile fits when the item cost is within this factor
WAITERS, MAX_WAITERS = 16, 256  # threads for waiting items: first, and at most
WAITING_PROCESSES = 4  # per core, where waiting items may not run in threads
GAIN = 1.25  # twice the threads must bring this much more throughput to be doubled again
UNVERIFIED_SHARE, VERIFIED_SHARE = 0.7, 0.8  # CPU / wall that refutes or shows a core of our own
VERIFY_S = 5e-3
TURNS_REPORTS = 4  # per thread, before it is judged whether they run at once or take turns
ONE_CORE = 1.2  # CPU / wall of all threads together, below which they use one core between them
STARVED_SHARE = 0.6  # mean CPU / wall of chunks below which workers wait for cores
HELP_CORES = 4  # up to so many cores the caller's own help is worth its absence as a dispatcher
HELP_ITEM_S = 2e-3
DEEP_CALLER_SHARE = 0.3  # of its time spent sending, above which workers get a second chunk


class Note(Value):
    """One decision, for explain(): when, what, why."""

    now_s: float
    what: str
    why: str


class _Seat:
    """What the tuner knows of one worker."""

    __slots__ = ("backend", "is_alive", "is_ready", "n_queued", "n_reports", "number")

    def __init__(self, number: int, backend: str) -> None:
        self.number, self.backend = number, backend
        self.is_ready, self.is_alive = False, True
        self.n_queued = self.n_reports = 0


class Tuner:
    """Decide what the caller and its workers do next; be told what happened."""

    def __init__(self, host: Host | None, job: Job, known: Profile | None = None) -> None:
        self._host, self.job = host, job
        self.costs = Estimates()
        self.notes: list[Note] = []
        self.route: route.Route | None = None
        self.watched: Watched | None = None
        self.weighed: Weighed | None = None
        self.holds_gil: bool | None = None
        self.verified: bool | None = None  # cores of our own: shown, refuted, not known yet
        self.n_limit: int | None = None  # workers, after evidence that more do not help
        self.hint = known  # until it was checked
        self.hint_fits: bool | None = None
        self._seats: dict[int, _Seat] = {}
        self._watching = False
        self._watch_asked_s = 0.0
        self._n_checks = 0
        self._committed = False  # workers are wanted; once true the bet is made
        self._caller_share, self._caller_seen_s = 1.0, 0.0
        self._worker_share = 1.0
        self._window: tuple[float, float, int] | None = None  # since when, CPU seconds, reports
        self._n_waiters = WAITERS
        self._waiter_costs: list[float] = []
        self._waiter_last: float | None = None
        self._now_s = 0.0
        self._lost_one = False
        self._first_started_s = 0.0
        if job.backend in ("thread", "process"):
            self.route = route.Route(backend=job.backend, why="asked for")
            self.verified = True
        elif job.backend == "serial":
            self.route = route.serial("asked for")
        check_s = LONG_WAIT_S if known is not None and known.waits else LONG_CHECK_S
        if known is not None and known.item_s >= check_s and job.may_inline:
            self._adopt(known)  # one item costs more than a wrong start: judged by first reports

    # -- being told -------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Take in what happened."""
        match event:
            case Report():
                self._reported(event)
            case Inlined():
                self._inlined(event)
            case Ready():
                self._seats[event.worker].is_ready = True
            case Started():
                self._seats[event.worker] = _Seat(event.worker, event.backend)
            case Died():
                self._seats[event.worker].is_alive = False
                self._lost_one = True
            case Watched():
                self._saw(event)
            case Weighed():
                self.weighed = event
            case Surveyed():
                self._host, self.job = event.host, event.job

    def _saw(self, event: Watched) -> None:
        self._watching = False
        first_look, self.watched = self.watched is None, event
        clear = route.verdict(event)
        if clear is not None or not first_look:  # unclear at first: it is watched once more
            self.holds_gil = event.lag_share >= route.HOLDS_GIL_SHARE

    def _inlined(self, event: Inlined) -> None:
        self.costs.inlined(event, alone=self._has_core_to_itself)
        if self._committed and not self.costs.n_reports and not self.costs.waits:
            self._verify(event)

    def _verify(self, event: Inlined) -> None:
        """The caller's own CPU share while workers start tells whether the cores are there."""
        weight = min(1.0, event.wall_s / VERIFY_S)
        share = min(1.0, event.cpu_s / max(event.wall_s, 1e-9))
        self._caller_share += weight * (share - self._caller_share)
        self._caller_seen_s += event.wall_s
        if self._caller_seen_s < VERIFY_S:
            return
        if self._caller_share > VERIFIED_SHARE:
            self.verified = True
        elif self._caller_share < UNVERIFIED_SHARE:
            self.verified = False

    def _reported(self, event: Report) -> None:
        seat = self._seats[event.worker]
        if event.n_sent:  # the last part of a chunk
            seat.n_queued -= 1
        first = seat.n_reports == 0
        if not self.costs.n_inline and self.costs.n_reports < 2 and event.n_items:
            self.costs.waits = event.cpu_s < WAITING_SHARE * event.wall_s
        seat.n_reports += 1
        self.costs.reported(event, n_workers=self._n_alive, is_first=first)
        if not event.n_items:
            return
        if self.costs.waits:
            self._count_waiter(event)
        else:
            self._watch_cores(event)
        if self.hint is not None and self._n_reporting >= min(4, self._n_alive):
            self._judge(self.hint)

    def _watch_cores(self, event: Report) -> None:
        """Workers that wait for cores say so by their CPU share."""
        share = min(1.0, event.cpu_s / max(event.wall_s, 1e-9))
        n = self._n_alive
        self._worker_share += (share - self._worker_share) / min(self.costs.n_reports, 4 * n)
        if share > VERIFIED_SHARE and self.costs.n_reports >= 2:
            self.verified = True
        if self._threads_take_turns(event):
            self._leave_threads()
            return
        if (
            self.route is not None
            and self.route.backend == "process"
            and self.costs.n_reports >= 8 * n
            and self._worker_share < STARVED_SHARE
            and n > 1
            and self.job.backend == "auto"
        ):
            n_found = max(1, round(n * self._worker_share))
            if self.n_limit is None or n_found < self.n_limit:
                self.n_limit = n_found
                self._note(f"{n_found} of {n} workers", "they wait for cores more than they run")

    def _threads_take_turns(self, event: Report) -> bool:
        """Threads chosen because items seemed to release the GIL show that they do not.

        Two that take turns each seem to run at full speed, chunk by chunk; together they do not
        use more than one core.
        """
        if (
            self.route is None
            or self.route.backend != "thread"
            or self.job.backend != "auto"
            or self._n_alive < 2
        ):
            return False
        if self._window is None:
            self._window = (event.now_s, 0.0, 0)
            return False
        began_s, cpu_s, n_reports = self._window
        self._window = began_s, cpu_s + event.cpu_s, n_reports + 1
        return (
            n_reports >= TURNS_REPORTS * self._n_alive
            and cpu_s < ONE_CORE * (event.now_s - began_s)
        )

    def _leave_threads(self) -> None:
        self._note("threads given up", "they took turns: the items hold the GIL after all")
        self.holds_gil, self.route, self._committed = True, None, False
        self.hint_fits = None if self.hint_fits is None else False

    def _count_waiter(self, event: Report) -> None:
        """Double the waiting workers while that brings more throughput."""
        if self._n_waiters >= MAX_WAITERS or self._n_alive < self._n_waiters:
            return
        self._waiter_costs.append(event.item_s)
        if len(self._waiter_costs) < max(24, self._n_waiters):
            return
        recent = sorted(self._waiter_costs)
        median_s = recent[len(recent) // 2]
        self._waiter_costs = []
        if self._waiter_last is not None and 2 * self._waiter_last / median_s < GAIN:
            self.n_limit = self._n_waiters
            self._note(f"stay at {self._n_waiters} threads", "twice as many brought no more")
            return
        self._waiter_last = median_s
        self._n_waiters = min(MAX_WAITERS, 2 * self._n_waiters)

    @property
    def host(self) -> Host:
        """The host, which has been surveyed before anything depends on it."""
        assert self._host is not None
        return self._host

    @property
    def n_cores(self) -> int | None:
        """Usable cores; None when this call never had to know."""
        return None if self._host is None else self._host.n_cores

    # -- what is known of the crew ----------------------------------------------------------

    @property
    def _n_alive(self) -> int:
        return sum(1 for seat in self._seats.values() if seat.is_alive)

    @property
    def _has_core_to_itself(self) -> bool:
        """Nothing of ours keeps the caller from its core: only then does idling mean waiting."""
        alive = [seat for seat in self._seats.values() if seat.is_alive]
        if not alive:
            return True
        return len(alive) < self.host.n_cores and all(s.backend == "process" for s in alive)

    @property
    def _n_reporting(self) -> int:
        return sum(1 for seat in self._seats.values() if seat.is_alive and seat.n_reports)

    @property
    def n_in_flight(self) -> int:
        """Chunks that are with workers."""
        return sum(seat.n_queued for seat in self._seats.values() if seat.is_alive)

    def _crew(self) -> list[_Seat]:
        """Living workers of the backend in use."""
        backend = None if self.route is None else self.route.backend
        return [
            seat
            for seat in self._seats.values()
            if seat.is_alive and (backend is None or seat.backend == backend)
        ]

    # -- deciding ---------------------------------------------------------------------------

    def next(self, view: View) -> Action:
        """What to do now."""
        self._now_s = view.now_s
        if not view.n_left:
            return Wait(reason="all items are out")
        if self.job.backend == "serial" or (self.job.n_jobs == 1 and self.job.may_inline):
            return self._slice(view, SERIAL_SLICE_S)
        if self.job.backend != "auto" or not self.job.may_inline:
            return Survey() if self._host is None else self._crew_only(view)
        if self.costs.item_s is None:
            return self._open(view)
        if self.hint is not None and not self._seats and self.hint_fits is None:
            return self._check(view, self.hint)
        return self._decide(view)

    def _open(self, view: View) -> Action:
        """Nothing is known: run one item. Few items are likely long: have help ready before."""
        if view.caller_busy:
            return self._feed_unknown()
        if self._host is None and self._may_start_before_first(view, FEW_WITHOUT_SURVEY):
            return Survey()
        n_first = 0 if self._host is None else self._n_before_first(view)
        if len(self._seats) < n_first:
            if not self._seats:
                self._first_started_s = view.now_s
                self._note(f"{n_first} started at once", f"only {view.n_left} items: likely long")
            return StartWorker(backend="process")
        if (action := self._feed_first(view)) is not None:
            return action
        if n_first and self.job.thread_reason is None and not self._watching and not self.watched:
            return self._watch()
        return RunInline(n_items=1, box_s=inf)

    def _feed_first(self, view: View) -> Action | None:
        """One item for each worker that was started before the first item."""
        waiting = [seat for seat in self._seats.values() if not seat.n_queued and seat.is_alive]
        for seat in waiting:
            if seat.is_ready and view.n_left > 1:
                return self._send(seat, 1, inf)
        if waiting and not all(seat.is_ready for seat in waiting):
            left_s = self._first_started_s + FIRST_READY_S - view.now_s
            if left_s > 0:
                return Wait(reason="workers are starting", timeout_s=left_s)
        return None

    def _n_before_first(self, view: View) -> int:
        """Workers worth starting before anything is known: as many as the bet allows."""
        if (
            not self._may_start_before_first(view, FEW_PER_CORE * self.host.n_cores)
            or self.job.process_reason is not None
            or self.host.fork_reason is not None
        ):
            return 0
        start_s = self.host.process_start_s + self.host.process_ready_s
        n_affordable = int(BET_S / start_s)
        return max(0, min(self.n_places - 1, n_affordable, view.n_left - 1))

    def _may_start_before_first(self, view: View, n_most: int) -> bool:
        """Few items of an unknown function are likely long ones: nobody maps over six trifles."""
        n_items = view.n_left + len(self._seats)
        return view.all_read and 2 <= n_items <= n_most and self.hint is None

    def _feed_unknown(self) -> Action:
        """The caller is in a long first item: ready workers get one item each meanwhile."""
        for seat in self._seats.values():
            if seat.is_ready and seat.is_alive and not seat.n_queued:
                return self._send(seat, 1, inf)
        return Wait(reason="the first item is running")

    def _check(self, view: View, hint: Profile) -> Action:
        """A little of this call's own work decides whether what is remembered fits it."""
        costs = self.costs
        if costs.elapsed_inline_s < CHECK_S and self._n_checks < CHECK_SLICES:
            self._n_checks += 1
            return self._slice(view, SLICE_S)
        self._judge(hint)
        return self._decide(view)

    def remember(self, profile: Profile) -> None:
        """Take a profile that was found while items were already running: judged at once."""
        self.hint = profile
        if self.costs.item_s is not None:
            self._judge(profile)

    def _judge(self, hint: Profile) -> None:
        """Adopt a profile that agrees with this call's items; else go on without it."""
        costs = self.costs
        adopted = self.hint_fits is True
        ratio = (costs.latest_s or hint.item_s) / hint.item_s
        fits = 1 / FITS < ratio < FITS and (adopted or costs.waits == hint.waits)
        self.hint = None
        if fits and not adopted:
            self._adopt(hint)
        elif not fits:
            self.hint_fits = False
            self.n_limit = None
            if adopted:  # whatever followed from it is in doubt as well
                self.costs, self.route, self.holds_gil = Estimates(), None, None
            self._note("remembered profile put aside", f"an item costs {ratio:.2g} x that")

    def _adopt(self, hint: Profile) -> None:
        """Start from a profile: what was measured then need not be measured again."""
        self.hint_fits = True
        if self.costs.item_s is None:
            self.costs.adopt(hint)
        else:
            self.hint = None
            self.costs.waits = hint.waits
            self.costs.n_largest = max(self.costs.n_largest, hint.chunksize)
            self.costs.warmup_s = max(self.costs.warmup_s, hint.warmup_s)
            self.costs.confirm()
        if self.holds_gil is None:
            self.holds_gil = hint.holds_gil
        if hint.pickle_s is not None:
            self.weighed = Weighed(pickle_s=hint.pickle_s)
        if hint.waits and hint.backend == "thread":
            self._n_waiters = max(WAITERS, hint.n_jobs)
            self.n_limit = None if hint.n_jobs >= MAX_WAITERS else hint.n_jobs
        self.verified = True

    def _decide(self, view: View) -> Action:
        """The general case: some items are known, some are left."""
        if (action := self._settle_route(view)) is not None:
            return action
        assert self.route is not None
        if self.route.backend == "serial":
            return self._slice(view, SERIAL_SLICE_S)
        crew = self._crew()
        if crew and not self._is_worth(view, KEEP_WORTH):
            return self._slice(view, SLICE_S) if not view.caller_busy else Wait()
        if (action := self._feed(view, crew)) is not None:
            return action
        if (action := self._grow(view, crew)) is not None:
            return action
        if self._caller_works(view, crew):
            return self._slice(view, SLICE_S)
        return Wait(reason="workers are busy")

    def _settle_route(self, view: View) -> Action | None:
        """Find out where the items are to run, while the caller goes on with them."""
        undecided = self.route is None or self.route.backend is None
        if view.caller_busy and (undecided or self._watching):
            return self._feed_unknown()
        if self._watching:
            return self._go_on_watching(view)
        if undecided:
            if not self._could_pay(view):
                return self._slice(view, self._patient_slice_s(view))
            if self._host is None:
                return Survey()
            self.route = route.choose(
                self.host, self.job, self.costs, weighed=self.weighed, holds_gil=self.holds_gil
            )
            if self.route.need == "weigh":
                return Weigh()
            if self.route.need == "watch":
                return self._watch()
            assert self.route.backend is not None
            self._note(self.route.backend, self.route.why)
        return None

    def _go_on_watching(self, view: View) -> Action:
        watched_s = view.now_s - self._watch_asked_s
        enough_s = route.WATCH_S
        if self.watched is not None:
            enough_s = route.WATCH_LONGER_S
        if watched_s >= enough_s:
            return Unwatch()
        return self._slice(view, SLICE_S)

    def _watch(self) -> Action:
        """Have it watched; unclear the first time, it is watched for longer."""
        self._watching, self._watch_asked_s = True, self._now_s
        return Watch()

    def _patient_slice_s(self, view: View) -> float:
        """While nothing suggests workers: slices that end before it would be time for them."""
        known = self.costs.elapsed_inline_s > SURE_S
        return PATIENT_SLICE_S if known and view.all_read else SLICE_S

    def _could_pay(self, view: View) -> bool:
        """Whether, on the best assumptions, more than the caller is worth having."""
        if self._seats:
            return self.left_s(view) > 2 * self._overhead_s() / sizing.TAIL_LOSS_SHARE
        if self.costs.elapsed_inline_s < SURE_S or (self.costs.item_s or 0.0) < LEAST_ITEM_S:
            return False
        if (unconfirmed_s := self.costs.first_unconfirmed_s) is not None:
            if self.costs.waits and unconfirmed_s > 1e-3:
                return self.left_s(view) > 4 * unconfirmed_s
            return False  # a second item tells whether the first was a warm-up
        left_s = self.left_s(view)
        if self._host is None:
            return left_s > LEAST_LEFT_S
        start_s = self._start_s(self._likely_backend)
        pays = left_s / 2 + start_s + self.costs.warmup_s < PAYBACK * left_s
        return pays and BET_SHARE * (view.now_s + left_s) + BET_S >= start_s - self.host.load_s

    @property
    def _likely_backend(self) -> str:
        if self.route is not None and self.route.backend is not None:
            return self.route.backend
        return "thread" if self.costs.waits and self.job.thread_reason is None else "process"

    def _start_s(self, backend: str) -> float:
        """From the decision to a worker at work, in seconds."""
        if backend == "thread":
            return self.host.thread_start_s
        return self.host.process_start_s + self.host.process_ready_s + self.host.load_s

    def left_s(self, view: View) -> float:
        """The work left, as one core would do it; with an unknown end, as much as was seen."""
        left_s = view.n_left * (self.costs.item_s or 0.0)
        return left_s if view.all_read else max(left_s, view.now_s)

    # -- how many ---------------------------------------------------------------------------

    @property
    def n_places(self) -> int:
        """The most that may run at once, by cores and by what the user allows."""
        backend = None if self.route is None else self.route.backend
        n_most = self.host.n_cores
        if self.costs.waits:
            n_most = WAITING_PROCESSES * n_most if backend == "process" else self._n_waiters
        elif self.costs.inner_threads > 1.3:
            n_most = max(1, int(n_most / self.costs.inner_threads))
        if self.job.n_jobs is not None:
            asked = self.job.n_jobs
            n_most = asked if self.job.backend != "auto" else min(n_most, asked)
        return n_most

    def _dispatch_s(self) -> float:
        is_thread = self.route is not None and self.route.backend == "thread"
        return self.host.thread_dispatch_s if is_thread else self.host.dispatch_s

    def _overhead_s(self) -> float:
        """What a chunk costs in all."""
        if self._host is None:
            return UNSURVEYED_OVERHEAD_S
        is_thread = self.route is not None and self.route.backend == "thread"
        return self._dispatch_s() + (0.0 if is_thread else 2 * self.host.latency_s)

    def _n_servable(self) -> float:
        """How many workers the caller could keep busy: the cost of an item over that of sending."""
        costs = self.costs
        item_s = costs.item_s or 0.0
        k = max(1.0, self._overhead_s() / sizing.BULK_LOSS_SHARE / max(item_s, 1e-9))
        pickle_s = 0.0
        if self.weighed is not None and self.route is not None and self.route.backend == "process":
            pickle_s = self.weighed.pickle_s or 0.0
        sending_s = pickle_s + self._dispatch_s() / k
        work_s = item_s if costs.waits else costs.work_s
        return work_s / max(sending_s, 1e-12)

    def _is_worth(self, view: View, threshold: float) -> bool:
        return self.costs.waits or self._n_servable() >= threshold or view.caller_busy

    def _n_wanted(self, view: View) -> int:
        """Workers that the work left justifies."""
        n_servable = self._n_servable()
        if n_servable < WORTH:
            return 0
        left_s = self.left_s(view)
        start_s = self._start_unit_s()
        n = min(
            self.n_places,
            int(min(1e6, 1.25 * n_servable)) + 2,
            max(1, int((2 * left_s / start_s) ** 0.5)),
        )
        if view.all_read:
            n = min(n, view.n_left + self.n_in_flight)
        if self.n_limit is not None:
            n = min(n, self.n_limit)
        if self._seats or n < 1:
            return n
        load_s = self.host.load_s if self._likely_backend == "process" else 0.0
        ready_s = self._start_s(self._likely_backend) - start_s - load_s
        spent_s = load_s + ready_s + self.costs.warmup_s + n * start_s / 2
        if left_s / (n + 1) + spent_s > PAYBACK * left_s:
            return 0
        return n

    def _start_unit_s(self) -> float:
        if self._likely_backend == "thread":
            return self.host.thread_start_s
        return self.host.process_start_s

    def _grow(self, view: View, crew: list[_Seat]) -> Action | None:
        """Start one more worker if the work left pays for it and the cores are there."""
        assert self.route is not None and self.route.backend is not None
        if view.caller_busy and self.route.backend == "process" and self.host.fork_reason is None:
            return None  # forking from the feeder beside the caller's item would not be safe
        n_wanted = self._n_wanted(view)
        if not self._committed and n_wanted:
            self._committed = True
            self._note(
                f"up to {n_wanted} workers", f"{self.left_s(view):.3g} s of work left in the loop"
            )
        if not self.costs.waits:
            n_wanted = min(n_wanted, self._n_trusted(view))
        if len(crew) >= n_wanted:
            return None
        idle = any(seat.is_ready and not seat.n_queued for seat in crew)
        return None if idle else StartWorker(backend=self.route.backend)

    def _n_trusted(self, view: View) -> int:
        """Cores we may bet on: few until a worker or the caller's own share has shown them."""
        n = self.n_places
        if self.verified is False:
            return len(self._crew())
        if self.verified is None:
            bet_s = BET_SHARE * (view.now_s + self.left_s(view)) + BET_S
            n = min(n, max(1, int(bet_s / self._start_s(self._likely_backend))))
        if not self.costs.n_reports and self.job.may_inline and self.host.n_cores > 1:
            n = min(n, self.n_places - 1)  # the caller still computes on one
        return n

    # -- who does what ----------------------------------------------------------------------

    def _feed(self, view: View, crew: list[_Seat]) -> Action | None:
        """A chunk for the ready worker with the least to do, if it has too little."""
        ready = [seat for seat in crew if seat.is_ready]
        if self.n_limit is not None:
            ready = ready[: self.n_limit]
        if not ready:
            return None
        seat = min(ready, key=lambda seat: seat.n_queued)
        if seat.n_queued >= 2:
            return None
        n_items, box_s = self._chunk(view, seat, len(ready))
        if seat.n_queued and not self._deep(n_items, len(ready)):
            return None
        return self._send(seat, n_items, box_s)

    def _chunk(self, view: View, seat: _Seat, n_ready: int) -> tuple[int, float]:
        if self.job.chunksize is not None:
            return min(self.job.chunksize, view.n_left), inf
        costs = self.costs
        if costs.item_s is None:
            return 1, sizing.FIRST_CHUNK_S
        if costs.waits and costs.item_s >= SLICE_S:
            return 1, inf
        return sizing.chunk_of(
            n_left=view.n_left,
            item_s=costs.item_s,
            n_workers=max(n_ready, min(self.n_places, self.n_limit or self.n_places)),
            dispatch_s=self._dispatch_s(),
            overhead_s=self._overhead_s(),
            n_largest=max(costs.n_largest, 0 if costs.n_reports else costs.n_inline),
            is_first=seat.n_reports == 0 and self.hint_fits is not True,
        )

    def _deep(self, n_items: int, n_ready: int) -> bool:
        """Whether a worker should have its next chunk before it is through with this one."""
        if self.costs.waits:
            return False
        chunk_s = n_items * (self.costs.item_s or 0.0)
        busy_share = n_ready * self._dispatch_s() / max(chunk_s, 1e-9)
        return busy_share > DEEP_CALLER_SHARE or chunk_s < 10 * self._overhead_s()

    def _send(self, seat: _Seat, n_items: int, box_s: float) -> Send:
        seat.n_queued += 1
        return Send(worker=seat.number, n_items=n_items, box_s=box_s)

    def _caller_works(self, view: View, crew: list[_Seat]) -> bool:
        """Whether the caller runs items itself rather than waiting for reports."""
        if view.caller_busy or self._lost_one:
            return False
        if not crew:
            return True
        if self.costs.waits:
            return False
        if not any(seat.n_reports for seat in crew):
            return True  # never wait for a worker that has not delivered yet
        return (
            len(crew) < min(self.host.n_cores, self.n_places)
            and self.host.n_cores <= HELP_CORES
            and (self.costs.item_s or inf) < HELP_ITEM_S
            and view.n_left > 4 * len(crew)
        )

    def _slice(self, view: View, longest_s: float) -> Action:
        """The caller runs some items itself, for a time that grows with what it has seen."""
        if view.caller_busy:
            return Wait(reason="the caller is inside an item")
        costs = self.costs
        if self.job.chunksize is not None and self.job.backend != "serial":
            return RunInline(n_items=min(self.job.chunksize, view.n_left), box_s=inf)
        item_s = costs.item_s
        if not item_s or costs.first_unconfirmed_s is not None:
            return RunInline(n_items=1, box_s=inf)
        slice_s = min(longest_s, max(SLICE_SHARE * costs.elapsed_inline_s, FIRST_SLICE_S))
        n_items = min(
            int(slice_s / item_s) + 1, view.n_left, GROWTH_INLINE * max(1, costs.n_seen)
        )
        return RunInline(n_items=n_items, box_s=1.5 * slice_s)

    def _crew_only(self, view: View) -> Action:
        """Every item goes to a worker: asked for, or the only way to keep a promise."""
        if self.route is None or self.route.backend is None:
            backend = "process" if self.job.process_reason is None else "thread"
            self.route = route.Route(backend=backend, why="only a worker can keep the time limit")
            self.verified = True
        crew = self._crew()
        if (action := self._feed(view, crew)) is not None:
            return action
        n_wanted = min(self.n_places, view.n_left + len(crew))
        if self.route.backend == "thread" and not self.costs.n_reports and not self.job.n_jobs:
            n_wanted = min(n_wanted, 2)  # more would hide from each other whether items wait
        if self.costs.item_s is not None and not self.costs.waits and self.job.n_jobs is None:
            n_wanted = min(n_wanted, max(1, self._n_worth_starting(view)))
        if self.n_limit is not None:
            n_wanted = min(n_wanted, self.n_limit)
        assert self.route.backend is not None
        may_start = not any(seat.is_ready and not seat.n_queued for seat in crew)
        if len(crew) < n_wanted and may_start:
            return StartWorker(backend=self.route.backend)
        return Wait(reason="workers are busy")

    def _n_worth_starting(self, view: View) -> int:
        """With workers only: the square-root law alone says how many starts the work pays."""
        return max(len(self._crew()), int((2 * self.left_s(view) / self._start_unit_s()) ** 0.5))

    # -- what is remembered -----------------------------------------------------------------

    def _note(self, what: str, why: str) -> None:
        self.notes.append(Note(now_s=self._now_s, what=what, why=why))

    def backend_used(self) -> str:
        """Where most items ran."""
        if not self.costs.n_reports or self.route is None:
            return "serial"
        return self.route.backend or "serial"

    def plan(self) -> Plan:
        """The plan this call arrived at."""
        costs, backend = self.costs, self.backend_used()
        n_jobs = 1 if backend == "serial" else max(1, len(self._crew()))
        chunksize = self.job.chunksize or sizing.bulk_chunksize(
            costs.item_s or SLICE_S, self._overhead_s()
        )
        if costs.waits and backend != "serial":
            chunksize = self.job.chunksize or 1
        return Plan(
            backend=backend,
            n_jobs=n_jobs,
            chunksize=chunksize,
            source="learned" if self.job.backend == "auto" else "asked",
        )

    def learned(self, n_calls: int = 1) -> Profile | None:
        """What the next call should know; None when nothing was measured."""
        costs = self.costs
        if costs.item_s is None:
            return None
        plan = self.plan()
        return Profile(
            backend=plan.backend,
            n_jobs=plan.n_jobs,
            chunksize=plan.chunksize,
            item_s=costs.item_s,
            item_cpu_s=costs.item_cpu_s or 0.0,
            spread_log=costs.spread_log,
            pickle_s=None if self.weighed is None else self.weighed.pickle_s,
            warmup_s=costs.warmup_s,
            holds_gil=self.holds_gil,
            waits=costs.waits,
            n_items=costs.n_seen,
            n_calls=n_calls,
        )
