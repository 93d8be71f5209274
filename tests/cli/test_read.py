"""`mnistry read`: text, JSON lines, folders, standard input, annotated pictures, and pictures that cannot be read."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.writing import Page, digit, save_pictures
from mnistry.cli.read import draw_digits, format_lines
from mnistry.ocr import image_io, recognizer
from mnistry.ocr.recognizer import Recognizer
from mnistry.ocr.result import Digit, Reading
from mnistry.ocr.visualization import Album, annotate

NAMES = tuple("0123456789")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, one of them in a folder below, and files that are none."""
    save_pictures(tmp_path / "pictures")
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    return tmp_path


def test_one_picture_gives_its_text_alone(mnistry, folder):
    done = mnistry("read", "pictures/b.png")
    assert (done.returncode, done.stdout, done.stderr) == (0, "208\n35\n", "")


def test_of_several_pictures_each_line_has_its_name(mnistry, folder):
    done = mnistry("read", "pictures")
    expected = ["pictures/b.png: 208", "pictures/b.png: 35", "pictures/below/a.JPG: 6"]
    assert (done.returncode, done.stdout.splitlines()) == (0, expected)
    assert done.stderr == "mnistry: passed over 1 file (pictures/notes.txt): not named like a picture.\n"


def test_json_is_one_object_a_line(mnistry, folder):
    done = mnistry("read", "--json", "pictures/b.png", "pictures/below/a.JPG")
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert set(first) == {"source", "text", "digits", "skipped", "error"}
    assert (first["source"], first["text"], first["error"]) == ("pictures/b.png", "208\n35", None)
    assert [each["digit"] for each in first["digits"]] == [2, 0, 8, 3, 5]
    assert len(first["digits"][0]["probabilities"]) == 10
    assert [type(number) for number in first["digits"][0]["box"]] == [int] * 4
    assert second["text"] == "6"


def test_csv_has_a_row_for_each_line_and_a_column_for_numbers_below_each_other(mnistry, tmp_path):
    sheet = Page(780, 300)
    for row, numbers in enumerate([("20", "835", "6"), ("85", "", "32")]):
        for column, number in enumerate(numbers):
            sheet.write(number, (30 + 260 * column, 40 + 130 * row), 70)
    sheet.image().save(tmp_path / "scores.png")
    done = mnistry("read", "--csv", "scores.png")
    assert (done.returncode, done.stdout) == (0, "scores.png,20,835,6\nscores.png,85,,32\n")
    assert mnistry("read", "--csv", "--json", "scores.png").returncode == 2


def test_what_was_skipped_is_said_and_listed(mnistry, tmp_path):
    sheet = Page(500, 200)
    sheet.write("208", (40, 50), 90)
    sheet.line([(285, 95), (330, 93)], (20, 20, 24), 8)
    sheet.write("3", (360, 50), 90)
    sheet.image().save(tmp_path / "one.png")
    done = mnistry("read", "one.png")
    assert done.stderr == "mnistry: 1 mark skipped in one.png (sign).\n"
    (mark,) = json.loads(mnistry("read", "--json", "one.png").stdout)["skipped"]
    assert mark["reason"] == "sign"
    np.testing.assert_allclose(mark["box"], [281, 89, 53, 10], atol=5)


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(mnistry, folder):
    done = mnistry("read", "pictures/notes.txt", "pictures/b.png", "nowhere.png")
    assert done.returncode == 1
    assert done.stdout == "pictures/b.png: 208\npictures/b.png: 35\n"
    errors = done.stderr.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith("mnistry: pictures/notes.txt is not a picture that can be read")
    assert errors[1] == "mnistry: nowhere.png cannot be read: No such file or directory."


def test_json_says_what_was_wrong(mnistry, folder):
    done = mnistry("read", "--json", "nowhere.png")
    assert done.returncode == 1
    expected = {"source": "nowhere.png", "text": "", "digits": [], "skipped": []}
    assert json.loads(done.stdout) == {**expected, "error": "nowhere.png cannot be read: No such file or directory."}


def test_a_picture_on_standard_input(mnistry, folder):
    with (folder / "pictures" / "b.png").open("rb") as file:
        done = mnistry("read", "-", stdin=file)
    assert (done.returncode, done.stdout) == (0, "208\n35\n")


def test_a_blank_sheet_gives_an_empty_line_and_is_said(mnistry, tmp_path):
    Page(200, 100).image().save(tmp_path / "blank.png")
    done = mnistry("read", "blank.png")
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "mnistry: no digit found in blank.png.\n")


def test_single_gives_one_digit(mnistry, folder):
    done = mnistry("read", "--single", "pictures/below/a.JPG")
    assert (done.returncode, done.stdout) == (0, "6\n")


def test_a_folder_without_pictures_is_said(mnistry, tmp_path):
    (tmp_path / "empty").mkdir()
    done = mnistry("read", "empty")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "mnistry: empty is a folder: name a picture, or put some into it.\n"


def test_no_picture_is_wrong_usage(mnistry):
    assert mnistry("read").returncode == 2


def test_a_model_that_is_none_stops_everything(mnistry, folder):
    done = mnistry("read", "--model", "pictures/notes.txt", "pictures/b.png")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("mnistry: pictures/notes.txt")


def test_annotated_pictures_are_written(mnistry, folder):
    done = mnistry("read", "--annotate", "out", "pictures", "pictures/b.png")
    assert done.returncode == 0
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.png", "b-2.png", "b.png"]
    with Image.open(folder / "out" / "b.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24)}
    assert {(0, 110, 200), (215, 95, 0)} & colours


def test_annotations_go_into_a_folder_only(mnistry, folder):
    done = mnistry("read", "--annotate", "pictures/b.png", "pictures/b.png")
    assert done.returncode == 2
    assert done.stderr == "mnistry: --annotate must name a folder; pictures/b.png is a file.\n"


def on_a_terminal(folder: Path, *arguments: str, expected: int = 0) -> str:
    """The output of `mnistry read` at a terminal of 80 columns."""
    main, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    command = [sys.executable, "-m", "mnistry", "read", *arguments]
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("COLUMNS", None)
    process = subprocess.Popen(command, stdout=end, stderr=end, cwd=folder, env=environment)
    os.close(end)
    shown = b""
    while True:
        try:
            shown += os.read(main, 65536)
        except OSError:  # the other end is closed and all is read
            break
    os.close(main)
    assert process.wait(60) == expected
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_shows_what_the_network_saw_and_the_answer_last(folder):
    text = on_a_terminal(folder, "pictures/b.png")
    seen, answer = text.split("\n\n208\n35\n")
    assert seen.count("█") > 50
    assert seen.count("%") == 5 * 3
    assert without_colour(answer).splitlines() == [
        "next    mnistry read --annotate out pictures/b.png   draws boxes and answers on them"
    ]


def test_several_pictures_at_a_terminal_are_a_line_each_below_no_bar(folder):
    (folder / "pictures" / "c.png").write_bytes(b"no picture")
    Page(200, 100).image().save(folder / "pictures" / "d.png")
    text = on_a_terminal(folder, "pictures", expected=1)
    lines = [without_colour(line) for line in left_on_the_screen(text)]
    assert lines == [
        "mnistry: passed over 1 file (pictures/notes.txt): not named like a picture.",
        "pictures/b.png: 208",
        "pictures/b.png: 35",
        "mnistry: pictures/c.png is not a picture that can be read: it must be PNG, JPEG, WebP, BMP, GIF, TIFF, PPM, "
        "AVIF, HEIC or PDF.",
        "pictures/d.png: ",
        "mnistry: no digit found in pictures/d.png.",
        "pictures/below/a.JPG: 6",
        "4 pictures: 2 sure, 1 without a digit, 1 not readable",
        "next    mnistry read --annotate out pictures   draws boxes and answers on them",
    ]


def left_on_the_screen(text: str) -> list[str]:
    """The lines that a terminal shows in the end: those that were erased are left out."""
    screen: list[str] = [""]
    for part in re.split(r"(\n|\r|\x1b\[1A|\x1b\[2K|\x1b\[\?25[lh])", text):
        if part == "\n":
            screen.append("")
        elif part == "\x1b[1A":
            del screen[-1]
        elif part in ("\r", "\x1b[2K"):
            screen[-1] = "" if part != "\r" else screen[-1]
        elif not part.startswith("\x1b[?25"):
            screen[-1] += part
    return [line for line in screen if line]


def without_colour(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_what_is_not_sure_is_marked_and_nothing_else():
    digits = [
        Digit(i, 0.9, np.zeros(10), (0, 0, 1, 1), i != 0, 1.0, np.zeros((28, 28), np.uint8), NAMES) for i in (1, 0)
    ]
    reading = Reading("10 0\n1", (*digits, digits[1], digits[0]), "x.png")
    assert format_lines(reading, named=False, unsure="<{}>".format) == "1<0> <0>\n1"
    assert format_lines(reading, named=True) == "x.png: 10 0\nx.png: 1"


def test_many_pictures_are_read_by_several_processes_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(recognizer, "MANY", 4)
    monkeypatch.setattr(recognizer, "count_cpus", lambda: 2)
    names = []
    for i, character in enumerate("203568"):
        names.append(str(tmp_path / f"{i}.png"))
        digit(character).save(names[-1])
    names.insert(2, str(tmp_path / "missing.png"))
    outcomes = list(recognizer.read_all(names, single=True))
    assert [outcome.source for outcome in outcomes] == names
    assert [outcome.reading and outcome.reading.text for outcome in outcomes] == [*"20", None, *"3568"]
    assert outcomes[2].error == f"{names[2]} cannot be read: No such file or directory."


def test_names_walk_folders_in_order(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert image_io.list_pictures(["pictures", "-", "x.png"]) == [
        "pictures/b.png",
        "pictures/below/a.JPG",
        "-",
        "x.png",
    ]


def test_a_folder_that_cannot_be_listed_takes_no_other_picture_with_it(tmp_path, monkeypatch):
    for name in ("a", "closed", "z"):
        (tmp_path / name).mkdir()
        digit("3").save(tmp_path / name / "3.png")
    scandir, closed = os.scandir, str(tmp_path / "closed")

    def as_for_others(path):  # permissions do not keep an administrator out
        if os.fspath(path) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), closed)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", as_for_others)
    names = image_io.list_pictures([str(tmp_path)])
    assert names == [str(tmp_path / "a" / "3.png"), str(tmp_path / "z" / "3.png"), closed]
    results = list(recognizer.read_all(names, single=True))
    assert [result.reading and result.reading.text for result in results] == ["3", "3", None]
    assert results[2].error == f"{closed} cannot be read: Permission denied."


def test_small_pictures_are_enlarged_for_annotation():
    image = np.asarray(digit("3", height=40))
    found = Recognizer.load().read(image)
    drawn = annotate(image, found.digits)
    assert min(drawn.size) >= 480
    assert drawn.width % image.shape[1] == 0


def test_an_album_gives_every_picture_a_name_of_its_own(tmp_path):
    album = Album(tmp_path / "new")
    names = [album.path(name).name for name in ("a/x.png", "b/x.jpg", "x-2.gif", "-", "x")]
    assert names == ["x.png", "x-2.png", "x-2-2.png", "-.png", "x-3.png"]


def test_images_beside_each_other_fit_the_terminal():
    digits = Recognizer.load().read(np.asarray(digit("3"))).digits * 5
    for width in (28, 80, 200):
        lines = draw_digits(digits, width).splitlines()
        assert max(len(line) for line in lines) <= max(28, width)
        assert sum(line.count("3 ") >= 1 for line in lines) >= 1
