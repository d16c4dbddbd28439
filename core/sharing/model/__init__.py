"""A model as files: a Transformers folder, ONNX, Keras."""
