"""Typed access to the configuration of a device."""

import json
from math import inf

from componentize_py_types import Err
from wit_world.imports import config as host

from .errors import Refused


class Config:
    """The configuration. A path is a key, or a JSON Pointer such as `/channels/0/name`. Errors name the field."""

    def all(self):
        """The whole configuration."""
        return json.loads(host.json())

    def deny_unknown_fields(self, known):
        """Refuses fields with other names than these."""
        for name in self.all():
            if name not in known:
                raise Refused(f"configuration: {name}: there is no such field; there are {', '.join(known)}")

    def text(self, path, default=None):
        found = self._read(host.text, path)
        return default if found is None else found

    def boolean(self, path, default=None):
        found = self._read(host.boolean, path)
        return default if found is None else found

    def number(self, path, default=None, least=-inf, most=inf):
        found = self._read(host.number, path)
        return self._in_range(path, default if found is None else found, least, most)

    def integer(self, path, default=None, least=-inf, most=inf):
        """An integer of any size, exactly."""
        try:
            found = host.integer(path)
        except Err as error:
            # The host reads integers up to 2^63 - 1, and shows what it found instead.
            digits = error.value.found
            if not digits.lstrip("-").isdigit():
                raise self._refused(error.value) from None
            found = int(digits)
        return self._in_range(path, default if found is None else found, least, most)

    def duration(self, path, default=None, least=0, most=inf):
        """A duration in seconds; the configuration may have `"500ms"`, `"5s"`, `"1m 30s"` or a number of seconds."""
        found = self._read(host.duration, path)
        return self._in_range(path, default if found is None else found / 1e9, least, most)

    def _read(self, function, path):
        try:
            return function(path)
        except Err as error:
            raise self._refused(error.value) from None

    @staticmethod
    def _refused(error):
        return Refused(f"configuration: {error.path}: expected {error.expected}, found {error.found}")

    @staticmethod
    def _in_range(path, value, least, most):
        if value is None or least <= value <= most:
            return value
        if most == inf:
            wanted = f"at least {least}"
        else:
            wanted = f"at most {most}" if least == -inf else f"{least} to {most}"
        raise Refused(f"configuration: {path}: expected {wanted}, found {value:g}")
