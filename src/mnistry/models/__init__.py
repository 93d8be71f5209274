"""The classifier in all its forms: Keras networks on JAX, the ONNX file, ONNX Runtime."""
