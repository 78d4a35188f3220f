"""The page: its layout, what a click does, and how it is served."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from gradio_client.utils import is_http_url_like

from espnet_wabert.demo.analysis import Analysis, Analyzer
from espnet_wabert.demo.clips import CLIPS
from espnet_wabert.demo.memory import give_back
from espnet_wabert.demo.picture import picture
from espnet_wabert.demo.server import DELETE_AFTER, DELETE_EVERY
from espnet_wabert.demo.tables import candidates_table, methods_table, summary, words_table
from espnet_wabert.errors import UserError, last_line

FILES = {"TextGrid": ".TextGrid", "SRT": ".srt", "JSON": ".json"}  # button to suffix
WAITING = 32  # requests in the queue; more are refused
BYTES_PER_SECOND = 400_000  # of an upload: 48 kHz, two channels, 32 bits
HERE = Path(__file__).parent
# The fonts of the visitor's system: no font is downloaded.
FONTS = ("system-ui", "sans-serif")
FIXED_FONTS = ("ui-monospace", "monospace")


def _upload_only(audio: gr.Audio) -> None:
    """Let a recording be uploaded only: no address that a visitor names is opened."""
    move = audio.async_move_resource_to_block_cache

    async def move_upload(url_or_file_path):
        if is_http_url_like(str(url_or_file_path)):
            raise gr.Error("upload the recording: addresses are not opened", print_exception=False)
        return await move(url_or_file_path)

    audio.async_move_resource_to_block_cache = move_upload  # type: ignore[method-assign]


def launch_settings(max_seconds: float) -> dict[str, Any]:
    """Return the arguments of `Blocks.launch` that every server of the page has.

    `_frontend` False: Gradio would ask for its own page, and end with a traceback if that takes
    3 seconds, as on a busy machine.
    """
    return dict(
        _frontend=False,
        share=False, ssr_mode=False, pwa=False, mcp_server=False, enable_monitoring=False,
        run_history=False, footer_links=[], quiet=True, show_error=True,
        max_file_size=int(BYTES_PER_SECOND * max(max_seconds, 10.0)),
        theme=gr.themes.Default(primary_hue="blue", font=FONTS, font_mono=FIXED_FONTS),
        css_paths=HERE / "page.css", js=(HERE / "page.js").read_text(encoding="utf-8"),
    )  # fmt: skip


def build(analyzer: Analyzer) -> gr.Blocks:
    """Return the page."""
    page = gr.Blocks(
        title="WaBERT", analytics_enabled=False, delete_cache=(DELETE_EVERY, DELETE_AFTER)
    )
    with page:
        gr.Markdown(
            "# When is each word said?\n"
            f"Record or upload up to {analyzer.max_seconds:g} s of English speech. With a"
            " transcript it is aligned; without one the model reads the recording first.",
            elem_id="heading",
        )
        with gr.Row():
            audio = gr.Audio(
                type="filepath", label="Recording", elem_id="recording", buttons=[], min_width=300
            )
            _upload_only(audio)
            with gr.Column(min_width=300):
                text = gr.Textbox(
                    label="Transcript (optional)", placeholder="what was said", lines=3,
                    max_lines=6, elem_id="transcript",
                )  # fmt: skip
                method = gr.Radio(
                    analyzer.methods, value=analyzer.methods[0], label="Alignment method",
                    elem_id="method",
                )  # fmt: skip
                button = gr.Button("Align", variant="primary", elem_id="align")
        examples = gr.Column()
        with gr.Column(visible=False, elem_id="results") as results:
            outputs = [results, *_results(analyzer)]
        given = [audio, text, method]
        worker = ThreadPoolExecutor(1)

        def show(path: str | None, transcript: str, name: str) -> list:
            # One thread for the model: torch and glibc keep memory for each thread that they meet.
            try:
                return worker.submit(_show, analyzer, path, transcript, name).result()
            finally:
                give_back()

        shared: dict[str, Any] = dict(
            concurrency_id="model", concurrency_limit=1, show_progress_on=[button]
        )
        events = [
            button.click(show, given, outputs, api_name="align", **shared),
            method.input(
                lambda path, *rest: show(path, *rest) if path else gr.skip(), given, outputs,
                api_visibility="private", **shared,
            ),
        ]  # fmt: skip
        with examples:
            _examples(given[:2], events, show, given, outputs, shared)
        for event in events:
            event.failure(
                lambda: gr.Column(visible=False), None, results, queue=False,
                api_visibility="private",
            )  # fmt: skip
    page.queue(max_size=WAITING, default_concurrency_limit=1)
    return page


def _results(analyzer: Analyzer) -> list:
    """Return the components of the results, in the order of `_show`."""
    shown = [
        gr.HTML(elem_id="summary"),
        gr.Textbox(label="What was read", buttons=["copy"], elem_id="read", interactive=False),
        gr.HTML(elem_id="picture"),
    ]
    with gr.Row():
        with gr.Column(scale=3, min_width=300), gr.Tabs():
            with gr.Tab("Words"):
                shown.append(gr.HTML(elem_id="words"))
            with gr.Tab("Methods"):
                shown.append(gr.HTML(elem_id="methods"))
            with gr.Tab("Subwords"):
                shown.append(gr.HTML(elem_id="candidates"))
        with gr.Column(scale=1, min_width=240):
            has = analyzer.classifier is not None
            shown.append(gr.Label(label="Sentiment", visible=has, elem_id="sentiment"))
            gr.Markdown("Download")
            with gr.Row():
                shown += [gr.DownloadButton(kind, size="sm", min_width=60) for kind in FILES]
    return shown


def _examples(inputs, events, show, given, outputs, shared) -> None:
    """Add the examples, which are analyzed when one is clicked."""
    chosen = gr.Examples(
        [list(clip[:2]) for clip in CLIPS], inputs, label="Examples", cache_examples=False,
        example_labels=[clip.label for clip in CLIPS], api_visibility="private",
    )  # fmt: skip
    inputs[0].keep_in_cache.update(inputs[0].temp_files)  # the clips; uploads are deleted
    events.append(
        chosen.load_input_event.success(show, given, outputs, api_visibility="private", **shared)
    )


def _show(analyzer: Analyzer, path: str | None, text: str, method: str | None) -> list:
    """Return the values of the results.

    Raises:
        gr.Error: with the message of a `UserError`; the page shows it.
    """
    if not path:
        raise gr.Error("record or upload a recording first", print_exception=False)
    try:
        seen = analyzer(path, text or "", method)
    except UserError as error:
        raise gr.Error(last_line(error), duration=20, print_exception=False) from error
    return [
        gr.Column(visible=True),
        summary(seen),
        gr.Textbox(seen.read, visible=seen.read is not None),
        picture(seen),
        words_table(seen, f"gradio_api/file={quote(path)}"),
        methods_table(seen),
        candidates_table(seen),
        _probabilities(seen),
        *_saved(seen, Path(path).stem),
    ]


def _probabilities(seen: Analysis) -> dict[str, float] | None:
    found = seen.sentiment
    return found and dict(zip(found.labels, found.scores, strict=True))


def _saved(seen: Analysis, stem: str) -> list[str]:
    """Write the downloads into Gradio's cache, which deletes them when they are old.

    At the end of the server its folder is removed, and is not made again.
    """
    folder = Path(gr.utils.get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir()
    paths = [folder / f"{stem}{suffix}" for suffix in FILES.values()]
    for path in paths:
        seen.chosen.save(path)
    return [str(path) for path in paths]
