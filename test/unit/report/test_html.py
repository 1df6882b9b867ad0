"""The page of `noema explain --html`: self-contained, safe with any names, working in a browser."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

import browser
from noema.errors import NoemaError
from noema.report.html import page, write_page
from noema.report.visible import visible
from noema.workload import ComponentKind, RecurrentShape, WorkloadProfile, WorkloadType
from profiles import component, convnet, profile, transformer

BUILD = Path(__file__).parents[3] / "build" / "explain"
READY = "document.documentElement?.dataset.ready"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
HOSTILE = (
    "</script><script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "<!--<script>",
    "]]>",
    "a\"b'c`d\\e",
    "\u202eabc\u202c\u200b\x1b[31m\r\nx",
    "{{script}}{{data}}\0style\0",
    "__proto__",
    "constructor",
    "ñ名前🙂",
    "\ud800",
    "x" * 5000,
)

needs_browser = pytest.mark.skipif(
    browser.find() is None,
    reason=f"no headless browser: none of {', '.join(browser.NAMES)} is on PATH",
)


def hostile_profile() -> WorkloadProfile:
    components = [
        component(name, ComponentKind.ATTENTION, name, 10**9, 10**7, nodes=HOSTILE)
        for name in HOSTILE
    ]
    return profile(HOSTILE[0], WorkloadType.OTHER, components, list(pairwise(HOSTILE)))


def contents(text: str) -> dict[str, object]:
    block = re.search(r'<script type="application/json" id="contents">(.*?)</script>', text, re.S)
    assert block is not None
    return json.loads(block[1])


def test_the_page_holds_the_whole_profile() -> None:
    made = transformer(2)
    record = contents(page(made))["profile"]
    assert isinstance(record, dict)
    assert WorkloadProfile.from_json(record) == made


def test_the_page_asks_for_nothing_and_runs_only_its_own_script() -> None:
    text = page(transformer(2))
    # The namespace of SVG is a name; nothing is fetched from it.
    assert set(re.findall(r"https?://[^\s\"'<>]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\b(src|href)\s*=|@import|url\((?!#)|fetch\(|XMLHttpRequest", text)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert policy[1] == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )


def test_no_name_leaves_its_place() -> None:
    text = page(hostile_profile())
    assert text.count("<script") == 2
    assert text.count("</script>") == 2
    assert "<img" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    record = contents(text)["profile"]
    assert isinstance(record, dict)
    names = [c["name"] for c in record["components"]]
    assert names == [visible(name) for name in HOSTILE]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("encoder.0", "encoder.0"),
        ("ñ名前🙂", "ñ名前🙂"),
        ("a\nb\tc", "a\\u000ab\\u0009c"),
        ("\u202ex\u2066", "\\u202ex\\u2066"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
    ],
)
def test_hidden_characters_are_spelled(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_long_names_are_bounded() -> None:
    assert len(visible("x" * 5000)) == 400
    assert len(visible("\u202e" * 5000, 10)) <= 60


def test_the_file_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    write_page(convnet(), target)
    assert target.read_text("utf-8") == page(convnet())
    assert [f.name for f in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(NoemaError, match="cannot write"):
        write_page(convnet(), tmp_path / "missing" / "report.html")


@needs_browser
@pytest.mark.parametrize(
    "name", ["transformer", "convnet", "hostile", "one component", "no components"]
)
def test_a_browser_draws_it(name: str, tmp_path: Path) -> None:
    generic = component("a", ComponentKind.GENERIC, "generic", 0, 0)
    made = {
        "transformer": transformer(12),
        "convnet": convnet(8),
        "hostile": hostile_profile(),
        "one component": profile("one", WorkloadType.OTHER, [generic], []),
        "no components": dataclasses.replace(convnet(1), components=(), opportunities=()),
    }[name]
    file = tmp_path / "report.html"
    write_page(made, file)
    with browser.tab(tmp_path / "browser") as shown:
        shown.open(file.as_uri(), ready=READY)
        count = len(made.components)
        assert shown.evaluate("document.querySelectorAll('#graph .box').length") == count
        assert shown.evaluate("document.querySelectorAll('#components tr.row').length") == count
        routed = [e for e in made.flow.edges if made.components]
        assert shown.evaluate("document.querySelectorAll('#graph .edge').length") == len(routed)
        plotted = [c for c in made.components if c.flops and c.bytes]
        assert shown.evaluate("document.querySelectorAll('#roofline .dot').length") == len(plotted)
        assert shown.evaluate("document.getElementById('model').textContent") == visible(
            made.model.name
        )
        title = f"{visible(made.model.name)} · noema explain"
        assert shown.evaluate("document.title") == title
        assert shown.evaluate("document.images.length") == 0
        shown.screenshot(BUILD / f"{name.replace(' ', '-')}.png")
        assert shown.complaints == []
        assert [r for r in shown.requests if not r.startswith(("file:", "about:"))] == []
        assert len(shown.requests) == 1


@needs_browser
def test_a_click_shows_a_component_and_its_nodes(tmp_path: Path) -> None:
    made = transformer(2)
    file = tmp_path / "report.html"
    write_page(made, file)
    with browser.tab(tmp_path / "browser") as shown:
        shown.open(file.as_uri(), ready=READY)
        shown.click("#graph .box[data-component='2']")
        details = str(shown.evaluate("document.getElementById('details').textContent"))
        assert made.components[2].name in details
        nodes = shown.evaluate(
            "[...document.querySelectorAll('#details .nodes li')].map(e => e.textContent)"
        )
        assert nodes == list(made.components[2].nodes)
        # Its neighbours stay, the rest steps back.
        assert shown.evaluate("document.querySelectorAll('#graph .box.chosen').length") == 1
        assert shown.evaluate("document.querySelectorAll('#graph .box.dim').length") > 0
        shown.screenshot(BUILD / "chosen.png")
        shown.click("#components tr.row:nth-child(5)")
        inner = shown.evaluate(
            "[...document.querySelectorAll('#components tr.inner:not([hidden]) li')]"
            ".map(e => e.textContent)"
        )
        assert inner == list(made.components[2].nodes)
        assert shown.complaints == []


@needs_browser
def test_the_page_says_what_was_assumed_looked_at_and_which_cells(tmp_path: Path) -> None:
    cell = dataclasses.replace(
        component("rnn", ComponentKind.RECURRENT, "recurrent.cell", 10**6, 10**5),
        recurrent=RecurrentShape("gru", 12, 16, 2, 7),
    )
    file = tmp_path / "report.html"
    write_page(profile("tagger", WorkloadType.TEXT_ENCODER, [cell], []), file)
    with browser.tab(tmp_path / "browser") as shown:
        shown.open(file.as_uri(), ready=READY)
        text = {
            name: str(shown.evaluate(f"document.getElementById('{name}').textContent"))
            for name in ("evidence", "opportunities", "recurrent")
        }
        hidden = shown.evaluate("document.getElementById('attention-card').hidden")
        assert shown.complaints == []
    assert "input_ids: i64[batch=1, sequence=128]" in text["evidence"]
    assert "100% of 400 MB for equal ones, 99% of 300 MB" in text["opportunities"]
    assert "GRU, 12 → 16, both ways, 7 steps" in text["recurrent"]
    assert hidden is True


@needs_browser
def test_the_graph_zooms_and_moves(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_page(transformer(2), file)
    with browser.tab(tmp_path / "browser") as shown:
        shown.open(file.as_uri(), ready=READY)
        view = "document.getElementById('scene').getAttribute('transform')"
        states = [str(shown.evaluate(view))]
        x, y = shown.evaluate(
            "(() => { const b = document.getElementById('graph').getBoundingClientRect();"
            "return [b.left + 40, b.top + 300]; })()"
        )
        shown.mouse("mouseWheel", x, y, deltaX=0, deltaY=-240)
        states.append(_settled(shown, view, states[-1]))
        shown.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
        shown.mouse("mouseMoved", x + 60, y + 30, button="left", buttons=1)
        shown.mouse("mouseReleased", x + 60, y + 30, button="left", clickCount=1)
        states.append(_settled(shown, view, states[-1]))
        shown.click("#zoom-fit")
        states.append(_settled(shown, view, states[-1]))
        first, zoomed, moved, fitted = states
        assert first == fitted  # this graph fits whole
        assert zoomed.split()[0] == moved.split()[0] != first.split()[0]
        assert shown.complaints == []


@needs_browser
def test_the_table_sorts_and_filters(tmp_path: Path) -> None:
    made = transformer(2)
    file = tmp_path / "report.html"
    write_page(made, file)
    names = """[...document.querySelectorAll('#components tr.row td:first-child')]
        .map(e => e.textContent)"""
    with browser.tab(tmp_path / "browser") as shown:
        shown.open(file.as_uri(), ready=READY)
        shown.click("#components th:nth-child(12) button")  # µs: most first
        by_time = sorted(made.components, key=lambda c: -c.seconds)
        assert shown.evaluate(names) == [c.name for c in by_time]
        shown.evaluate(
            "(() => { const f = document.getElementById('filter'); f.value = 'norm encoder.1';"
            "f.dispatchEvent(new Event('input')); })()"
        )
        assert sorted(shown.evaluate(names)) == ["encoder.1.attention.norm", "encoder.1.mlp.norm"]


@needs_browser
def test_it_is_dark_where_the_system_is(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_page(transformer(2), file)
    with browser.tab(tmp_path / "browser") as shown:
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        shown.call("Emulation.setEmulatedMedia", features=dark)
        shown.open(file.as_uri(), ready=READY)
        assert shown.evaluate(BACKGROUND) == "rgb(17, 21, 28)"
        shown.screenshot(BUILD / "dark.png")
        shown.click("#theme")
        assert shown.evaluate(BACKGROUND) == "rgb(246, 247, 249)"


def _settled(shown: browser.Page, script: str, before: str) -> str:
    """The value of an expression once it differs from what it was: input is asynchronous."""
    for _ in range(200):
        value = str(shown.evaluate(script))
        if value != before:
            return value
    raise AssertionError(f"{script} stays {before}")
