"""Which names still mean what they meant, while operators write into memory that names share."""


class Aliases:
    """The values of a program with in-place operators, as values of one without.

    Replacing `y = relu_(x)` by `y = relu(x)` is right if from there on `x` reads `y`, and nothing
    reads a third name of that memory, such as a view of `x` taken before.
    """

    def __init__(self) -> None:
        self._memory: dict[str, str] = {}  # a name, and the name that its memory was made under
        self._sharing: dict[str, set[str]] = {}  # a memory, and the names that can be read of it
        self._renamed: dict[str, str] = {}
        self._stale: set[str] = set()

    def add(self, name: str, viewed: str | None = None) -> None:
        """Add a value that has memory of its own, or that may share the memory of `viewed`."""
        memory = self._memory[viewed] if viewed else name
        self._memory[name] = memory
        self._sharing.setdefault(memory, set()).add(name)

    def resolve(self, name: str) -> str:
        """Return the name under which a name's present value was computed."""
        chain = []
        while name in self._renamed:
            chain.append(name)
            name = self._renamed[name]
        self._renamed |= dict.fromkeys(chain, name)
        return name

    def memory(self, name: str) -> str:
        """Return the name that the memory of a resolved name was made under."""
        return self._memory[name]

    def is_stale(self, name: str) -> bool:
        """Tell whether a resolved name's memory was since written through another name."""
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
