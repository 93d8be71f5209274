"""The recogniser: right shapes, the same answers however they are asked for, several threads, bounded memory."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import mnistry
from mnistry import Recognizer
from mnistry.errors import UsageError
from mnistry.evaluation import corruptions
from mnistry.models import onnx_export
from mnistry.models.backend import keras
from mnistry.models.classifier import BLOCK, apply_tta, combine, shift_images
from mnistry.models.metadata import ModelMetadata


@pytest.fixture(scope="module")
def shipped() -> Recognizer:
    return Recognizer.load()


@pytest.fixture(scope="module")
def images(digits) -> np.ndarray:
    """Enough for several blocks, and a short last one of one whole chunk and a bit."""
    return digits.x_train[: 2 * BLOCK + 131]


def test_the_shipped_model_reads_digits(shipped, digits):
    answers = shipped.predict_all(digits.x_test)
    assert (answers.digits == digits.y_test).mean() > 0.9  # they are not MNIST's


def test_shapes_and_types(shipped, images):
    n = len(images)
    answers = shipped.predict_all(images)
    found = {name: (str(each.dtype), each.shape) for name, each in vars(answers).items()}
    assert found == {
        "probabilities": ("float32", (n, 10)),
        "digitness": ("float32", (n,)),
        "digits": ("int64", (n,)),
        "is_digit": ("bool", (n,)),
        "sure": ("bool", (n,)),
    }
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1, atol=1e-5)
    assert ((answers.digitness >= 0) & (answers.digitness <= 1)).all()


def test_sure_and_digit_follow_the_models_thresholds(shipped, images):
    noise = np.random.default_rng(0).integers(0, 256, (500, 28, 28), np.uint8)
    answers, info = shipped.predict_all(np.concatenate([images, noise])), shipped.info
    confidences = answers.probabilities.max(axis=1)
    assert (answers.digits == answers.probabilities.argmax(axis=1)).all()
    assert (answers.is_digit == (answers.digitness >= np.float32(info.digit_threshold))).all()
    belief = confidences * answers.digitness
    assert (answers.sure == (answers.is_digit & (belief >= np.float32(info.sure_threshold)))).all()
    assert 0 < answers.sure.mean() < 1


def test_an_answer_is_sure_when_it_is_probable_and_a_digit_by_hand():
    # Two pixels, of values u and v, are the logits of "a" and of "no digit"; that of "b" is 0.
    kernel = np.zeros((784, 3), np.float32)
    kernel[0, 0] = kernel[1, 2] = 1
    network = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(3)])
    network.layers[-1].set_weights([kernel, np.zeros(3)])
    info = ModelMetadata("two", "none", ("a", "b"), sure_threshold=0.9, digit_threshold=0.5)
    images = np.zeros((4, 28, 28), np.uint8)
    images[:, 0, :2] = [(0, 0), (5, 0), (5, 9), (2, 0)]
    answers = Recognizer.from_bytes(onnx_export.to_onnx(network, info)).predict_all(images)
    e = np.exp(1)
    likely = [0.5, e**5 / (e**5 + 1), e**5 / (e**5 + 1), e**2 / (e**2 + 1)]
    np.testing.assert_allclose(answers.probabilities[:, 0], likely, rtol=1e-5)
    lead = [2, e**5 + 1, (e**5 + 1) / e**9, e**2 + 1]
    np.testing.assert_allclose(answers.digitness, [each / (each + 1) for each in lead], rtol=1e-5)
    assert answers.digits.tolist() == [0, 0, 0, 0]
    assert answers.is_digit.tolist() == [True, True, False, True]
    assert answers.sure.tolist() == [False, True, False, False]  # too improbable; sure; no digit; 88%


def test_what_is_unsure_is_looked_at_again_by_hand():
    # The logit of "a" is the pixel in row 3, column 4, and that of "b" the one below it.
    kernel = np.zeros((28, 28, 2), np.float32)
    kernel[3, 4, 0] = kernel[4, 4, 1] = 1
    network = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(2)])
    network.layers[-1].set_weights([kernel.reshape(784, 2), np.zeros(2)])
    images = np.zeros((3, 28, 28), np.uint8)
    images[0, 3, 4] = 1  # 73% for "a": unsure; moved down, it is 73% for "b", and nothing elsewhere
    images[1, 3, 4] = 3  # 95% for "a": sure
    images[2, 2, 4] = 5  # 50% for each; moved down, it is 99% for "a"
    content = onnx_export.to_onnx(network, ModelMetadata("two", "none", ("a", "b"), second_look=0.9))
    recognizer = Recognizer.from_bytes(content)

    def share(logit):
        return 1 / (1 + np.exp(-logit))

    once = recognizer.predict_all(images, again=False)
    np.testing.assert_allclose(once.probabilities[:, 0], [share(1), share(3), 0.5], rtol=1e-5)
    np.testing.assert_allclose(recognizer.predict(images)[:, 0], [0.5, share(3), share(1)], rtol=1e-5)
    twice = recognizer.predict_all(images)
    np.testing.assert_array_equal(twice.digitness, once.digitness)


def test_the_shipped_model_is_less_often_wrong_at_a_second_look(shipped, mnist):
    images, labels = corruptions.corrupt("impulse_noise", mnist.x_train[:2000], seed=0), mnist.y_train[:2000]
    once, twice = shipped.predict_all(images, again=False), shipped.predict_all(images)
    unsure = once.probabilities.max(axis=1) < shipped.info.second_look
    assert 0.02 < unsure.mean() < 0.5
    np.testing.assert_array_equal(once.probabilities[~unsure], twice.probabilities[~unsure])
    assert (twice.digits != labels).sum() < 0.95 * (once.digits != labels).sum()


def test_one_image_and_none(shipped, images):
    assert shipped.predict(images[0]).shape == (1, 10)
    none = shipped.predict_all(images[:0])
    assert (none.probabilities.shape, none.digits.shape, none.sure.dtype) == ((0, 10), (0,), bool)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_batches_threads_and_order_do_not_matter(shipped, images, threads):
    recognizer = Recognizer.load(threads=threads)
    whole = recognizer.predict(images)
    np.testing.assert_allclose(whole, shipped.predict(images), atol=1e-6)
    np.testing.assert_allclose(
        np.concatenate([recognizer.predict(each) for each in images[:50]]), whole[:50], atol=1e-5
    )
    np.testing.assert_allclose(recognizer.predict(images[::-1])[::-1], whole, atol=1e-5)


def test_images_in_a_file_lists_and_strange_strides(shipped, images, tmp_path):
    expected = shipped.predict(images)
    mapped = np.memmap(tmp_path / "images", np.uint8, "w+", shape=images.shape)
    mapped[:] = images
    strange = np.asfortranarray(np.repeat(images, 2, axis=2))[:, :, ::2]
    assert not strange.flags.c_contiguous
    for given in (mapped, strange, list(images), images.view(np.recarray)):
        np.testing.assert_allclose(shipped.predict(given), expected, atol=1e-6)


def test_of_what_is_no_array_only_slices_are_taken(shipped, images):
    class Stored:
        """As libraries for arrays in files have it."""

        shape, dtype = images.shape, images.dtype
        largest = 0

        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, part: slice) -> np.ndarray:
            self.largest = max(self.largest, part.stop - part.start)
            return images[part]

    stored = Stored()
    np.testing.assert_allclose(shipped.predict(stored), shipped.predict(images), atol=1e-6)
    assert stored.largest == BLOCK


def test_the_images_stay_as_they_are(shipped, images):
    given = images.copy()
    given.setflags(write=False)
    shipped.predict_all(given)
    assert (given == images).all()


def test_many_threads_may_ask_at_once(shipped, images):
    expected = shipped.predict(images)

    def ask(number: int) -> float:
        part = slice(number, number + 1 + number % 300)
        return abs(shipped.predict(images[part]) - expected[part]).max()

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(ask, range(5, 400, 9))) < 1e-5


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.zeros((3, 28, 28)), r"received float64 \(3, 28, 28\)"),
        (np.zeros((3, 27, 28), np.uint8), r"received uint8 \(3, 27, 28\)"),
        (np.zeros((3, 28, 28, 1), np.uint8), r"received uint8 \(3, 28, 28, 1\)"),
        (np.zeros(784, np.uint8), r"received uint8 \(784,\)"),
        (np.zeros((28, 28), bool), r"received bool \(28, 28\)"),
        ([], r"received float64 \(0,\)"),
        ("a picture", r"received <U9 \(\)"),
        (None, r"received object \(\)"),
    ],
)
def test_what_are_no_images_is_refused(shipped, images, received):
    with pytest.raises(
        UsageError, match=r"Images must be uint8 \(n, 28, 28\), 0–255, ink bright on black; " + received
    ):
        shipped.predict(images)


def in_a_process(program: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_loading_and_answering_write_no_file(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    program = "import mnistry, numpy; mnistry.Recognizer.load().predict(numpy.zeros((300, 28, 28), numpy.uint8))"
    in_a_process(program, home, HOME=str(home), XDG_CACHE_HOME=str(home / "c"), PYTHONDONTWRITEBYTECODE="1")
    assert list(home.rglob("*")) == []


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    program = """if True:
        import resource, numpy, mnistry
        recognizer = mnistry.Recognizer.load(threads=2)
        def most(n, again):
            one = numpy.lib.stride_tricks.as_strided(numpy.zeros((28, 28), numpy.uint8), (n, 28, 28), (0, 28, 1))
            assert recognizer.predict_all(one, again=again).digits.shape == (n,)
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        first = most(1_500, True)  # blank images are unsure: they are all looked at again
        most(20_000, False)
        print(most(4_000, True) - first)
    """
    answers = 20_000 * (10 * 4 + 4 + 8 + 2) / 2**20  # MiB
    assert float(in_a_process(program, tmp_path)) < answers + 10  # the images would be 15 MiB, what is computed 0.7 GiB


def test_a_process_that_forks_can_go_on_asking(tmp_path):
    program = """if True:
        import os, numpy, mnistry
        recognizer = mnistry.Recognizer.load(threads=2)
        images = numpy.random.default_rng(0).integers(0, 256, (1000, 28, 28), numpy.uint8)
        expected = recognizer.predict(images)
        child = os.fork()
        if child == 0:
            os._exit(0 if abs(recognizer.predict(images) - expected).max() < 1e-6 else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert in_a_process(program, tmp_path) == "0\n"


def test_the_public_names_are_the_recognisers():
    assert mnistry.Recognizer is Recognizer
    assert mnistry.Predictions.__module__ == "mnistry.models.classifier"


# The second look at what the model is unsure of


def test_images_move_a_pixel_each_way_and_what_leaves_is_gone():
    image = np.arange(1, 10, dtype=np.uint8).reshape(1, 3, 3)
    up, down, left, right = shift_images(image)
    assert up.tolist() == [[4, 5, 6], [7, 8, 9], [0, 0, 0]]
    assert down.tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert left.tolist() == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]
    assert right.tolist() == [[0, 1, 2], [0, 4, 5], [0, 7, 8]]


def test_all_images_move_the_first_way_then_all_the_second():
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    together = shift_images(images)
    assert together.dtype == np.uint8
    for number, image in enumerate(images):
        np.testing.assert_array_equal(together[number::5], shift_images(image[None]))


def test_the_mean_is_that_of_the_logits():
    logits = np.random.default_rng(1).normal(0, 3, (5, 7, 10))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    mean = np.exp(logits.mean(axis=0))
    expected = mean / mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(combine(softmax[0], softmax[1:].reshape(28, 10)), expected, rtol=1e-12)


def test_impossible_everywhere_stays_impossible():
    certain = np.tile([1.0, 0.0], (5, 1))
    np.testing.assert_allclose(combine(certain[:1], certain[1:]), [[1, 0]], atol=1e-37)


@pytest.mark.parametrize(("below", "asked"), [(0.0, 0), (0.7, 1), (0.9, 2), (1.1, 3)])
def test_only_what_is_unsure_is_asked_about(below, asked):
    images = np.zeros((3, 28, 28), np.uint8)
    images[:, 5, 5] = [10, 20, 30]
    before = np.array([[0.6, 0.4], [0.2, 0.8], [0.05, 0.95]])
    found, seen = before.copy(), []

    def ask(given):
        seen.append(given)
        return np.full((len(given), 2), 0.5)

    apply_tta(images, found, below, ask)
    assert sum(len(given) for given in seen) == 4 * asked
    np.testing.assert_array_equal(found[asked:], before[asked:])
    assert (np.abs(found[:asked] - 0.5) < np.abs(before[:asked] - 0.5)).all()  # four of five looks say one half
