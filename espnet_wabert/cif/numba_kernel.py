"""Numba kernel for the CPU: overlaps and positions in one pass over the frames.

It gives the results of `boundaries.cross`, `boundaries.positions` and `segments.cut`, which run on
other devices and in graphs. On the CPU their fifty small torch operations cost more than the work.
"""

import torch

from espnet_wabert.cif.boundaries import BEHIND, SLACK
from espnet_wabert.cif.compiling import compiled
from espnet_wabert.cif.segments import FrameTokenOverlaps


def overlaps_and_positions(edges, raw_sums, plan, sizes, threshold):
    """List the overlaps of frames and tokens between edges (B, T + 1), and the tokens' positions.

    Positions are found in raw_sums (B, T + 1). Returns FrameTokenOverlaps, starts (B, N) and ends
    (B, N). The arguments are those of `boundaries`.
    """
    batch, steps = edges.shape[0], edges.shape[1] - 1
    max_tokens, total = sizes.max_tokens, sizes.total
    frames, tokens = torch.empty(2, total, dtype=torch.int64)
    widths = torch.empty(total, dtype=torch.float64)
    by_token = torch.empty(batch * max_tokens + 1, dtype=torch.int64)
    frame_ends = torch.full((batch, steps), float(BEHIND), dtype=torch.float64)
    rows = torch.empty(batch + 1, dtype=torch.int64)
    starts, ends = torch.zeros(2, batch, max_tokens, dtype=torch.float64)
    parts = (frames, tokens, widths, by_token, frame_ends, rows)
    given = (edges.detach(), raw_sums, plan.counts, plan.inner, plan.ending)
    fill(*(x.contiguous().numpy() for x in (*given, *parts, starts, ends)))
    widths = widths if threshold == 1 else widths * threshold
    begin, end = rows[:-1, None], rows[1:, None]
    return (
        FrameTokenOverlaps(frames, tokens, widths, by_token, frame_ends, begin, end),
        starts,
        ends,
    )


@compiled(error_model="numpy")
def fill(
    edges, raw_sums, counts, inner, ending,
    frames, tokens, widths, by_token, frame_ends, rows, starts, ends,
):  # fmt: skip
    """Fill the arrays of the second line of arguments from those of the first."""
    batch, steps = frame_ends.shape
    max_tokens = starts.shape[1]
    segment = 0
    for row in range(batch):
        rows[row] = segment
        token, left = 0, edges[row, 0]
        boundaries, last = inner[row, 0], ending[row, 0]
        by_token[row * max_tokens : (row + 1) * max_tokens] = -1
        if max_tokens:
            by_token[row * max_tokens] = segment
        # the last boundary may lie in the frame after the last one that ends in a token
        for frame in range(min(last + 1, steps)):
            right = edges[row, frame + 1]
            while token < boundaries and (right >= token + 1 or frame == last):
                low, high = raw_sums[row, frame], raw_sums[row, frame + 1]
                frames[segment], tokens[segment] = row * steps + frame, row * max_tokens + token
                widths[segment] = token + 1 - left
                ends[row, token] = frame + (token + 1 - low) / (high - low)
                token, left, segment = token + 1, token + 1, segment + 1
                if token < max_tokens:
                    by_token[row * max_tokens + token] = segment
                    if token < counts[row, 0]:
                        starts[row, token] = ends[row, token - 1]
            if frame < last:
                frames[segment], tokens[segment] = row * steps + frame, row * max_tokens + token
                widths[segment], frame_ends[row, frame] = right - left, segment
                segment, left = segment + 1, right
                # frames of zero weight after the boundary
                if right == token and token < max_tokens:
                    starts[row, token] = frame + 1
        # a tail or a target ends with the last frame that has weight
        if boundaries < counts[row, 0]:
            final = steps
            while final > 0 and raw_sums[row, final - 1] >= raw_sums[row, steps] - SLACK:
                final -= 1
            ends[row, boundaries] = final
        for later in range(token + 1, max_tokens):
            by_token[row * max_tokens + later] = segment
    rows[batch] = segment
    by_token[batch * max_tokens] = segment
