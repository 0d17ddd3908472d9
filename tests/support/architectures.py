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


class PreActivationBlock(nn.Module):
    """Norms and activations before the convolutions; the projection reads the activated input."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inside), nn.BatchNorm2d(outside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.project = nn.Conv2d(inside, outside, 1) if inside != outside else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(x))
        shortcut = x if self.project is None else self.project(y)
        z: Tensor = shortcut + self.conv2(F.relu(self.norm2(self.conv1(y))))
        return z


class PreActivationNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = nn.Sequential(PreActivationBlock(4, 4), PreActivationBlock(4, 6))
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(F.relu(self.blocks(self.stem(x))).mean((2, 3)))
        return y


class DenseNet(nn.Module):
    """Every layer reads what all earlier ones made; a transition halves it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(n), nn.ReLU(), nn.Conv2d(n, 3, 3, padding=1))
            for n in (4, 7)
        )
        self.stem, self.transition = nn.Conv2d(3, 4, 1), nn.Conv2d(10, 5, 1)
        self.head = nn.Linear(5 * 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        pooled = F.avg_pool2d(self.transition(torch.cat(features, 1)), 4)
        y: Tensor = self.head(torch.flatten(pooled, 1))
        return y


class InvertedResidualNet(nn.Module):
    """Expansion, depthwise convolution, squeeze and excitation, and a linear bottleneck."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.expand = nn.Sequential(nn.Conv2d(4, 12, 1, bias=False), nn.BatchNorm2d(12), nn.SiLU())
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False)
        self.norm, self.attention = nn.BatchNorm2d(12), SqueezeExcitation(12)
        self.project = nn.Sequential(nn.Conv2d(12, 4, 1, bias=False), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        inside = self.attention(F.silu(self.norm(self.depthwise(self.expand(x)))))
        y: Tensor = self.head((x + self.project(inside)).mean((2, 3)))
        return y


class ShuffleUnit(nn.Module):
    """Half of the channels go through a branch; then the halves are shuffled."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.branch = nn.Sequential(
            nn.Conv2d(half, half, 1),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1, groups=half),
        )

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, 1)
        x = torch.cat([kept, self.branch(changed)], 1)
        batch, channels, height, width = x.shape
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2)
        return x.reshape(batch, channels, height, width)


class ShuffleNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.unit = nn.Conv2d(3, 8, 1), ShuffleUnit(8)
        self.grouped = nn.Sequential(nn.Conv2d(8, 12, 1, groups=2), nn.ChannelShuffle(2))
        self.head = nn.Conv2d(12, 5, 8)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(F.relu(self.grouped(self.unit(self.stem(x))))).flatten(1)
        return y


class GroupedNet(nn.Module):
    """Grouped convolutions as in ResNeXt, group norm of blocks and of channels, PReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.inside = nn.Sequential(nn.GroupNorm(8, 8), nn.PReLU(8), nn.Conv2d(8, 12, 1))
        self.grouped = nn.Sequential(nn.Conv2d(12, 12, 3, padding=1, groups=3), nn.GroupNorm(3, 12))
        self.outside = nn.Sequential(nn.PReLU(), nn.Conv2d(12, 8, 1, bias=False))
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.outside(self.grouped(self.inside(x)))
        y: Tensor = self.head(x.mean((2, 3)))
        return y


class AutoEncoder(nn.Module):
    """Transposed convolutions: plain, grouped and depthwise, with batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU())
        self.deepen = nn.Sequential(nn.Conv2d(8, 6, 2, stride=2), nn.BatchNorm2d(6), nn.ReLU())
        self.widen = nn.Sequential(nn.ConvTranspose2d(6, 8, 2, stride=2), nn.BatchNorm2d(8))
        self.grouped = nn.ConvTranspose2d(8, 12, 3, padding=1, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(12)
        self.depthwise = nn.ConvTranspose2d(12, 24, 2, stride=2, groups=12)
        self.decode = nn.Conv2d(24, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.encode(x)
        x = F.relu(self.widen(self.deepen(skip)) + skip)
        y: Tensor = self.decode(F.relu(self.depthwise(F.relu(self.norm(self.grouped(x))))))
        return y


class VisionTransformer(nn.Module):
    """Patches, a class token, positions, fused qkv, and a head on the class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.positions = nn.Parameter(torch.randn(1, 5, 8))
        self.norm1, self.norm2, self.norm = (nn.LayerNorm(8) for _ in range(3))
        self.attention = FusedAttention(8, 2)
        self.mlp = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Linear(12, 8))
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), patches], 1) + self.positions
        x = x + self.attention(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        y: Tensor = self.head(self.norm(x)[:, 0])
        return y


class GroupedQueryAttention(nn.Module):
    """Rotated queries and keys; a head of keys and values serves two of queries; written out."""

    cos: Tensor
    sin: Tensor

    def __init__(self, width: int, heads: int, tokens: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.q = nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        angles = torch.arange(tokens)[:, None] * torch.rand(self.size // 2).repeat(2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def rotate(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        return x * self.cos + torch.cat([-b, a], -1) * self.sin

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q(x).view(batch, tokens, self.heads, self.size).transpose(1, 2)
        k, v = (
            half.view(batch, tokens, self.heads // 2, self.size).transpose(1, 2)
            for half in self.kv(x).chunk(2, -1)
        )
        k, v = (
            few[:, :, None].expand(-1, -1, 2, -1, -1).reshape(batch, self.heads, tokens, self.size)
            for few in (self.rotate(k), v)
        )
        scores = self.rotate(q) @ k.transpose(-2, -1) / self.size**0.5
        y: Tensor = self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return y


class LanguageModel(nn.Module):
    """As decoders are built today: no biases, RMS norm, gated MLP, grouped queries."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 8)
        self.norm1, self.norm2 = nn.RMSNorm(8), nn.RMSNorm(8)
        self.attention = GroupedQueryAttention(8, 4, 6)
        self.gate, self.up = nn.Linear(8, 12, bias=False), nn.Linear(8, 12, bias=False)
        self.down, self.head = nn.Linear(12, 8, bias=False), nn.Linear(8, 11)

    def forward(self, x: Tensor) -> Tensor:
        h = self.tokens(x)
        h = h + self.attention(self.norm1(h))
        n = self.norm2(h)
        y: Tensor = self.head(h + self.down(F.silu(self.gate(n)) * self.up(n)))
        return y


class EncoderNet(nn.Module):
    """PyTorch's own transformer layer and attention between an embedding and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, activation="gelu")
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.layer(self.tokens(x))
        h = h + self.attention(h, h, h)[0]
        y: Tensor = self.head(self.norm(h).sum(1))
        return y


class Tagger(nn.Module):
    """Both recurrent layers between an embedding and a classifier of every token."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 4)
        self.mix = nn.Linear(4, 6)
        self.lstm = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(10, 3, num_layers=2, batch_first=True)
        self.hidden, self.head = nn.Linear(3, 7), nn.Linear(7, 5)

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.lstm(torch.tanh(self.mix(self.tokens(x))))
        h, _ = self.gru(h)
        y: Tensor = self.head(F.relu(self.hidden(h)))
        return y.transpose(1, 2)


class ActivationsNet(nn.Module):
    """Grouped convolutions, biases before batch norm, smooth and clamped activations."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.SiLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=2),
            nn.BatchNorm2d(8, affine=False),
            nn.ReLU6(),
            nn.AvgPool2d(2),
            nn.Conv2d(8, 6, 3, padding="same", dilation=2),
            nn.LeakyReLU(0.2),
        )
        self.head = nn.Sequential(nn.Linear(6, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


class SharedNet(nn.Module):
    """One convolution used twice, and read both before and after its batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv(self.stem(x))
        second = self.conv(F.relu(self.norm(first))) * torch.sigmoid(first)
        return self.head(second.amax((2, 3)))


class ComputedNet(nn.Module):
    """Biases and norms whose parameters are computed on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.second, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        norm = self.norm
        x = F.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight * 5, norm.bias * 3, False
        )
        x = F.relu(x).mean((2, 3))
        return self.head(torch.tanh(F.linear(x, self.second.weight, self.second.bias * 3)))


class AttentionNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 8)
        self.norm = nn.LayerNorm(8)
        self.attention = SeparateAttention(8, 2)
        self.mlp = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Linear(12, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        x = x + self.attention(self.norm(x))
        return self.head((x + self.mlp(self.norm(x))).mean(1))


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
        case AttentionNet():
            shapes = [(4, 5, 6)]
        case Transformer() | LanguageModel() | EncoderNet():
            return (torch.randint(11, (4, 6)),)
        case Tagger():  # whose layers decompose into the steps that they take
            return (torch.randint(11, (4, 2)),)
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
    PreActivationNet,
    DenseNet,
    InvertedResidualNet,
    ShuffleNet,
    GroupedNet,
    AutoEncoder,
    Transformer,
    VisionTransformer,
    LanguageModel,
    EncoderNet,
    Tagger,
    EncoderLayer,
    TwoTowers,
    WholeLoss,
)
