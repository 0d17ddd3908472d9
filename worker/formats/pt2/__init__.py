"""Reads `torch.export` archives (`.pt2`), which may be hostile.

Nothing here calls `torch.export.load`, unpickles, compiles or evaluates. This package reads the
archive's JSON and raw weights itself, and refuses what it does not know.

See docs/security.md: "Rules for archives", and the attacks behind them, "What ran code or escaped".
"""

from pathlib import Path

from narrows.graph.network import Network
from worker.formats.files import open_file
from worker.formats.pt2 import dry_run, envelope, sniff
from worker.formats.pt2.archive import Archive
from worker.formats.pt2.graph import read_graph
from worker.formats.zip_directory import read_directory


def read(path: Path) -> Network:
    """Return the network in the archive, in eval mode, with its tensors on the CPU.

    Raises RefusedError, and no other exception, for a file that is not a plain export with the
    operators of `narrows.graph.operators`. Its slug is pickle-checkpoint, torchscript,
    not-an-archive, archive-version, unsafe-archive, malformed-archive, operator-not-supported,
    operator-out-of-bounds or too-large.
    """
    with open_file(path) as file:
        sniff.check_head(file)
        entries = read_directory(file)
        sniff.check_members(entries)
        network, metas = read_graph(Archive(file, entries, envelope.MEMBERS))
    dry_run.run_on_fakes(network, metas)
    return network
