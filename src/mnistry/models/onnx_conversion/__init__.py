"""Keras models as ONNX graphs: the program that JAX makes of a model, converted operation by operation."""
