"""The names of the zoo's networks: `LIBRARY:NAME`, or `LIBRARY:NAME/tensor`.

A network of transformers returns a container of its own, a ModelOutput. With `/tensor` it is
wrapped in a module that returns the container's first tensor.
"""

TORCHVISION = """
alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 maxvit_t
mnasnet0_5 mobilenet_v2 mobilenet_v3_small regnet_x_400mf regnet_y_400mf resnet18 resnet50
resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_0 swin_t swin_v2_t vgg11_bn vit_b_16 wide_resnet50_2
fcn_resnet50 deeplabv3_mobilenet_v3_large lraspp_mobilenet_v3_large
""".split()

TIMM = """
resnet18 resnetv2_50 hrnet_w18_small dla34 ese_vovnet19b_dw ghostnet_100 mixer_s16_224 coat_tiny
coat_lite_tiny levit_128s edgenext_xx_small repvgg_a0 nfnet_l0 cspresnet50 selecsls42b tinynet_a
vit_tiny_patch16_224 mobilevit_xxs poolformer_s12 fastvit_t8 efficientformer_l1 convnextv2_atto
mobilenetv4_conv_small
""".split()

TRANSFORMERS = """
bert distilbert gpt2 vit deit roberta t5-encoder wav2vec2 whisper-encoder llama
""".split()

TENSOR = "/tensor"

NAMES = [
    *(f"torchvision:{name}" for name in TORCHVISION),
    *(f"timm:{name}" for name in TIMM),
    *(f"transformers:{name}{form}" for name in TRANSFORMERS for form in (TENSOR, "")),
]
"""The 59 networks, those of transformers in both forms."""
