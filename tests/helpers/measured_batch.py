"""An explained batch to measure, small and the same in every test: a network, images, protocol."""

import torch

from helpers.nets import convnet
from sightline import Card, Preprocess, describe
from sightline.evaluation.measure import COLUMNS, ExplainedBatch, LabelledBatch, Measurements
from sightline.protocol import Protocol

PROTOCOL = Protocol(
    steps=5,
    thetas=4,
    patch=4,
    stride=3,
    samples=2,
    road_percentages=(20, 60),
    noise=0.1,
    deletion_fill="black",
    blur=(3, 1),
)


STATISTICS = Preprocess(resize=None, crop=None, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


METHODS, CONTROLS = ["grad_cam", "grad_cam_pp", "gradient"], ["fake_cam", "edge"]


MEAN, STD = (torch.tensor(v).view(1, 3, 1, 1) for v in (STATISTICS.mean, STATISTICS.std))


BLACK = -MEAN / STD


def net(classes=7):
    model = convnet(classes=classes)
    describe(model, Card("test", None, STATISTICS, None, "a test"))
    return model


def labelled(b=3):
    torch.manual_seed(4)
    images = (torch.rand(b, 3, 12, 10) - MEAN) / STD
    return LabelledBatch(
        images, [7 + i for i in range(b)], [2, None, 5][:b], [{}] * b, [{}] * b, [True] * b
    )


def measured(protocol=PROTOCOL, model=None, batch=None, **options):
    explained = ExplainedBatch(
        model or net(),
        batch or labelled(),
        METHODS,
        protocol,
        controls=CONTROLS,
        columns=set(COLUMNS.values()),
        outputs=7,
        **options,
    )
    return explained, Measurements(explained)


def say(model, images, classes):
    return model(images).softmax(1).gather(1, classes.unsqueeze(1)).squeeze(1).detach()
