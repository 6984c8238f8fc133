"""What all tests share: where real data lies, and how hypothesis searches."""

import contextlib
import gc
import os
import signal
import sys
from pathlib import Path

import pytest

# two workers on two cores: threads of one wait for those of the other
os.environ.setdefault("OMP_NUM_THREADS", "1")
# where PYTHONDONTWRITEBYTECODE is set, every worker and every process that a test starts would
# compile the package and the tests anew: a tenth of the suite
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# shells start what runs in the background with Ctrl-C ignored, and tests and their children need it
signal.signal(signal.SIGINT, signal.default_int_handler)

with contextlib.suppress(ImportError):  # the minimal install has no hypothesis
    from hypothesis import settings

    # the same examples on every machine, and no failure because a machine is busy
    settings.register_profile("gradatim", deadline=None, derandomize=True, max_examples=60)
    settings.load_profile("gradatim")


def pytest_addoption(parser):
    parser.addoption("--data", default=None, metavar="DIR", help="folder of real data for tests")


def pytest_collection_finish(session):
    """Modules and thousands of collected tests stay to the end: no need to look through them."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def data_dir(request):
    """The folder given with --data; without it fast tests are skipped and slow tests fail."""
    given = request.config.getoption("--data")
    if given and Path(given).is_dir():
        return Path(given)
    why = f"no folder {given}" if given else "give the folder of real data with --data DIR"
    if request.node.get_closest_marker("slow"):
        pytest.fail(why)
    pytest.skip(why)
