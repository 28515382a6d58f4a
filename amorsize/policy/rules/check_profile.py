"""Check what is remembered on a little of this call's own work."""

from __future__ import annotations

from amorsize.policy import worker_costs
from amorsize.policy.actions import RetireWorker, Wait
from amorsize.policy.events import PicklingMeasured
from amorsize.policy.evidence import drift, gil, speedup_over_earlier_calls, tuned_plan_fit
from amorsize.policy.evidence.exploration_cost import Explored
from amorsize.policy.profile import FITS
from amorsize.policy.rules import choose_backend, dispatch, explore, inline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.actions import Action
    from amorsize.policy.events import Status
    from amorsize.policy.profile import Profile
    from amorsize.policy.state import State

#: How long, and in how many slices, a profile is checked on this call's own items.
CHECK_S, CHECK_SLICES = 0.2e-3, 4

#: Within this factor, what the profile says of the number of workers is believed.
ALIKE = 1.5

#: Length of a slice that is there for one more item.
LEAST_CHECK_S = 10e-6

#: The fewest items that are seen before a profile is put aside: the first one may be the smallest,
#: or warm something up.
TELLING_ITEMS = 4

#: Unless the caller has run items for this long.
LONG_S = 10e-3

#: From this spread of log costs on, items are so uneven that a longer but cheaper slice tells
#: little.
UNEVEN = 0.7

#: The widest spread of log costs that excuses a misfit. Beyond, anything would fit.
MOST_SPREAD = 1.0


def check(state: State, status: Status, remembered: Profile) -> Action | None:
    """Check what is remembered on the first items of this call; None: that is done."""
    costs = state.costs
    left_s = CHECK_S - costs.elapsed_inline_s
    is_hasty = status.n_left > 0 and _is_hasty(state, remembered)
    if status.caller_busy and (is_hasty or not costs.n_reports):  # its item may take long
        return dispatch.meanwhile_or_wait(state, status)
    if remembered.traits.waits and not costs.n_inline:
        if not _are_measured(state):
            return dispatch.meanwhile(state, status) or Wait(reason="first items are running")
        if costs.waits or state.waiting.first_reports.is_settled:
            _judge(state, remembered)
            return None if costs.waits else _end_thread(state)
    may_check = left_s > 0 and state.profile.n_checks < CHECK_SLICES
    if not status.caller_busy and (is_hasty or may_check):
        state.profile.n_checks += 1
        beside = dispatch.meanwhile(state, status) if is_hasty else None
        return beside or inline.run_slice(state, status, max(left_s, LEAST_CHECK_S))
    _judge(state, remembered)
    return None


def _are_measured(state: State) -> bool:
    """Whether what threads have reported tells if items wait: on a busy host it takes a few."""
    is_open = not state.costs.waits and not state.waiting.first_reports.is_settled
    return not (is_open and state.workers.n_in_flight)


def _end_thread(state: State) -> Action | None:
    """End the thread that showed that items compute: no fork is safe beside it."""
    worker = state.workers.of("thread").last_idle
    if worker is None or state.workers.n_alive > 1:
        return None
    state.workers.lose(worker.number)
    return RetireWorker(worker=worker.number)


def _is_hasty(state: State, remembered: Profile) -> bool:
    """Whether it is too early to put a profile aside."""
    costs = state.costs
    if not costs.n_seen or costs.n_seen >= TELLING_ITEMS or _fits(state, remembered):
        return False
    # A few more are no loss where they are short. Costly ones are shared out meanwhile.
    ratio = _ratio(state, remembered)
    is_cheap = ratio < 1 and not _is_within(ratio, remembered)
    return costs.undelayed_inline_s < LONG_S or (is_cheap and _is_uneven(remembered))


def _is_uneven(remembered: Profile) -> bool:
    return (remembered.level.spread_log or 0.0) > UNEVEN


def remember(state: State, profile: Profile) -> None:
    """Take a profile that was found while items were already running: judged at once."""
    state.profile.unchecked, state.exploration.account = profile, Explored.of(profile)
    if state.costs.item_s is not None:
        _judge(state, profile)


def _ratio(state: State, remembered: Profile) -> float:
    """What items cost now, divided by what was remembered."""
    costs, traits = state.costs, remembered.traits
    # Short slices are mostly clockwork: the latest is the longest. Of reports, all count, and of
    # few items.
    is_mean = costs.n_reports or _is_uneven(remembered) or costs.n_seen <= TELLING_ITEMS
    seen_s = (costs.mean_s if is_mean else costs.latest_s) or traits.item_s
    ratios = [seen_s / traits.item_s]
    if traits.item_cpu_s and costs.item_cpu_s and not traits.waits:
        # A busy host takes wall time; what the items themselves take is CPU time.
        ratios.append(costs.item_cpu_s / traits.item_cpu_s)
    if traits.waits:  # and of those that wait it holds up a few, for long
        ratios.append((costs.latest_own_s or seen_s) / traits.item_s)
        ratios.append(seen_s / (remembered.level.typical_s or traits.item_s))
    return _least_changed(ratios)


def _least_changed(ratios: list[float]) -> float:
    """Of several measures of the change, the one that shows the least."""
    if min(ratios) <= 1 <= max(ratios):
        return 1.0
    return min(ratios) if ratios[0] > 1 else max(ratios)


def _is_within(ratio: float, remembered: Profile) -> bool:
    spread = min(MOST_SPREAD, remembered.level.spread_log or 0.0)
    within = FITS * (1 + spread) ** 2  # few of very uneven items say little
    return 1 / within < ratio < within


def _fits(state: State, remembered: Profile) -> bool:
    return _is_within(_ratio(state, remembered), remembered) and state.costs.fits(
        waits=remembered.traits.waits
    )


def _judge(state: State, remembered: Profile) -> None:
    """Adopt a profile that agrees with this call's items; else go on without it."""
    costs, ratio = state.costs, _ratio(state, remembered)
    state.profile.unchecked = None
    state.profile.judge(fits=_fits(state, remembered))
    is_alike = state.profile.fits and 1 / ALIKE < ratio < ALIKE
    state.limits.contention.start_with(remembered, is_alike=is_alike)
    if state.profile.fits:
        _adopt(state, remembered)
        return
    state.exploration.account = Explored()  # of another plan
    choose_backend.begin_waiters(state)
    if state.gil.is_held is None and remembered.traits.holds_gil:
        state.gil.is_held = True  # whatever items cost: they would rather have changed in that
    why = f"an item costs {ratio:.2g} x that"
    if _is_within(ratio, remembered):
        why = "items wait now" if costs.waits else "items compute now"
    state.note("remembered profile put aside", why)
    state.drifts.append(
        drift.Drift(
            now_s=state.moment.now_s,
            what="profile",
            factor=ratio,
            n_chunks=costs.n_reports,
            answer="put aside, and learned anew",
        )
    )


def _adopt(state: State, remembered: Profile) -> None:
    """Start from a profile: what was measured then need not be measured again."""
    plan, traits = remembered.plan, remembered.traits
    state.profile.watch = drift.Watch(remembered)
    state.profile.n_calls = remembered.n_calls
    state.exploration.is_due = explore.is_due(remembered, state.request.at_s)
    state.costs.agree(remembered)
    looked_s = 0.0 if state.gil.seen is None else state.gil.seen.watched_s
    if state.gil.is_held is None or (traits.holds_gil and looked_s < gil.WATCH_LONGER_S):
        # Beside busy programs, 2 of 100 short looks are wrong.
        state.gil.is_held = traits.holds_gil
    most_s = traits.item_s / (
        worker_costs.SPARE * max(worker_costs.WORTH, state.request.n_cores_most)
    )
    is_light = traits.pickle_s is not None and traits.pickle_s < most_s
    # A pickling time that limits workers is measured again, which takes little.
    if is_light and state.sending.pickling is None:
        state.sending.pickling = PicklingMeasured(pickle_s=traits.pickle_s)
    if remembered.sharing.n_short >= speedup_over_earlier_calls.SHORT_CALLS:
        state.note("n_jobs counted anew", "the same plan achieved less in two calls")
        return
    if traits.waits:
        state.waiters.start_with(remembered)
    state.cores.verified = True
    if tuned_plan_fit.applies(remembered, state.request):
        state.profile.followed = plan
        what = f"{plan.backend} x {plan.n_jobs}, {plan.chunksize} items in a chunk"
        state.note(what, "tuned deliberately, for about as many items")
