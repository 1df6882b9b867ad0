"""The ONNX node suite, run case by case in worker processes: ``python -m conformance``."""
