"""Measurements, each its own command: `python -m benchmarks.NAME [--json]`."""

import os

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # torch's profiler talks, and reads this on import
