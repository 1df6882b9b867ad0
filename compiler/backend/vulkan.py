"""Vulkan targets: IREE's SPIR-V code generation."""

from __future__ import annotations

from collections.abc import Sequence


def flags() -> Sequence[str]:
    """IREE flags for a Vulkan device of IREE's default (portable) profile."""
    return ["--iree-hal-target-device=vulkan"]
