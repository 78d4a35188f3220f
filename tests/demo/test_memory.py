"""Memory of the server: what a request leaves behind is freed, what was there before is kept."""

import gc
import weakref

import pytest

from espnet_wabert.demo.memory import give_back, keep


class Picture:
    """An object that refers to itself, as figures do."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def kept():
    """A picture from before `keep`."""
    picture = Picture()
    keep()
    yield picture
    gc.unfreeze()


def test_pictures_are_freed_and_what_was_there_is_not_looked_through(kept):
    before = gc.get_freeze_count()
    picture = weakref.ref(Picture())
    give_back()
    assert picture() is None
    # What is freed, here or in another thread, can hold the last reference to something kept.
    assert kept.itself is kept and 0 < gc.get_freeze_count() <= before
    assert not any(one is kept for one in gc.get_objects())  # those that a collection looks through
