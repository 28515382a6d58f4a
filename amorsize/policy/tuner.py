"""Decides, chunk by chunk, what the caller and its workers do next.

There is no tuning phase: every decision is taken while real items run, from what they have cost so
far. The caller works itself until a worker has delivered; workers get chunks sized by what is left;
a chunk that takes too long comes back.
"""

from __future__ import annotations

from amorsize.policy import drift, prices, route, sizing, waiters
from amorsize.policy.cores import CoreEvidence
from amorsize.policy.facts import (
    Died,
    Event,
    Host,
    Inlined,
    Job,
    Limited,
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
from amorsize.policy.roster import Roster, Seat
from amorsize.policy.saturation import Saturation
from amorsize.policy.value import Value

inf = float("inf")  # as math has it, without the 1 ms of loading that

# Slices of the caller's own items.
SLICE_S = 2e-3  # the caller looks up from them this often once workers may need it
PATIENT_SLICE_S = 10e-3  # and this often while workers are out of the question
SERIAL_SLICE_S = 50e-3  # a slice of the loop, when nobody else needs the caller
SLICE_SHARE = 3.0  # a slice lasts at most this many times all before it: costs may yet change
FIRST_SLICE_S = 100e-6  # but this long in any case: telling a slice's story takes 15 us
SLICE_BOX = 1.5  # a slice ends after this many times what was planned
GROWTH_INLINE = 4  # a slice has at most this many times the items seen so far
# When workers come into question.
SURE_S = 0.3e-3  # of items run before their cost is believed; shorter slices are mostly clockwork
LEAST_ITEM_S = 0.25e-6  # to pickle and read back the smallest result takes about 0.15 us
LEAST_LEFT_S = 2e-3  # work left for which no worker was ever worth starting: nothing is surveyed
UNSURVEYED_OVERHEAD_S = 100e-6  # of a chunk, on the hosts seen so far
CANARY_ITEM_S = 2e-3  # watching for the GIL takes several milliseconds, or one item if that is long
SURVEY_S = 4e-3  # to find out about host and function, once in a process
PLENTY = 4  # items left for each place, with which a worker may have one more in advance
LONG_WAIT_ITEM_S = 1e-3  # one waiting item this long is enough to start threads on
# Before the first item.
FEW_WITHOUT_SURVEY = 256  # beyond, not even 16 cores make the first item matter: nothing is asked
FEW_PER_CORE = 16  # up to so many items a core, one unlucky first item matters
FIRST_READY_S = 2e-3  # how long the caller waits for workers it started before the first item
FIRST_LONG_S, FIRST_LOOK_S = 40e-3, 2e-3  # and, with cores for more, for their items; looks up
# What is remembered.
CHECK_S, CHECK_SLICES = 0.2e-3, 4  # how long a profile is checked on this call's own items
LONG_CHECK_S = 5e-3  # items this long take long to check: workers get theirs meanwhile
WAIT_SEEN_S = 6e-3  # with workers only, so much time of items tells whether they wait
FITS = 3.0  # a profile fits when the item cost is within this factor
MOST_SPREAD = 1.0  # of log costs, that excuse a misfit: beyond, anything would fit
# Who works.
WAITING_PROCESSES = 4  # per core, where waiting items may not run in threads
INNER_THREADS = 1.3  # process CPU / wall above which items are parallel in themselves
HELP_CORES = 4  # up to so many cores the caller's own help is worth its absence as a dispatcher
DOUBTS = 2.0  # times a doubtful warm-up must be left, or one cold worker delays the end
COLD_WORKERS = 2  # until one has told whether each has to warm up: all at once, they may choke
HELP_ITEM_S = 2e-3  # and only with items this short: it has to be back soon
DEEP_CALLER_SHARE = 0.3  # of its time spent sending, above which workers get a second chunk
DEEP_OVERHEADS = 10  # chunks shorter than this many overheads are sent ahead, too


class Note(Value):
    """One decision, for explain(): when, what, why."""

    now_s: float
    what: str
    why: str


class Tuner:
    """Decide what the caller and its workers do next; be told what happened.

    Args:
        host: What there is to work with; None to have it surveyed once it matters.
        job: What is asked for.
        known: What was learned earlier: a hint, checked on this call's own items.
    """

    def __init__(self, host: Host | None, job: Job, known: Profile | None = None) -> None:
        self._host, self.job = host, job
        self.costs = Estimates()
        self.notes: list[Note] = []
        self.route: route.Route | None = None
        self.watched: Watched | None = None
        self.weighed: Weighed | None = None
        self.holds_gil: bool | None = None
        self.hint = known  # until it was checked
        self.hint_fits: bool | None = None
        self.roster = Roster()
        self.cores = CoreEvidence(verified=True if job.backend in ("thread", "process") else None)
        self.waiters = waiters.Waiters()
        self.saturation = Saturation()
        self._n_free_told: int | None = None  # what the last note said of cores
        self._n_room: int | None = None  # workers that the system has room for
        self._left_s = 0.0  # work left in the loop when last asked
        self._is_helping = False  # the caller runs items beside its workers
        self._is_growing = False  # more workers are being started
        self._n_alone = 0
        self._alone_s: float | None = None  # an item's CPU time before there were workers
        self._is_watching = False
        self._watch_began_s: float | None = None
        self._n_checks = 0
        self._committed = False  # workers are wanted: the bet is made
        self._now_s = self._first_started_s = 0.0
        self._first_sent_s: float | None = None
        self._seen_s = self._seen_cpu_s = 0.0  # of first reports, where the caller runs nothing
        self._lost_one = False  # a worker died: what is left is not run in the caller
        self.drifts: list[drift.Drift] = []  # what turned out to differ from what was remembered
        self._drift: drift.Watch | None = None  # from when a profile was adopted
        self._asks: drift.Drift | None = None  # one of the caller's own items is to show it
        if job.backend != "auto":
            self.route = route.Route(backend=job.backend, why="asked for")

    # -- being told -------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Take in what happened."""
        match event:
            case Report():
                self._reported(event)
            case Inlined():
                self._inlined(event)
            case Ready():
                self.roster.ready(event.worker)
            case Started():
                if not len(self.roster):
                    self._alone_s, self._n_alone = self.costs.item_cpu_s, self.costs.n_inline
                is_warm = self._inherits_warmth and self.costs.n_inline > 0
                self.roster.add(event, is_cold=not is_warm)
            case Died():
                self.roster.lose(event.worker)
                self._lost_one = True
            case Watched():
                self._saw(event)
            case Weighed():
                self.weighed = event
                if event.reason is not None and self.job.backend == "auto":
                    self.route = route.serial(event.reason)  # what workers have, they finish
            case Surveyed():
                self._host, self.job = event.host, event.job
            case Limited():
                self._limit(event)

    def _limit(self, event: Limited) -> None:
        if event.n_workers:
            self._n_room = min(event.n_workers, self._n_room or event.n_workers)
            self._note(f"{event.n_workers} workers and no more", event.why)
        else:
            self.route = route.serial(event.why)
            self.job = self.job.but(process_reason=event.why)

    def _saw(self, event: Watched) -> None:
        self._is_watching = False
        first_look, self.watched = self.watched is None, event
        if route.verdict(event) is not None or not first_look:  # else it is watched once more
            self.holds_gil = event.lag_share >= route.HOLDS_GIL_SHARE

    def _inlined(self, event: Inlined) -> None:
        self.costs.inlined(event, alone=self._has_core_to_itself)
        if self._asks is not None and len(self.roster):
            self._settle_waiting(self._asks, event)
        if self._committed and not self.costs.n_reports and not self.costs.waits:
            self.cores.see_caller(event)

    @property
    def _has_core_to_itself(self) -> bool:
        """Nothing of ours keeps the caller from its core: only then does idling mean waiting."""
        if not len(self.roster):
            return True
        is_quiet = all(seat.backend == "process" for seat in self.roster)
        return is_quiet and self.roster.n_alive < self.host.n_cores

    def _reported(self, event: Report) -> None:
        costs = self.costs
        is_cold = self.roster.report(event)
        if not costs.n_inline and event.n_items and self._seen_s < WAIT_SEEN_S:
            self._seen_s += event.wall_s
            self._seen_cpu_s += event.cpu_s
            is_clear = self._seen_s >= WAIT_SEEN_S  # less may be one switch of the GIL
            costs.waits = is_clear and self._seen_cpu_s < WAITING_SHARE * self._seen_s
        costs.reported(event, n_workers=self.roster.n_alive, is_cold=is_cold)
        self._see_pickling(event)
        if not event.n_items:
            return
        if self._drift is not None and not (is_cold and costs.warmup_s):
            self._see_drift(self._drift.see(event))
        if costs.waits:
            self._see_waiter(event)
        elif self._asks is None:  # else it is not clear whether workers wait for cores
            self._see_cores(event)

    def _see_pickling(self, event: Report) -> None:
        """Sending takes longer than was remembered: what a worker pickled is read here as well."""
        known_s = None if self.weighed is None else self.weighed.pickle_s
        is_dear = known_s is not None and event.pickle_s > FITS * event.n_items * known_s
        if is_dear and self.hint_fits:
            self.weighed = Weighed(pickle_s=2 * event.pickle_s / max(1, event.n_items))

    def _see_waiter(self, event: Report) -> None:
        was_settled = self.waiters.settled
        self.waiters.count(event, n_alive=self.roster.n_alive)
        if self.waiters.settled and not was_settled:
            n = self.waiters.n_wanted
            self._note(f"{n} at once and no more", "twice as many brought no more throughput")

    def _see_cores(self, event: Report) -> None:
        n_alive = self.roster.n_alive
        n_working = max(1, min(n_alive, self._n_limit or n_alive))
        self.cores.see_worker(event, n_working=n_working)
        if self.job.backend != "auto" or self.route is None:
            return
        if self.route.backend == "thread":
            if self.cores.take_turns(event, n_alive=n_alive):
                self._leave_threads()
            return
        n_places = n_working + self._is_helping
        n_free = self.cores.park(event, n_working=n_places)
        if n_free is not None:
            if n_free != self._n_free_told:  # it is looked at again and again
                why = "they wait for cores more than they run"
                self._note(f"{n_free} of {n_places} at once", why)
            self._n_free_told = n_free
        else:
            self._see_saturation(event, n_working)

    def _see_saturation(self, event: Report, n_working: int) -> None:
        """Items that cost ever more with more workers: perhaps fewer of them would do."""
        if self._is_growing:
            return
        assert self.route is not None
        crew = [seat for seat in self.roster.of(self.route.backend) if seat.is_ready]
        verdict = self.saturation.see(
            event,
            n_working=n_working,
            n_still=sum(1 for seat in crew[self._n_limit :] if seat.n_queued),
            left_s=self._left_s,
            alone_s=self._alone_s,
            n_alone=self._n_alone,
        )
        if verdict is not None:
            self._note(*verdict)

    def _leave_threads(self) -> None:
        self._note("threads given up", "they took turns: the items hold the GIL after all")
        self.holds_gil, self.route, self._committed = True, None, False
        self.cores = CoreEvidence()  # those that take turns seemed to have no cores
        self.hint_fits = None if self.hint_fits is None else False

    def _see_drift(self, found: drift.Drift | None) -> None:
        """Every change has its own answer; one that concerns all plans alike needs none."""
        if found is None:
            return
        if found.what == "waiting" and self.job.backend == "auto" and self.job.may_inline:
            self._asks = found  # or a host that is busy: the caller's pauses tell one from other
            return
        if found.what == "cores":
            found = found.but(answer="workers are counted by the cores they get")
        elif found.factor < 1 and self._n_limit is not None and not self.costs.waits:
            found = found.but(answer="n_jobs is counted anew: the cores may be back")
            self._reopen_jobs()
        self._tell_drift(found)

    def _reopen_jobs(self) -> None:
        """What was found out about the number of jobs is in doubt: it is found out again."""
        self.saturation, self.cores = Saturation(), CoreEvidence(verified=True)

    def _tell_drift(self, found: drift.Drift) -> None:
        self.drifts.append(found)
        self.costs.begin_means()
        self._note("drift", str(found))

    def _settle_waiting(self, asked: drift.Drift, event: Inlined) -> None:
        """An item of the caller's has shown whether items wait now, or workers for cores."""
        self._asks = None
        waits = event.cpu_s < WAITING_SHARE * event.wall_s and event.n_pauses > 0
        if not waits:
            self._tell_drift(asked.but(what="cores", answer="workers are counted anew"))
            return
        self._tell_drift(asked.but(answer="where they run is decided anew"))
        self.costs.waits, self.waiters = True, waiters.Waiters()
        if self.job.backend == "auto":
            self.route, self._committed = None, False
            self._reopen_jobs()

    # -- deciding ---------------------------------------------------------------------------

    def next(self, view: View) -> Action:
        """What to do now."""
        self._now_s = view.now_s
        if not view.n_left:
            return Wait(reason="all items are out")
        self._left_s = self.left_s(view)
        job = self.job
        is_loop = job.backend == "auto" and job.n_jobs == 1 and job.may_inline
        if job.backend == "serial" or (is_loop and not self._lost_one):
            return self._slice(view, SERIAL_SLICE_S)
        if job.backend != "auto" or not job.may_inline or self._lost_one:
            return Survey() if self._host is None else self._crew_only(view)
        if self.costs.item_s is None:
            return self._open(view)
        if self.hint is not None and self.hint_fits is None:
            return self._check(view, self.hint)
        return self._decide(view)

    def _decide(self, view: View) -> Action:
        """The general case: some items are known, some are left."""
        if self._asks is not None and not view.caller_busy:
            return RunInline(n_items=1, box_s=inf)
        if self.hint_fits is False and not view.caller_busy and not self.costs.n_reports:
            is_long = (self.costs.first_unconfirmed_s or 0.0) >= CANARY_ITEM_S
            if is_long and (action := self._help_with_few(view)) is not None:
                return action  # as at the start of a call of which nothing was known
        if (action := self._settle_route(view)) is not None:
            return action
        assert self.route is not None
        if self.route.backend == "serial":
            return self._slice(view, SERIAL_SLICE_S)
        crew = self.roster.of(self.route.backend)
        if crew and not view.caller_busy and not self._is_worth(prices.KEEP_WORTH):
            return self._slice(view, SLICE_S)
        if (action := self._feed(view, crew)) is not None:
            return action
        action = self._grow(view, crew)
        self._is_growing = action is not None
        if action is not None:
            return action
        self._is_helping = self._caller_works(view, crew)
        if self._is_helping:
            is_starting = not all(seat.is_ready for seat in crew)
            ready_s = self.host.process_ready_s if is_starting else SLICE_S
            return self._slice(view, min(SLICE_S, ready_s))
        return Wait(reason="workers are busy")

    def _caller_works(self, view: View, crew: list[Seat]) -> bool:
        """Whether the caller runs items itself rather than waiting for reports."""
        if view.caller_busy:
            return False
        if not crew:
            return True
        if self.costs.waits:
            return False
        if not any(seat.n_reports for seat in crew):
            return not self._trusts_crew  # else never wait for one that has not delivered yet
        return (
            len(crew) < min(self.host.n_cores, self.n_places, self._n_limit or self.n_places)
            and self.host.n_cores <= HELP_CORES
            and (self.costs.item_s or inf) < HELP_ITEM_S
            and view.n_left > 4 * len(crew)
        )

    @property
    def _trusts_crew(self) -> bool:
        """An earlier call has shown what workers do with such items, too long to look up from."""
        return self.hint_fits is True and (self.costs.item_s or 0.0) >= HELP_ITEM_S

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
        n_items = int(longest_s / item_s) + 1
        slice_s = longest_s
        if self.hint_fits is not True:  # what an earlier call has seen need not be felt for
            slice_s = min(longest_s, max(SLICE_SHARE * costs.elapsed_inline_s, FIRST_SLICE_S))
            n_items = min(int(slice_s / item_s) + 1, GROWTH_INLINE * max(1, costs.n_seen))
        n_items = min(n_items, view.n_left)
        return RunInline(n_items=n_items, box_s=SLICE_BOX * slice_s)

    def left_s(self, view: View) -> float:
        """The work left, as one core would do it; with an unknown end, as much as was seen."""
        left_s = view.n_left * (self.costs.item_s or 0.0)
        return left_s if view.all_read else max(left_s, view.now_s)

    # -- before the first item --------------------------------------------------------------

    def _open(self, view: View) -> Action:
        """Nothing is known: run one item. Few items are likely long: have help ready before."""
        if view.caller_busy:
            return self._feed_unknown(view)
        if (action := self._help_with_few(view)) is not None:
            return action
        is_helped, knows = len(self.roster) > 0, self.hint is not None
        if is_helped and self.job.thread_reason is None and self.watched is None and not knows:  # noqa: SIM102
            if not self._is_watching:
                return self._watch()
        if self._is_watchable(self.hint) and not self._is_watching:
            action = self._watch()
            self._watch_began_s = view.now_s
            return action
        return RunInline(n_items=self._n_first(view), box_s=inf)

    def _is_watchable(self, hint: Profile | None) -> bool:
        """The first item will take so long that whether it holds the GIL can be seen meanwhile."""
        if hint is None or hint.waits or hint.holds_gil is not False:
            return False
        return hint.item_s >= route.WATCH_S and self.watched is None

    def _help_with_few(self, view: View) -> Action | None:
        """Few items are likely long ones: workers that have one each while the caller has its."""
        if self._host is None and self._are_few(view, FEW_WITHOUT_SURVEY):
            return Survey()
        n_first = 0 if self._host is None else self._n_before_first(view)
        if len(self.roster) < n_first:
            if not len(self.roster):
                self._first_started_s = view.now_s
                why = f"only {view.n_left} items: likely long"
                if self.hint is not None:
                    why = "an earlier call had long items"
                self._note(f"{n_first} started at once", why)
            return StartWorker(backend="process")
        return self._feed_first(view) or self._wait_for_first(view, n_first)

    def _n_first(self, view: View) -> int:
        """Items handed out while nothing is known of them: one, or the chunksize asked for."""
        return min(self.job.chunksize or 1, view.n_left)

    def _are_few(self, view: View, n_most: int) -> bool:
        """Few items of an unknown function are likely long ones: nobody maps over six trifles."""
        n_items = view.n_left + len(self.roster)
        if self.hint is not None:
            is_long = self.hint.item_s >= LONG_CHECK_S and self.hint.backend == "process"
            return is_long and n_items >= 2
        return view.all_read and 2 <= n_items <= n_most and self.hint is None

    def _n_before_first(self, view: View) -> int:
        """Workers worth starting before anything is known: as many as the bet allows."""
        if (
            not self._are_few(view, FEW_PER_CORE * self.host.n_cores)
            or self.job.process_reason is not None
            or self.host.fork_reason is not None
        ):
            return 0
        bet_s = prices.BET_S
        if self.costs.item_s is not None:  # one was run, and was long
            bet_s = prices.bet_s(view.now_s, self.left_s(view))
        elif self._first_sent_s is not None:  # theirs have taken so long already
            taken_s = view.now_s - self._first_sent_s
            bet_s = prices.bet_s(view.now_s, taken_s * (view.n_left + self.n_in_flight))
        n_bet = int(bet_s / (self.host.process_start_s + self.host.process_ready_s))
        n = min(self.n_places - 1, n_bet, view.n_left - 1 + self.n_in_flight)
        return max(0, min(n, self._n_limit or n))

    def _feed_first(self, view: View) -> Action | None:
        """One item for each worker that was started before the first item."""
        unfed = [seat for seat in self.roster if not seat.n_queued]
        for seat in unfed:
            if seat.is_ready and view.n_left > self._n_first(view):
                if self._first_sent_s is None:
                    self._first_sent_s = view.now_s
                return self._send(seat, self._n_first(view), inf)
        if unfed and not all(seat.is_ready for seat in unfed):
            left_s = self._first_started_s + FIRST_READY_S - view.now_s
            if left_s > 0:
                return Wait(reason="workers are starting", timeout_s=left_s)
        return None

    def _wait_for_first(self, view: View, n_first: int) -> Action | None:
        """Before a long item keeps the caller from forking, see if more workers would be worth it.

        Where there are cores for many more than the bet allowed, the caller's own help is small.
        """
        n_possible = min(self.n_places, view.n_left + self.n_in_flight) - 1 if n_first else 0
        if n_first >= n_possible or self.costs.item_s is not None or self._first_sent_s is None:
            return None
        left_s = self._first_sent_s + FIRST_LONG_S - view.now_s
        if left_s <= 0 or not self.n_in_flight:
            return None
        return Wait(reason="first items are running", timeout_s=min(left_s, FIRST_LOOK_S))

    def _feed_unknown(self, view: View) -> Action:
        """The caller is in a long item and too little is known to start more workers."""
        return self._feed_canary(view) or Wait(reason="the caller's item is running")

    def _feed_canary(self, view: View) -> Action | None:
        """Where it is not known yet how items are run best: whoever is there goes on with them."""
        for seat in self.roster:
            if seat.is_ready and self._may_queue(seat, view.n_left):
                n_items, box_s = self._n_first(view), inf
                if seat.n_reports:
                    n_items, box_s = self._chunk(view, seat, self.roster.n_alive)
                if n_items * (self.costs.item_s or inf) < self._prices().dispatch_s:
                    return None  # to send it takes longer than to run it
                return self._send(seat, n_items, box_s)
        return None

    def _may_queue(self, seat: Seat, n_left: int) -> bool:
        """Something for an idle worker; one more thing if the caller may be long in its item."""
        n_first = self.job.chunksize or 1
        is_plenty = n_left > PLENTY * n_first * (1 + len(self.roster))
        return n_left > n_first and (not seat.n_queued or (seat.n_queued < 2 and is_plenty))

    # -- what is remembered -----------------------------------------------------------------

    def _check(self, view: View, hint: Profile) -> Action:
        """A little of this call's own work decides whether what is remembered fits it."""
        left_s = CHECK_S - self.costs.elapsed_inline_s
        if left_s > 0 and self._n_checks < CHECK_SLICES:
            self._n_checks += 1
            return self._slice(view, left_s)
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
        # Short slices are mostly clockwork: the latest is the longest. Of reports, all count.
        seen_s = costs.mean_s if costs.n_reports else costs.latest_s
        ratio = (seen_s or hint.item_s) / hint.item_s
        if hint.item_cpu_s and costs.item_cpu_s and not hint.waits:
            # A busy host takes wall time; what the items themselves take is CPU time. The one
            # that says less of a change is the one that the host had no part in.
            of_cpu = costs.item_cpu_s / hint.item_cpu_s
            ratio = min(ratio, max(1.0, of_cpu)) if ratio > 1 else max(ratio, min(1.0, of_cpu))
        spread = min(MOST_SPREAD, hint.spread_log or 0.0)
        within = FITS * (1 + spread) ** 2  # few of very uneven items say little
        self.hint = None
        self.hint_fits = 1 / within < ratio < within and costs.waits == hint.waits
        if self.hint_fits:
            self._adopt(hint)
            return
        self._note("remembered profile put aside", f"an item costs {ratio:.2g} x that")
        self.drifts.append(
            drift.Drift(
                now_s=self._now_s,
                what="profile",
                factor=ratio,
                n_chunks=costs.n_reports,
                answer="put aside, and learned anew",
            )
        )

    def _adopt(self, hint: Profile) -> None:
        """Start from a profile: what was measured then need not be measured again."""
        self._drift = drift.Watch(hint)
        self.costs.agree(hint)
        if self.holds_gil is None:
            self.holds_gil = hint.holds_gil
        is_light = hint.pickle_s is not None and prices.WORTH * hint.pickle_s < hint.item_s
        if is_light and self.weighed is None:  # what forbids workers is weighed anew, a trifle
            self.weighed = Weighed(pickle_s=hint.pickle_s)
        if hint.n_short >= drift.SHORT_CALLS:
            self._note("n_jobs counted anew", "the same plan achieved less in two calls")
            return
        if hint.waits:
            self.waiters.start_with(hint.n_jobs)
        self.cores.verified = True

    # -- where ------------------------------------------------------------------------------

    def _settle_route(self, view: View) -> Action | None:
        """Find out where the items are to run, while the caller goes on with them."""
        undecided = self.route is None or self.route.backend is None
        if view.caller_busy and (undecided or self._is_watching):
            return self._feed_unknown(view)
        if self._is_watching:
            return self._go_on_watching(view)
        if not undecided:
            return None
        if not self._could_pay(view):
            canary = self._canary_beside_second(view)
            return canary or self._slice(view, self._patient_slice_s(view))
        if self._host is None:
            return Survey()
        self.route = route.choose(
            self.host, self.job, self.costs, weighed=self.weighed, holds_gil=self.holds_gil
        )
        if self.route.need == "weigh":
            return Weigh()
        if self.route.need == "watch":
            return self._start_canary() or self._watch()
        assert self.route.backend is not None
        self._note(self.route.backend, self.route.why)
        if self.costs.waits and self.costs.item_s is not None:
            self.waiters.expect(self.costs.item_s, self.costs.work_s)
        return None

    def _start_canary(self) -> Action | None:
        """Watching takes a few items: with long ones, a worker is worth having meanwhile."""
        is_long = (self.costs.item_s or 0.0) >= CANARY_ITEM_S
        no_process = self.job.process_reason is not None or self.host.fork_reason is not None
        if not is_long or no_process or len(self.roster):
            return None
        if self.weighed is None:
            return Weigh()
        return StartWorker(backend="process") if self.weighed.reason is None else None

    def _canary_beside_second(self, view: View) -> Action | None:
        """The first item was long: a worker beside the second, which tells if that was a warm-up.

        It has imported nothing (else its cost would not be known at all), so it may well have been
        as long as all others will be.
        """
        costs = self.costs
        is_long = (costs.first_unconfirmed_s or 0.0) >= CANARY_ITEM_S
        if not is_long or costs.waits or self.holds_gil is False or self._n_first(view) > 1:
            return None
        bet_s = prices.bet_s(view.now_s, self.left_s(view))
        if self._host is None:
            return Survey() if bet_s >= SURVEY_S else None
        return self._start_canary() if bet_s >= prices.of_processes(self.host).first_s else None

    def _watch(self) -> Action:
        """Have it watched; unclear the first time, it is watched for longer."""
        self._is_watching, self._watch_began_s = True, None
        return Watch()

    def _go_on_watching(self, view: View) -> Action:
        if self._watch_began_s is None:  # the watcher is there from now on
            self._watch_began_s = view.now_s
        if (action := self._feed_canary(view)) is not None:
            return action
        enough_s = route.WATCH_S if self.watched is None else route.WATCH_LONGER_S
        if view.now_s - self._watch_began_s >= enough_s:
            return Unwatch()
        return self._slice(view, SLICE_S)

    def _patient_slice_s(self, view: View) -> float:
        """While nothing suggests workers: slices that end before it would be time for them."""
        if self.hint_fits and view.all_read:
            return SERIAL_SLICE_S
        is_known = self.costs.elapsed_inline_s > SURE_S
        return PATIENT_SLICE_S if is_known and view.all_read else SLICE_S

    def _could_pay(self, view: View) -> bool:
        """Whether, on the best assumptions, more than the caller is worth having."""
        costs, left_s = self.costs, self.left_s(view)
        if len(self.roster) and self.hint_fits is not False:
            return left_s > 2 * self._overhead_s() / sizing.TAIL_LOSS_SHARE
        if (costs.item_s or 0.0) < LEAST_ITEM_S:
            return False
        if costs.elapsed_inline_s < SURE_S and not self.hint_fits:
            return False
        if (unconfirmed_s := costs.first_unconfirmed_s) is not None:
            # A second item tells whether the first was a warm-up; for waiting ones that is dear.
            return costs.waits and unconfirmed_s > LONG_WAIT_ITEM_S and left_s > 4 * unconfirmed_s
        if self._host is None:
            return left_s > LEAST_LEFT_S
        price = self._prices()
        if left_s / 2 + price.first_s + self._sure_warmup_s >= prices.PAYBACK * left_s:
            return False
        if left_s < DOUBTS * self._doubtful_warmup_s:
            return False
        return prices.bet_s(view.now_s, left_s) >= price.start_s

    # -- how many ---------------------------------------------------------------------------

    @property
    def host(self) -> Host:
        """The host, which has been surveyed before anything depends on it."""
        assert self._host is not None
        return self._host

    @property
    def n_cores(self) -> int | None:
        """Usable cores; None when this call never had to know."""
        return None if self._host is None else self._host.n_cores

    @property
    def n_places(self) -> int:
        """The most that may run at once, by cores and by what the user allows."""
        n_most = self.host.n_cores
        if self.costs.waits and self.route is not None:
            in_processes = self.route.backend == "process"
            n_most = WAITING_PROCESSES * n_most if in_processes else self.waiters.n_wanted
        elif self.costs.inner_threads > INNER_THREADS:
            n_most = max(1, int(n_most / self.costs.inner_threads))
        asked = self.job.n_jobs
        if asked is None:
            return n_most
        return asked if self.job.backend != "auto" else min(n_most, asked)

    def _prices(self) -> prices.Prices:
        """What the workers cost that are in use, or likely to be."""
        backend = None if self.route is None else self.route.backend
        if backend is None and self.costs.waits and self.job.thread_reason is None:
            backend = "thread"
        if backend == "thread":
            return prices.of_threads(self.host)
        price = prices.of_processes(self.host)
        return price.but(load_s=0.0) if len(self.roster) else price  # paid with the first worker

    def _overhead_s(self) -> float:
        return UNSURVEYED_OVERHEAD_S if self._host is None else self._prices().overhead_s

    @property
    def _sure_warmup_s(self) -> float:
        """What each fresh worker pays on top; a long first item alone is no proof of that."""
        is_sure = self.costs.is_warmup_sure and not self._inherits_warmth
        return self.costs.warmup_s if is_sure else 0.0

    @property
    def _doubtful_warmup_s(self) -> float:
        """What each fresh worker may have to pay on top, if the first item was not just long."""
        is_open = not self.costs.is_warmup_sure and not self._inherits_warmth
        return self.costs.warmup_s if is_open else 0.0

    def _n_servable(self) -> float:
        in_processes = self.route is not None and self.route.backend == "process"
        known = self.weighed is not None and in_processes
        pickle_s = (self.weighed.pickle_s or 0.0) if known and self.weighed is not None else 0.0
        return self._prices().n_servable(self.costs, pickle_s)

    def _is_worth(self, threshold: float) -> bool:
        return self.costs.waits or self._n_servable() >= threshold

    def _n_wanted(self, view: View) -> int:
        """Workers that the work left justifies."""
        n_servable = self._n_servable()
        if n_servable < prices.WORTH:
            return 0
        left_s, price = self.left_s(view), self._prices()
        n = min(self.n_places, int(min(1e6, 1.25 * n_servable)) + 2, price.n_affordable(left_s))
        if view.all_read:
            n = min(n, view.n_left + self.roster.n_in_flight)
        if self._n_limit is not None:
            n = min(n, self._n_limit)
        if len(self.roster) or n < 1:
            return n
        return n if price.pays(left_s, n, self._sure_warmup_s) else 0

    def _grow(self, view: View, crew: list[Seat]) -> Action | None:
        """Start one more worker if the work left pays for it and the cores are there."""
        assert self.route is not None
        assert self.route.backend is not None
        crew_kind = self.route.backend
        if view.caller_busy and crew_kind == "process" and self.host.fork_reason is None:
            return None  # forking from the feeder beside the caller's item would not be safe
        n_wanted = self._n_wanted(view)
        if not self._committed and n_wanted:
            self._committed = True
            left_s = self.left_s(view)
            self._note(f"up to {n_wanted} workers", f"{left_s:.3g} s of work left in the loop")
        if not self.costs.waits:
            n_wanted = min(n_wanted, self._n_trusted(view, crew))
        # A worker of a route that was left may still be at its last chunk.
        n_others = sum(1 for seat in self.roster if seat.backend != crew_kind and seat.n_queued)
        if len(crew) + n_others >= n_wanted or any(seat.is_idle for seat in crew):
            return None
        return StartWorker(backend=crew_kind)

    def _n_trusted(self, view: View, crew: list[Seat]) -> int:
        """Cores we may bet on: few until a worker or the caller's own share has shown them."""
        n = self.n_places
        if self.cores.verified is False:
            return len(crew)
        if self._doubtful_warmup_s > self._prices().first_s:
            n = min(n, COLD_WORKERS)
        if self.cores.verified is None:
            bet_s = prices.bet_s(view.now_s, self.left_s(view))
            n = min(n, max(1, int(bet_s / self._prices().first_s)))
        if not self.costs.n_reports and self.host.n_cores > 1 and not self._trusts_crew:
            n = min(n, self.n_places - 1)  # the caller still computes on one
        return n

    @property
    def _inherits_warmth(self) -> bool:
        """Workers started from now on begin with what the caller's first item has loaded."""
        in_threads = self.route is not None and self.route.backend == "thread"
        return in_threads or self.host.fork_reason is None

    # -- handing out ------------------------------------------------------------------------

    def _feed(self, view: View, crew: list[Seat]) -> Action | None:
        """A chunk for the ready worker with the least to do, if it has too little."""
        n_most = self.waiters.n_wanted if self.costs.waits else self._n_limit
        ready = [seat for seat in crew if seat.is_ready][:n_most]
        if not ready:
            return None
        seat = min(ready, key=lambda seat: seat.n_queued)
        if seat.n_queued >= 2:
            return None
        n_items, box_s = self._chunk(view, seat, len(ready))
        if seat.n_queued and not self._is_deep(n_items, len(ready), view.n_left):
            return None
        return self._send(seat, n_items, box_s)

    @property
    def _n_limit(self) -> int | None:
        """Workers that get chunks, the others being parked; None: all."""
        limits = (self._n_room, self.cores.n_free, self.saturation.n_limit)
        return min((n for n in limits if n is not None), default=None)

    def _chunk(self, view: View, seat: Seat, n_ready: int) -> tuple[int, float]:
        if self.job.chunksize is not None:
            return min(self.job.chunksize, view.n_left), inf
        costs = self.costs
        if costs.item_s is None:
            return 1, sizing.FIRST_CHUNK_S
        if costs.waits and costs.item_s >= SLICE_S:
            return 1, inf
        price = self._prices()
        return sizing.chunk_of(
            n_left=view.n_left,
            item_s=costs.item_s,
            n_workers=max(n_ready, min(self.n_places, self._n_limit or self.n_places)),
            dispatch_s=price.dispatch_s,
            overhead_s=price.overhead_s,
            n_largest=max(costs.n_largest, 0 if costs.n_reports else costs.n_inline),
            is_first=seat.n_reports == 0 and self.hint_fits is not True,
        )

    def _is_deep(self, n_items: int, n_ready: int, n_left: int) -> bool:
        """Whether a worker should have its next chunk before it is through with this one."""
        if self._lost_one:
            return False
        if self.costs.waits:  # a thread must not wait for a caller who waits for the GIL
            return n_left > 2 * n_ready
        if not self.costs.n_reports and (self.costs.item_s or 0.0) >= CANARY_ITEM_S:
            return n_left > PLENTY * (1 + n_ready)  # the caller is soon in a long item of its own
        price = self._prices()
        chunk_s = n_items * (self.costs.item_s or 0.0)
        busy_share = n_ready * price.dispatch_s / max(chunk_s, 1e-9)
        return busy_share > DEEP_CALLER_SHARE or chunk_s < DEEP_OVERHEADS * price.overhead_s

    def _send(self, seat: Seat, n_items: int, box_s: float) -> Send:
        seat.n_queued += 1
        return Send(worker=seat.number, n_items=n_items, box_s=box_s)

    def _crew_only(self, view: View) -> Action:
        """Every item goes to a worker: asked for, or the only way to keep a promise."""
        if self.route is None or self.route.backend in (None, "serial"):
            backend = "process" if self.job.process_reason is None else "thread"
            self.route = route.Route(backend=backend, why="only a worker can keep what was asked")
            self.cores.verified = True
        assert self.route.backend is not None
        crew = self.roster.of(self.route.backend)
        if (action := self._feed(view, crew)) is not None:
            return action
        if len(crew) < self._n_of_crew_only(view, crew) and not any(s.is_idle for s in crew):
            return StartWorker(backend=self.route.backend)
        return Wait(reason="workers are busy")

    def _n_of_crew_only(self, view: View, crew: list[Seat]) -> int:
        """Workers where the caller does nothing itself: at least one, whatever it costs."""
        assert self.route is not None
        n = min(self.n_places, view.n_left + len(crew), self._n_limit or self.n_places)
        if self.job.n_jobs is not None:
            return n
        if self.costs.item_s is not None and not self.costs.waits:
            n = min(n, max(len(crew), self._prices().n_affordable(self.left_s(view))))
        if self.route.backend == "thread" and not self.costs.n_reports:
            n = min(n, 1)  # a second one would hide whether items wait, or wait for the first
        return max(1, n)

    # -- what is learned --------------------------------------------------------------------

    def _note(self, what: str, why: str) -> None:
        self.notes.append(Note(now_s=self._now_s, what=what, why=why))

    @property
    def has_lost_one(self) -> bool:
        """A worker ended while it was still wanted."""
        return self._lost_one

    @property
    def n_in_flight(self) -> int:
        """Chunks that are with workers."""
        return self.roster.n_in_flight

    def backend_used(self) -> str:
        """Where most items ran."""
        if not self.costs.n_reports or self.route is None:
            return "serial"
        return self.route.backend or "serial"

    def plan(self) -> Plan:
        """The plan this call arrived at."""
        costs, backend = self.costs, self.backend_used()
        n_jobs = 1 if backend == "serial" else max(1, len(self.roster.of(backend)))
        chunksize = self.job.chunksize
        if chunksize is None and costs.waits and backend != "serial":
            chunksize = 1
        return Plan(
            backend=backend,
            n_jobs=n_jobs,
            chunksize=chunksize
            or sizing.bulk_chunksize(costs.item_s or SLICE_S, self._overhead_s()),
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
            item_s=costs.mean_s or costs.item_s,
            item_cpu_s=costs.item_cpu_s or 0.0,
            spread_log=costs.spread_log,
            pickle_s=None if self.weighed is None else self.weighed.pickle_s,
            warmup_s=costs.warmup_s,
            holds_gil=self.holds_gil,
            waits=costs.waits,
            n_items=costs.n_seen,
            n_calls=n_calls,
            typical_s=costs.typical_s,
            n_chunks=costs.n_chunks,
            chunk_items=costs.chunk_items,
        )
