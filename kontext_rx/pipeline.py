"""A session's dataflow on one screen: what happens in a conversation goes in, what follows from it comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import CompositeDisposable

from .pairing import Answered, Input, Output, State, step
from .preload import PacedTurn, Submitted, preloads
from .source import Feed, Source, scan

__all__ = ["Followed", "pipeline"]

Followed: TypeAlias = tuple[State, tuple[Output, ...]]


def pipeline(
    users: Observable[Submitted],
    inputs: Feed[Input],
    *,
    pace: Callable[[Submitted], PacedTurn],
    request: Callable[[PacedTurn], Observable[Answered]],
    start: State,
    scheduler: SchedulerBase,
) -> Observable[Followed]:
    """
    The pairing's state and what follows, after each thing that happens.

        users -> debounce -> pacing -> request, cancelled by a newer one -> answers, which join the other inputs
        inputs -> the pairing step, folded -> its state and what follows

    *inputs* is a feed because the answers come back into it: one fold sees everything, in the order in which it
    happened, without the bookkeeping of a merge.
    """
    answers = users.pipe(preloads(pace, request, scheduler=scheduler))

    def fold(followed: Followed, given: Input) -> Followed:
        return step(followed[0], given)

    paired = scan(fold, (start, ()))(inputs)

    def subscribe(observer: ObserverBase[Followed], outer: SchedulerBase | None = None) -> DisposableBase:
        return CompositeDisposable(
            paired.subscribe(observer, scheduler=outer),
            answers.subscribe(inputs.on_next, inputs.on_error, scheduler=outer),
        )

    return Source(subscribe)
