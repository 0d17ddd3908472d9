"""What the child computes on."""

import torch

from service.settings import get_settings


def chosen_device() -> torch.device:
    """Return the device that `NARROWS_DEVICE` asks for, set up to compute as every other does."""
    wanted = get_settings().device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    # Saliencies are compared across devices: TF32 keeps only ten bits of the mantissa.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(wanted)


def device_name() -> str:
    """Return what the chosen device is called, such as `cpu` or `NVIDIA H100`."""
    device = chosen_device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
