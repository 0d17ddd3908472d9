"""Cutting and copying channels: another network from the same program (DESIGN §2)."""

from narrows.surgery.channel_counts import SurgeryError
from narrows.surgery.resize import resize
from narrows.surgery.verify import Proof, check, check_same

__all__ = ["Proof", "SurgeryError", "check", "check_same", "resize"]
