"""HTML documents, parsed for tests."""

from __future__ import annotations

from html.parser import HTMLParser

_EMPTY = {"br", "input", "meta", "path"}
"""Elements without an end."""


class Document(HTMLParser):
    """A page as a browser reads it: elements with their attributes, and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.text = ""
        self._within: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self._within.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._within.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.setdefault(self._within[-1], []).append(data)
            if self._within[-1] not in {"style", "title"}:
                self.text = f"{self.text} {' '.join(data.split())}"

    def one(self, tag: str, **wanted: str) -> dict[str, str | None]:
        found = [
            attributes
            for each, attributes in self.elements
            if each == tag and wanted.items() <= attributes.items()
        ]
        assert len(found) == 1
        return found[0]

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    @property
    def links(self) -> list[str]:
        return [link for _, attributes in self.elements if (link := attributes.get("href"))]
