"""Tracks which names share memory, and whose values in-place operators have overwritten."""


class Aliases:
    """Maps the names of a program with in-place operators to those of a program without.

    `y = relu_(x)` may be replaced by `y = relu(x)` if every later read of `x` reads `y`, and if
    nothing reads a third name of that memory, such as an earlier view of `x`.
    """

    def __init__(self) -> None:
        self._memory: dict[str, str] = {}  # from a name to the first name of its memory
        self._sharing: dict[str, set[str]] = {}  # from a first name to all valid names
        self._renamed: dict[str, str] = {}
        self._stale: set[str] = set()

    def add(self, name: str, viewed: str | None = None) -> None:
        """Add a value with its own memory, or one that may share the memory of `viewed`."""
        memory = self._memory[viewed] if viewed else name
        self._memory[name] = memory
        self._sharing.setdefault(memory, set()).add(name)

    def resolve(self, name: str) -> str:
        """Return the name under which the current value of `name` was computed."""
        chain = []
        while name in self._renamed:
            chain.append(name)
            name = self._renamed[name]
        self._renamed |= dict.fromkeys(chain, name)
        return name

    def memory(self, name: str) -> str:
        """Return the first name of the memory of a resolved name."""
        return self._memory[name]

    def is_stale(self, name: str) -> bool:
        """Return whether another name has since written into the memory of a resolved name."""
        return name in self._stale

    def write(self, target: str, result: str) -> None:
        """Record that `result` was written into the memory of `target`, a resolved name."""
        memory = self._memory[target]
        self._stale |= self._sharing[memory] - {target}
        self._sharing[memory] = {result}
        self._memory[result] = memory
        self._renamed[target] = result

    def rename(self, name: str, value: str) -> None:
        """Record that `name` is another name of a resolved one."""
        self._renamed[name] = value
