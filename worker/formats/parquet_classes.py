"""The names of classes that Hugging Face writes into a Parquet file."""

from worker.errors import RefusedError
from worker.formats import strict_json
from worker.formats.parquet_file import Table


def class_names(table: Table, column: str) -> tuple[str, ...] | None:
    """Return the names of the numbers in a column; None where the file does not say them.

    They are for people alone, so what can't be read is passed over.
    """
    try:
        found = strict_json.parse((table.schema.metadata or {})[b"huggingface"], "It").raw
        for key in ("info", "features", column, "names"):
            found = found[key]
    except (KeyError, TypeError, RefusedError):
        return None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        return None
    return tuple(name if name.isprintable() else ascii(name)[1:-1] for name in found)
