"""Surgery: cut and copy channels; the result is another network with the same program.

See docs/architecture.md, "Surgery".
"""

from narrows.surgery.channel_counts import SurgeryError
from narrows.surgery.resize import resize
from narrows.surgery.verify import Verification, verify, verify_same

__all__ = ["SurgeryError", "Verification", "resize", "verify", "verify_same"]
