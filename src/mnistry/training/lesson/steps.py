"""The eleven steps of the lesson: the lines of Keras, why they are there, and one thing to try.

The terminal, the report, the notebook and `docs/lesson.md` all take their words from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mnistry.reporting.language import Message, message

ROW = 10  # the row of the example that the lesson prints as numbers
AROUND = 10  # images shown before and after the example
TUTORIAL_ACCURACY, LOWEST, HIGHEST = 0.9775, 0.975, 0.979  # of the learner's own tutorial; of this network over seeds


@dataclass(frozen=True)
class Facts:
    """The numbers that the words of the steps need.

    Attributes:
        train: training images.
        test: test images.
        index: the training image that the lesson follows.
        epochs: passes over the training images.
        batch_size: images per step of training.
        classes: outputs of the network.
        hidden: units of the hidden layer.
        dropout: the share of them that is silenced in a training step.
        comparable: whether the run is the learner's own tutorial, so that its accuracy can be compared.
    """

    train: int = 60_000
    test: int = 10_000
    index: int = 2000
    epochs: int = 5
    batch_size: int = 32
    classes: int = 10
    hidden: int = 128
    dropout: float = 0.2
    comparable: bool = True

    @property
    def first(self) -> int:
        """The first of the images that are shown together."""
        return max(0, self.index - AROUND)

    @property
    def last(self) -> int:
        """The last of the images that are shown together."""
        return min(self.train, self.index + AROUND) - 1

    @property
    def steps(self) -> int:
        """Steps of training in an epoch."""
        return -(-self.train // self.batch_size)

    @property
    def most_of_doubled(self) -> float:
        """The most that Softmax gives when it is fed probabilities: one of them 1, the others 0."""
        return math.e / (math.e + self.classes - 1)

    @property
    def weights(self) -> tuple[int, int]:
        """The weights between the pixels and the hidden units, and between these and the outputs."""
        return 784 * self.hidden + self.hidden, self.hidden * self.classes + self.classes


@dataclass(frozen=True)
class Step:
    """One step of the lesson: the lines of Keras that a learner types, why, in sentences, and one thing to try."""

    number: int
    title: Message
    code: str
    why: tuple[Message, ...]
    attempt: Message


def steps(facts: Facts) -> tuple[Step, ...]:
    """The eleven steps in their order."""
    return (
        _load(facts), _one_image(facts), _many_images(facts), _normalise(facts), _build(facts), _compiling(facts),
        _train(facts), _evaluate(facts), _confusion(facts), _probabilities(facts), _answer(facts),
    )  # fmt: skip


def _load(facts: Facts) -> Step:
    code = (
        "(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()\n"
        "x_train.shape, y_train.shape, x_test.shape, y_test.shape"
    )
    learn = message(
        "The network learns from the {train:,} **training images**. The {test:,} **test images** stay closed until "
        "step 8: they are the exam, and it is taken once.",
        train=facts.train,
        test=facts.test,
    )
    grey = message("Each image has 28 × 28 pixels in 256 levels of grey, not just black and white.")
    attempt = message("`mnistry tutorial --dataset fashion-mnist` runs the same lesson on pictures of clothes.")
    return Step(1, message("Load the data"), code, (learn, grey), attempt)


def _one_image(facts: Facts) -> Step:
    why = message(
        "To a computer an image is a table of numbers: whole numbers from 0, empty paper, to 255, full ink. Where row "
        "{row} crosses the stroke, its numbers are large.",
        row=ROW,
    )
    attempt = message("`mnistry tutorial --index 7` follows another image.")
    return Step(2, message("Look at one image"), f"x_train[{facts.index}][{ROW}]", (why,), attempt)


def _many_images(facts: Facts) -> Step:
    code = (
        f"for i in range({facts.last - facts.first + 1}):\n"
        "    plt.subplot(5, 5, i + 1)\n"
        f"    plt.imshow(x_train[{facts.first} + i], cmap=plt.cm.binary)\n"
        f"    plt.xlabel(y_train[{facts.first} + i])"
    )
    why = message(
        "Look before you train. The **label** under each image is the answer that the network has to learn: where a "
        "label is wrong, it learns something wrong."
    )
    attempt = message(
        "Which of them would you have read differently? `mnistry data --check` looks for doubtful labels in the whole "
        "set."
    )
    return Step(3, message("Look at many images"), code, (why,), attempt)


def _normalise(_: Facts) -> Step:
    code = "x_train, x_test = x_train / 255, x_test / 255"
    why = message(
        "With numbers between 0 and 1 the steps of learning have like size in all directions, and the **gradients**, "
        "which say how each weight should move, neither vanish nor blow up. Avoiding local minima, as one often reads, "
        "is not the reason."
    )
    here = message("Here the first layer of the network divides by 255, so that nobody can forget it later.")
    attempt = message("In the notebook, leave the division out and train again: how large is the first loss?")
    return Step(4, message("Normalise"), code, (why, here), attempt)


def _build(facts: Facts) -> Step:
    code = (
        "model = keras.Sequential([\n"
        "    keras.Input((28, 28)),\n"
        "    keras.layers.Flatten(),\n"
        f'    keras.layers.Dense({facts.hidden}, activation="relu"),\n'
        f"    keras.layers.Dropout({facts.dropout:g}),\n"
        f'    keras.layers.Dense({facts.classes}, activation="softmax"),\n'
        "])"
    )
    first, second = facts.weights
    weights = message(
        "Each of the {hidden} units in the **hidden layer** looks at all 784 pixels: 784 × {hidden} weights and "
        "{hidden} biases, {first:,} numbers. The {classes} outputs look at the {hidden} units: {second:,} more. These "
        "{total:,} numbers are all that the network learns.",
        hidden=facts.hidden,
        classes=facts.classes,
        first=first,
        second=second,
        total=first + second,
    )
    relu = message(
        "**relu**, the activation function, lets a positive sum through and makes 0 of a negative one. Without it, two "
        "layers could do no more than one."
    )
    dropout = message(
        "**Dropout** silences {share:.0%} of the units at random in every step of training. It works against "
        "**overfitting**: learning the training images by heart.",
        share=facts.dropout,
    )
    softmax = message(
        "**Softmax** turns {classes} scores into {classes} probabilities that add up to 1: one of many classes.",
        classes=facts.classes,
    )
    attempt = message("`mnistry tutorial --set hidden=16`: how good are 16 units? And `--set dropout=0`?")
    return Step(5, message("Build the network"), code, (weights, relu, dropout, softmax), attempt)


def _compiling(_: Facts) -> Step:
    code = (
        "model.compile(\n"
        '    optimizer="adam",\n'
        '    loss="sparse_categorical_crossentropy",\n'
        '    metrics=["accuracy"],\n'
        ")"
    )
    loss = message(
        "The **loss** says how wrong the network is: −ln of the probability that it gave to the right class. A certain "
        "right answer costs 0, a blind guess among ten costs −ln 0.1 = 2.30."
    )
    sparse = message(
        "**Sparse** means that a label is a plain number such as 5, not ten zeros and ones. **Adam** is the rule that "
        "moves the weights; **accuracy** is the share of right answers."
    )
    attempt = message("What does a right answer cost to which the network gave 50%? And one with 1%?")
    return Step(6, message("Compile"), code, (loss, sparse), attempt)


def _train(facts: Facts) -> Step:
    code = f"model.fit(x_train, y_train, epochs={facts.epochs})"
    why = message(
        "An **epoch** shows every training image once, here in {steps:,} steps of {batch} images. Each step goes "
        "forward, from the pixels to the loss, and then backward, from the loss to every weight: **backpropagation** "
        "finds out how each weight should move, and Adam moves it a little.",
        steps=facts.steps,
        batch=facts.batch_size,
    )
    attempt = message(
        "`mnistry tutorial --epochs 1`, then `--epochs 20`: the training loss goes on falling. Does the test accuracy "
        "go on rising?"
    )
    return Step(7, message("Train"), code, (why,), attempt)


def _evaluate(facts: Facts) -> Step:
    code = "model.evaluate(x_test, y_test, verbose=2)"
    luck = message(
        "The **95% interval** says how far luck with these {test:,} images may have moved the accuracy.",
        test=facts.test,
    )
    why = [luck]
    if facts.comparable:
        why.append(
            message(
                "Your tutorial says {tutorial}: over seeds, the random numbers of the first weights and of dropout, "
                "the same network gives {low:.1%} to {high:.1%}.",
                tutorial=TUTORIAL_ACCURACY,
                low=LOWEST,
                high=HIGHEST,
            )
        )
    why.append(
        message(
            "The **expected calibration error** is the gap between how sure the network is and how often it is right. "
            "At 0%, exactly 90% of the answers that it gives with 90% would be right."
        )
    )
    attempt = message("`mnistry tutorial --seed 1`: the same network with other random numbers.")
    return Step(8, message("Evaluate"), code, tuple(why), attempt)


def _confusion(_: Facts) -> Step:
    code = "answers = model.predict(x_test).argmax(axis=1)\nconfusion_matrix(y_test, answers)  # from sklearn.metrics"
    why = message(
        "Each row is a label, each column an answer. Right answers are on the diagonal; everything else is a mistake. "
        "Pairs that look alike in quick handwriting, such as 4 and 9, are confused most: one understands it."
    )
    attempt = message("In the report, tap a mistake and erase pixels until the network changes its mind.")
    return Step(9, message("Confusion matrix"), code, (why,), attempt)


def _probabilities(facts: Facts) -> Step:
    code = (
        "probability_model = keras.Sequential([model, keras.layers.Softmax()])\n"
        f"probability_model.predict(x_train)[{facts.index}]"
    )
    why = message(
        "The network already ends in Softmax. The tutorial adds a second one, which takes the probabilities for scores "
        "and so can never give more than e / (e + {others}) = {most:.1%}, however sure the network is. The answer "
        "stays the same; the probabilities are wrong.",
        others=facts.classes - 1,
        most=facts.most_of_doubled,
    )
    attempt = message("In the report, draw a digit and switch between Softmax once and twice.")
    return Step(10, message("Probabilities"), code, (why,), attempt)


def _answer(facts: Facts) -> Step:
    code = (
        f"np.argmax(model.predict(x_train)[{facts.index}])\n"
        f'plt.imshow(x_train[{facts.index}], cmap="gray_r"); plt.colorbar()\n'
        f"y_train[{facts.index}]"
    )
    why = message(
        "`argmax` takes the class with the largest probability. But the network learned from this image. What counts "
        "is how it reads images that it has never seen: the test images of step 8, and yours."
    )
    attempt = message(
        "Draw your own digit in the report, or read a photo of one: `mnistry read --single my-digit.jpg`."
    )
    return Step(11, message("Answer"), code, (why,), attempt)


TITLE = message("The MNIST lesson, from its first cell to its last")
TRY = message("Try")
TO_READ = message("What `mnistry tutorial` shows, to read. The values are those of a run on MNIST with seed 0.")
TO_RUN = message("Run the cells from top to bottom, in JupyterLab or in Colab. Each step has something to try.")
YOUR_OWN = message("Your own digit")
FROM_A_FILE = message(
    "Put a photo or a drawing of one digit beside this notebook as `my-digit.png`. Left: only made smaller, as most "
    "people do. Right: brought into MNIST's form. Which of them does the network read better?"
)
DRAWN = message("Draw a digit: the network that you have just trained answers while you draw.")
