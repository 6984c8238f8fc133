"""gradatim: a difficulty engine for reasoning models. Every rollout is a measurement.

Public names load on first use, so `import gradatim` costs next to nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "Problem": "types",
    "Family": "types",
    "Verdict": "types",
    "Solver": "types",
    "Responses": "types",
    "Matrix": "types",
    "Bank": "types",
    "Belief": "types",
    "Plan": "types",
    "Batch": "types",
    "Recipe": "types",
    "Estimate": "types",
    "GradatimError": "errors",
    "Stream": "rng",
    "list_families": "families.registry",
    "generate": "families.generation",
    "mix": "families.mixtures",
    "read": "families.read",
    "check": "families.verify",
    "list_solvers": "solvers.registry",
    "list_recipes": "recipes.registry",
    "Curriculum": "recipes.curriculum",
    "Run": "store.run",
    "attempt": "engine.attempt",
    "measure_friction": "engine.feedback",
    "calibrate": "engine.calibrate",
    "rate": "engine.rate",
    "grade": "engine.grade",
    "aim": "engine.aim",
    "choose": "engine.choose",
    "select": "engine.select",
    "replay": "engine.replay",
    "train": "engine.train",
    "evaluate": "standings.evaluate",
    "compare": "standings.compare",
    "study": "engine.study",
    "audit": "audits.audit",
    "report": "reports.report",
    "demo": "engine.demo",
    "doctor": "engine.doctor",
}

__all__ = sorted([*_WHERE, "__version__"])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'gradatim' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"gradatim.{_WHERE[name]}"), name)
    except ModuleNotFoundError as error:
        from gradatim.errors import missing

        raise missing(error) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
