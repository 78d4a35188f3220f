"""Segments and positions in one walk along each utterance's axis, compiled for the CPU.

The same results as the torch operations of `cif_axis.cross`, `cif_axis.positions` and
`cif_segments.cut`, which run on other devices and in graphs: some fifty operations on B x T
numbers each cost more than their work.
"""

import numba
import torch

from espnet_wabert.cif.boundaries import BEHIND, SLACK
from espnet_wabert.cif.segments import FrameTokenOverlaps


def walk(edges, plain, plan, sizes, threshold):
    """List the segments between edges (B, T + 1) and the tokens' positions in plain (B, T + 1).

    Returns FrameTokenOverlaps, starts (B, N) and ends (B, N); the arguments as in `cif_axis`.
    """
    batch, steps = edges.shape[0], edges.shape[1] - 1
    most, total = sizes.most, sizes.total
    frames, tokens = torch.empty(2, total, dtype=torch.int64)
    widths = torch.empty(total, dtype=torch.float64)
    by_token = torch.empty(batch * most + 1, dtype=torch.int64)
    frame_ends = torch.full((batch, steps), float(BEHIND), dtype=torch.float64)
    rows = torch.empty(batch + 1, dtype=torch.int64)
    starts, ends = torch.zeros(2, batch, most, dtype=torch.float64)
    parts = (frames, tokens, widths, by_token, frame_ends, rows)
    given = (edges.detach(), plain, plan.counts, plan.inner, plan.ending)
    fill(*(x.contiguous().numpy() for x in (*given, *parts, starts, ends)))
    widths = widths if threshold == 1 else widths * threshold
    begin, end = rows[:-1, None], rows[1:, None]
    return (
        FrameTokenOverlaps(frames, tokens, widths, by_token, frame_ends, begin, end),
        starts,
        ends,
    )


@numba.njit(cache=True, error_model="numpy")
def fill(
    edges, plain, counts, inner, ending,
    frames, tokens, widths, by_token, frame_ends, rows, starts, ends,
):  # fmt: skip
    """Fill what stands in the second line from what stands in the first."""
    batch, steps = frame_ends.shape
    most = starts.shape[1]
    segment = 0
    for row in range(batch):
        rows[row] = segment
        token, left = 0, edges[row, 0]
        boundaries, last = inner[row, 0], ending[row, 0]
        by_token[row * most : (row + 1) * most] = -1
        if most:
            by_token[row * most] = segment
        # one frame more than end in a token: the last boundary may lie in it
        for frame in range(min(last + 1, steps)):
            right = edges[row, frame + 1]
            while token < boundaries and (right >= token + 1 or frame == last):
                low, high = plain[row, frame], plain[row, frame + 1]
                frames[segment], tokens[segment] = row * steps + frame, row * most + token
                widths[segment] = token + 1 - left
                ends[row, token] = frame + (token + 1 - low) / (high - low)
                token, left, segment = token + 1, token + 1, segment + 1
                if token < most:
                    by_token[row * most + token] = segment
                    if token < counts[row, 0]:
                        starts[row, token] = ends[row, token - 1]
            if frame < last:
                frames[segment], tokens[segment] = row * steps + frame, row * most + token
                widths[segment], frame_ends[row, frame] = right - left, segment
                segment, left = segment + 1, right
                if right == token and token < most:  # silence behind the boundary
                    starts[row, token] = frame + 1
        if boundaries < counts[row, 0]:  # a tail or a target ends with the last weight
            final = steps
            while final > 0 and plain[row, final - 1] >= plain[row, steps] - SLACK:
                final -= 1
            ends[row, boundaries] = final
        for later in range(token + 1, most):
            by_token[row * most + later] = segment
    rows[batch] = segment
    by_token[batch * most] = segment
