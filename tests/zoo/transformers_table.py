"""Vision models of Hugging Face transformers, built small from their configs, each with the grid of
its last layer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers as tr
from torch import Tensor


def queries(out: Any) -> Tensor:
    """The best score of label 0 among a detector's queries."""
    return out.logits[..., 0].amax(1)


def region(out: Any) -> Tensor:
    """Class 1 over the whole picture."""
    return out.logits[:, 1].mean((1, 2))


def depth(out: Any) -> Tensor:
    return out.predicted_depth.mean((1, 2))


def pooled(out: Any) -> Tensor:
    return out.pooler_output.flatten(1)[:, 0]


def embedded(out: Any) -> Tensor:
    return out.image_embeds[:, 0]


def matched(out: Any) -> Tensor:
    return out.logits_per_image[:, 0]


def class_token(out: Any) -> Tensor:
    return out.last_hidden_state[:, 0, 0]


def channel(out: Any) -> Tensor:
    return out.last_hidden_state[:, 0].mean((1, 2))


def masks(out: Any) -> Tensor:
    return out.class_queries_logits[..., 0].amax(1)


def painted(out: Any) -> Tensor:
    return out.masks_queries_logits[:, 0].mean((1, 2))


def rebuilt(out: Any) -> Tensor:
    return out.reconstruction.flatten(1)[:, :50].sum(1)


def caption(out: Any) -> Tensor:
    return out.logits[:, 0, 3]


@dataclass(frozen=True)
class Case:
    """A model's class and config, the size of its picture, the grid expected, what is asked, other
    inputs.
    """

    kind: str
    config: Callable[[], Any]
    grid: tuple[int, ...]
    size: tuple[int, ...] = (64, 64)
    target: Callable[[Any], Tensor] | None = None
    others: dict[str, Tensor] = field(default_factory=dict)
    key: str = "pixel_values"


def small(config: str, *without: str, **options: Any) -> Callable[[], Any]:
    """A plain vision transformer: 8 x 8 patches of 8 pixels, three blocks of width 32."""
    plain = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": 64,
        "patch_size": 8,
        "num_labels": 7,
    }
    kept = {name: value for name, value in (plain | options).items() if name not in without}
    return lambda: getattr(tr, config)(**kept)


def staged(config: str, **options: Any) -> Callable[[], Any]:
    """Four stages of widths 8 to 32, strides 4 to 32."""
    given = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1], "num_labels": 7} | options
    return lambda: getattr(tr, config)(**given)


def windowed(config: str, **options: Any) -> Callable[[], Any]:
    given = {
        "image_size": 128,
        "embed_dim": 16,
        "depths": [1, 1, 2, 1],
        "num_heads": [1, 2, 2, 4],
        "window_size": 4,
        "num_labels": 7,
    }
    return lambda: getattr(tr, config)(**(given | options))


def vision(config: str, **options: Any) -> Callable[[], Any]:
    """A model of pictures and texts; the half for pictures is a plain vision transformer."""
    half = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": 64,
        "patch_size": 8,
    }
    return lambda: getattr(tr, config)(vision_config=half, **options)


WORDS = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 99,
}
STAGES = ["stage1", "stage2", "stage3", "stage4"]
PYRAMID = {"num_attention_heads": [1, 1, 2, 2]}
SWIN = {
    "model_type": "swin",
    "image_size": 128,
    "embed_dim": 16,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 2, 2, 4],
    "window_size": 4,
    "out_features": STAGES,
}
MASKS = {
    "hidden_dim": 32,
    "encoder_feedforward_dim": 64,
    "dim_feedforward": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "num_attention_heads": 2,
    "num_queries": 10,
    "num_labels": 7,
}
MOBILE = {
    "image_size": 128,
    "num_labels": 7,
    "hidden_sizes": [32, 48, 64],
    "neck_hidden_sizes": [8, 16, 24, 32, 48, 64, 96],
}
LEVIT = {
    "image_size": 256,
    "num_labels": 7,
    "hidden_sizes": [32, 48, 64],
    "num_attention_heads": [2, 3, 4],
    "depths": [1, 1, 1],
}
DENSE = {"patch_size": 16, "image_size": 128, "num_hidden_layers": 4}
NECK = {"neck_hidden_sizes": [8, 16, 24, 32], "fusion_hidden_size": 16}


def backbone(*stages: str) -> Any:
    return tr.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        out_features=list(stages),
    )


def detector(config: str, *stages: str, width: str = "d_model") -> Callable[[], Any]:
    """A small DETR: two layers each way, ten queries, on a small ResNet."""
    given = {
        width: 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 64,
        "num_queries": 10,
        "num_labels": 7,
        "use_timm_backbone": False,
        "use_pretrained_backbone": False,
        "backbone": None,
    }
    return lambda: getattr(tr, config)(**given, backbone_config=backbone(*(stages or ("stage4",))))


BIG = (128, 128)
TEXT = {
    "input_ids": torch.tensor([[1, 2, 3, 98]]),
    "attention_mask": torch.ones(1, 4, dtype=torch.long),
}

CASES = {
    # plain: class token, distillation token, registers, or none
    "vit": Case("ViTForImageClassification", small("ViTConfig"), (8, 8)),
    "vit, masked images": Case(
        "ViTForMaskedImageModeling", small("ViTConfig", encoder_stride=8), (8, 8), target=rebuilt
    ),
    "deit": Case("DeiTForImageClassification", small("DeiTConfig"), (8, 8)),
    "deit, distilled": Case("DeiTForImageClassificationWithTeacher", small("DeiTConfig"), (8, 8)),
    "beit": Case("BeitForImageClassification", small("BeitConfig"), (8, 8)),
    "data2vec": Case("Data2VecVisionForImageClassification", small("Data2VecVisionConfig"), (8, 8)),
    "vit-msn": Case("ViTMSNForImageClassification", small("ViTMSNConfig"), (8, 8)),
    "vit-mae": Case(
        "ViTMAEModel",
        small("ViTMAEConfig", mask_ratio=0.0),
        (8, 8),
        target=class_token,
        others={"noise": torch.arange(64.0)[None]},  # it shuffles its patches by this
    ),
    "ijepa": Case("IJepaForImageClassification", small("IJepaConfig"), (8, 8)),
    "dinov2": Case(
        "Dinov2ForImageClassification",
        small("Dinov2Config", "intermediate_size", mlp_ratio=2),
        (8, 8),
    ),
    "dinov2 with registers": Case(
        "Dinov2WithRegistersForImageClassification",
        small("Dinov2WithRegistersConfig", "intermediate_size", mlp_ratio=2, num_register_tokens=4),
        (8, 8),
    ),
    "dinov3 vit": Case(
        "DINOv3ViTModel", small("DINOv3ViTConfig", num_register_tokens=4), (8, 8), target=pooled
    ),
    "vitdet": Case(
        "VitDetModel",
        small("VitDetConfig", "intermediate_size", pretrain_image_size=64),
        (8, 8),
        target=channel,
    ),
    "sam": Case(
        "SamVisionModel",
        small(
            "SamVisionConfig",
            "intermediate_size",
            output_channels=16,
            window_size=4,
            global_attn_indexes=[1],
            mlp_dim=64,
        ),
        (8, 8),
        target=channel,
    ),
    # pictures and texts
    "clip vision": Case(
        "CLIPVisionModel", small("CLIPVisionConfig", "num_labels"), (8, 8), target=pooled
    ),
    "clip vision, projected": Case(
        "CLIPVisionModelWithProjection",
        small("CLIPVisionConfig", "num_labels", projection_dim=16),
        (8, 8),
        target=embedded,
    ),
    "clip, classes": Case("CLIPForImageClassification", vision("CLIPConfig", num_labels=7), (8, 8)),
    "clip, similarity": Case(
        "CLIPModel",
        vision("CLIPConfig", text_config=WORDS, projection_dim=16),
        (8, 8),
        target=matched,
        others=TEXT,
    ),
    "metaclip2": Case(
        "MetaClip2ForImageClassification", vision("MetaClip2Config", num_labels=7), (8, 8)
    ),
    "siglip vision": Case(
        "SiglipVisionModel", small("SiglipVisionConfig", "num_labels"), (8, 8), target=pooled
    ),
    "siglip, classes": Case(
        "SiglipForImageClassification", vision("SiglipConfig", num_labels=7), (8, 8)
    ),
    "blip vision": Case(
        "BlipVisionModel", small("BlipVisionConfig", "num_labels"), (8, 8), target=pooled
    ),
    "owlvit": Case(
        "OwlViTForObjectDetection",
        vision("OwlViTConfig", text_config=WORDS, projection_dim=32),
        (8, 8),
        target=queries,
        others=TEXT,
    ),
    # windows and stages
    "swin": Case("SwinForImageClassification", windowed("SwinConfig"), (4, 4), BIG),
    "swinv2": Case("Swinv2ForImageClassification", windowed("Swinv2Config"), (4, 4), BIG),
    "donut swin": Case("DonutSwinForImageClassification", windowed("DonutSwinConfig"), (4, 4), BIG),
    "focalnet": Case(
        "FocalNetForImageClassification",
        lambda: tr.FocalNetConfig(image_size=128, embed_dim=16, depths=[1, 1, 2, 1], num_labels=7),
        (4, 4),
        BIG,
    ),
    "hiera": Case(
        "HieraForImageClassification",
        lambda: tr.HieraConfig(
            image_size=[128, 128],
            embed_dim=16,
            depths=[1, 1, 2, 1],
            num_heads=[1, 2, 2, 4],
            num_labels=7,
        ),
        (4, 4),
        BIG,
    ),
    "pvt": Case(
        "PvtForImageClassification", staged("PvtConfig", image_size=128, **PYRAMID), (4, 4), BIG
    ),
    "pvt v2": Case(
        "PvtV2ForImageClassification", staged("PvtV2Config", image_size=128, **PYRAMID), (4, 4), BIG
    ),
    "segformer": Case(
        "SegformerForImageClassification", staged("SegformerConfig", **PYRAMID), (4, 4), BIG
    ),
    "cvt": Case(
        "CvtForImageClassification",
        lambda: tr.CvtConfig(
            embed_dim=[8, 16, 32], num_heads=[1, 2, 2], depth=[1, 2, 3], num_labels=7
        ),
        (8, 8),
        BIG,
    ),
    "levit": Case(
        "LevitForImageClassification", lambda: tr.LevitConfig(**LEVIT), (4, 4), (256, 256)
    ),
    "levit, distilled": Case(
        "LevitForImageClassificationWithTeacher",
        lambda: tr.LevitConfig(**LEVIT),
        (4, 4),
        (256, 256),
    ),
    "swiftformer": Case(
        "SwiftFormerForImageClassification",
        lambda: tr.SwiftFormerConfig(
            image_size=128, embed_dims=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_labels=7
        ),
        (4, 4),
        BIG,
    ),
    "poolformer": Case("PoolFormerForImageClassification", staged("PoolFormerConfig"), (4, 4), BIG),
    "mobilevit": Case(
        "MobileViTForImageClassification", lambda: tr.MobileViTConfig(**MOBILE), (4, 4), BIG
    ),
    "mobilevit v2": Case(
        "MobileViTV2ForImageClassification",
        lambda: tr.MobileViTV2Config(image_size=128, num_labels=7, width_multiplier=0.5),
        (4, 4),
        BIG,
    ),
    # convolutions
    "convnext": Case("ConvNextForImageClassification", staged("ConvNextConfig"), (4, 4), BIG),
    "convnext v2": Case(
        "ConvNextV2ForImageClassification", staged("ConvNextV2Config"), (4, 4), BIG
    ),
    "dinov3 convnext": Case(
        "DINOv3ConvNextModel", staged("DINOv3ConvNextConfig"), (4, 4), BIG, target=pooled
    ),
    "resnet": Case(
        "ResNetForImageClassification", staged("ResNetConfig", embedding_size=8), (4, 4), BIG
    ),
    "regnet": Case(
        "RegNetForImageClassification",
        staged("RegNetConfig", embedding_size=8, groups_width=8),
        (4, 4),
        BIG,
    ),
    "bit": Case(
        "BitForImageClassification",
        staged("BitConfig", embedding_size=32, hidden_sizes=[128] * 4),
        (4, 4),
        BIG,
    ),
    "mobilenet v1": Case(
        "MobileNetV1ForImageClassification",
        lambda: tr.MobileNetV1Config(depth_multiplier=0.25, num_labels=7),
        (4, 4),
        BIG,
    ),
    "mobilenet v2": Case(
        "MobileNetV2ForImageClassification",
        lambda: tr.MobileNetV2Config(depth_multiplier=0.35, num_labels=7),
        (4, 4),
        BIG,
    ),
    "efficientnet": Case(
        "EfficientNetForImageClassification",
        lambda: tr.EfficientNetConfig(
            image_size=128,
            width_coefficient=0.5,
            depth_coefficient=0.5,
            hidden_dim=640,
            num_labels=7,
        ),
        (4, 4),
        BIG,
    ),
    "pp-lcnet": Case(
        "PPLCNetForImageClassification", lambda: tr.PPLCNetConfig(num_labels=7), (4, 4), BIG
    ),
    # detection
    "detr": Case("DetrForObjectDetection", detector("DetrConfig"), (4, 4), BIG, queries),
    "conditional detr": Case(
        "ConditionalDetrForObjectDetection", detector("ConditionalDetrConfig"), (4, 4), BIG, queries
    ),
    "dab-detr": Case(
        "DabDetrForObjectDetection",
        detector("DabDetrConfig", width="hidden_size"),
        (4, 4),
        BIG,
        queries,
    ),
    "deformable detr": Case(
        "DeformableDetrForObjectDetection",
        detector("DeformableDetrConfig", "stage2", "stage3", "stage4"),
        (4, 4),
        BIG,
        queries,
    ),
    "table transformer": Case(
        "TableTransformerForObjectDetection",
        detector("TableTransformerConfig"),
        (4, 4),
        BIG,
        queries,
    ),
    "rt-detr": Case(
        "RTDetrForObjectDetection",
        lambda: tr.RTDetrConfig(
            backbone_config=tr.RTDetrResNetConfig(
                embedding_size=8,
                hidden_sizes=[8, 16, 24, 32],
                depths=[1, 1, 1, 1],
                out_features=STAGES[1:],
            ),
            encoder_hidden_dim=32,
            encoder_in_channels=[16, 24, 32],
            encoder_ffn_dim=64,
            encoder_attention_heads=2,
            d_model=32,
            decoder_in_channels=[32, 32, 32],
            decoder_ffn_dim=64,
            decoder_layers=2,
            decoder_attention_heads=2,
            num_queries=10,
            num_denoising=0,
            num_labels=7,
        ),
        (4, 4),
        BIG,
        queries,
    ),
    "yolos": Case(  # detection tokens stand behind the grid
        "YolosForObjectDetection",
        small("YolosConfig", image_size=[64, 64], num_detection_tokens=10),
        (8, 8),
        target=queries,
    ),
    # segmentation and depth
    "segformer, segmentation": Case(
        "SegformerForSemanticSegmentation",
        staged("SegformerConfig", decoder_hidden_size=16, **PYRAMID),
        (32, 32),
        BIG,
        region,
    ),
    "beit, segmentation": Case(
        "BeitForSemanticSegmentation",
        small("BeitConfig", num_hidden_layers=4, out_indices=[1, 2, 3, 4]),
        (32, 32),
        target=region,
    ),
    "mobilevit, segmentation": Case(
        "MobileViTForSemanticSegmentation",
        lambda: tr.MobileViTConfig(**MOBILE),
        (4, 4),
        BIG,
        region,
    ),
    "mobilenet v2, segmentation": Case(
        "MobileNetV2ForSemanticSegmentation",
        lambda: tr.MobileNetV2Config(depth_multiplier=0.35, num_labels=7),
        (4, 4),
        BIG,
        region,
    ),
    "upernet": Case(
        "UperNetForSemanticSegmentation",
        lambda: tr.UperNetConfig(
            backbone_config=tr.ConvNextConfig(
                hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], out_features=STAGES
            ),
            hidden_size=16,
            auxiliary_in_channels=24,
            auxiliary_channels=16,
            num_labels=7,
            use_pretrained_backbone=False,
        ),
        (32, 32),
        BIG,
        region,
    ),
    "dpt, segmentation": Case(
        "DPTForSemanticSegmentation",
        small("DPTConfig", **DENSE, **NECK, backbone_out_indices=[0, 1, 2, 3], is_hybrid=False),
        (64, 64),
        BIG,
        region,
    ),
    "dpt, depth": Case(
        "DPTForDepthEstimation",
        small("DPTConfig", **DENSE, **NECK, backbone_out_indices=[0, 1, 2, 3], is_hybrid=False),
        (128, 128),
        BIG,
        depth,
    ),
    "glpn": Case(
        "GLPNForDepthEstimation",
        staged("GLPNConfig", decoder_hidden_size=16, **PYRAMID),
        (128, 128),
        BIG,
        depth,
    ),
    "mask2former": Case(
        "Mask2FormerForUniversalSegmentation",
        lambda: tr.Mask2FormerConfig(
            feature_size=32, mask_feature_size=32, backbone_config=SWIN, **MASKS
        ),
        (4, 4),
        BIG,
        masks,
    ),
    "maskformer": Case(
        "MaskFormerForInstanceSegmentation",
        lambda: tr.MaskFormerConfig(
            fpn_feature_size=32,
            mask_feature_size=32,
            backbone_config=SWIN,
            num_labels=7,
            decoder_config={"model_type": "detr", **detector("DetrConfig")().to_diff_dict()},
        ),
        (4, 4),
        BIG,
        masks,
    ),
    "oneformer": Case(
        "OneFormerForUniversalSegmentation",
        lambda: tr.OneFormerConfig(
            backbone_config=SWIN,
            conv_dim=32,
            mask_dim=32,
            text_encoder_width=32,
            text_encoder_num_layers=1,
            is_training=False,
            task_seq_len=7,
            **MASKS,
        ),
        (32, 32),
        BIG,
        masks,
        {"task_inputs": torch.ones(1, 7, dtype=torch.long)},
    ),
    "eomt": Case(
        "EomtForUniversalSegmentation",
        small(
            "EomtConfig",
            "intermediate_size",
            mlp_ratio=2,
            num_queries=10,
            num_blocks=1,
            num_register_tokens=4,
        ),
        (32, 32),
        target=painted,
    ),
    # writing, not square, in patches, in motion
    "trocr": Case(
        "VisionEncoderDecoderModel",
        lambda: tr.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
            small("ViTConfig")(),
            tr.GPT2Config(
                n_embd=32,
                n_layer=1,
                n_head=2,
                vocab_size=99,
                bos_token_id=1,
                eos_token_id=2,
                add_cross_attention=True,
            ),
        ),
        (8, 8),
        target=caption,
        others={"decoder_input_ids": torch.tensor([[1, 2]])},
    ),
    "mgp-str": Case(
        "MgpstrForSceneTextRecognition",
        lambda: tr.MgpstrConfig(
            image_size=[32, 128],
            patch_size=4,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
        ),
        (8, 32),
        (32, 128),
        lambda out: out.logits[0][:, 0, 0],
    ),
    "videomae": Case(
        "VideoMAEForVideoClassification",
        small("VideoMAEConfig", num_frames=4, tubelet_size=2),
        (2, 8, 8),
        (4, 64, 64),
    ),
    "vivit": Case(
        "VivitForVideoClassification",
        small("VivitConfig", "patch_size", num_frames=4, tubelet_size=[2, 8, 8]),
        (2, 8, 8),
        (4, 64, 64),
    ),
}

EXCEPTIONS = {
    "ImageGPT": "reads colours as words, token by token: there is no picture among its inputs",
    "ViT-MAE, pretraining": (
        "shuffles the patches at random: said in an error; with noise=... in order it works"
    ),
    "DiNAT": "needs natten, which is built for one torch and one GPU",
}
"""What is not explained with nothing named, and why."""
