"""The drawing pad of the lesson's report, for any network like the lesson's, in a notebook."""

from __future__ import annotations

import html as html_escape
from typing import TYPE_CHECKING

import numpy as np

from mnistry.datasets.dataset import Dataset
from mnistry.errors import UsageError
from mnistry.evaluation.metrics import evaluate
from mnistry.models import backend
from mnistry.reporting import html
from mnistry.reporting.language import LANGUAGES, Language, LanguageName, choose_language
from mnistry.training.lesson.report import live
from mnistry.training.lesson.snapshots import Network
from mnistry.training.lesson.steps import Facts

if TYPE_CHECKING:
    from mnistry.models.backend import keras

HEIGHT = 1500  # CSS pixels


class Pad:
    """A self-contained HTML `page` to draw on that holds a network; notebooks show it."""

    def __init__(self, model: keras.Model, dataset: Dataset, *, language: LanguageName | None = None) -> None:
        """Pack the network of the lesson.

        Args:
            model: pixels 0–255 (n, 28, 28) to probabilities, with two dense layers as in the lesson.
            dataset: that it was trained on.
            language: "en" or "ko"; None means the machine's.

        Raises:
            UsageError: the model has other weights than the lesson's network.
        """
        weights = [np.asarray(values) for values in model.get_weights()]
        shapes = [values.shape for values in weights]
        if len(weights) != 4 or shapes[0][:1] != (784,) or shapes[3] != (len(dataset.class_names),):
            raise UsageError(
                f"The pad shows networks of two dense layers on 784 pixels, as the lesson's; received weights {shapes}."
            )
        index = dataset.check_index(None)
        facts = Facts(train=len(dataset.x_train), index=index, classes=shapes[3][0], hidden=shapes[1][0])
        test = evaluate(backend.predict(model, dataset.x_test), dataset.y_test)
        self.page = html.render(
            "pad.html",
            languages=[Language(name) for name in sorted(LANGUAGES, key=(language or choose_language()).__ne__)],
            follow=False,
            facts=facts,
            live=live(dataset, test, facts, Network(tuple(weights), (), ())),
        )

    def _repr_html_(self) -> str:
        """The pad in a notebook, in a frame of its own."""
        source = html_escape.escape(self.page, quote=True)
        return f'<iframe srcdoc="{source}" width="100%" height="{HEIGHT}" style="border:0" title="MNIST"></iframe>'
