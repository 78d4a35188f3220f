"""Another gain and offset of each feature for each utterance, in training."""

import pytest
import torch

from espnet_wabert.modules.cif_aligner import CIFAligner
from espnet_wabert.modules.feature_shift import FeatureShift

FRAMES = torch.randn(64, 50, 16, generator=torch.Generator().manual_seed(0)) * 3 + 5
EVERYWHERE = torch.ones(64, 50, dtype=torch.bool)


def test_each_utterance_has_one_gain_and_offset_of_each_feature():
    torch.manual_seed(0)
    shifted = FeatureShift(0.3).train()(FRAMES, EVERYWHERE)
    gain = (shifted[:, 1] - shifted[:, 0]) / (FRAMES[:, 1] - FRAMES[:, 0])
    offset = shifted[:, 0] - gain * FRAMES[:, 0]
    linear = gain[:, None] * FRAMES + offset[:, None]
    torch.testing.assert_close(shifted, linear, rtol=1e-3, atol=1e-2)
    assert gain.mean().item() == pytest.approx(1.0, abs=0.05)
    assert gain.std().item() == pytest.approx(0.3, rel=0.1)
    assert offset.std().item() == pytest.approx(0.3 * 3, rel=0.1)


@pytest.mark.parametrize(("scale", "training"), [(0.3, False), (0.0, True)])
def test_nothing_changes_outside_training_or_without_a_scale(scale, training):
    assert FeatureShift(scale).train(training)(FRAMES, EVERYWHERE) is FRAMES


def test_padding_does_not_change_the_shift():
    lengths = torch.randint(10, 50, (64,))
    mask = torch.arange(50) < lengths[:, None]
    shifted = []
    for padding in (0.0, 100.0):
        torch.manual_seed(0)
        frames = torch.where(mask[..., None], FRAMES, padding)
        shifted.append(FeatureShift(0.3).train()(frames, mask)[mask])
    torch.testing.assert_close(*shifted)
    assert FeatureShift(0.3).train()(torch.ones(1, 1, 3), torch.ones(1, 1) > 0).isfinite().all()


def test_the_aligner_shifts_the_frames_before_its_adapter_in_training():
    aligner = CIFAligner(16, 8, adapter_layers=1, adapter_size=4, feature_shift=0.3, dropout=0.0)
    lengths = torch.full((64,), 50)
    assert not torch.equal(aligner.adapt(FRAMES, lengths), aligner.adapt(FRAMES, lengths))
    aligner.eval()
    torch.testing.assert_close(aligner.adapt(FRAMES, lengths), aligner.adapt(FRAMES, lengths))
