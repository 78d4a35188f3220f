"""Where a transcript's tokens lie, read from the similarity of frames and tokens.

CIF's cumulative weight adds up its small errors along an utterance. The similarity of each frame
with each token's target has no such memory: the best monotonic path through it is found by a
dynamic programme over segments (a semi-Markov model), with a prior on durations and pauses between
words as a state of their own.

A token's frames are limited to some multiple of what the prior expects, so that time and memory
grow as T times N: 10 minutes of speech (30,000 frames, 2,000 tokens) take some seconds and 700 MB.

Shapes: T frames, N tokens with [CLS] first and [SEP] last.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

LOG_ZERO = -1e30
LIMIT = np.iinfo(np.int16).max  # frames of one token, 11 minutes: the programme's memory holds it
PAUSED, OPENED = 1, 2  # what it remembers of a frame: lies in a pause; and is its first


class TokenSpans(NamedTuple):
    """The frames of each token: any reading of a transcript's place gives these."""

    starts: np.ndarray  # (N,) where it begins, in frames
    ends: np.ndarray  # (N,) where it ends: one past the last frame
    confidences: np.ndarray | None = None  # (N,) 0 to 1; None: from the similarity of its frames


class SegmentalAligner:
    """Monotonic alignment over frame-token cosines.

    Args:
        temperature: of the softmax over an utterance's tokens that turns cosines into
            log-probabilities of a frame.
        duration_weight: how much the prior on durations counts; 0 for none.
        duration_deviation: of the prior, a normal on the logarithm of a token's frames around the
            utterance's frames a letter times its letters.
        pause_penalty: what opening a pause between two words costs.
        longest: a token takes at most this many times the frames that the prior expects, and ten
            more; what is longer is a pause. At 8 the prior alone speaks against it with 8.6 nats.
    """

    def __init__(
        self,
        temperature: float = 0.1,
        duration_weight: float = 1.0,
        duration_deviation: float = 0.5,
        pause_penalty: float = 4.0,
        longest: float = 8.0,
    ):
        self.temperature = temperature
        self.duration_weight = duration_weight
        self.duration_deviation = duration_deviation
        self.pause_penalty = pause_penalty
        self.longest = longest

    def __call__(
        self, cosines: np.ndarray, letters: np.ndarray, word_ends: np.ndarray
    ) -> TokenSpans:
        """Read the best path.

        Args:
            cosines: frame-token cosines (T, N), T at least N.
            letters: letters of each token (N,); not asked for [CLS] and [SEP].
            word_ends: (N,) true where a pause may follow: the last piece of each word.
        """
        rows = np.ascontiguousarray(cosines.T, dtype=np.float32)  # the programme goes by token
        scores = log_probabilities(rows, self.temperature)
        # A pause between words looks like the silence at the ends, which [CLS] and [SEP] stand for.
        pause = np.logaddexp(scores[0], scores[-1]).astype(np.float64)
        # [CLS] and [SEP] last as long as their silence: no prior there.
        weights = np.full(len(letters), self.duration_weight / self.duration_deviation**2 / 2)
        weights[[0, -1]] = 0.0
        rate = self._frames_a_letter(pause, letters)
        frames = rate * np.maximum(letters, 1.0)
        longest = np.minimum(np.ceil(self.longest * frames) + 10, LIMIT).astype(np.int64)
        starts, ends = segmental_viterbi(
            scores.T, pause, np.log(frames), weights, word_ends.astype(np.bool_),
            self.pause_penalty, longest,
        )  # fmt: skip
        return TokenSpans(starts, ends)

    @staticmethod
    def _frames_a_letter(pause: np.ndarray, letters: np.ndarray) -> float:
        """Return the speaking rate: the frames that are speech, a letter."""
        speech = (1.0 - np.exp(np.minimum(pause, 0.0))).sum()
        return max(speech, 1.0) / max(letters[1:-1].sum(), 1.0)


@njit(cache=True, nogil=True)
def log_probabilities(cosines, temperature):
    """Return the log-softmax over the tokens (N, T) of cosines (N, T), in float32."""
    tokens, frames = cosines.shape
    highest, total = np.full(frames, LOG_ZERO), np.zeros(frames)
    for n in range(tokens):
        for t in range(frames):
            highest[t] = max(highest[t], cosines[n, t] / temperature)
    for n in range(tokens):
        for t in range(frames):
            total[t] += np.exp(cosines[n, t] / temperature - highest[t])
    normalizer = highest + np.log(total)
    scores = np.empty((tokens, frames), dtype=np.float32)
    for n in range(tokens):
        for t in range(frames):
            scores[n, t] = cosines[n, t] / temperature - normalizer[t]
    return scores


@njit(cache=True, nogil=True)
def segmental_viterbi(scores, pause, expected, weights, word_ends, pause_penalty, longest):
    """Return first and one-past-last frames of the best monotonic segmentation.

    Args:
        scores: log-probabilities (T, N), T at least N; quickest as the transpose of (N, T).
        pause: log-probability of a pause (T,).
        expected: mean of the log-duration of each token (N,).
        weights: of its squared deviation (N,); 0 for no prior.
        word_ends: (N,) whether a pause may follow the token.
        pause_penalty: cost of one.
        longest: frames that a token may take (N,), `LIMIT` at most. The first and the last token
            may take all there are, so that there is always a path.
    """
    frames, tokens = scores.shape
    lengths = np.zeros((tokens, frames + 1), dtype=np.int16)  # of token n where it ends before t
    pauses = np.zeros((tokens, frames + 1), dtype=np.uint8)  # after token n
    total = np.zeros(frames + 1)
    after = np.full(
        frames + 1, LOG_ZERO
    )  # best score with token n, or a pause after it, ending at t
    after[0] = 0.0
    last_start = 0
    for n in range(tokens):
        for t in range(frames):
            total[t + 1] = total[t] + scores[t, n]
        latest = frames - (tokens - 1 - n)  # each token to come needs a frame
        done = np.full(frames + 1, LOG_ZERO)
        if n == tokens - 1:
            last_start = _best_start(after - total, expected[n], weights[n]) if n else 0
        elif n == 0:
            for end in range(1, latest + 1):
                done[end] = total[end] - weights[0] * (np.log(end) - expected[0]) ** 2
        else:
            _try_lengths(
                (after - total)[n:latest], expected[n], weights[n], longest[n],
                done[n + 1 : latest + 1], lengths[n, n + 1 : latest + 1],
            )  # fmt: skip
            done[n + 1 : latest + 1] += total[n + 1 : latest + 1]
        if word_ends[n]:
            _try_pauses(done, pause, pause_penalty, pauses[n])
        after = done
    return _trace(lengths, pauses, last_start)


@njit(cache=True, nogil=True)
def _best_start(before, expected, weight):
    """Return where the last token begins, given the score before each start (T + 1,)."""
    frames = len(before) - 1
    best, where = LOG_ZERO, frames - 1
    for start in range(frames):
        value = before[start] - weight * (np.log(frames - start) - expected) ** 2
        if value > best:
            best, where = value, start
    return where


@njit(cache=True, nogil=True)
def _try_lengths(before, expected, weight, longest, done, lengths):
    """Put the best score of a token into `done`, and its frames there into `lengths`.

    `before` holds the scores before starts s, s + 1, ...; `done` those of ends s + 1, s + 2, ...
    The loop over ends is the inner one because the processor does several of them at once.
    """
    for length in range(1, min(longest, len(done)) + 1):
        cost = weight * (np.log(length) - expected) ** 2
        ends, at = done[length - 1 :], lengths[length - 1 :]
        starts = before[: len(ends)]
        for i in range(len(ends)):
            value = starts[i] - cost
            if value > ends[i]:
                ends[i] = value
                at[i] = length


@njit(cache=True, nogil=True)
def _try_pauses(done, pause, penalty, marks):
    """Raise the scores `done` (T + 1,) of a token's ends where a pause after it is better."""
    paused, previous = LOG_ZERO, done[0]
    for t in range(1, len(done)):
        if previous - penalty > paused:
            paused = previous - penalty
            marks[t] = OPENED
        paused += pause[t - 1]
        previous = done[t]
        if paused > done[t]:
            done[t] = paused
            marks[t] |= PAUSED


@njit(cache=True, nogil=True)
def _trace(lengths, pauses, last_start):
    """Go back over the best path from what each step remembered."""
    tokens, size = lengths.shape
    starts, ends = np.zeros(tokens, dtype=np.int64), np.zeros(tokens, dtype=np.int64)
    starts[-1], ends[-1] = last_start, size - 1
    for n in range(tokens - 2, -1, -1):
        end = starts[n + 1]
        if pauses[n, end] & PAUSED:
            while not pauses[n, end] & OPENED:
                end -= 1
            end -= 1
        ends[n] = end
        starts[n] = end - lengths[n, end] if n else 0
    return starts, ends
