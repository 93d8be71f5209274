"""Channels between convolutions, padded to what ONNX Runtime computes fastest.

On a CPU, ONNX Runtime has a fast convolution that takes channels in blocks, and uses it only where the input's channels
are a multiple of four; see `nchwc_transformer.cc` there. Others are computed by a slower one, at half the speed.
Channels of zeros that are read with weights of zero change no answer.
"""

from __future__ import annotations

import numpy as np

from mnistry.models.onnx_conversion.graph import Graph, Node

ALIGNMENT = 4
FEW = 8  # up to this many channels the fast convolution takes any number
KEEPING_ZEROS = ("Relu", "MaxPool")  # operations that make zeros of a channel of zeros, and touch no other


def pad_channels(graph: Graph) -> None:
    """Pad the channels that go from one convolution only to others, up to a multiple of four, in place."""
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    for node in graph.nodes:
        if not _is_plain(node, graph, readers):
            continue
        channels = len(graph.constants[node.inputs[1]])
        more = -channels % ALIGNMENT
        following = _convolutions_after(node, graph, readers)
        if not more or channels <= FEW or not following:
            continue
        _pad(graph, node.inputs[1], 0, more)
        graph.constants[node.inputs[2]] = np.pad(graph.constants[node.inputs[2]], (0, more))
        for each in following:
            _pad(graph, each.inputs[1], 1, more)


def _convolutions_after(node: Node, graph: Graph, readers: dict[str, list[Node]]) -> list[Node]:
    """Return the convolutions that read a node's result, itself or after a ReLU or pooling; none if others do."""
    found = []
    for reader in readers.get(node.outputs[0], []):
        if reader.operator in KEEPING_ZEROS:
            after = _convolutions_after(reader, graph, readers)
        else:
            after = [reader] if _is_plain(reader, graph, readers) and reader.inputs[0] == node.outputs[0] else []
        if not after:
            return []
        found += after
    return found


def _is_plain(node: Node, graph: Graph, readers: dict[str, list[Node]]) -> bool:
    """Tell whether a node is a convolution in one group, with weights and bias of its own."""
    return (
        node.operator == "Conv"
        and node.attributes.get("group", 1) == 1
        and len(node.inputs) == 3
        and all(name in graph.constants and len(readers[name]) == 1 for name in node.inputs[1:])
    )


def _pad(graph: Graph, name: str, axis: int, more: int) -> None:
    weights = graph.constants[name]
    graph.constants[name] = np.pad(weights, [(0, more if place == axis else 0) for place in range(weights.ndim)])
