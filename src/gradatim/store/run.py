"""A run is a folder: settings, problems, the ledger, banks, plans, checkpoints, results.

    run.toml  problems/  ledger.sqlite  segments/  banks/  plans/  checkpoints/  results/

Files are written under a new name and switched in by rename. Any command repeated on the same
folder asks `config` whether its stage was done before with the same settings.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import gradatim
from gradatim import files
from gradatim.errors import ArgumentError, FormatError, StoreError, nearest
from gradatim.families.read import from_row, to_row
from gradatim.store import banks, config, lock, schema, segments
from gradatim.store.ledger import Ledger
from gradatim.store.rows import prompt_hash
from gradatim.types import Bank, Problem


def opened_bank(bank: "Bank | Run | str | Path") -> Bank:
    """A bank; a file's; or the newest of a run or its folder.

    Raises:
        FormatError: no bank there.
    """
    if isinstance(bank, str | Path):
        bank = Run(bank, create=False) if Path(bank).is_dir() else banks.read(bank)
    return bank.bank() if isinstance(bank, Run) else bank


class Run:
    """A run folder, opened or created.

    Args:
        path: the folder.
        seed: recorded when the run is created; an existing run keeps its own.
        create: False to refuse a folder that is not a run yet.

    Raises:
        StoreError: the path is a file, or cannot be written.
        FormatError: the run is of a newer version, or damaged, or missing with `create=False`.
    """

    def __init__(self, path: str | Path, *, seed: int = 0, create: bool = True) -> None:
        self.path = Path(path)
        self._file = self.path / "run.toml"
        self._open_stages: dict[str, str] = {}
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path} is a file, not a run folder: name another path")
        if not self._file.exists():
            if not create:
                raise FormatError(
                    self.path, expected="a run folder", got="no run.toml", remedy="check the path"
                )
            with files.disk_errors(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
            with lock.briefly(self.path / "run.lock"):
                if not self._file.exists():  # another process may have been faster
                    files.write_atomic(self._file, config.to_toml(config.fresh(seed)))
        self.seed = int(config.load(self._file).get("seed", 0))

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    # -- settings -----------------------------------------------------------------------------

    def config(self, stage: str, **values: Any) -> bool:
        """Record the resolved settings of a stage that starts.

        Returns:
            Whether this stage was finished before with the same settings (see `finish`): its
            products are in the run, and the caller says that it reuses them.
        """
        key = config.stage_hash(stage, values)
        self._open_stages[stage] = key
        with lock.briefly(self.path / "run.lock"):
            table = config.load(self._file)
            for entry in table["stage"]:
                if entry.get("hash") == key:
                    return bool(entry.get("done"))
            table["stage"].append({
                "name": stage,
                "hash": key,
                "done": False,
                "gradatim": gradatim.__version__,
                "config": files.plain(values),
            })
            files.write_atomic(self._file, config.to_toml(table))
        return False

    def finish(self, stage: str) -> None:
        """Mark the stage last given to `config` as done."""
        if stage not in self._open_stages:
            raise ArgumentError(f"`stage` {stage!r} was not started: call config first")
        with lock.briefly(self.path / "run.lock"):
            table = config.load(self._file)
            for entry in table["stage"]:
                if entry.get("hash") == self._open_stages[stage]:
                    entry["done"] = True
            files.write_atomic(self._file, config.to_toml(table))

    def stages(self) -> list[dict[str, Any]]:
        """Stages in order of their first start: name, hash, done, gradatim, config."""
        return config.load(self._file)["stage"]

    # -- problems -----------------------------------------------------------------------------

    def problems(self, ids: Iterable[str] | None = None) -> list[Problem]:
        """The run's problems in the order they were added, or those of the given ids."""
        found: dict[str, Problem] = {}
        for path in sorted((self.path / "problems").glob("problems-*.jsonl")):
            for line, row in files.rows(path):
                problem = from_row(row, path, line)
                found.setdefault(problem.id, problem)
        if ids is None:
            return list(found.values())
        wanted = list(ids)
        for name in wanted:
            if name not in found:
                raise ArgumentError(
                    f"`ids`: {self.path} has no problem {name!r}{nearest(name, found)}"
                )
        return [found[name] for name in wanted]

    def add_problems(self, problems: Iterable[Problem]) -> int:
        """Keep problems in the run; those that are there already (by id) are not added again.

        Returns:
            How many are new.
        """
        folder = self.path / "problems"
        with lock.briefly(self.path / "run.lock"):
            there = {p.id for p in self.problems()}
            new = {p.id: p for p in problems if p.id not in there}
            if new:
                number = 1 + len(list(folder.glob("problems-*.jsonl")))
                name = f"problems-{number:04d}-{prompt_hash(files.dumps(sorted(new)))}.jsonl"
                files.write_jsonl(folder / name, (to_row(p) for p in new.values()))
        return len(new)

    # -- the ledger ---------------------------------------------------------------------------

    def ledger(self, write: bool = False, *, every: int = segments.EVERY) -> Ledger:
        """The run's ledger: `with run.ledger(write=True) as ledger`.

        Args:
            write: be its one writer; closed segments are exported as it grows.
            every: rows of a segment.
        """
        closed = segments.exporter(self.path / "segments", every=every) if write else None
        return Ledger(self.path / "ledger.sqlite", write=write, closed=closed, every=every)

    # -- results ------------------------------------------------------------------------------

    def write_result(self, name: str, value: Any) -> Path:
        """Write `results/<name>.json`; records, arrays and estimates become plain JSON."""
        path = self._result(name)
        content = {
            "schema": schema.VERSION,
            "gradatim": gradatim.__version__,
            "value": files.plain(value),
        }
        files.write_atomic(path, json.dumps(content, indent=1) + "\n")
        return path

    def read_result(self, name: str) -> Any:
        """The value of `results/<name>.json`; None where there is none."""
        path = self._result(name)
        if not path.exists():
            return None
        try:
            content = json.loads(files.read_text(path))
        except json.JSONDecodeError as error:
            raise FormatError(path, line=error.lineno, expected="JSON", got=error.msg) from None
        if not isinstance(content, Mapping) or "value" not in content:
            raise FormatError(path, field="value", expected="a result of gradatim", got="none")
        schema.check_version(path, content.get("schema"))
        return content["value"]

    def _result(self, name: str) -> Path:
        if not name or any(mark in name for mark in "/\\\0") or name.startswith("."):
            raise ArgumentError(f"`name` of a result must be a plain file name, got {name!r}")
        return self.path / "results" / f"{name}.json"

    # -- banks, plans, checkpoints ------------------------------------------------------------

    @property
    def banks(self) -> Path:
        """Folder of calibrated banks."""
        return self.path / "banks"

    @property
    def plans(self) -> Path:
        """Folder of plans."""
        return self.path / "plans"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    def add_bank(self, bank: Bank) -> Path:
        """Write a bank under the hash of its content and remember it as the run's newest."""
        path = banks.write(self.banks, bank)
        self.write_result("bank", {"file": path.name, "scale": bank.scale})
        return path

    def bank(self) -> Bank:
        """The run's newest bank.

        Raises:
            FormatError: there is none yet.
        """
        newest = self.read_result("bank")
        if newest is None:
            raise FormatError(
                self.path, expected="a bank", got="none", remedy="run `gradatim calibrate` first"
            )
        return banks.read(self.banks / newest["file"])
