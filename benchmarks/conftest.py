"""What every benchmark starts from: the data set, a trained model, and modes that leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pricebench.artifacts import MODEL_FILE, Artifacts, save_metrics
from pricebench.data import Dataset, load_dataset, make_houses, train_test_split
from pricebench.errors import PricebenchError
from pricebench.modes import MODES, ExecutionMode
from pricebench.modes.compile import forget
from pricebench.pytest_plugin import keep_history, note
from pricebench.training import TrainingConfig, train
from pricebench.workload import FULL_ROWS, Workload, house_prices

MODE_NAMES = [mode.name for mode in MODES]


def pytest_configure(config: pytest.Config) -> None:
    """Store what is measured here."""
    keep_history(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the cliff's cells, minutes of them, to those who name them: by `-k cliff` or by their file."""
    if "cliff" in config.option.keyword or any("test_cliff" in argument for argument in config.args):
        return
    asked = [item for item in items if item.path.name != "test_cliff.py"]
    config.hook.pytest_deselected(items=[item for item in items if item not in asked])
    items[:] = asked


@pytest.fixture(scope="session")
def dataset(pytestconfig: pytest.Config) -> Dataset:
    """The file of `--data`, or the embedded default."""
    path: Path | None = pytestconfig.option.data
    try:
        houses = load_dataset(path) if path else make_houses()
    except PricebenchError as error:
        pytest.exit(str(error), returncode=int(error.exit_code))
    note(pytestconfig, data=houses.name, data_digest=houses.digest(), num_rows=houses.num_rows)
    return houses


@pytest.fixture(scope="session")
def artifacts(pytestconfig: pytest.Config, dataset: Dataset) -> Artifacts:
    """The model trained on this data set; trained now where there is none yet."""
    root: Path = pytestconfig.rootpath / pytestconfig.option.artifacts
    try:
        if (root / MODEL_FILE).is_file() and Artifacts.load(root).stats.data_digest != dataset.digest():
            # Somebody's model of other data stays where it is.
            root /= dataset.digest()[:10]
        if (root / MODEL_FILE).is_file():
            return Artifacts.load(root)
        reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            reporter.write_line(f"\nno model of {dataset.name} yet: training one (up to half a minute)")
        trained = train(dataset, TrainingConfig())
    except PricebenchError as error:
        pytest.exit(str(error), returncode=int(error.exit_code))
    trained.artifacts.save(root)
    save_metrics(root, trained.metrics)
    return trained.artifacts


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> torch.device:
    """Where to run; a device that is not there skips with its reason."""
    if pytestconfig.option.device == "cuda" and not torch.cuda.is_available():
        pytest.skip("--device cuda: torch finds no CUDA device here")
    return torch.device(pytestconfig.option.device)


@pytest.fixture(scope="session")
def training_rows(dataset: Dataset) -> Dataset:
    """The rows that training sees, as `pricebench train` splits them."""
    config = TrainingConfig()
    kept, _ = train_test_split(dataset, test_size=config.test_size, seed=config.split_seed)
    rows, _ = train_test_split(kept, test_size=config.validation_size, seed=config.seed)
    return rows


@pytest.fixture(scope="session")
def workload(artifacts: Artifacts, training_rows: Dataset, device: torch.device) -> Workload:
    """The trained model with batches of real training rows."""
    stats = artifacts.stats
    return house_prices(
        artifacts.model.to(device),
        x_NF=stats.features.normalize(torch.from_numpy(training_rows.features_NF)).to(device),
        z_N1=stats.price.normalize(torch.from_numpy(training_rows.price_N[:, None])).to(device),
        residual_rows=training_rows.num_rows % FULL_ROWS or FULL_ROWS,
    )


@pytest.fixture(params=MODE_NAMES)
def mode(request: pytest.FixtureRequest) -> Iterator[ExecutionMode]:
    """One execution mode. Compiled graphs are shared per code object: they are dropped before and after each cell."""
    found = next(mode for mode in MODES if mode.name == request.param)
    reason = found.missing()
    if reason:
        pytest.skip(f"{found.name} cannot run here: {reason}")
    if found.name == "compile":
        forget()
    yield found
    if found.name == "compile":
        forget()
