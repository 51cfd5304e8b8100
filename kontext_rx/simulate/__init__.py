"""
The simulator: what pacing rules would have made of conversations that have been, before one goes live.

    from kontext_rx import pacing
    from kontext_rx.simulate import simulate

    results = simulate("export.jsonl", {"often": pacing.every(2), "gently": pacing.every(5) & pacing.cooldown(60)})
    print(results)

It needs numpy, polars and altair: `pip install 'kontext-rx[simulate]'`.
"""

from .delays import Empirical, Fixed, Lognormal
from .fate import Fate
from .metrics import METRICS, Estimate, Metric
from .models import Models
from .results import Results
from .run import simulate
from .shard import Shard, run_shard
from .talk import Line, Talk
from .work import Job, pack, run_packed

__all__ = [
    "METRICS",
    "Empirical",
    "Estimate",
    "Fate",
    "Fixed",
    "Job",
    "Line",
    "Lognormal",
    "Metric",
    "Models",
    "Results",
    "Shard",
    "Talk",
    "pack",
    "run_packed",
    "run_shard",
    "simulate",
]
