"""Kernels that Python prints as MLIR, specialised to shape, element types, epilogue and tile.

`printer` prints operations, `executable` wraps them into what IREE dispatches, `spec` names a
kernel's parameters; one module per family prints kernels from specs. Imports no stage.
"""
