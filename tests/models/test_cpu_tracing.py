"""Convolutions and pooling as they are traced for a CPU, beside Keras's own: outputs and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistry.models import convolution, cpu_tracing
from mnistry.models.backend import jax, keras
from mnistry.models.cpu_tracing import choose_options, compile_program, cpu_forms
from mnistry.models.windows import make_window
from mnistry.runtime import provenance

jnp = jax.numpy
layers = keras.layers
XLAS = ("conv_general_dilated", "reduce_window", "select_and_scatter", "select_and_gather")
Case = tuple[list[keras.Layer], tuple[int, ...]]


def some(*shape: int) -> np.ndarray:
    """Values of which some are equal, as after relu: ties show who gets the gradient of max pooling."""
    return np.maximum(np.random.default_rng(1).normal(size=shape), -0.3).astype(np.float32)


def built(parts: list[keras.Layer], shape: tuple[int, ...]) -> keras.Model:
    model = keras.Sequential([keras.Input(shape), *parts])
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=w.shape).astype(np.float32) for w in model.get_weights()])
    return model


def outputs_and_gradients(models: list[keras.Model], xs: list[np.ndarray]) -> tuple[list[list[np.ndarray]], str]:
    """Of each model the outputs, and the gradients of a weighted sum of them by the weights and by the input.

    All in one program, whose text comes too.
    """

    def run(weights: list[Any], xs: list[Any]) -> list[Any]:
        found = []
        for model, own, x in zip(models, weights, xs, strict=True):
            call = lambda own, x, model=model: model.stateless_call(own, [], x)[0]  # noqa: E731 - bound in a loop
            outputs, back = jax.vjp(call, own, x)
            found.append((outputs, back(jnp.cos(jnp.arange(outputs.size, dtype=jnp.float32)).reshape(outputs.shape))))
        return found

    weights = [[each.value for each in model.trainable_variables] for model in models]
    traced = jax.jit(run).trace(weights, xs)
    found = traced.lower().compile()(weights, xs)
    return [[np.asarray(leaf) for leaf in jax.tree.leaves(each)] for each in found], str(traced.jaxpr)


def assert_same(*cases: Case, n: int = 2) -> None:
    models = [built(parts, shape) for parts, shape in cases]
    xs = [some(n, *shape) for _, shape in cases]
    expected, _ = outputs_and_gradients(models, xs)
    with cpu_forms():
        given, program = outputs_and_gradients(models, xs)
    for case, ours, theirs in zip(cases, given, expected, strict=True):
        about = f"{[part.get_config() for part in case[0]]} on {case[1]}"
        assert [(a.shape, a.dtype) for a in ours] == [(b.shape, b.dtype) for b in theirs], about
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5 * max(1, np.abs(b).max()), err_msg=about)
    assert not any(name in program for name in XLAS)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_convolutions(padding: str) -> None:
    kinds: list[tuple[Any, dict[str, Any], tuple[int, ...]]] = [
        (1, {}, (5, 5, 3)),
        (2, {}, (4, 5, 2)),
        (3, {}, (7, 7, 3)),
        (3, {}, (6, 9, 1)),
        ((1, 4), {}, (6, 9, 2)),
        ((4, 1), {}, (6, 9, 2)),
        (5, {}, (7, 6, 2)),
        (1, {"strides": 2}, (7, 6, 2)),
        (3, {"strides": 2}, (7, 7, 3)),
        (3, {"strides": (2, 1)}, (6, 9, 2)),
        (5, {"strides": 3}, (9, 7, 2)),
        (2, {"strides": 3}, (7, 8, 1)),
        (3, {"dilation_rate": 2}, (9, 8, 2)),
        (2, {"dilation_rate": (3, 1)}, (9, 8, 1)),
        (3, {"groups": 2}, (6, 7, 4)),
        (3, {"groups": 4}, (6, 7, 4)),
        (3, {"groups": 2, "strides": 2}, (7, 6, 6)),
    ]
    assert_same(*(([layers.Conv2D(4, size, padding=padding, **options)], shape) for size, options, shape in kinds))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_neighbouring_outputs_at_once(padding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[int] = []
    forward = convolution._forward
    monkeypatch.setattr(convolution, "_forward", lambda *a: (numbers.append(a[3].neighbours), forward(*a))[1])
    kinds: list[tuple[int, Any, dict[str, Any], tuple[int, ...]]] = [
        (6, 5, {"activation": "tanh"}, (12, 12, 1)),
        (3, 5, {"activation": "relu"}, (9, 10, 2)),
        (2, 7, {"use_bias": False}, (9, 15, 3)),
        (5, (2, 4), {"strides": (2, 1)}, (9, 9, 1)),
        (4, (3, 6), {"dilation_rate": (2, 1)}, (8, 13, 2)),
        (33, 5, {}, (8, 8, 1)),
    ]
    rest: list[list[keras.Layer]] = [[], [layers.MaxPooling2D(2)], [layers.MaxPooling2D(3, 2, "same")]]
    cases = [
        ([layers.Conv2D(filters, size, padding=padding, **options), *after], shape)
        for filters, size, options, shape in kinds
        for after in rest
    ]
    assert_same(*cases)
    assert set(numbers) == ({1, 3, 4} if padding == "valid" else {1, 2, 3, 4, 5})
    monkeypatch.setattr(convolution, "PIECE_BYTES", 8_000)  # an image or a few
    assert_same(*cases[:6], n=5)


def test_products_of_each_form(monkeypatch: pytest.MonkeyPatch) -> None:
    forms: list[str] = []
    choose = convolution._choose_form
    monkeypatch.setattr(convolution, "_choose_form", lambda *a: (forms.append(choose(*a)), forms[-1])[1])
    kinds: list[tuple[int, dict[str, Any], tuple[int, ...]]] = [
        (2, {"padding": "same"}, (6, 7, 3)),  # both gradients of the same products
        (33, {"padding": "same"}, (5, 4, 40)),
        (9, {"dilation_rate": (2, 1)}, (8, 5, 2)),
        (3, {"strides": (1, 2)}, (6, 7, 4)),
    ]
    assert_same(*(([layers.Conv2D(filters, 3, **options)], shape) for filters, options, shape in kinds))
    assert set(forms) == {"whole kernel", "rows of inputs", "rows of outputs"}


@pytest.mark.parametrize(
    ("pool", "computed"), [((2, None, "valid"), (6, 10)), ((2, 3, "valid"), (5, 8)), ((3, 2, "same"), (7, 10))]
)
def test_outputs_that_no_pool_takes_are_not_computed(
    pool: tuple[Any, ...], computed: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[convolution.Block] = []
    forward = convolution._forward
    monkeypatch.setattr(convolution, "_forward", lambda *a: (made.append(a[3]), forward(*a))[1])
    parts = [[layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(*pool)] for filters in (2, 40)]
    assert_same(*((each, (9, 12, 2)) for each in parts))
    assert {block.window.out for block in made if block.pool is not None} == {computed}


def test_bias_and_activation() -> None:
    kinds = [(activation, bias) for activation in (None, "relu", "tanh", "softmax") for bias in (False, True)]
    assert_same(*(([layers.Conv2D(3, 3, activation=name, use_bias=bias)], (6, 7, 2)) for name, bias in kinds))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_depthwise_and_separable_convolutions(padding: str) -> None:
    kinds: list[tuple[Any, dict[str, Any], tuple[int, ...]]] = [
        (3, {}, (6, 7, 2)),
        (3, {"depth_multiplier": 3}, (6, 7, 2)),
        ((2, 5), {}, (6, 7, 1)),
        (3, {"strides": 2}, (7, 6, 3)),
        (3, {"dilation_rate": 2}, (8, 7, 2)),
    ]
    for kind in (layers.DepthwiseConv2D, layers.SeparableConv2D):
        width = () if kind is layers.DepthwiseConv2D else (4,)
        assert_same(*(([kind(*width, size, padding=padding, **options)], shape) for size, options, shape in kinds))


def test_pooling() -> None:
    kinds: list[tuple[Any, Any, tuple[int, ...]]] = [
        (2, None, (6, 8, 3)),
        (2, None, (7, 9, 2)),
        (3, 2, (7, 8, 2)),
        (3, 1, (5, 6, 1)),
        (2, 3, (7, 8, 2)),
        ((1, 3), None, (4, 7, 2)),
    ]
    for kind in (layers.MaxPooling2D, layers.AveragePooling2D):
        assert_same(*(([kind(size, steps, pad)], shape) for size, steps, shape in kinds for pad in ("valid", "same")))


def test_sequences() -> None:
    assert_same(
        ([layers.Conv1D(3, 4, strides=2, activation="relu"), layers.MaxPooling1D(2)], (17, 2)),
        ([layers.DepthwiseConv1D(3), layers.AveragePooling1D(3, 2, "same")], (12, 2)),
        ([layers.Conv1D(3, 3, padding="causal", dilation_rate=2)], (9, 2)),
    )


def test_channels_first() -> None:
    parts = [
        [layers.Conv2D(4, 3, activation="relu")],
        [layers.Conv2D(4, 3, strides=2, padding="same", groups=2)],
        [layers.DepthwiseConv2D(3)],
        [layers.SeparableConv2D(3, 3)],
        [layers.AveragePooling2D(2)],
        [layers.MaxPooling2D(3, 2, "same")],
        [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(2)],
    ]
    lasts = [built(layers_, (7, 8, 2)) for layers_ in parts]
    firsts = [
        keras.Sequential(
            [keras.Input((2, 7, 8))]
            + [type(part).from_config(part.get_config() | {"data_format": "channels_first"}) for part in layers_]
        )
        for layers_ in parts
    ]
    for first, last in zip(firsts, lasts, strict=True):
        first.set_weights(last.get_weights())
    x = some(2, 2, 7, 8)
    expected, _ = outputs_and_gradients(lasts, [np.moveaxis(x, 1, -1)] * len(parts))
    with cpu_forms():
        given, program = outputs_and_gradients(firsts, [x] * len(parts))
    for ours, theirs in zip(given, expected, strict=True):
        np.testing.assert_allclose(ours[0], np.moveaxis(theirs[0], -1, 1), atol=1e-5)
    assert not any(name in program for name in XLAS)


def test_a_convolution_with_its_pooling_is_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[convolution.Block] = []
    forward = convolution._forward
    monkeypatch.setattr(convolution, "_forward", lambda *a: (made.append(a[3]), forward(*a))[1])
    pools = [(2, None, "valid"), (3, 2, "same"), (2, 1, "valid")]
    assert_same(
        *(
            ([layers.Conv2D(3, 3, activation=activation), layers.MaxPooling2D(*pool)], (9, 8, 2))
            for activation in ("relu", "linear")
            for pool in pools
        )
    )
    assert len({block for block in made if block.pool is not None}) == 6


def test_outputs_that_are_used_elsewhere_too() -> None:
    image = keras.Input((8, 8, 2))
    y = layers.Conv2D(3, 3, padding="same", activation="relu")(image)
    model = keras.Model(image, layers.Add()([y, layers.UpSampling2D(2)(layers.MaxPooling2D(2)(y))]))
    expected, _ = outputs_and_gradients([model], [some(2, 8, 8, 2)])
    with cpu_forms():
        given, _ = outputs_and_gradients([model], [some(2, 8, 8, 2)])
    for a, b in zip(given[0], expected[0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("n", [1, 6, 7, 13])
def test_batches_in_pieces(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "PIECE_BYTES", 8_000)  # three images or so
    assert_same(
        *(
            ([layers.Conv2D(4, 3, strides=strides, activation="relu"), *rest], (9, 8, 2))
            for strides in (1, 2)
            for rest in ([], [layers.MaxPooling2D(2)])
        ),
        n=n,
    )


def test_the_middle_of_a_kernel_by_hand() -> None:
    image = np.zeros((1, 3, 3, 1), np.float32)
    image[0, 1, 1, 0] = 2
    kernel = np.arange(1, 10, dtype=np.float32).reshape(3, 3, 1, 1)
    window = make_window((3, 3), (3, 3), (1, 1), (1, 1), "same")
    turned = 2 * np.arange(9, 0, -1).reshape(3, 3)  # a dot brings out the kernel upside down
    found = convolution.convolve(image, kernel, None, convolution.Block(window))
    assert np.array_equal(np.asarray(found)[0, :, :, 0], turned)


def test_what_has_no_fast_form_stays_as_it_is() -> None:
    model = keras.Sequential([keras.Input((6, 6, 2)), layers.Conv2D(3, 3, dtype="bfloat16")])
    x = some(2, 6, 6, 2)
    expected = np.asarray(model(x), np.float32)
    with cpu_forms():
        np.testing.assert_array_equal(np.asarray(model(x), np.float32), expected)
        with pytest.raises(ValueError, match="empty output"):
            keras.ops.conv(np.ones((1, 2, 2, 1), np.float32), np.ones((3, 3, 1, 1), np.float32))


def test_keras_has_its_own_operations_back_afterwards() -> None:
    nn = keras.src.backend.nn
    before = (layers.Conv2D.call, nn.conv, nn.depthwise_conv, nn.max_pool, nn.average_pool)
    with cpu_forms():
        assert nn.conv is not before[1]
    assert (layers.Conv2D.call, nn.conv, nn.depthwise_conv, nn.max_pool, nn.average_pool) == before


WIDE = {"xla_cpu_prefer_vector_width": 512}
PRODUCTS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ("processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\n", WIDE | PRODUCTS),  # Zen 5
        ("processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n", {}),  # Zen 4
        ("processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\n", {}),
        ("processor\t: 0\nBogoMIPS\t: 2100.00\nCPU implementer\t: 0x41\n", {}),  # Arm
        (None, {}),  # another system than Linux
    ],
)
def test_options_follow_the_processor(
    facts: str | None, expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if facts is not None:
        (tmp_path / "cpuinfo").write_text(facts)
    monkeypatch.setattr(provenance, "CPU_FACTS", tmp_path / "cpuinfo")
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    assert choose_options.__wrapped__() == (expected if jax.default_backend() == "cpu" else {})


@pytest.mark.parametrize(
    ("flags", "left"),
    [
        ("--xla_cpu_prefer_vector_width=256", PRODUCTS),
        ("--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT --xla_cpu_enable_fast_math=false", WIDE),
    ],
)
def test_options_in_the_environment_stay(
    flags: str, left: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_bytes(b"vendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel name\t: AMD\xff\n")
    monkeypatch.setattr(provenance, "CPU_FACTS", tmp_path / "cpuinfo")
    monkeypatch.setenv("XLA_FLAGS", flags)
    assert choose_options.__wrapped__() == (left if jax.default_backend() == "cpu" else {})


@pytest.mark.parametrize("option", [("xla_no_such_option", 1), (*PRODUCTS, "LIBRARY_FUSION_TYPE_NO_SUCH")])
def test_an_option_that_xla_does_not_know_is_left_out(option: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    lowered = jax.jit(lambda x: x + 1).lower(1.0)
    with pytest.raises(jax.errors.JaxRuntimeError, match="option"):
        lowered.compile(dict([option]))
    monkeypatch.setattr(cpu_tracing, "choose_options", lambda: dict([option]))
    assert compile_program(lowered)(1.0) == 2


def test_programs_get_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    lowered = type("Lowered", (), {"compile": lambda self, options=None: given.append(options)})()
    monkeypatch.setattr(cpu_tracing, "choose_options", lambda: WIDE)
    compile_program(lowered)
    assert given == [WIDE]


def test_longer_vectors_give_the_same_numbers() -> None:
    x = np.random.default_rng(0).normal(size=(32, 784)).astype(np.float32)
    program = jax.jit(lambda x: jax.nn.softmax(jax.numpy.sqrt(abs(x)) / (1 + x * x))).lower(x)
    np.testing.assert_allclose(program.compile(WIDE)(x), program.compile()(x), rtol=1e-5)


def test_other_products_give_the_same_numbers() -> None:
    x = np.random.default_rng(0).normal(size=(64, 784)).astype(np.float32)
    program = jax.jit(lambda x: (x @ x.T, x.T @ x, x[:, :128].sum(0))).lower(x)
    for ours, plain in zip(program.compile(PRODUCTS)(x), program.compile()(x), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-4)
