"""Archives of images in a folder for each class, as torchvision's ImageFolder reads them."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from worker.formats.columns import Loaded
from worker.formats.container import Container
from worker.formats.image_files import OTHER_SUFFIXES, SUFFIXES
from worker.formats.images import Images, Members
from worker.formats.refusals import READ, invalid, quoted
from worker.formats.samples import Samples
from worker.formats.transform import Transform

HOW_TO = "Zip one folder for each class: `cd images && zip -r ../data.zip .`, with cat/1.png, …"
NESTED = (".zip", ".tar", ".gz", ".tgz", ".npz", ".parquet", ".safetensors")


def read(container: Container, transform: Transform) -> Samples:
    """Return images, sorted by path, with the numbers of their folders' sorted names as targets.

    Raises RefusedError where images are not all in folders of the same depth. Files that are no
    images are left out.
    """
    names = sorted(name for name in container.sizes if name.lower().endswith(SUFFIXES))
    _check_others(container.sizes, found=bool(names))
    folders = [_class_folder(name) for name in names]
    classes = sorted(set(folders))
    number = {folder: index for index, folder in enumerate(classes)}
    return Samples.of(
        {"x": Images("x", Members(container, names), transform.geometry.color)},
        Loaded("y", np.array([number[folder] for folder in folders])),
        transform,
        classes=_short(classes),
        left_out=len(container.sizes) - len(names),
    )


def _class_folder(name: str) -> str:
    folder = str(PurePosixPath(name).parent)
    if folder == ".":
        raise invalid(f"{quoted(name)} is in no folder, so its class is not known. {HOW_TO}")
    return folder


def _short(folders: Sequence[str]) -> tuple[str, ...]:
    """Return the names of class folders, which must lie in one folder.

    >>> _short(["photos/cat", "photos/dog"])
    ('cat', 'dog')
    """
    parents = sorted({str(PurePosixPath(folder).parent) for folder in folders})
    if len(parents) > 1:
        raise invalid(
            f"There are folders of classes in {quoted(parents[0])} and in {quoted(parents[1])}, "
            f"such as of a training and a test set. Archive one of them. {HOW_TO}"
        )
    return tuple(PurePosixPath(folder).name for folder in folders)


def _check_others(names: Mapping[str, int], *, found: bool) -> None:
    for name in names:
        if name.lower().endswith(OTHER_SUFFIXES):
            raise invalid(f"{quoted(name)} is no PNG or JPEG; convert such images. {HOW_TO}")
        if name.lower().endswith(NESTED):
            raise invalid(f"{quoted(name)} is an archive in an archive; upload it by itself.")
    if not found:
        held = ", ".join(quoted(name) for name in sorted(names)[:5]) or "nothing"
        raise invalid(f"The archive holds {held}. {READ}")
