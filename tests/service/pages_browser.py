"""A real browser at the page, and what is asked of every page in it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright

from tests.parts import require

_QUIET = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# A machine without a graphics card draws WebGL with its processor.
WITH_WEBGL = (*_QUIET, "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
WITHOUT_WEBGL = (*_QUIET, "--disable-gpu", "--disable-3d-apis")
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}

# Text against the ground that it stands on (WCAG 2.2, 1.4.3), for every visible text of a page.
CONTRASTS = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility()) continue;
    if (element.closest(".visually-hidden, .skip, noscript, [disabled]")) continue;
    const grounds = [];
    for (let node = element; node; node = node.parentElement) {
      grounds.unshift(rgba(getComputedStyle(node).backgroundColor));
    }
    const ground = grounds.reduce((below, above) => over(above, below), [255, 255, 255, 1]);
    const ink = over(rgba(getComputedStyle(element).color), ground);
    const [a, b] = [light(ink.slice(0, 3)), light(ground.slice(0, 3))].sort((x, y) => y - x);
    found.push([text.slice(0, 40), (a + 0.05) / (b + 0.05)]);
  }
  return found;
}"""

# What is pressed, and how large it is; a link within a sentence is as large as its line (WCAG 2.2, 2.5.8).
TARGETS = """() => [...document.querySelectorAll("button, input, textarea, summary")]
  .filter((one) => one.checkVisibility())
  .map((one) => [one.textContent.trim() || one.id || one.ariaLabel, one.getBoundingClientRect()])
  .map(([name, box]) => [name, box.width, box.height])"""

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Watched:
    """What a page asked for, and what it complained of."""

    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def console(self, said: ConsoleMessage) -> None:
        """Keep what is a complaint; that a processor draws WebGL slowly is none of the page's."""
        if said.type in ("error", "warning") and "GPU stall" not in said.text:
            self.complaints.append(said.text)


def launch(playwright: Playwright, arguments: tuple[str, ...]) -> Browser:
    """The system's browser."""
    return playwright.chromium.launch(executable_path=str(require("chromium")), args=list(arguments))


@contextlib.contextmanager
def page_of(browser: Browser, *, viewport: dict[str, int] | None = None, scheme: str = "light") -> Iterator[Page]:
    """A page that asked nobody but this machine and complained of nothing, or the test fails."""
    context = browser.new_context(viewport=viewport or DESKTOP, color_scheme=scheme, reduced_motion="reduce")
    watched = Watched()
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("request", lambda request: watched.hosts.add(urlsplit(request.url).hostname or ""))
    page.on("console", watched.console)
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    try:
        yield page
        assert watched.hosts <= {"127.0.0.1", ""}, "a page asked another host for something"
        assert not watched.complaints
    finally:
        context.close()
