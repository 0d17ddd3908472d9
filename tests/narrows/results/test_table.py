"""The table in a notebook and in a terminal."""

import re
from functools import cache

import torch
from torch import nn

from narrows import Analysis, analyze
from narrows.results.table import COLUMNS

NAME = "a <b> layer with quite a long name, as nested networks have"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({NAME: nn.Linear(6, 8)})
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.parts[NAME](x).relu())
        return result


@cache
def analysis() -> Analysis:
    torch.manual_seed(0)
    data = [(torch.randn(8, 6), torch.randint(4, (8,))) for _ in range(4)]
    return analyze(Net(), data, progress=False)


def test_a_notebook_shows_every_column_and_escapes_names() -> None:
    html = analysis()._repr_html_()
    assert re.findall("<th [^>]*>(.*?)</th>", html) == list(COLUMNS)
    assert len(re.findall("<td ", html)) == 2 * len(COLUMNS)
    assert "a &lt;b&gt; layer" in html
    assert "<b>" not in html
    assert "32 samples, loss" in html


def test_a_terminal_shows_whole_names_in_columns() -> None:
    heading, first, second, *foot = repr(analysis()).splitlines()
    name = "parts.a <b> layer with quite a long name, as nested networks have"
    assert first.startswith(f"{name}      8 ")
    assert heading.index("width") + len("width") == first.index("8") + 1
    assert second.endswith("not_prunable")
    assert foot[0].startswith("32 samples, loss")
