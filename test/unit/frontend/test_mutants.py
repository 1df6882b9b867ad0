"""A sample of mutated models; `python test/fuzz/run.py` takes any number."""

from __future__ import annotations

from fuzz.mutate import mutant
from fuzz.run import run
from fuzz.seeds import seed_models


def test_every_error_is_one_of_ours_and_the_caller_lives() -> None:
    outcome = run(models=250, seed=7, stage="read", patience=120)
    bugs = {seed: text for seed, text in outcome.bugs.items() if text.startswith("bug")}
    assert not bugs
    assert sum(outcome.counts.values()) == 250
    assert outcome.counts["InvalidModel"] > 50
    assert outcome.counts["ok"] > 10


def test_mutants_depend_on_the_seed_alone() -> None:
    models = seed_models()[:4]
    assert mutant(models, 3) == mutant(models, 3)
    assert len({mutant(models, seed) for seed in range(20)}) > 15
