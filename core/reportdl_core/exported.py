"""Decides by which path a class is shown in a traceback, a repr and a pickle: the one that people import it from.

So a module can be split without a change that anybody sees. Must never touch a class of another package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["exported"]


def exported(package: str, namespace: Mapping[str, object], names: Iterable[str]) -> None:
    """Show the classes among `names` as the package's own, where one of its modules defines them."""
    for name in names:
        value = namespace.get(name)
        if isinstance(value, type) and value.__module__.startswith(f"{package}."):
            value.__module__ = package
