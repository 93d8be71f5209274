"""The lesson's report in a real browser: it answers as Keras does, and nothing is cut or out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from helpers.browsing import found, launched, write
from mnistry import tutorial
from mnistry.datasets.loading import Dataset
from mnistry.models import backend
from mnistry.models.backend import keras
from mnistry.training.config import TrainConfig

pytestmark = pytest.mark.skipif(found() is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(dataset="digits", epochs=8)
    folder, _ = tutorial.tutorial(config, out=tmp_path_factory.mktemp("page") / "run")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as opened:
        yield opened


def opened(browser: Browser, run: Path, **options: object) -> tuple[Page, list[str]]:
    """The report in a window of its own, and what went wrong on it."""
    settings = {"viewport": {"width": 1280, "height": 1000}, "locale": "en-US"} | options
    page, wrong = browser.new_context(**settings).new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(request.url)
    )
    page.goto((run / "report.html").as_uri())
    return page, wrong


@pytest.fixture(scope="module")
def page(browser: Browser, run: Path) -> Iterator[Page]:
    page, wrong = opened(browser, run)
    yield page
    assert wrong == []


def test_its_probabilities_are_those_of_keras(page: Page, run: Path, digits: Dataset) -> None:
    images = digits.x_test[:64]
    expected = backend.predict(keras.saving.load_model(run / "model.keras"), images)
    answers = page.evaluate(
        "images => images.map((image) => { const { probabilities, doubled } = predict(image); "
        "return [[...probabilities], [...doubled]]; })",
        images.reshape(64, 784).tolist(),
    )
    np.testing.assert_allclose([once for once, _ in answers], expected, atol=1e-4)
    powers = np.exp(expected)
    np.testing.assert_allclose([twice for _, twice in answers], powers / powers.sum(axis=1, keepdims=True), atol=1e-4)


def test_a_drawn_digit_is_read_and_softmax_twice_makes_little_of_it(page: Page) -> None:
    page.locator("#clear").click()
    assert page.locator("#answer").inner_text() == "Draw something."
    write(page, "0", left=0.2)
    page.wait_for_function("document.getElementById('answer').textContent.startsWith('0')")
    assert page.evaluate("shown.pixels.length") == 784
    page.get_by_label("twice: as in the tutorial").check()
    share = float(page.locator("#outputs .most span").inner_text().rstrip("%"))
    assert 10 < share <= 23.2
    page.get_by_label("once: what the network says").check()
    page.locator("#again").click()
    assert page.evaluate("strokes.length") == 0


def test_the_form_is_that_of_mnist(page: Page) -> None:
    """Small and in a corner, the drawing fills a box of 20 pixels with its centre of mass in the middle."""
    page.locator("#clear").click()
    write(page, "3", left=0.05, top=0.03, height=0.3)
    page.wait_for_function("shown.pixels.some((value) => value > 0)")
    pixels = np.array(page.evaluate("[...shown.pixels]")).reshape(28, 28)
    rows, columns = np.flatnonzero(pixels.max(axis=1) > 20), np.flatnonzero(pixels.max(axis=0) > 20)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20, 21)
    for axis in (0, 1):
        centre = (pixels.sum(axis=1 - axis) * np.arange(28)).sum() / pixels.sum()
        assert centre == pytest.approx(13.5, abs=0.51)
    page.get_by_label("as drawn").check()
    drawn = np.array(page.evaluate("[...shown.pixels]")).reshape(28, 28)
    assert drawn[14:].sum() == 0  # still small and in its corner
    page.get_by_label("brought into MNIST's form").check()


def test_samples_mistakes_units_and_moments_can_be_chosen(page: Page, digits: Dataset) -> None:
    page.locator("#samples button").nth(3).click()
    np.testing.assert_array_equal(page.evaluate("[...shown.pixels]"), digits.x_train[993].ravel())
    before = page.locator("#unit-text").inner_text()
    page.locator("#hidden").press("ArrowRight")
    assert page.locator("#unit-text").inner_text() != before
    page.locator("#moment").fill("0")
    assert page.locator("#moment-name").inner_text() == "0, before the training"
    assert float(page.locator("#outputs .most span").inner_text().strip("<>%")) < 60  # it has learned nothing yet
    page.locator("#moment").fill(page.locator("#moment").get_attribute("max"))
    assert page.locator("#moment-name").inner_text() == "8, the end"
    page.locator("#mistakes button").first.click()
    label, answer = page.locator("#mistakes button").first.inner_text().split(" → ")
    assert page.locator("#answer").inner_text().split(",")[0] == answer != label


def test_pixels_are_erased_by_hand_and_by_keyboard(page: Page) -> None:
    page.locator("#samples button").first.click()
    whole = page.evaluate("shown.pixels.reduce((a, b) => a + b)")
    box = page.locator("#seen").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"], steps=30)
    page.mouse.up()
    rest = page.evaluate("shown.pixels.reduce((a, b) => a + b)")
    assert 0 < rest < whole
    row = page.evaluate("[...shown.pixels].slice(14 * 28 + 6, 14 * 28 + 22)")
    assert sum(row) == 0
    page.evaluate("shown.pixels[14 * 28 + 15] = 200")
    page.locator("#seen").press("ArrowRight")
    page.locator("#seen").press(" ")
    assert page.evaluate("shown.pixels[14 * 28 + 15]") == 0


def test_the_language_switches_all_texts(browser: Browser, run: Path) -> None:
    page, wrong = opened(browser, run, locale="ko-KR")  # no language was asked for: the page follows the browser
    assert page.evaluate("document.documentElement.lang") == "ko"
    assert page.locator("#step-7").inner_text().split() == ["7단계", "학습"]
    assert page.locator("svg[aria-label*='혼동 행렬']").count() == 1
    assert "확률" in page.locator("#answer").inner_text()
    page.get_by_role("button", name="English").click()
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("#step-7").inner_text().split() == ["Step", "7", "Train"]
    assert page.locator("svg[aria-label*='Confusion matrix']").count() == 1
    visible = page.evaluate("document.querySelector('main').innerText.replace('한국어', '')")
    assert not any("가" <= letter <= "힣" for letter in visible)
    assert wrong == []


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_cut_on_a_phone(browser: Browser, run: Path, locale: str, scheme: str) -> None:
    page, _ = opened(browser, run, locale=locale, color_scheme=scheme, viewport={"width": 360, "height": 740})
    assert page.locator("main img").count() == 0  # every picture is still inside its drawing
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    cut = page.evaluate(
        "[...document.querySelectorAll('main *')].filter((element) => { const box = element.getBoundingClientRect(); "
        "return box.width && (box.right > innerWidth + 1 || (element.scrollWidth > element.clientWidth + 1 && "
        "getComputedStyle(element).overflowX !== 'visible')); }).map((element) => element.outerHTML.slice(0, 80))"
    )
    assert cut == []
    violations = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in violations] == []


def test_on_paper_it_takes_four_pages_at_most(browser: Browser, run: Path) -> None:
    for locale in ("en-US", "ko-KR"):
        page, _ = opened(browser, run, locale=locale)
        assert page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n") <= 4


def test_without_scripts_the_report_is_there_and_the_pad_is_not(browser: Browser, run: Path) -> None:
    page, _ = opened(browser, run, java_script_enabled=False)
    assert not page.locator("#draw").is_visible()
    assert page.locator("svg[aria-label^='Confusion matrix']").is_visible()
    assert page.locator("#step-11").is_visible()
