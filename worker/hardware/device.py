"""The device that the child computes on."""

import torch

from service.settings import get_settings


def chosen_device() -> torch.device:
    """Return the device that `NARROWS_DEVICE` names; turn TF32 off, so that all devices agree."""
    kind = get_settings().device
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    # Saliencies are compared across devices, and TF32 keeps only ten bits of the mantissa.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(kind)


def device_name() -> str:
    """Return the name of the chosen device, such as `cpu` or `NVIDIA H100`."""
    device = chosen_device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
