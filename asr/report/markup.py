"""HTML and SVG as trees, so that whatever a transcript or a setting contains is escaped when written."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

from asr.errors import UserError
from asr.whole_file import write_whole

Content = Element | str | None

NOTHING_FROM_OUTSIDE = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


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


def section(title: str, *content: Content) -> Element:
    """A part of a page, under its title."""
    return element("section", element("h2", title), *content)


def document(root: Element) -> bytes:
    """The whole page as UTF-8. Characters that UTF-8 cannot hold become question marks."""
    return b"<!doctype html>\n" + tostring(root, encoding="unicode", method="html").encode("utf-8", "replace")


def draw_page(title: str, body: Iterable[Content], styles: Iterable[str], scripts: Iterable[str]) -> Element:
    """A page that needs nothing but itself; styles and scripts are names of files in this package."""
    assets = files("asr.report")

    def read(name: str) -> str:
        return assets.joinpath(name).read_text(encoding="utf-8")

    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=NOTHING_FROM_OUTSIDE),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        *(element("style", read(name)) for name in styles),
    )
    scripted = [element("script", read(name)) for name in scripts]
    return element("html", head, element("body", *body, *scripted), lang="en")


def write_page(root: Element, out: Path) -> None:
    """Write the page as one HTML file.

    Raises:
        UserError: it cannot be written there.
    """
    if out.is_dir():
        raise UserError(f"{out}: a folder; name the page in it, such as {out / 'page.html'}")
    write_whole(out, document(root))
