"""Small networks of every kind that Narrows must read, each as plain PyTorch code."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainNet(nn.Module):
    """Convolution, batch norm, in-place ReLU, pooling, a view by batch size, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2)
        )
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(6 * 4 * 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        y: Tensor = self.head(self.dropout(x.view(x.size(0), -1)))
        return y


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, added in place as torchvision does."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.downsample = nn.Conv2d(inside, outside, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += self.downsample(x)
        y: Tensor = self.relu(out)
        return y


class ResidualNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(ResidualBlock(3, 4), ResidualBlock(4, 6))
        self.fc = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(torch.flatten(F.adaptive_avg_pool2d(self.layer1(x), 1), 1))
        return y


class SqueezeExcitation(nn.Module):
    """Channels scaled by a hard sigmoid of their means, between hard swishes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(width, 2, 1)
        self.excite = nn.Conv2d(2, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = F.relu(self.squeeze(x.mean((2, 3), keepdim=True)), inplace=True)
        return x * F.hardsigmoid(self.excite(scale), inplace=True)


class MobileNet(nn.Module):
    """Depthwise and pointwise convolutions with squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Hardswish(True)
        )
        self.depthwise = nn.Conv2d(4, 8, 3, padding=1, groups=4)
        self.attention = SqueezeExcitation(8)
        self.pointwise = nn.Conv2d(8, 4, 1)
        self.act = nn.ReLU6(inplace=True)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.act(self.pointwise(self.attention(self.depthwise(x))))
        y: Tensor = self.head(x.mean([2, 3]))
        return y


class SignalNet(nn.Module):
    """One dimension: strided, dilated and transposed convolutions, GLU, group norm."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Conv1d(2, 8, 5, stride=2, padding=2, dilation=1)
        self.norm = nn.GroupNorm(2, 4)
        self.decode = nn.ConvTranspose1d(4, 3, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.decode(self.norm(F.glu(self.encode(x), dim=1))))


class VolumeNet(nn.Module):
    """Three dimensions, and back by a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv3d(1, 4, 3, stride=2, padding=1)
        self.norm = nn.InstanceNorm3d(4, affine=True)
        self.up = nn.ConvTranspose3d(4, 2, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.up(F.elu(self.norm(self.down(x)), inplace=True))
        return y


class UpsamplingNet(nn.Module):
    """Pixel shuffle, both interpolations, reflection padding and PReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 8, 3), nn.PReLU(8))
        self.up = nn.ConvTranspose2d(2, 3, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        shuffled: Tensor = self.up(F.pixel_shuffle(self.body(x), 2))
        smooth = F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)
        return shuffled + smooth + F.interpolate(x, size=shuffled.shape[-2:], mode="nearest")


class BranchingNet(nn.Module):
    """Split, chunk and concatenation, as in Inception and ShuffleNet."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.left = nn.Conv2d(4, 4, 3, padding=1)
        self.right = nn.Conv2d(4, 6, 1)
        self.head = nn.Conv2d(10, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.stem(x).chunk(2, dim=1)
        joined = torch.cat([F.silu(self.left(left)), F.gelu(self.right(right))], dim=1)
        first, *others = self.head(joined).split([1, 2, 1], dim=1)
        return torch.cat([*others, first.sigmoid()], dim=1)


class SeparateAttention(nn.Module):
    """Self-attention with a projection each for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = (
            f(x).view(batch, tokens, self.heads, -1).transpose(1, 2)
            for f in (self.q, self.k, self.v)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        y: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return y


class FusedAttention(nn.Module):
    """Self-attention with one projection for queries, keys and values, as in ViT."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v)
        y: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return y


class Transformer(nn.Module):
    """Token and position embeddings, two kinds of attention, a tied head."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 8)
        self.positions = nn.Parameter(torch.randn(1, 6, 8) / 4)
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(3))
        self.separate = SeparateAttention(8, 2)
        self.fused = FusedAttention(8, 2)
        self.mlp = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Dropout(0.1), nn.Linear(12, 8))
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, x: Tensor) -> Tensor:
        h = self.tokens(x) + self.positions
        h = h + self.separate(self.norms[0](h))
        h = h + self.fused(self.norms[1](h))
        y: Tensor = self.head(h + self.mlp(self.norms[2](h)))
        return y


class EncoderLayer(nn.Module):
    """PyTorch's own transformer layer, with a padding mask as a second input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=True)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        y: Tensor = self.layer(x, src_key_padding_mask=padding)
        return y


class TwoTowers(nn.Module):
    """Two inputs, a dictionary of outputs, constants of several number types."""

    mask: Tensor
    order: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 6), nn.Linear(3, 6)
        self.register_buffer("mask", torch.tensor([True, False, True, True, False, True]))
        self.register_buffer("order", torch.tensor([5, 0, 3, 1, 2, 4]), persistent=False)

    def forward(self, a: Tensor, b: Tensor) -> dict[str, Tensor | tuple[Tensor, Tensor]]:
        left, right = self.left(a), F.softplus(self.right(b))
        left = torch.where(self.mask, left, 0.0)[:, self.order]
        distance = torch.linalg.vector_norm(left - right, dim=1)
        return {"distance": distance, "towers": (left, right * torch.tensor([2.0], dtype=a.dtype))}


class WholeLoss(nn.Module):
    """A network that takes inputs and targets, and returns its own loss."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 6), nn.SELU(True), nn.Linear(6, 3))

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(self.net(x), target)


def example_inputs(network: nn.Module) -> tuple[Tensor, ...]:
    """Return a batch of 4 random examples, in double precision, that the network takes."""
    shapes: list[tuple[int, ...]]
    match network:
        case SignalNet():
            shapes = [(4, 2, 16)]
        case VolumeNet():
            shapes = [(4, 1, 4, 4, 4)]
        case Transformer():
            return (torch.randint(11, (4, 6)),)
        case EncoderLayer():
            return torch.randn(4, 5, 8).double(), torch.arange(5) >= torch.tensor(
                [[5], [3], [4], [2]]
            )
        case TwoTowers():
            shapes = [(4, 4), (4, 3)]
        case WholeLoss():
            return torch.randn(4, 4).double(), torch.randint(3, (4,))
        case _:
            shapes = [(4, 3, 8, 8)]
    return tuple(torch.randn(shape).double() for shape in shapes)


ARCHITECTURES: tuple[type[nn.Module], ...] = (
    PlainNet,
    ResidualNet,
    MobileNet,
    SignalNet,
    VolumeNet,
    UpsamplingNet,
    BranchingNet,
    Transformer,
    EncoderLayer,
    TwoTowers,
    WholeLoss,
)
