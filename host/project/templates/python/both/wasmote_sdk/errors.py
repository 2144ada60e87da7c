"""Errors of the SDK."""

import re
from contextlib import contextmanager

from componentize_py_types import Err


class Refused(Exception):
    """An answer to the user: an invalid configuration, or a snapshot that cannot be restored."""


class Rejected(Exception):
    """A reason of the host why it does not take a message, a subscription, a request or a value; `code` is its name in `wit/`."""

    def __init__(self, reason):
        case = type(reason).__name__.split("_")[-1]
        self.code = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", case).lower()
        detail = getattr(reason, "value", None)
        super().__init__(self.code if detail is None else f"{self.code}: {detail}")


@contextmanager
def checked():
    """Turns an error of an import into a `Rejected`."""
    try:
        yield
    except Err as error:
        raise Rejected(error.value) from None
