"""The ways to refuse an archive; each detail says what is wrong, where, and what to do."""

from worker.errors import RefusedError

HOW_TO_EXPORT = (
    "Export it instead: `narrows export pkg.module:factory --input 1x3x32x32 -o model.pt2`, or "
    "`torch.export.save(torch.export.export(model.eval(), (example,)), 'model.pt2')`."
)
DECOMPOSE = (
    "`narrows export pkg.module:factory --input 1x3x32x32 -o model.pt2` writes the network in "
    "operators that Narrows knows, where torch can; so does, mostly, "
    "`torch.export.export(...).run_decompositions()`."
)
EXPORT_AGAIN = "Export the network again with torch 2.11 to 2.14."


def not_an_archive(detail: str) -> RefusedError:
    return RefusedError("not-an-archive", "Not a torch.export archive", f"{detail} {HOW_TO_EXPORT}")


def pickle_checkpoint(detail: str) -> RefusedError:
    return RefusedError(
        "pickle-checkpoint",
        "A pickled checkpoint",
        f"{detail} Narrows never loads pickles, since they can run any code. {HOW_TO_EXPORT}",
    )


def torchscript(detail: str) -> RefusedError:
    return RefusedError("torchscript", "A TorchScript archive", f"{detail} {HOW_TO_EXPORT}")


def archive_version(detail: str) -> RefusedError:
    return RefusedError("archive-version", "The archive's version is not understood", detail)


def unsupported(detail: str) -> RefusedError:
    return refused(f"{detail} {DECOMPOSE}")


def refused(detail: str) -> RefusedError:
    """Return the refusal of an operator that no other way of writing the program avoids."""
    return RefusedError("operator-not-supported", "An operator is not supported", detail)


def out_of_bounds(detail: str) -> RefusedError:
    return RefusedError(
        "operator-out-of-bounds", "An operator's arguments are out of bounds", detail
    )
