"""Decides how a report becomes XML (R7): a document of the schema `report.xsd` beside this file.

Columns are declared once, with their types; a row holds one cell per value, named by its column, and an empty value
has no cell. Values are written as the schema's types have them, never as people read them; the lines of a text end in
LF, as every reader of XML has them, whatever was written. Must never build markup from text by hand.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, assert_never
from xml.etree import ElementTree as ET

from reportdl.server.generators.table import Cell, Column, Kind, Table

__all__ = ["NAMESPACE", "generate"]

NAMESPACE: Final = "urn:reportdl:report:1"
_LANGUAGE: Final = "{http://www.w3.org/XML/1998/namespace}lang"  # a name, not an address: nothing is fetched


def generate(table: Table, path: Path) -> None:
    """Write the report as UTF-8 XML: head, columns, rows, notes."""
    root = ET.Element("report", {"xmlns": NAMESPACE, _LANGUAGE: table.language, "issued": table.issued.isoformat()})
    _text(root, "title", table.title)
    for name, text in (("subtitle", table.subtitle), ("author", table.author)):
        if text:
            _text(root, name, text)
    columns = ET.SubElement(root, "columns")
    for column in table.columns:
        _column(columns, column)
    rows = ET.SubElement(root, "rows")
    for row in table.rows:
        _row(rows, table.columns, row)
    for note in table.notes:
        _text(root, "note", note)
    ET.indent(root)
    with path.open("wb") as file:
        ET.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
        file.write(b"\n")


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text


def _column(parent: ET.Element, column: Column) -> None:
    attributes = {"key": column.key, "type": _type(column.kind)}
    if column.unit:
        attributes["unit"] = column.unit
    ET.SubElement(parent, "column", attributes).text = column.label


def _type(kind: Kind) -> str:
    match kind:
        case Kind.TEXT:
            return "string"
        case Kind.NUMBER:
            return "decimal"
        case Kind.PERCENT:
            return "fraction"
        case Kind.DATE:
            return "date"
    assert_never(kind)


def _row(parent: ET.Element, columns: tuple[Column, ...], cells: tuple[Cell, ...]) -> None:
    row = ET.SubElement(parent, "row")
    for column, cell in zip(columns, cells, strict=True):
        if cell is not None:
            # The name of the element is the type, so that a schema can check the value.
            ET.SubElement(row, _type(column.kind), {"column": column.key}).text = _value(column, cell)


def _value(column: Column, cell: str | Decimal | date) -> str:
    match cell:
        case str():
            return column.show(cell)
        case Decimal():
            return f"{cell:f}"
        case date():
            return cell.isoformat()
    assert_never(cell)
