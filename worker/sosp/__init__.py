"""Second-order structured pruning as a library; knows torch, numpy and scipy and nothing else.

>>> from worker.sosp import analyze
"""

from worker.sosp.analysis import Analysis
from worker.sosp.built import Built
from worker.sosp.notebook import analyze

__all__ = ["Analysis", "Built", "analyze"]
