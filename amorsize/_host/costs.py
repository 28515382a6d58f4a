"""What workers cost on this host.

The first call starts from the priors. Each call learns from its workers and chunks, and passes what
it has learned to the next one. `measure_costs` finds the figures out at once.
"""

from __future__ import annotations

from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: The weight of a new observation, at which about the last ten count.
_WEIGHT = 0.2
#: An observation is limited to this many times the known figure, and to the inverse. A process
#: that was stopped once (a suspended laptop, a debugger) must not decide for all later calls.
_STEP = 10.0
#: A figure is accepted between these multiples of its prior; others are mistakes or forgeries. A
#: fork of a process that holds 20 GB takes 100 ms and more, 300 times the prior.
_LOWEST, _HIGHEST = 1 / 100, 1000
#: In each call that starts no workers, a cost falls by this share of its excess over the prior.
_DOUBT = 0.03
#: The figure of another process is limited to this many times the prior. That process may hold
#: 20 GB. With its figure, this one would start no workers, and so would never learn its own.
_ELSEWHERE = 8.0


class Costs(Value):
    """Seconds that workers cost on this host."""

    start_s: float  # of the caller, to start a forked worker and to end it
    ready_s: float  # from then until that worker can take work
    clean_start_s: float  # until a worker in a new interpreter can take work
    thread_start_s: float  # of the caller, to start a thread and to end it
    dispatch_s: float  # CPU time of the caller for sending one chunk and taking its report
    latency_s: float  # one way, from a write to the other side's read
    thread_dispatch_s: float  # CPU time of the caller for one chunk handed to a thread


# Medians on a 2-core Linux VM (AMD EPYC, 2.6 GHz, CPython 3.11); a fork of 15 MB takes 0.2 ms.
PRIORS = Costs(
    start_s=0.6e-3,
    ready_s=0.5e-3,
    clean_start_s=60e-3,
    thread_start_s=80e-6,
    dispatch_s=60e-6,  # 56 us where one follows the other, 85 where the caller sleeps in between
    latency_s=30e-6,
    thread_dispatch_s=25e-6,
)


class HostCosts:
    """The costs as known so far: the priors, then what was remembered, learned or measured."""

    def __init__(self) -> None:
        self._known = PRIORS
        self._n_observed: dict[str, int] = {}

    @property
    def known(self) -> Costs:
        """The best figures so far."""
        return self._known

    def learn(self, measured: Mapping[str, float]) -> Costs:
        """Move each named cost towards an observation; impossible values are ignored.

        In the average of the first few observations the prior counts as one. So a host that differs
        from it is known after two or three workers.
        """
        moved = {}
        for name, observed_s in measured.items():
            if observed_s is None or not 0 < observed_s < float("inf"):
                continue
            known_s: float = getattr(self._known, name)
            n_before = self._n_observed.get(name, 0)
            weight = max(_WEIGHT, 1 / (n_before + 2))
            observed_s = min(max(observed_s, known_s / _STEP), known_s * _STEP)
            moved[name] = _within_reason(name, known_s + weight * (observed_s - known_s))
            self._n_observed[name] = n_before + 1
        if moved:
            self._known = self._known.replace(**moved)
        return self._known

    def doubt(self) -> Costs:
        """Lower the costs a little, after a call that could have had workers and started none.

        Without workers nothing is observed: the high costs of a busy hour would hold for ever.
        """
        costlier = {
            name: known_s - _DOUBT * (known_s - prior_s)
            for name in self._n_observed
            if (known_s := getattr(self._known, name)) > (prior_s := getattr(PRIORS, name))
        }
        if costlier:
            self._known = self._known.replace(**costlier)
        return self._known

    def settle(self, measured: Mapping[str, float]) -> Costs:
        """Set figures from a deliberate measurement."""
        sane = {name: _within_reason(name, cost_s) for name, cost_s in measured.items()}
        self._known = self._known.replace(**sane)
        self._n_observed.update(dict.fromkeys(sane, round(1 / _WEIGHT)))
        return self._known

    def as_dict(self) -> dict[str, float]:
        """The figures that were observed, to be remembered."""
        return {name: getattr(self._known, name) for name in self._n_observed}

    def remember(self, record: object) -> Costs:
        """Take over figures of an earlier process that this one has not observed yet.

        The record comes from a file: impossible values are ignored.
        """
        if isinstance(record, dict):
            self.settle(
                {
                    name: min(record[name], _ELSEWHERE * getattr(PRIORS, name))
                    for name in Costs._fields
                    if name not in self._n_observed and _plausible(name, record.get(name))
                }
            )
        return self._known


def _within_reason(name: str, cost_s: float) -> float:
    prior_s: float = getattr(PRIORS, name)
    return min(max(cost_s, prior_s * _LOWEST), prior_s * _HIGHEST)


def _plausible(name: str, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    prior_s: float = getattr(PRIORS, name)
    return _LOWEST * prior_s <= value <= _HIGHEST * prior_s  # False for NaN


_HOST = HostCosts()


def costs() -> Costs:
    """The costs of workers on this host, as this process knows them."""
    return _HOST.known


def learn_costs(**measured: float) -> Costs:
    """Learn from observations, in seconds, by the names of `Costs`; ignores impossible ones."""
    return _HOST.learn(measured)


def doubt_costs() -> Costs:
    """Lower costs a little, because a call that considered workers has started none."""
    return _HOST.doubt()


def measure_costs() -> Costs:
    """Measure the costs in less than a second; those that cannot be measured stay.

    Forks only if that is safe now.
    """
    from amorsize._host import cost_probe

    return _HOST.settle(cost_probe.costs_s())


def costs_as_dict() -> dict[str, float]:
    """The figures that this process has observed, to be remembered."""
    return _HOST.as_dict()


def costs_from_dict(record: object) -> Costs:
    """Take over remembered figures; impossible values are ignored."""
    return _HOST.remember(record)
