"""The rated texts alone: no text of a test set is in them, and files that ESPnet reads."""

import numpy as np
import pytest
from click.testing import CliRunner

from espnet_wabert.bin.make_rated_texts import main
from espnet_wabert.constants import LABELS
from espnet_wabert.formats.lines import read_table
from espnet_wabert.mini.corpus import read_pools
from espnet_wabert.mini.sentences import words


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("texts")
    done = CliRunner().invoke(main, ["--out", str(out)])
    assert done.exit_code == 0, done.output
    return out


def test_each_set_has_text_label_and_length_of_the_same_keys(folder):
    for name, least in (("train", 12000), ("valid", 500)):
        text, label, shape = (
            read_table(folder / name / file) for file in ("text", "sentiment", "text_shape")
        )
        assert list(text) == list(label) == list(shape) and len(text) >= least
        assert set(label.values()) == set(LABELS)
        assert all(int(shape[key]) == len(line.split()) > 0 for key, line in text.items())


def test_what_speakers_of_the_test_sets_say_is_not_trained_on(folder):
    pools = read_pools("box", np.random.default_rng(0)).splits
    trained = set(read_table(folder / "train/text").values())
    valid = set(read_table(folder / "valid/text").values())
    for split in ("dev", "test"):
        said = [t for texts in pools[split].sentiment.values() for t in texts]
        texts = {" ".join(words(text)) for text in said}
        assert len(texts) > 200 and not texts & trained
    assert not valid & trained
