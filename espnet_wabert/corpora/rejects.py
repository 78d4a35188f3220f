"""Utterances that cannot be used: collected first, then the user decides; none goes silently."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from espnet_wabert.errors import UserError
from espnet_wabert.formats.kaldi import write_files

LIST_NAME = "bad.txt"


class Reject(NamedTuple):
    """An utterance, the `kind` of fault (counted), and `where`: file, line and detail."""

    utt: str
    kind: str
    where: str


class Rejects:
    """The rejects of one data folder."""

    def __init__(self) -> None:
        self._rejects: list[Reject] = []

    def __len__(self) -> int:
        return len(self._rejects)

    def add(self, utt: str, kind: str, where: str) -> None:
        """Note one unusable utterance."""
        self._rejects.append(Reject(utt, kind, where))

    def counts(self) -> str:
        """Such as `3 (truncated audio 2, empty transcript 1)`."""
        kinds = Counter(reject.kind for reject in self._rejects)
        shown = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        return f"{len(self._rejects)} ({shown})" if kinds else "0"

    def settle(self, out: str | Path, skip_bad: bool) -> None:
        """List the rejects in `out`/bad.txt; a UserError unless they may be skipped."""
        listing = Path(out) / LIST_NAME
        if not self._rejects:
            listing.unlink(missing_ok=True)
            return
        rows = [f"{r.utt}\t{r.kind}\t{r.where}\n" for r in sorted(self._rejects)]
        write_files(Path(out), {LIST_NAME: rows})
        if not skip_bad:
            first = self._rejects[0]
            raise UserError(
                f"{first.where}: utterance {first.utt!r}: {first.kind}; bad utterances: "
                f"{self.counts()}, all in {listing}; correct them, or leave them out "
                "with --skip_bad true"
            )
