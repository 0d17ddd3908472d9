"""Training is what a plain loop of torch does with the module in train mode."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from narrows.trials.run import TrainingRun
from tests.support.architectures import MobileNet, ResidualNet, Tagger, Transformer
from tests.support.several_inputs import Fusion, Masked, fusion_data, masked_data
from tests.support.trials import (
    Inputs,
    classes_of,
    classes_second,
    original,
    several,
    subject_of,
    train_plainly,
)


class Norms(nn.Module):
    """Norms that keep statistics: by a moving and by a plain average, of batches and of samples."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, bias=False)
        self.first = nn.BatchNorm2d(4, momentum=0.3)
        self.plain = nn.BatchNorm2d(4, momentum=None, affine=False)
        self.sample = nn.InstanceNorm2d(4, track_running_stats=True)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.plain(self.first(self.conv1(x))))
        x = self.sample(self.conv2(x)) + self.first(x[..., 1:-1, 1:-1])  # for the second time
        y: Tensor = self.head(x.square().mean((2, 3)))
        return y


class Dropouts(nn.Module):
    """Dropout of all kinds: of values and channels, in place, by a function, within an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.channels, self.alpha = nn.Dropout2d(0.2), nn.AlphaDropout(0.1)
        self.both, self.place = nn.FeatureAlphaDropout(0.1), nn.Dropout(0.3, inplace=True)
        self.lstm = nn.LSTM(6, 5, num_layers=2, dropout=0.4, batch_first=True)
        self.hidden, self.head = nn.Linear(5, 7), nn.Linear(7, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.place(self.both(self.alpha(self.channels(F.selu(self.conv(x))))))
        steps = F.dropout(x.mean(3).transpose(1, 2), 0.25, self.training)
        y: Tensor = self.head(F.relu(self.hidden(self.lstm(steps)[0][:, -1])))
        return y


class Padded(nn.Module):
    """An embedding whose padding gets no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 6, padding_idx=3)
        self.hidden, self.head = nn.Linear(6, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(F.gelu(self.hidden(self.tokens(x).mean(1))))
        return y


def samples_for(module: nn.Module) -> tuple[Inputs, Tensor]:
    if isinstance(module, Masked | Fusion):
        data = masked_data(24) if isinstance(module, Masked) else fusion_data(24)
        *inputs, targets = map(torch.from_numpy, data)
        return tuple(x.double() if x.is_floating_point() else x for x in inputs), targets
    if isinstance(module, Transformer | Padded | Tagger):
        tokens = torch.randint(11, (24, 2 if isinstance(module, Tagger) else 6))
        return tokens, tokens % 5 if isinstance(module, Transformer | Tagger) else tokens.sum(1) % 5
    images = torch.randn(24, 3, 8, 8).double()
    return images, classes_of(images, 5)


SGD = {"optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 0.01, "schedule": "linear"}
ADAMW = {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1, "label_smoothing": 0.1}


@pytest.mark.parametrize(
    ("kind", "recipe"),
    [
        (Norms, SGD),
        (Norms, ADAMW),
        (Dropouts, SGD),
        (Dropouts, ADAMW),
        (Padded, ADAMW),
        (ResidualNet, SGD),
        (MobileNet, ADAMW),
        (Transformer, SGD),
        (Tagger, ADAMW),
        (Masked, SGD),
        (Fusion, ADAMW),
    ],
)
def test_training_is_that_of_a_plain_loop(kind: type[nn.Module], recipe: dict[str, Any]) -> None:
    torch.manual_seed(0)
    module = kind().double()
    inputs, targets = samples_for(module)
    recipe = {**recipe, "steps": 7, "batch_size": 6, "start": "upload"}
    subject = subject_of(module, inputs, targets, recipe=recipe, holdout=0.25)
    run = TrainingRun.start(subject, original(subject), seed=4)
    run.advance(7)
    assert run.done
    assert run.error is None
    expected = copy.deepcopy(module)
    losses = train_plainly(expected, inputs, targets, subject, seed=4)
    assert losses[0] != losses[-1]
    trained = run.trained().module().state_dict()
    assert trained.keys() == expected.state_dict().keys()
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-7, atol=1e-9, msg=name)
    torch.testing.assert_close(run.result().curve[-1].train_loss, losses[-1], rtol=1e-8, atol=0)
    held = subject.split(4).held_out
    expected.eval()
    outputs = expected(*(x[held] for x in several(inputs)))
    loss = F.cross_entropy(classes_second(outputs, targets), targets[held]).item()
    assert run.result().loss == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize("how", ["eval", "decomposed", "train"])
def test_an_exported_program_trains_alike(how: str) -> None:
    torch.manual_seed(0)
    module = MobileNet().double()
    inputs, targets = samples_for(module)
    assert isinstance(inputs, Tensor)
    batch = torch.export.Dim.DYNAMIC
    mode = copy.deepcopy(module).train(how == "train")
    program = torch.export.export(mode, (inputs[:2],), dynamic_shapes=({0: batch},))
    if how == "decomposed":
        program = program.run_decompositions()
    recipe = {**SGD, "steps": 4, "batch_size": 6, "start": "upload"}
    runs = []
    for model in (module, program):
        subject = subject_of(model, inputs, targets, recipe=recipe)
        runs.append(TrainingRun.start(subject, original(subject), seed=0))
        runs[-1].advance(4)
    first, second = (run.trained().network.tensors for run in runs)
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-9, atol=1e-12, msg=name)


def test_what_is_put_back_is_named() -> None:
    module = Dropouts()
    inputs, targets = samples_for(module.double())
    subject = subject_of(module, inputs, targets, recipe={"batch_size": 6})
    assert [(call.module, call.op) for call in subject.trainable.put_back] == [
        ("channels", "feature_dropout"),
        ("alpha", "alpha_dropout"),
        ("both", "feature_alpha_dropout"),
        ("place", "dropout"),
        ("", "dropout"),
        ("lstm", "lstm.input"),
    ]
    assert subject.trainable.put_back[0].what == "drops values with probability 0.2"
