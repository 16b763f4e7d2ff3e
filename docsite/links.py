#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow every link of a made site to a page of its own, and to the place on it."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The places of a page, and where it links to."""

    def __init__(self, path: Path):
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.places.add(value)
            if name in ("href", "src") and value:
                self.links.append(value)


def dead_links(site: Path) -> list[str]:
    """A sentence for each link that leads nowhere. Links to other sites are left alone."""
    pages = {path.resolve(): Page(path) for path in site.rglob("*.html")}
    found = []
    for path, page in sorted(pages.items()):
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            where = f"{path.relative_to(site.resolve())} links to {link}"
            if not target.is_file():
                found.append(f"{where}, which is not there")
            elif place and target in pages and place not in pages[target].places:
                found.append(f"{where}, and the page has no such place")
    return found


def main() -> int:
    """Print every dead link of the site in the folder given, and return 1 when there is one."""
    site = Path(sys.argv[1])
    found = dead_links(site)
    print("\n".join(found) or f"{len(list(site.rglob('*.html')))} pages, and every link among them leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
