"""HTML and SVG as trees, so that whatever a transcript or a setting contains is escaped when written."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

Content = Element | str | None


def element(tag: str, *content: Content, **attributes: str | float) -> Element:
    """A node holding texts and nodes in the given order; None is skipped.

    Attribute names lose a trailing underscore (`class_`) and have inner ones turned into hyphens. Numbers
    are written with at most one decimal, which is enough for coordinates.
    """
    node = Element(tag)
    for key, value in attributes.items():
        text = value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
        node.set(key.rstrip("_").replace("_", "-"), text)
    append(node, content)
    return node


def append(node: Element, content: Iterable[Content]) -> None:
    """Put texts and nodes at a node's end."""
    for part in content:
        if isinstance(part, str):
            if len(node):
                node[-1].tail = (node[-1].tail or "") + part
            else:
                node.text = (node.text or "") + part
        elif part is not None:
            node.append(part)


def table(head: Iterable[Content], rows: Iterable[Iterable[Content]], class_: str = "") -> Element:
    """A table that scrolls sideways where the screen is narrow; the first cell of a row is its heading."""
    body = element("tbody")
    for cells in rows:
        first, *rest = cells
        row = element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in rest))
        body.append(row)
    titles = element("tr", *(element("th", cell, scope="col") for cell in head))
    grid = element("table", element("thead", titles), body, class_=class_)
    return element("div", grid, class_="scroll")


def document(root: Element) -> bytes:
    """The whole page as UTF-8. Characters that UTF-8 cannot hold become question marks."""
    return b"<!doctype html>\n" + tostring(root, encoding="unicode", method="html").encode("utf-8", "replace")
