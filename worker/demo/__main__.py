"""`python -m worker.demo FOLDER`: writes `model.pt2` and `digits.npz`; reports in JSON lines."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from worker.cli.export import export_module
from worker.demo.network import EPOCHS, DigitsNet, digits, train

WIDTHS = (32, 32, 6, 32, 32)
NARROW = "features.conv3"


def main(folder: Path) -> None:
    """Train a network whose third layer is too narrow; save it, and the data, into `folder`."""
    torch.manual_seed(0)
    network = DigitsNet(WIDTHS)
    for epoch, accuracy in enumerate(train(network), start=1):
        _report(epoch=epoch, epochs=EPOCHS, accuracy=accuracy)
    x, y = digits()
    np.savez_compressed(folder / "digits.npz", x=x.astype(np.float32) / 16, y=y)
    export_module(network, (torch.zeros(2, 1, 8, 8),), folder / "model.pt2")
    _report(narrow=NARROW)


def _report(**values: object) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
