"""Guided Grad-CAM against the definition of its paper, written with hooks and a ReLU of its own."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from embedkit.encoder import EncoderConfig, save_encoder
from embedkit.encoder.network import build_backbone
from embedkit.encoder.weights import read_weights
from embedkit.errors import EncoderError, UsageError
from embedkit.heads import LinearHead
from embedkit.heads.attribution import Explainer

REGIONS = ("foot", "hand", "knee", "never seen")
CONFIG = EncoderConfig("tiny", "simclr", 64, 0.4, 0.25)


@pytest.fixture(scope="module")
def head():
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(0, 4, (4, 512)), np.array([0.1, -0.2, 0.3, -np.inf])
    return LinearHead(REGIONS, weight.astype(np.float32), bias.astype(np.float32))


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return build_backbone().eval()


@pytest.fixture(scope="module")
def explainer(backbone, head):
    return Explainer(backbone, CONFIG, head)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(1).integers(0, 255, (3, 256, 256), dtype=np.uint8)


class GuidedRelu(torch.autograd.Function):
    """Springenberg et al.: only what is positive goes up, and only what is positive comes down."""

    @staticmethod
    def forward(ctx, value):
        ctx.save_for_backward(value)
        return value.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        (value,) = ctx.saved_tensors
        return gradient.clamp(min=0) * (value > 0)


class Guided(nn.Module):
    def forward(self, value):
        return GuidedRelu.apply(value)


def naive_maps(network, grey, target):
    kept = {}
    hook = network.backbone.layer4.register_forward_hook(lambda _m, _i, output: kept.update(features=output))
    grey = grey.clone().requires_grad_()
    network(grey)[0, target].backward(inputs=[grey], retain_graph=True)
    gradient = torch.autograd.grad(network(grey)[0, target], kept["features"])[0]
    hook.remove()
    weights = gradient.mean(dim=(2, 3))[0]
    coarse = sum(weight * channel for weight, channel in zip(weights, kept["features"][0], strict=True)).clamp(min=0)
    heat = functional.interpolate(coarse[None, None], size=grey.shape[2:], mode="bilinear")[0, 0].detach()
    return heat, heat * guided_gradient(network, grey.detach(), target)


def guided_gradient(network, grey, target):
    for block in network.modules():
        for name, child in list(block.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(block, name, Guided())
    grey = grey.clone().requires_grad_()
    return torch.autograd.grad(network(grey)[0, target], grey)[0][0, 0]


def enlarge(values):
    return functional.interpolate(values[None, None], size=(256, 256), mode="bilinear")[0, 0].detach().numpy()


@pytest.mark.slow
@pytest.mark.parametrize("region", ["foot", "knee"])
def test_maps_are_those_of_the_definition(explainer, backbone, head, pictures, region):
    found = explainer.explain(pictures, region)
    for number, picture in enumerate(pictures):
        network = Explainer(backbone, CONFIG, head).network
        heat, guided = naive_maps(network, explainer.prepare(picture[None]), REGIONS.index(region))
        assert heat.max() > 0
        np.testing.assert_allclose(found.heat[number], enlarge(heat), atol=1e-4 * float(heat.max()))
        expected = enlarge(guided.abs())
        np.testing.assert_allclose(found.guided[number], expected, atol=1e-3 * float(expected.max()))


@pytest.mark.slow
def test_the_likeliest_region_is_explained_with_the_heads_own_probability(explainer, backbone, head, pictures):
    found = explainer.explain(pictures)
    with torch.no_grad():
        vectors = backbone(explainer.prepare(pictures)).numpy()
    probabilities = head.probabilities(vectors)
    assert found.regions == tuple(REGIONS[best] for best in probabilities.argmax(axis=1))
    np.testing.assert_allclose(found.probability, probabilities.max(axis=1), atol=1e-5)


@pytest.mark.slow
def test_the_same_picture_gives_the_same_maps_and_leaves_no_hooks(explainer, pictures):
    first, again = explainer.explain(pictures), explainer.explain(pictures)
    assert np.array_equal(first.heat, again.heat)
    assert np.array_equal(first.guided, again.guided)
    modules = explainer.network.modules()
    assert not any(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks for module in modules)


@pytest.mark.slow
def test_the_backbone_is_left_as_it_was(backbone, head, pictures):
    before = [module.inplace for module in backbone.modules() if isinstance(module, nn.ReLU)]
    Explainer(backbone, CONFIG, head).explain(pictures[:1])
    assert [module.inplace for module in backbone.modules() if isinstance(module, nn.ReLU)] == before
    assert all(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.slow
def test_many_pictures_are_explained_in_parts(explainer, pictures):
    many = np.concatenate([pictures] * 12)
    found = explainer.explain(many, "hand")
    assert found.regions == ("hand",) * 36
    np.testing.assert_allclose(found.heat[33:], found.heat[:3], rtol=1e-3, atol=1e-4 * float(found.heat.max()))


def test_a_blank_picture_has_finite_maps(explainer):
    found = explainer.explain(np.zeros((1, 256, 256), np.uint8))
    assert np.isfinite(found.heat).all()
    assert np.isfinite(found.guided).all()


@pytest.mark.parametrize("region", ["never seen", "skull", ""])
def test_a_region_without_an_image_cannot_be_explained(explainer, pictures, region):
    with pytest.raises(UsageError, match=r"foot, hand, knee$"):
        explainer.explain(pictures, region)


def test_a_head_of_another_encoder_is_refused(tmp_path, backbone, head):
    path = tmp_path / "tiny.safetensors"
    save_encoder(path, backbone, CONFIG)
    with pytest.raises(EncoderError) as caught:
        Explainer.load(str(path), head)
    assert caught.value.reason == "head-of-another-encoder"
    sha256 = read_weights(str(path))[2]
    assert Explainer.load(str(path), LinearHead(head.regions, head.weight, head.bias, sha256)).config == CONFIG
