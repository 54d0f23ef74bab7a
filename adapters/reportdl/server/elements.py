"""Decides what the neighbours of the endpoint say of elements, dimension values and plugins.

Shaped like the real ones, so that a client's `list` works against both. An element that the caller may not see is
listed with `has_access` N, as there. Must never say more of it than that.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Scope

from reportdl.server.accounts import Caller
from reportdl.server.lookup import Catalog, Entry
from reportdl.server.neighbours import queried
from reportdl.server.plain import Plain, error_said, json_said
from reportdl_core.errors import Refusal

__all__ = ["element_info", "elements", "plugins", "values"]

Said = Callable[[Scope, Caller], Plain]


def elements(catalog: Catalog) -> Said:
    """`/api/element`: every element and segment."""

    def said(scope: Scope, caller: Caller) -> Plain:
        return json_said({"elements": [_row(entry, caller) for entry in catalog]})

    return said


def element_info(catalog: Catalog) -> Said:
    """`/api/element_info?element=N[&dimension_value=M]`: one of them, for those who may see it (R5, R6)."""

    def said(scope: Scope, caller: Caller) -> Plain:
        entry = catalog.entry(queried(scope, "element"), queried(scope, "dimension_value", missing=0))
        if entry is None:
            return error_said(404, Refusal.ELEMENT_NOT_FOUND.value)
        if not entry.info.visible_to(caller.user):
            return error_said(403, Refusal.ELEMENT_NOT_ALLOWED.value)
        return json_said({"info": _row(entry, caller)})

    return said


def values(catalog: Catalog) -> Said:
    """`/api/dimension_value?dimension=D`: the values that elements visible to the caller are segmented by."""

    def said(scope: Scope, caller: Caller) -> Plain:
        dimension = queried(scope, "dimension")
        if dimension is None:
            return error_said(400, "dimension is missing")
        # A dictionary, since several elements may be segmented by one dimension.
        found = {
            entry.info.segment: {"id": entry.info.segment, "dimension": dimension, "name": entry.info.segment_name}
            for entry in catalog
            if entry.info.segment and entry.info.dimension == dimension and entry.info.visible_to(caller.user)
        }
        return json_said({"dimension_values": list(found.values())})

    return said


def plugins(catalog: Catalog) -> Said:
    """`/api/data_source_plugin`: the sources."""

    def said(scope: Scope, caller: Caller) -> Plain:
        rows = [{"id": number, "name": source.name} for number, source in enumerate(catalog.sources, start=1)]
        return json_said({"data_source_plugins": rows})

    return said


def _row(entry: Entry, caller: Caller) -> dict[str, object]:
    info = entry.info
    return {
        "element_id": info.element,
        "segment_value_id": info.segment,
        "element_type": info.type.value,
        "element_dashboard_name": info.name,
        "content_type": entry.source.name,
        "dimension": info.dimension,
        "dimension_name": info.dimension_name,
        "segment_value_name": info.segment_name,
        "has_access": "Y" if info.visible_to(caller.user) else "N",
    }
