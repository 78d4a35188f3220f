"""How addresses of the Web and of mail, and words with an &, are read."""

import pytest

from espnet_wabert.text.transcript import as_said

READ = {
    "www.example.com,": "www dot example dot com", "NPR.org.": "NPR dot org",
    "(https://bbc.co.uk/news/)": "bbc dot co dot uk slash news",
    "Amazon.com\u2019s": "Amazon dot com's", "end.Start": "end Start", "U.K.": "U K",
    "jo_b2@my-site.com": "jo underscore b two at my site dot com",
    "jo@example.ch": "jo at example ch", "@name:": "at name", "@": "at", "f@ct": "f@ct",
    "3.5": "three point five", "x.company": "x company",
    "(AT&T)": "AT and T", "Q&A's": "Q and A's", "&": "and", "1&2": "one and two", "R&": "R&",
}  # fmt: skip


@pytest.mark.parametrize(("word", "said"), READ.items())
def test_what_is_read_of_an_address(word, said):
    assert as_said(word) == said


def test_a_long_word_is_read_at_once():
    assert len(as_said("a.-" * 20000)) > 20000
