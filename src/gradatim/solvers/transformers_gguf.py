"""A GGUF file as a folder that transformers loads: converted once, kept in the user's cache.

The folder is named by the file's fingerprint, written beside its place and renamed: it is there
whole or not at all. Weights are kept as float16, whose rounding is far below the quantisation's.
"""

import contextlib
import importlib.util
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from gradatim.errors import MissingExtra, SolverError, extra
from gradatim.solvers.gguf import fingerprint

VERSION = 1  # of the conversion: another one is another folder
_QUANTIZER = ("hf_quantizer", "quantization_method", "is_quantized")  # what save_pretrained refuses


def cache_folder() -> Path:
    """The user's cache folder of gradatim."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "gradatim"


def converted(path: Path, cache: str | Path = "") -> Path:
    """The folder of a GGUF file's model, made if it is not there.

    Args:
        path: the file.
        cache: folder that holds such folders; default `cache_folder()`.

    Raises:
        ArgumentError: not a GGUF file.
        MissingExtra: transformers or gguf is not installed.
        SolverError: transformers cannot read the file, or the folder cannot be written.
    """
    root = Path(cache) if cache else cache_folder()
    folder = root / f"{path.stem}-{fingerprint(path)}-v{VERSION}"
    if folder.is_dir():
        return folder
    for package in ("transformers", "gguf"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "hf")
    try:
        root.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".converting-", dir=root))
    except OSError as error:
        raise SolverError(
            f"{root} cannot be written ({error.strerror}); option `cache` names another folder"
        ) from error
    try:
        _convert(path, made)
        with contextlib.suppress(OSError):  # another process was sooner: its folder is as good
            made.rename(folder)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        why = str(error).strip().splitlines()
        raise SolverError(
            f"transformers cannot convert {path}: {why[0] if why else type(error).__name__}; "
            f"gguf:{path} serves it as it is"
        ) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _convert(path: Path, folder: Path) -> None:
    library = extra("transformers", "hf")
    # its conversion writes a bar that no setting turns off
    with quietly(), contextlib.redirect_stderr(io.StringIO()):
        tokenizer = library.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        model = library.AutoModelForCausalLM.from_pretrained(
            path.parent,
            gguf_file=path.name,
            quantization_config=library.GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        for name in _QUANTIZER:
            if name in vars(model):
                delattr(model, name)
        with contextlib.suppress(AttributeError):
            del model.config.quantization_config
        model.to(torch.float16).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    folder.chmod(0o755)  # mkdtemp makes folders for their owner alone


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without transformers' bars and log lines, which are put back as they were."""
    log = extra("transformers", "hf").utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
