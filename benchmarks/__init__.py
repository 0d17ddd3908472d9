"""Benchmarks; each is a command: `python -m benchmarks.NAME [--json]`."""

import os

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # silences torch's profiler, which reads it once
