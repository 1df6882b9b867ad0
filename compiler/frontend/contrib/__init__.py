"""Operators of ONNX Runtime's own domain, read as the standard ones that they stand for."""
