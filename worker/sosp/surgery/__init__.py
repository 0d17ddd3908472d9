"""Cutting and copying channels: another network from the same program (DESIGN §2)."""

from worker.sosp.surgery.proof import Proof, check, check_same
from worker.sosp.surgery.recount import SurgeryError
from worker.sosp.surgery.resize import Init, resize

__all__ = ["Init", "Proof", "SurgeryError", "check", "check_same", "resize"]
