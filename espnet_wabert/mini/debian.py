"""Files of Debian's packages: downloaded and unpacked below the sources, never installed."""

import shutil
import tempfile
from pathlib import Path

from espnet_wabert.errors import UserError
from espnet_wabert.mini.sources import default_folder, run


def fetch_debian(
    packages: tuple[str, ...], name: str, parts: tuple[Path, ...], sources: Path | None = None
) -> bool:
    """Download packages and keep what they have below usr/share; False: it is there.

    Args:
        packages: their names.
        name: of the folder below the sources.
        parts: files and folders, relative to usr/share, that must be there.
        sources: folder of the fetched sources.
    """
    folder = Path(sources or default_folder()) / name
    if folder.is_dir():
        return False
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise UserError(f"{' and '.join(packages)}: only Debian's apt-get and dpkg-deb fetch them")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        download = ["apt-get", "download", *packages]
        run(download, " ".join(download), work)
        for archive in sorted(Path(work).glob("*.deb")):
            run(["dpkg-deb", "--extract", archive.name, "unpacked"], archive.name, work)
        for part in parts:
            if not (Path(work) / "unpacked/usr/share" / part).exists():
                raise UserError(f"{' and '.join(packages)}: hold no {part}")
        (Path(work) / "unpacked/usr/share").rename(folder)  # completely or not at all
    return True
