"""HTML and notes on sounds in transcripts are not read."""

import pytest

from espnet_wabert.text.transcript import all_as_said

READ = {
    "AT &amp; T": "AT | and | T", "don&#39;t": "don't", "&quot;so&quot;": "so", "&so;": "&so",
    "<i>Hello you</i>": "Hello | you", "a<br/>b <unk> I < you": "a b |  | I |  | you",
    ">> So -> b": " | So |  | b",
    "so [laughs] we (inaudible). (Laughter)": "so |  | we |  | ",
    "[inaudible 00:10:30] go [00:01] on": " |  | go |  | on",
    "[upbeat music playing] it": " |  |  | it",
    "(9:30) 9:30 (laughs at": "nine thirty | nine thirty | laughs | at",
    "[the president] said (the music)": "the | president | said | the | music",
    "[W]e are [": "W e | are | ", "[so] he laughs [then": "so | he | laughs | then",
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), READ.items())
def test_what_is_read_of_markup(text, said):
    assert all_as_said(text.split()) == said.split(" | ")
