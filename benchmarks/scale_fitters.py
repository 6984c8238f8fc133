"""One fit, in a process of its own: DATA.npz in, estimates and a line of JSON out.

    python scale_fitters.py FITTER DATA.npz ESTIMATES.npz --persons P --items I [--repeats N]

Run by the interpreter of the environment that holds the fitter. Not timed: imports, reading, the
form of the data that the fitter asks for, and one fit of 40 x 15 responses that compiles what is
compiled. Abilities are estimated inside the timing only where the fit itself gives them.
"""

import argparse
import json
import resource
import sys
import time
from importlib import metadata

import numpy as np

ENOUGH = 5.0  # seconds: a fit is repeated until its repetitions took this long


# -- ours ---------------------------------------------------------------------------------------


def gradatim(columns, persons, items, *, priors=True):
    from gradatim.scale import irt
    from gradatim.types import Matrix, Responses

    names = tuple(f"p{i:06d}" for i in range(persons)), tuple(f"i{i:06d}" for i in range(items))
    shared = {"solvers": names[0], "items": names[1]}
    if "person" in columns:
        given = Responses(
            solver=columns["person"],
            item=columns["item"],
            solved=columns["solved"],
            tried=np.ones(len(columns["solved"]), np.int8),
            **shared,
        )
    else:
        given = Matrix(solved=columns["solved"], tried=1, **shared)
    settings = {} if priors else {"priors": None}

    def fit():
        return irt.fit(given, **settings)

    def read(bank):
        facts = {k: bank.fit[k] for k in ("iterations", "converged", "change", "loglik")}
        facts |= {"claimed_loglik": facts.pop("loglik"), "errors": bank.fit["item_errors"]}
        return (bank.ability, bank.discrimination, bank.difficulty), facts

    return fit, read


# -- peers --------------------------------------------------------------------------------------


def _dense(columns, persons, items, missing=-1):
    """(person, item) int of sparse data, as peers take it."""
    if "person" not in columns:
        return columns["solved"]
    full = np.full((persons, items), missing, np.int8)
    full[columns["person"], columns["item"]] = columns["solved"]
    return full


def mirt(columns, persons, items, *, nodes=41, accelerate="none", errors=False):
    import mirt

    data = _dense(columns, persons, items).astype(np.int64)

    def fit():
        return mirt.fit_mirt(
            data, n_quadpts=nodes, accelerate=accelerate, compute_standard_errors=errors
        )

    def read(found):
        ability = mirt.fscores(found, data, method="EAP").theta
        p = found.model.parameters
        facts = {"iterations": found.n_iterations, "converged": bool(found.converged)}
        facts["claimed_loglik"] = float(found.log_likelihood)
        return (np.ravel(ability), p["discrimination"], p["difficulty"]), facts

    return fit, read


def irtorch(columns, persons, items, *, how="jml"):
    import torch
    from irtorch.estimation_algorithms import JML, MML
    from irtorch.models import TwoParameterLogistic

    data = torch.from_numpy(_dense(columns, persons, items).astype(np.float32))

    def fit(**short):
        torch.manual_seed(0)
        model = TwoParameterLogistic(items=items)
        given = data.clone()  # the algorithms work in place
        algorithm = JML() if how == "jml" else MML()
        nodes = {"integration_method": "gauss_hermite", "quadrature_points": 41}
        model.fit(given, algorithm, **({} if how == "jml" else nodes), **short)
        return model, algorithm

    def read(found):
        model, algorithm = found
        a = model.weight_param.detach().numpy().ravel()
        d = model.bias_param.detach().numpy().ravel()
        facts = {"iterations": len(algorithm.training_history["train_loss"])}
        theta = getattr(algorithm, "training_theta_scores", None)
        if theta is None:
            theta = model.latent_scores(data.clone(), theta_estimation="EAP", rescale=False)
        theta = np.ravel(torch.as_tensor(theta).detach().numpy())
        return (theta, a, -d / a), facts

    return fit, read


def py_irt(columns, persons, items, *, priors="vague"):
    import pyro
    from py_irt.config import IrtConfig
    from py_irt.dataset import Dataset
    from py_irt.training import IrtModelTrainer

    if "person" in columns:
        person, item, solved = (columns[k] for k in ("person", "item", "solved"))
    else:
        person, item = (i.ravel() for i in np.indices(columns["solved"].shape, np.int32))
        solved = columns["solved"].ravel()
    people, things = [str(i) for i in range(persons)], [str(i) for i in range(items)]
    dataset = Dataset(
        item_ids=set(things),
        subject_ids=set(people),
        item_id_to_ix={name: i for i, name in enumerate(things)},
        ix_to_item_id=dict(enumerate(things)),
        subject_id_to_ix={name: i for i, name in enumerate(people)},
        ix_to_subject_id=dict(enumerate(people)),
        observation_subjects=person.tolist(),
        observation_items=item.tolist(),
        observations=solved.astype(float).tolist(),
        training_example=[True] * len(solved),
    )

    def fit(max_epochs=2000):
        pyro.set_rng_seed(0)
        config = IrtConfig(model_type="2pl", priors=priors, epochs=max_epochs)
        trainer = IrtModelTrainer(data_path=None, config=config, dataset=dataset, verbose=False)
        trainer.train()
        return trainer

    def read(found):
        p = found.irt_model.export()
        facts = {"iterations": found._config.epochs}
        return (np.array(p["ability"]), np.array(p["disc"]), np.array(p["diff"])), facts

    return fit, read


def girth(columns, persons, items):
    import girth

    data = _dense(columns, persons, items).T.astype(int)
    data = girth.tag_missing_data(np.ascontiguousarray(data), [0, 1])

    def fit():
        return girth.twopl_mml(data, {"quadrature_n": 41})

    def read(found):
        a, b = found["Discrimination"], found["Difficulty"]
        return (girth.ability_eap(data, b, a), a, b), {}

    return fit, read


FITTERS = {
    "gradatim": gradatim,
    "gradatim-noprior": lambda *given: gradatim(*given, priors=False),
    "mirt": mirt,
    "mirt-21": lambda *given: mirt(*given, nodes=21),
    "mirt-squarem": lambda *given: mirt(*given, accelerate="squarem"),
    "mirt-121": lambda *given: mirt(*given, nodes=121),
    "mirt-errors": lambda *given: mirt(*given, errors=True),
    "irtorch": irtorch,
    "irtorch-mml": lambda *given: irtorch(*given, how="mml"),
    "py-irt": py_irt,
    "py-irt-hierarchical": lambda *given: py_irt(*given, priors="hierarchical"),
    "girth": girth,
}


# -- measuring ----------------------------------------------------------------------------------


def small():
    rng = np.random.default_rng(0)
    a, b, theta = np.exp(rng.normal(0, 0.3, 15)), rng.normal(size=15), rng.normal(size=40)
    chance = 1 / (1 + np.exp(-a * (theta[:, None] - b)))
    return {"solved": (rng.random((40, 15)) < chance).astype(np.int8)}


def sparsely(columns):
    person, item = np.nonzero(np.add.outer(np.arange(40), np.arange(15)) % 3)
    return {"person": person, "item": item, "solved": columns["solved"][person, item]}


def peak():
    """Most memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def now():
    """Bytes resident now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def product_seconds(columns, persons, items):
    """Wall seconds of one float32 matrix-vector product with the data, and one with its transpose,

    halved; the least of several.
    """
    if "person" in columns:
        from scipy import sparse

        at = columns["person"], columns["item"]
        data = sparse.csr_matrix((columns["solved"].astype(np.float32), at), (persons, items))
    else:
        data = columns["solved"].astype(np.float32)
    x, y = np.ones(items, np.float32), np.ones(persons, np.float32)
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        data @ x, y @ data
        seconds.append((time.perf_counter() - begin) / 2)
    return min(seconds)


def main():
    read = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    read.add_argument("fitter", choices=FITTERS)
    read.add_argument("data")
    read.add_argument("estimates")
    read.add_argument("--persons", type=int, required=True)
    read.add_argument("--items", type=int, required=True)
    read.add_argument("--repeats", type=int, default=3)
    given = read.parse_args()
    make = FITTERS[given.fitter]
    with np.load(given.data) as file:
        sparse = "person" in file.files
    begin = time.perf_counter()
    tiny = small()
    short = {"max_epochs": 5} if given.fitter.startswith(("irtorch", "py-irt")) else {}
    make(sparsely(tiny) if sparse else tiny, 40, 15)[0](**short)
    facts = {"warm_up": time.perf_counter() - begin}
    base = now()
    with np.load(given.data) as file:
        columns = dict(file)
    begin = time.perf_counter()
    fit, estimates = make(columns, given.persons, given.items)
    facts["loading"] = time.perf_counter() - begin
    walls, cpus = [], []
    while len(walls) < given.repeats and (not walls or sum(walls) < ENOUGH):
        found = None
        wall, cpu = time.perf_counter(), time.process_time()
        found = fit()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    middle = int(np.argsort(walls)[(len(walls) - 1) // 2])
    facts |= {"wall": walls[middle], "cpu": cpus[middle], "walls": walls}
    facts |= {"peak": peak(), "base": base}
    (theta, a, b), more = estimates(found)
    np.savez(given.estimates, theta=theta, a=np.ravel(a), b=np.ravel(b))
    facts |= more
    if given.fitter.startswith("gradatim"):
        facts["product"] = product_seconds(columns, given.persons, given.items)
        facts["version"] = metadata.version("gradatim")
    else:
        name = next(n for n in ("mirt", "irtorch", "py-irt", "girth") if given.fitter.startswith(n))
        facts["version"] = metadata.version(name)
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
