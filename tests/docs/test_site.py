"""The documentation builds without a warning, and its pages load nothing from other hosts."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NEEDED = ("mkdocs", "material", "mkdocstrings", "artoo_mermaid")
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, NEEDED)), reason='needs pip install -e ".[docs]"'
)


class Loaded(HTMLParser):
    """Collects the addresses that a browser loads with a page."""

    def __init__(self, page: Path):
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "src" in found:
            self.addresses.append(found["src"])
        if tag == "link" and found.get("rel") not in ("canonical", "prev", "next"):
            self.addresses.append(found["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    return folder


def test_every_page_loads_only_files_of_the_site(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(list((ROOT / "docs").glob("*.md")))
    for page in pages:
        for address in Loaded(page).addresses:
            target = site / address[1:] if address.startswith("/") else page.parent / address
            assert target.resolve().is_file(), f"{page.relative_to(site)}: {address}"


def test_drawings_have_their_script(site):
    for page in ("index.html", "architecture/index.html"):
        assert 'class="mermaid"' in (site / page).read_text()
        assert any(a.endswith("mermaid.min.js") for a in Loaded(site / page).addresses)
    assert not any("mermaid" in a for a in Loaded(site / "align/index.html").addresses)


def test_the_reference_has_the_public_api(site):
    text = (site / "api/index.html").read_text()
    for name in (
        "inference.pipeline.WaBERT.align",
        "inference.pipeline.Encoding",
        "inference.api.Classification",
        "inference.api.WaBERTInference",
        "formats.aligned_files.UtteranceAlignment.save",
        "cif.cif",
    ):
        assert f'id="espnet_wabert.{name}"' in text, name
    assert "read_batch" not in text  # of the commands
    assert "padded audio per batch" in text  # of a docstring
