"""Segmental Viterbi alignment of tokens with frames, from their cosines.

CIF's cumulative weight accumulates small errors along an utterance. The cosine of a frame and a
token's target depends on that frame only. Dynamic programming over segments (a semi-Markov model)
finds the best monotonic path, with a prior on durations and optional pauses between words.

The duration of a token is limited to a multiple of its expectation, so time and memory grow as
T times N: 10 minutes of speech (30,000 frames, 2,000 tokens) need some seconds and 700 MB.

Shapes: T frames, N tokens with [CLS] first and [SEP] last.
"""

import numpy as np

from espnet_wabert.alignment.spans import TokenSpans
from espnet_wabert.cif.compiling import compiled

LOG_ZERO = -1e30
LIMIT = np.iinfo(np.int16).max  # frames of one token, 11 minutes: the type of the backpointers
PAUSED, OPENED = 1, 2  # flags of a frame: it lies in a pause; it is the first frame of one
TEMPERATURE = 0.1  # of the softmax over the tokens: cosines of a frame to log-probabilities
# The prior on the log duration of a token is a normal distribution with this deviation. Its mean is
# the utterance's frames per letter times the token's letters.
DEVIATION = 0.5
PAUSE_PENALTY = 4.0  # cost of a pause between two words
LONGEST = 8.0  # times the expected frames of a token, plus ten; the prior costs 8.6 nats there


def align_segments(cosines: np.ndarray, letters: np.ndarray, word_ends: np.ndarray) -> TokenSpans:
    """Return the spans of the best monotonic path over frame-token cosines.

    Args:
        cosines: (T, N), T at least N.
        letters: number of letters of each token (N,); ignored for [CLS] and [SEP].
        word_ends: (N,) true where a pause may follow: the last word piece of each word.
    """
    rows = np.ascontiguousarray(cosines.T, dtype=np.float32)  # one row per token
    scores = log_probabilities(rows, TEMPERATURE)
    # A pause between words sounds like the silence at both ends: [CLS] and [SEP].
    pause = np.logaddexp(scores[0], scores[-1]).astype(np.float64)
    # The duration of silence has no prior.
    weights = np.full(len(letters), 1 / DEVIATION**2 / 2)
    weights[[0, -1]] = 0.0
    frames = _frames_per_letter(pause, letters) * np.maximum(letters, 1.0)
    longest = np.minimum(np.ceil(LONGEST * frames) + 10, LIMIT).astype(np.int64)
    starts, ends = segmental_viterbi(
        scores.T, pause, np.log(frames), weights, word_ends.astype(np.bool_), PAUSE_PENALTY, longest
    )
    return TokenSpans(starts, ends)


def _frames_per_letter(pause: np.ndarray, letters: np.ndarray) -> float:
    """Return the speaking rate: frames of speech per letter."""
    speech = (1.0 - np.exp(np.minimum(pause, 0.0))).sum()
    return max(speech, 1.0) / max(letters[1:-1].sum(), 1.0)


@compiled(nogil=True)
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


@compiled(nogil=True)
def segmental_viterbi(scores, pause, expected, weights, word_ends, pause_penalty, longest):
    """Return the first and one-past-last frames of the best monotonic segmentation.

    Args:
        scores: log-probabilities (T, N), T at least N; fastest as the transpose of (N, T).
        pause: log-probability of a pause (T,).
        expected: mean log duration of each token (N,).
        weights: of the squared deviation from it (N,); 0: no prior.
        word_ends: (N,) whether a pause may follow the token.
        pause_penalty: cost of a pause.
        longest: most frames of a token (N,), at most `LIMIT`. The first and the last token have no
            limit, so there is always a path.
    """
    frames, tokens = scores.shape
    # Frames of token n, if it ends before frame t, and the flags of a pause after it.
    lengths = np.zeros((tokens, frames + 1), dtype=np.int16)
    pauses = np.zeros((tokens, frames + 1), dtype=np.uint8)
    total = np.zeros(frames + 1)
    # Best score with token n, or a pause after it, ending at t.
    after = np.full(frames + 1, LOG_ZERO)
    after[0] = 0.0
    last_start = 0
    for n in range(tokens):
        for t in range(frames):
            total[t + 1] = total[t] + scores[t, n]
        latest = frames - (tokens - 1 - n)  # each later token needs a frame
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


@compiled(nogil=True)
def _best_start(before, expected, weight):
    """Return the start of the last token, given the score before each start (T + 1,)."""
    frames = len(before) - 1
    best, where = LOG_ZERO, frames - 1
    for start in range(frames):
        value = before[start] - weight * (np.log(frames - start) - expected) ** 2
        if value > best:
            best, where = value, start
    return where


@compiled(nogil=True)
def _try_lengths(before, expected, weight, longest, done, lengths):
    """Write the best score of a token into `done` and its frames into `lengths`.

    `before` holds the scores before starts s, s + 1, ...; `done` those of ends s + 1, s + 2, ...
    The loop over ends is the inner one: the compiler vectorizes it.
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


@compiled(nogil=True)
def _try_pauses(done, pause, penalty, marks):
    """Raise the scores `done` (T + 1,) of ends where a pause after the token is better."""
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


@compiled(nogil=True)
def _trace(lengths, pauses, last_start):
    """Return the best path from the backpointers."""
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
