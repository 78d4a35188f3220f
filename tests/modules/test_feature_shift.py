"""Another gain and offset of each feature for each utterance, in training."""

import pytest
import torch

from espnet_wabert.modules.cif_aligner import CIFAligner
from espnet_wabert.modules.feature_shift import FeatureShift

FRAMES = torch.randn(64, 50, 16, generator=torch.Generator().manual_seed(0)) * 3 + 5


def test_each_utterance_has_one_gain_and_offset_of_each_feature():
    torch.manual_seed(0)
    shifted = FeatureShift(0.3).train()(FRAMES)
    gain = (shifted[:, 1] - shifted[:, 0]) / (FRAMES[:, 1] - FRAMES[:, 0])
    offset = shifted[:, 0] - gain * FRAMES[:, 0]
    linear = gain[:, None] * FRAMES + offset[:, None]
    torch.testing.assert_close(shifted, linear, rtol=1e-3, atol=1e-2)
    assert gain.mean().item() == pytest.approx(1.0, abs=0.05)
    assert gain.std().item() == pytest.approx(0.3, rel=0.1)
    assert offset.std().item() == pytest.approx(0.3 * 3, rel=0.1)


@pytest.mark.parametrize(("scale", "training"), [(0.3, False), (0.0, True)])
def test_nothing_changes_outside_training_or_without_a_scale(scale, training):
    assert FeatureShift(scale).train(training)(FRAMES) is FRAMES


def test_the_aligner_shifts_the_frames_before_its_adapter_in_training():
    aligner = CIFAligner(16, 8, adapter_layers=1, adapter_size=4, feature_shift=0.3, dropout=0.0)
    lengths = torch.full((64,), 50)
    assert not torch.equal(aligner.adapt(FRAMES, lengths), aligner.adapt(FRAMES, lengths))
    aligner.eval()
    torch.testing.assert_close(aligner.adapt(FRAMES, lengths), aligner.adapt(FRAMES, lengths))
