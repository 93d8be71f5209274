"""The published data sets: MNIST and four like it, with their files, digests, mirrors and terms.

The digests and sizes of the last four are those that TensorFlow Datasets publishes (`url_checksums`); those of QMNIST
stand in torchvision too, as the MD5 sums of all four do. Only digests of the packed files are published, so unpacked
copies of them cannot be verified and are not looked for.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from mnistry.datasets.dataset import DIGIT_NAMES
from mnistry.datasets.download import RemoteFile
from mnistry.datasets.formats import idx
from mnistry.datasets.published import Arrays, Published
from mnistry.errors import DataError


def _files(table: str, columns: int = 3) -> tuple[RemoteFile, ...]:
    """Make files of a table of words: name, size, SHA-256 and, of four columns, that of the unpacked content."""
    words = table.split()
    rows = (words[start : start + columns] for start in range(0, len(words), columns))
    return tuple(RemoteFile(name, int(size), *digests) for name, size, *digests in rows)


MNIST_FILES = TEST_LABELS, TRAIN_LABELS, TEST_IMAGES, TRAIN_IMAGES = _files(
    """
    t10k-labels-idx1-ubyte.gz 4_542
    f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6
    ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2
    train-labels-idx1-ubyte.gz 28_881
    3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
    65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
    t10k-images-idx3-ubyte.gz 1_648_877
    8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
    0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
    train-images-idx3-ubyte.gz 9_912_422
    440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
    ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
    """,
    columns=4,
)
FASHION_FILES = _files("""
    t10k-labels-idx1-ubyte.gz 5_148 67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5
    train-labels-idx1-ubyte.gz 29_515 a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845
    t10k-images-idx3-ubyte.gz 4_422_102 346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073
    train-images-idx3-ubyte.gz 26_421_880 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84
""")
KMNIST_FILES = _files("""
    t10k-labels-idx1-ubyte.gz 5_120 20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c
    train-labels-idx1-ubyte.gz 29_497 e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17
    t10k-images-idx3-ubyte.gz 3_041_136 edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5
    train-images-idx3-ubyte.gz 18_165_135 51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4
""")
QMNIST_FILES = _files("""
    qmnist-train-labels-idx2-int.gz 463_024 2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f
    qmnist-test-labels-idx2-int.gz 526_800 9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06
    qmnist-train-images-idx3-ubyte.gz 9_704_059 9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d
    qmnist-test-images-idx3-ubyte.gz 9_742_279 43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375
""")
EMNIST_FILES = _files("""
    gzip.zip 561_753_746 fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e
""")


def _four_idx_files(unpacked: Mapping[RemoteFile, bytes], names: Mapping[RemoteFile, str]) -> Arrays:
    """The arrays in four IDX files, named as MNIST's are."""
    arrays = {file.name: idx.parse_labels(content, names[file]) for file, content in unpacked.items()}
    (x_train, x_test), (y_train, y_test) = (
        sorted((name for name in arrays if kind in name), key=lambda name: "train" not in name)  # those first
        for kind in ("images", "labels")
    )
    return arrays[x_train], arrays[y_train], arrays[x_test], arrays[y_test]


def _emnist_digits(unpacked: Mapping[RemoteFile, bytes], names: Mapping[RemoteFile, str]) -> Arrays:
    """The digits out of the archive of all EMNIST sets; its images lie on their side, with rows for columns."""
    ((file, content),) = unpacked.items()
    name = names[file]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:

            def parse(split: str, kind: str) -> np.ndarray:
                member = f"gzip/emnist-digits-{split}-{kind}-ubyte.gz"
                return idx.parse(idx.unpack(archive.read(member), f"{name}, {member}"), name)

            x_train, x_test = (parse(split, "images-idx3").transpose(0, 2, 1) for split in ("train", "test"))
            y_train, y_test = (parse(split, "labels-idx1") for split in ("train", "test"))
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{name} is damaged or not EMNIST's archive: {error}. Fetch it again.") from None
    return np.ascontiguousarray(x_train), y_train, np.ascontiguousarray(x_test), y_test


MNIST = Published(
    name="mnist",
    title="MNIST",
    about="MNIST: digits written by American census workers and school students, scanned, and set into fields of 28×28 "
    "pixels.",
    files=MNIST_FILES,
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    licence="CC BY-SA 3.0 (Yann LeCun, Corinna Cortes, Christopher J. C. Burges)",
    class_names=DIGIT_NAMES,
    arrays=_four_idx_files,
    beside_others=False,
)
FASHION_MNIST = Published(
    name="fashion-mnist",
    title="Fashion-MNIST",
    about="Fashion-MNIST: pictures of articles from Zalando's catalogue, made grey and 28×28 pixels small.",
    files=FASHION_FILES,
    mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    licence="MIT (Zalando SE; Han Xiao, Kashif Rasul, Roland Vollgraf)",
    class_names=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    arrays=_four_idx_files,
)  # fmt: skip
KMNIST = Published(
    name="kmnist",
    title="Kuzushiji-MNIST",
    about="Kuzushiji-MNIST: ten cursive characters out of old Japanese books, one for each row of hiragana, 28×28.",
    files=KMNIST_FILES,
    mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
    licence="CC BY-SA 4.0 (KMNIST Dataset, created by CODH, adapted from Kuzushiji Dataset, by NIJL and others)",
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    arrays=_four_idx_files,
)
QMNIST = Published(
    name="qmnist",
    title="QMNIST",
    about="QMNIST: MNIST made anew from NIST's scans, with all 60,000 test images, of which MNIST published 10,000.",
    files=QMNIST_FILES,
    mirrors=("https://raw.githubusercontent.com/facebookresearch/qmnist/master/",),
    licence="BSD 3-Clause (Facebook, Inc.; Chhavi Yadav, Léon Bottou)",
    class_names=DIGIT_NAMES,
    arrays=_four_idx_files,
)
EMNIST_DIGITS = Published(
    name="emnist-digits",
    title="EMNIST Digits",
    about="EMNIST Digits: 280,000 digits from NIST's Special Database 19, prepared nearly as MNIST's, 28×28 pixels.",
    files=EMNIST_FILES,
    mirrors=("https://biometrics.nist.gov/cs_links/EMNIST/",),
    licence="none stated by its authors (Cohen, Afshar, Tapson, van Schaik; from NIST Special Database 19)",
    class_names=DIGIT_NAMES,
    arrays=_emnist_digits,
)
ALL = (MNIST, FASHION_MNIST, KMNIST, QMNIST, EMNIST_DIGITS)
