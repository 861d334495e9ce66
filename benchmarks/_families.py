"""The families whose labels the benchmarks rank by."""

from __future__ import annotations

FAMILIES = ("nb101", "nb201", "nb301", "channel_resnet", "channel_mobilenet", "ofa_mbv3", "lemur")
