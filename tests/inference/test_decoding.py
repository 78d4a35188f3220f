"""Decoding of a data folder: what is not aligned is counted."""

import numpy as np
import pytest
import soundfile
from tiny import arguments, save

from espnet_wabert.formats.kaldi import DataFolder, write_folder
from espnet_wabert.inference.api import WaBERTInference
from espnet_wabert.inference.decoding import SpeechSource, decode_alignment


@pytest.mark.parametrize("dense", [1, 2])
def test_utterances_that_a_method_cannot_align_are_counted(tmp_path, capsys, dense):
    """Also where it can align none of them."""
    model = WaBERTInference.from_pretrained(save(arguments(), tmp_path / "exp"))
    for number in range(2):
        noise = np.random.default_rng(number).normal(size=8000) * 0.1  # 24 frames
        soundfile.write(tmp_path / f"u{number}.wav", noise, 16000)
    wav = {f"u{number}": str(tmp_path / f"u{number}.wav") for number in range(2)}
    text = {u: " ".join(["good film"] * (40 if int(u[1]) < dense else 1)) for u in wav}
    speakers, sizes = {u: u for u in wav}, dict.fromkeys(wav, 8000)
    write_folder(DataFolder(wav, speakers, text=text, samples=sizes), tmp_path / "data")
    source = SpeechSource(tmp_path / "data", None)
    decode_alignment(lambda: model, source, tmp_path / "out", 10.0)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{dense} utterances have more tokens than frames: not aligned by similarity"]
    assert len((tmp_path / "out/decoding.jsonl").read_text().splitlines()) == 2
