"""Hooks of mkdocs: files outside docs/ as pages, links that fit, and the script of the drawings.

README.md and other files are pages of the site without a copy in docs/. A link is written for the
file in the repository; on the site it goes to the page. The text of a link to a file that is no
page (such as LICENSE) stays, without the link.
"""

import posixpath
import re
from importlib.util import find_spec
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
PAGES = {
    "index.md": "README.md",
    "results.md": "RESULTS.md",
    "model_card.md": "espnet_wabert/box/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}  # of the site, and their files
SCRIPT = "javascripts/mermaid.min.js"  # the theme would load it from another host
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files, config):
    """Add the pages from outside docs/ and the script to the site."""
    for name, path in PAGES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, SCRIPT, abs_src_path=str(_mermaid())))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turn links between files of the repository into links between pages."""
    uri = page.file.src_uri
    folder = posixpath.dirname(PAGES.get(uri, f"docs/{uri}"))
    pages = {path: name for name, path in PAGES.items()}

    def link(found: re.Match) -> str:
        path = posixpath.normpath(posixpath.join(folder, found["path"]))
        target = pages.get(path, path.removeprefix("docs/"))
        if target == path and (ROOT / path).exists():  # no page
            return found["text"]
        target = posixpath.relpath(target, posixpath.dirname(uri) or ".")
        return f"{found['image']}[{found['text']}]({target}{found['anchor'] or ''})"

    return _LINK.sub(link, markdown)


def on_post_page(output, page, config):
    """Load the script in pages with a drawing, before the theme's script looks for it."""
    if 'class="mermaid"' not in output:
        return output
    source = posixpath.relpath(SCRIPT, posixpath.dirname(page.file.dest_uri) or ".")
    return output.replace("</head>", f'<script src="{source}"></script></head>', 1)


def _mermaid() -> Path:
    """Return mermaid's script, which a package ships."""
    spec = find_spec("artoo_mermaid")
    if spec is None or spec.origin is None:
        raise PluginError('the drawings need a package: pip install -e ".[docs]"')
    return Path(spec.origin).parent / "assets" / "mermaid.min.js"
