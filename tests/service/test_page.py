"""The page in a real browser, with real mouse, keyboard and clipboard events."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from helpers import browsing
from helpers.browsing import write
from helpers.running import Running, changed, running, serve, written
from helpers.serving_page import ADDRESS, examples
from mnistry.service.pages import STATIC_FOLDER

SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if browsing.found() is None:
        if os.environ.get("MNISTRY_REQUIRE_BROWSER"):
            pytest.fail("MNISTRY_REQUIRE_BROWSER is set, but there is no chromium")
        pytest.skip("needs a browser: install chromium")
    with browsing.launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def corrections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the server's corrections."""
    return tmp_path_factory.mktemp("corrections")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, corrections: Path) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("server"), *serve("--corrections", str(corrections))) as server:
        yield server


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=SIZES["desktop"], accept_downloads=True)
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, server: Running) -> Iterator[Page]:
    """The page, freshly opened; at the end of a test its console must have stayed silent and nobody else been asked."""
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.address)
    yield page
    assert said == []
    others = [url for url in asked if not url.startswith((server.address, f"blob:{server.address}"))]
    assert others == []


def expect_reading(page: Page, text: str) -> None:
    expect(page.locator("#text")).to_have_text(text, timeout=15_000)
    expect(page.locator("#answered")).to_have_attribute("aria-busy", "false", timeout=15_000)


def ink(page: Page) -> int:
    """Count the pixels of the pad that are drawn on."""
    return int(
        page.locator("#pad").evaluate(
            """(pad) => {
                const copy = new OffscreenCanvas(pad.width, pad.height);
                const context = copy.getContext("2d", { willReadFrequently: true });
                context.drawImage(pad, 0, 0);
                return context.getImageData(0, 0, pad.width, pad.height).data.filter((v, i) => i % 4 == 3 && v).length;
            }"""
        )
    )


def hand_over(page: Page, event: str, name: str, content: bytes) -> None:
    """Drops or pastes a file: the event as the browser makes it."""
    page.evaluate(
        """([event, name, content]) => {
            const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], name, { type: "image/png" }));
            const target = document.querySelector("#paper");
            target.dispatchEvent(event === "paste"
                ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
                : new DragEvent(event, { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        [event, name, base64.b64encode(content).decode()],
    )


# Drawing


@pytest.mark.parametrize("digit", list("0123456789"))
def test_a_drawn_digit_is_read(page, digit):
    write(page, digit)
    expect_reading(page, digit)
    card = page.locator(".digit")
    expect(card).to_have_count(1)
    expect(card.locator("li.most b")).to_have_text(digit)
    shares = [float(text.strip(">%") or 0) for text in card.locator(".bars span").all_text_contents()]
    assert len(shares) == 10
    assert sum(shares) == pytest.approx(100, abs=1.0)  # those below 0.1% are not told
    expect(page.locator("#verdict")).to_have_text(re.compile(r"^(Sure|Probably \d(, maybe \d)?)\.$"))


def test_several_digits_have_boxes_where_they_were_drawn(page):
    write(page, "25", height=0.5)
    expect_reading(page, "25")
    expect(page.locator("#boxes rect")).to_have_count(2)
    pad = page.locator("#pad").bounding_box()
    for number, box in enumerate(page.locator("#boxes rect").all()):
        found, height = box.bounding_box(), 0.5 * pad["height"]
        assert found["x"] == pytest.approx(pad["x"] + 0.12 * pad["height"] + number * 1.45 * height / 1.6, abs=25)
        assert found["height"] == pytest.approx(height + 20, abs=25)
    assert page.locator("#boxes text").all_text_contents() == ["2", "5"]


def test_undo_takes_back_a_stroke_and_clear_all(page):
    expect(page.locator("#undo")).to_be_disabled()
    write(page, "1", left=0.2)
    one = ink(page)
    write(page, "1", left=0.5)
    expect_reading(page, "11")
    page.locator("#undo").click()
    expect_reading(page, "1")
    assert ink(page) == one
    write(page, "1", left=0.5)
    page.keyboard.press("Control+z")
    expect_reading(page, "1")
    page.locator("#clear").click()
    expect(page.locator("#text")).to_be_empty()
    assert ink(page) == 0
    expect(page.locator("#intro")).to_be_visible()
    expect(page.locator("#undo")).to_be_disabled()


def test_the_pen_has_three_widths(page):
    amounts = []
    for name in ("thin", "medium", "thick"):
        page.get_by_label(name).check()
        write(page, "3")
        expect_reading(page, "3")
        amounts.append(ink(page))
        page.locator("#clear").click()
    assert amounts[0] * 1.4 < amounts[1]
    assert amounts[1] * 1.3 < amounts[2]


def test_a_pen_presses(page):
    def stroke(pressure: float) -> int:
        page.locator("#pad").evaluate(
            """(pad, pressure) => {
                const { left, top } = pad.getBoundingClientRect();
                const send = (type, x) => pad.dispatchEvent(new PointerEvent(type, { pointerId: 1, pointerType: "pen",
                    button: 0, pressure, clientX: left + x, clientY: top + 100, bubbles: true, cancelable: true }));
                pad.setPointerCapture = () => {};
                send("pointerdown", 50);
                for (let x = 60; x <= 250; x += 10) send("pointermove", x);
                send("pointerup", 250);
            }""",
            pressure,
        )
        amount = ink(page)
        page.locator("#clear").click()
        return amount

    assert stroke(0.1) * 1.5 < stroke(0.9)


def test_the_keyboard_draws(page):
    page.locator("#pad").focus()
    for _ in range(8):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    for _ in range(8):
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Space")
    expect_reading(page, "1")


def test_a_finger_draws(browser, server):
    context = browser.new_context(viewport=SIZES["phone"], has_touch=True, device_scale_factor=2)
    page = context.new_page()
    page.goto(server.address)
    pad = page.locator("#pad").bounding_box()
    session = context.new_cdp_session(page)
    points = [{"x": pad["x"] + 180, "y": pad["y"] + 80 + step * 10} for step in range(20)]
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
    for point in points[1:]:
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect_reading(page, "1")
    assert page.evaluate("scrollY") == 0
    context.close()


def answer_of(text: str, digits: list[dict[str, Any]], **more: Any) -> str:
    """An answer of the server."""
    plain = {"box": [60, 60, 60, 90], "image": [[0] * 28 for _ in range(28)], "digitness": 0.9, "is_digit": True}
    whole = [{**plain, "sure": True, "probability": max(digit["probabilities"]), **digit} for digit in digits]
    return json.dumps({"source": "drawing", "text": text, "digits": whole, "skipped": [], "error": None, **more})


def shares(**by_digit: float) -> list[float]:
    """Ten probabilities, some of them given as d0 to d9."""
    return [by_digit.get(f"d{digit}", 0.0) for digit in range(10)]


def digit_of(digit: int, probabilities: list[float], **more: Any) -> dict[str, Any]:
    return {"digit": digit, "probabilities": probabilities, **more}


SURE = digit_of(7, shares(d7=0.9999))
DOUBTED = digit_of(7, shares(d7=0.6, d1=0.39, d4=0.01), sure=False)
ALONE = digit_of(7, shares(d7=0.93, d1=0.02, d2=0.02), sure=False)
REFUSED = digit_of(1, shares(d1=0.99), sure=False, is_digit=False)


@pytest.mark.parametrize(
    ("text", "digits", "verdict", "states"),
    [
        ("7", [SURE], "Sure.", ["sure"]),
        ("7", [DOUBTED], "Probably 7, maybe 1.", ["probably 7, maybe 1"]),
        ("7", [ALONE], "Probably 7.", ["probably 7"]),
        ("1", [REFUSED], "Probably not a digit.", ["probably not a digit"]),
        ("77", [SURE, SURE], "Two digits, all sure.", ["sure", "sure"]),
        ("77", [SURE, DOUBTED], "Two digits, one of them uncertain.", ["sure", "probably 7, maybe 1"]),
        ("77", [ALONE, DOUBTED], "Two digits, all uncertain.", ["probably 7", "probably 7, maybe 1"]),
        ("77777", [SURE, DOUBTED, SURE, SURE, DOUBTED], "Five digits, two of them uncertain.", None),
    ],
    ids=range(8),
)
def test_words_of_doubt_agree_with_themselves(page, text, digits, verdict, states):
    page.route(
        "**/api/read*", lambda route: route.fulfill(body=answer_of(text, digits), content_type="application/json")
    )
    write(page, "7")
    expect_reading(page, text)
    expect(page.locator("#verdict")).to_have_text(verdict)
    if states is not None:
        assert page.locator(".state").all_text_contents() == states
    assert "0.0%" not in page.locator(".bars span").all_text_contents()
    if digits == [REFUSED]:
        assert "%" not in page.locator("#answered").inner_text()


def test_what_is_left_out_or_refused_is_dashed(page):
    skipped = [{"box": [150, 60, 30, 10], "reason": "sign"}]
    body = answer_of("7", [SURE], skipped=skipped)
    page.route("**/api/read*", lambda route: route.fulfill(body=body, content_type="application/json"))
    write(page, "7")
    expect(page.locator("#verdict")).to_have_text("Sure. One mark left out (dashed).")
    assert [each.get_attribute("class") for each in page.locator("#boxes g").all()] == ["skipped", "sure"]
    dashed = page.locator("#boxes .skipped rect")
    expect(dashed).to_have_css("stroke-dasharray", "3px, 5px")
    page.unroute("**/api/read*")
    body = answer_of("1", [REFUSED])
    page.route("**/api/read*", lambda route: route.fulfill(body=body, content_type="application/json"))
    write(page, "1", left=0.6)
    expect(page.locator("#verdict")).to_have_text("Probably not a digit.")
    assert [each.get_attribute("class") for each in page.locator("#boxes g").all()] == ["skipped"]


def test_it_is_never_sure_of_a_scribble(page):
    pad = page.locator("#pad").bounding_box()
    page.mouse.move(pad["x"] + 60, pad["y"] + 60)
    page.mouse.down()
    for step in range(60):
        page.mouse.move(pad["x"] + 60 + (step * 97) % 300, pad["y"] + 60 + (step * 61) % 220)
    page.mouse.up()
    expect(page.locator("#verdict")).to_have_text(re.compile(r"^(Probably|No digit found)"))
    expect(page.locator("#boxes .sure")).to_have_count(0)


def test_one_digit_only_takes_all_ink_together(page):
    write(page, "11", height=0.5)
    expect_reading(page, "11")
    page.get_by_label("One digit only").check()
    expect(page.locator(".digit")).to_have_count(1)


def test_a_stale_answer_never_replaces_a_newer_one(page):
    """The answer to the first stroke, a 1, arrives after the second stroke has been answered."""
    held = []

    def hold(route):
        if held:
            route.continue_()
        else:
            held.append(route)

    page.evaluate(
        """() => {
            AbortController.prototype.abort = function () {
                Object.defineProperty(this.signal, "aborted", { value: true });
            };
        }"""
    )
    page.route("**/api/read*", hold)  # requests are no longer broken off: their answers arrive, and must be ignored
    write(page, "1", left=0.2)
    while not held:
        page.wait_for_timeout(20)
    write(page, "1", left=0.5)
    expect_reading(page, "11")
    with page.expect_response("**/api/read*"):
        held[0].fulfill(body=answer_of("1", [digit_of(1, shares(d1=1.0))]), content_type="application/json")
    page.wait_for_timeout(200)
    expect_reading(page, "11")
    expect(page.locator(".digit")).to_have_count(2)


# Pictures


def test_a_dropped_picture_is_read_and_boxed(page):
    hand_over(page, "drop", "208.png", written("208"))
    expect_reading(page, "208")
    expect(page.locator("#picture")).to_be_visible()
    expect(page.locator("#boxes rect")).to_have_count(3)
    image, boxes = page.locator("#paper").bounding_box(), page.locator("#boxes rect").all()
    for box in boxes:
        found = box.bounding_box()
        assert image["x"] < found["x"]
        assert found["x"] + found["width"] < image["x"] + image["width"]
    page.locator("#clear").click()
    expect(page.locator("#picture")).to_be_hidden()
    expect(page.locator("#text")).to_be_empty()


def test_a_pasted_picture_is_read(page):
    hand_over(page, "paste", "image.png", written("96"))
    expect_reading(page, "96")


def test_a_chosen_picture_is_read_and_drawing_replaces_it(page, tmp_path):
    (tmp_path / "47.jpg").write_bytes(written("47", kind="JPEG"))
    page.locator("#choose").set_input_files(tmp_path / "47.jpg")
    expect_reading(page, "47")
    write(page, "5")
    expect_reading(page, "5")
    expect(page.locator("#picture")).to_be_hidden()


def test_a_file_that_is_no_picture_is_said_and_what_was_there_is_cleared(context, server):
    page = context.new_page()
    page.goto(server.address)
    hand_over(page, "drop", "208.png", written("208"))
    expect_reading(page, "208")
    hand_over(page, "drop", "notes.png", b"no picture")
    sentence = server.post("/api/read?name=notes.png", b"no picture").json["detail"]
    expect(page.locator("#trouble")).to_have_text(sentence)
    expect(page.locator("#text")).to_be_empty()
    expect(page.locator("#verdict")).to_be_empty()
    expect(page.locator("#picture")).to_be_hidden()
    expect(page.locator(".digit")).to_have_count(0)
    expect(page.locator("#samples")).to_be_visible()
    write(page, "7")
    expect_reading(page, "7")
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_picture_that_the_browser_cannot_show_is_read(context, server):
    page = context.new_page()
    page.goto(server.address)
    hand_over(page, "drop", "47.tif", written("47", kind="TIFF"))
    expect_reading(page, "47")
    expect(page.locator("#picture")).to_be_hidden()
    expect(page.locator("#unshown")).to_have_text("Your browser cannot show 47.tif. It is read all the same.")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no picture", "읽을 수 있는 그림이 아닙니다."),
        (b"", "파일이 비어 있습니다."),
        (b"<svg/>", "SVG 같은 XML 그림입니다."),
    ],
)
def test_the_korean_page_says_in_korean_what_is_wrong_with_a_picture(browser, server, content, said):
    with browser.new_context(locale="ko-KR") as context:
        page = context.new_page()
        page.goto(server.address)
        hand_over(page, "drop", "text.png", content)
        expect(page.locator("#trouble")).to_contain_text(said, timeout=15_000)


@pytest.mark.parametrize(("number", "text"), [(0, "5"), (1, "2048"), (2, "317\n4906\n825\n160\n7394")])
def test_the_empty_page_offers_samples(page, number, text):
    expect(page.locator("#samples button")).to_have_count(3)
    page.locator("#samples button").nth(number).click()
    expect_reading(page, text)
    expect(page.locator("#samples")).to_be_hidden()
    page.locator("#clear").click()
    expect(page.locator("#samples")).to_be_visible()


# The explanation on the page


def test_what_mattered_is_coloured(page):
    write(page, "7")
    expect_reading(page, "7")
    assert colours(page.locator(".digit .image")) == {"grey"}
    page.get_by_label("What mattered").check()
    expect(page.locator("#legend")).to_be_visible()
    expect(page.locator(".digit .image[data-heat]")).to_have_count(1)
    assert "orange" in colours(page.locator(".digit .image"))


def colours(canvas: Locator) -> set[str]:
    pixels = np.array(canvas.evaluate("c => [...c.getContext('2d').getImageData(0, 0, 28, 28).data]")).reshape(-1, 4)
    red, blue = pixels[:, 0], pixels[:, 2]
    return {"orange" if r > b + 20 else "blue" if b > r + 20 else "grey" for r, b in zip(red, blue, strict=True)}


def test_why_other_demos_misread_this_compares_digit_by_digit(page):
    write(page, "52", left=0.2, top=0.1, height=0.3)
    expect_reading(page, "52")
    page.locator("summary").click()
    rows = page.locator("#versus tbody tr")
    expect(rows).to_have_count(2)
    heads = page.locator("#versus thead th").all_text_contents()
    assert heads == ["Only resized", "Resized, inverted", "Prepared as MNIST is"]
    for row, digit in zip(rows.all(), "52", strict=True):
        expect(row.locator("canvas")).to_have_count(3)
        expect(row.locator(".ours b")).to_have_text(digit)
    others = page.locator("#versus td:not(.ours) b").all_text_contents()
    expect(page.locator("#versus > p")).to_have_count(int("".join(others) == "5522"))  # that all agree is said


def test_a_digit_is_enlarged_with_its_heat_map_and_the_steps_to_it(page):
    hand_over(page, "drop", "47.png", written("47"))
    expect_reading(page, "47")
    page.get_by_label("Enlarge digit 2").click()
    large = page.locator("#large")
    expect(large.locator(".title")).to_contain_text("7")
    expect(large.locator("canvas")).to_have_count(2)
    expect(large.locator("canvas[data-heat]")).to_have_count(1)
    expect(large.locator(".steps img")).to_have_count(5)
    assert large.locator(".steps figcaption").all_text_contents()[0] == "The picture"
    sizes = large.locator(".steps img").evaluate_all("all => all.map((each) => each.naturalWidth)")
    assert sizes[-1] == 28
    assert all(sizes)
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    expect(page.locator("#digits canvas[data-heat]")).to_have_count(0)


def test_a_picture_is_shared(page, tmp_path):
    write(page, "25", height=0.5)
    expect_reading(page, "25")
    page.evaluate("navigator.canShare = undefined")
    with page.expect_download() as started:
        page.get_by_role("button", name="Share a picture").click()
    assert started.value.suggested_filename == "mnistry-25.png"
    started.value.save_as(tmp_path / "shared.png")
    with Image.open(tmp_path / "shared.png") as image:
        assert image.width == 1080
        assert len(set(image.convert("L").tobytes())) > 20


def test_a_wrong_digit_is_corrected_and_kept(page, corrections):
    write(page, "4")
    expect_reading(page, "4")
    expect(page.locator("#teach")).to_be_hidden()
    page.get_by_label("Correct digit 1").click()
    page.get_by_label("It was a 9", exact=True).click()
    expect(page.locator(".noted")).to_have_text("Noted: a 9.")
    expect(page.locator("#kept")).to_contain_text(f"One corrected digit is kept on this machine, in {corrections}.")
    expect(page.locator("#kept")).to_contain_text("Correct nine more digits to adapt")
    expect(page.locator("#adapt")).to_be_disabled()
    (kept,) = corrections.glob("*/*.png")
    assert kept.parent.name == "9"
    shown = page.locator(".digit .image").evaluate("c => [...c.getContext('2d').getImageData(0, 0, 28, 28).data]")
    with Image.open(kept) as image:
        assert (np.asarray(image).ravel() == np.array(shown).reshape(-1, 4)[:, 0]).all()
    kept.unlink()


def test_what_a_digit_was_stays_in_view_and_can_be_changed(page, corrections):
    write(page, "4")
    expect_reading(page, "4")
    page.get_by_label("Correct digit 1").click()
    page.get_by_label("It was a 9", exact=True).click()
    expect(page.get_by_label("Correct digit 1")).to_be_focused()
    page.get_by_text("What mattered").click()  # the answer comes anew
    expect(page.locator(".digit canvas[data-heat]")).to_have_count(1)
    expect(page.locator(".noted")).to_have_text("Noted: a 9.")
    page.get_by_label("Correct digit 1").click()
    page.get_by_label("It was a 7", exact=True).click()
    expect(page.locator(".noted")).to_have_text("Noted: a 7.")
    expect(page.locator(".labels")).to_be_hidden()
    (kept,) = corrections.glob("*/*.png")
    assert kept.parent.name == "7"
    kept.unlink()


def test_a_page_opened_during_an_adaptation_shows_its_end(page, context):
    result = {"samples": 12, "held": 0, "check": {"n": 360, "before": 5, "after": 4}, "file": "mine.onnx"}
    states = [{"running": True, "result": None}] * 2 + [{"running": False, "result": result}]
    known = {"enabled": True, "folder": "mine", "count": 12, "needed": 10, "error": None}
    answers = iter([*states, *states[-1:] * 5])
    context.route("**/api/corrections", lambda route: route.fulfill(json={**known, **next(answers)}))
    page.reload()
    expect(page.locator("#outcome")).to_have_text("Adapting. This takes some seconds…")
    expect(page.locator("#adapt")).to_be_disabled()
    expect(page.locator("#outcome")).to_contain_text("Adapted to twelve digits.")
    expect(page.locator("#adapt")).to_be_enabled()


# Languages


def texts() -> dict[str, str]:
    """The tables of texts by language."""
    return {path.name.split(".")[1]: path.read_text(encoding="utf-8") for path in STATIC_FOLDER.glob("text.*.js")}


def test_every_language_has_all_texts(page):
    tables = {
        language: page.evaluate(
            f"""import("/static/text.{language}.js").then(({{ default: table }}) => [
                Object.entries(table).map(([name, value]) => [name, typeof value, value.length]),
                Object.keys(table.stepNames),
            ])"""
        )
        for language in texts()
    }
    english, steps = tables.pop("en")
    used = set(re.findall(r'data-(?:text|label)="(\w+)"', (STATIC_FOLDER / "index.html").read_text(encoding="utf-8")))
    for path in STATIC_FOLDER.glob("*.js"):
        used |= set(re.findall(r"(?<!\.)\btexts?\.(\w+)", path.read_text(encoding="utf-8")))
    names = {name for name, _, _ in english}
    assert used - {*texts(), "js", "split", "slice", "textContent"} <= names  # of text files and of other variables
    kinds = {(name, kind, arguments if kind == "function" else 0) for name, kind, arguments in english}
    for other, other_steps in tables.values():
        assert {(name, kind, arguments if kind == "function" else 0) for name, kind, arguments in other} == kinds
        assert other_steps == steps
    for language in texts():
        assert f"./text.{language}.js" in (STATIC_FOLDER / "messages.js").read_text(encoding="utf-8")


def test_the_page_shows_its_english_texts_before_the_script_runs():
    table = texts()["en"]
    html = (STATIC_FOLDER / "index.html").read_text(encoding="utf-8")
    for name, shown in re.findall(r'data-text="(\w+)"[^>]*>([^<]+)<', html):
        assert f'"{shown}"' in table, name


def test_the_reading_is_copied(page, context, server):
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.address)
    write(page, "25", height=0.5)
    expect_reading(page, "25")
    page.locator("#copy").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "25"


def test_an_image_is_downloaded_as_the_network_saw_it(page, tmp_path):
    write(page, "8")
    expect_reading(page, "8")
    with page.expect_download() as started:
        page.get_by_label("Enlarge digit 1").click()
        page.get_by_label("Download digit 1 as PNG").click()
    assert started.value.suggested_filename == "mnistry-digit-1-read-as-8.png"
    started.value.save_as(tmp_path / "8.png")
    with Image.open(tmp_path / "8.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.shape == (28, 28)
    shown = page.locator(".digit .image").evaluate("c => [...c.getContext('2d').getImageData(0, 0, 28, 28).data]")
    assert (pixels.ravel() == np.array(shown).reshape(-1, 4)[:, 0]).all()


def test_it_links_to_the_api_and_the_models_card(page):
    hrefs = [link.get_attribute("href") for link in page.locator("footer a").all()]
    assert hrefs == ["docs", "model-card"]
    page.get_by_role("link", name="API").click()
    expect(page.locator(".operation h2").first).to_have_text("POST /api/read")
    expect(page.locator(".operation")).to_have_count(9)


# The server


def test_a_lost_server_is_said_and_found_again(browser, tmp_path):
    with running(tmp_path, *serve("--workers", "1")) as server:
        port = server.port
        page = browser.new_page()
        page.goto(server.address)
        server.process.kill()
        server.process.wait()
        write(page, "7")
        expect(page.locator("#trouble")).to_have_text(
            re.compile("The server does not answer. What you wrote is still here")
        )
        assert ink(page) > 0
    with running(tmp_path, "-m", "mnistry", "serve", "--workers", "1", "--port", str(port)):
        expect_reading(page, "7")
        expect(page.locator("#trouble")).to_be_hidden()
    page.close()


def test_a_busy_server_is_asked_again(browser, tmp_path):
    with running(tmp_path, *changed("limits=worker_pool.Limits(workers=1, waiting=0)")) as server:
        page = browser.new_page()
        statuses = []
        page.on("response", lambda response: statuses.append(response.status))
        page.goto(server.address)
        body = '{"type": "about:blank", "title": "", "status": 503, "detail": "Too much to do."}'
        headers = {"retry-after": "1", "content-type": "application/problem+json"}
        page.route("**/api/read*", lambda route: route.fulfill(status=503, headers=headers, body=body), times=1)
        write(page, "7")
        expect_reading(page, "7")
        assert 503 in statuses
        page.close()


# Everybody


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(browser, server, size, scheme):
    """axe-core finds nothing, empty and with an answer, and nothing is wider than the screen."""
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(server.address)
    assert_accessible(page)
    write(page, "25", height=0.45)
    expect_reading(page, "25")
    page.get_by_label("What mattered").check()
    page.locator("summary").click()
    expect(page.locator("#versus tbody tr")).to_have_count(2)
    page.locator(".correction > button").first.click()
    assert_accessible(page)
    page.get_by_label("Enlarge digit 1").click()
    expect(page.locator(".steps img")).to_have_count(5)
    assert_accessible(page)
    page.goto(f"{server.address}/model-card")
    assert_accessible(page)
    page.goto(f"{server.address}/docs")
    expect(page.locator(".operation")).to_have_count(9)
    assert_accessible(page)
    context.close()


def assert_accessible(page: Page) -> None:
    found: Any = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_everything_can_be_reached_with_the_keyboard(page):
    write(page, "5")
    expect_reading(page, "5")
    page.locator("body").click(position={"x": 2, "y": 2})
    reached = []
    for _ in range(18):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    for name in (
        "pad",
        "undo",
        "clear",
        "choose",
        "single",
        "copy",
        "share",
        "mattered",
        "Wrong?",
        "API",
        "The model's card",
    ):
        assert name in reached


def test_it_is_there_at_once(page, server):
    """Speed is measured by benchmarks/serving.py; here only that nothing large is loaded."""
    sizes = page.evaluate("performance.getEntriesByType('resource').map((each) => each.transferSize)")
    assert sum(sizes) < 100_000


def test_the_javascript_of_the_docs_runs(context, server, tmp_path):
    (tmp_path / "photo.png").write_bytes(written("7"))
    (example,) = examples("javascript")
    page, printed = context.new_page(), []
    page.on("console", lambda message: printed.append(message.text))
    page.goto(f"{server.address}/docs")
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), { type: 'file' }))")
    page.locator("input").set_input_files(tmp_path / "photo.png")
    page.evaluate(f"async () => {{ {example.replace(ADDRESS, server.address)} }}")
    assert re.fullmatch(r"7 (true|false)", printed[0])
