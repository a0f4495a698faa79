"""Dead links of a built site, without a network; and whatever its pages would load from elsewhere.

    python docs/links.py site

The site's generator checks links to pages and their anchors; it lets pass links to other files, and images.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script", "img", "link", "iframe", "source", "video", "audio"}
"""Elements whose addresses a browser fetches by itself."""
POINTERS = {"canonical", "alternate", "prev", "next"}
"""Relations of a `link` that fetch nothing."""


@dataclass
class Page(HTMLParser):
    """What one page points to, and can be pointed at."""

    path: Path
    links: list[tuple[str, bool]] = field(default_factory=list)
    """Addresses, and whether they are fetched by themselves."""
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        fetched = tag in LOADED and found.get("rel") not in POINTERS
        for address in (found.get("href"), found.get("src")):
            if address:
                self.links.append((address, fetched))


def dead_links(site: Path) -> list[str]:
    """One line for each: page, address, what is wrong. `site` is the folder that was built."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    found: list[str] = []
    for page in pages.values():
        here = page.path.relative_to(site)
        for address, fetched in page.links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if fetched and parts.scheme != "data":
                    found.append(f"{here}: {address}: is loaded from elsewhere")
                continue
            # The page for what is not found has absolute addresses.
            start = site if parts.path.startswith("/") else page.path.parent
            target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else page.path.resolve()
            target = target / "index.html" if target.is_dir() else target
            # What lies outside is there beside the repository alone.
            if not target.is_file() or not target.is_relative_to(site.resolve()):
                found.append(f"{here}: {address}: is not there")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{here}: {address}: has no such anchor")
    return sorted(set(found))


def main(arguments: list[str]) -> int:
    site = Path(arguments[0] if arguments else "site")
    found = dead_links(site)
    pages = len(list(site.rglob("*.html")))
    print("\n".join(found) or f"{pages} pages without a dead link", file=sys.stderr if found else sys.stdout)
    return 1 if found or not pages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
