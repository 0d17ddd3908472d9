"""The error for a program that Narrows can't follow."""


class UnsupportedError(ValueError):
    """The error for a program that Narrows can't follow; the text says what, where and why.

    `final` tells that it is not a matter of the operators in which the program is written.
    """

    def __init__(self, detail: str, *, final: bool = False) -> None:
        super().__init__(detail)
        self.final = final
