"""`wabert demo`."""

import click

from espnet_wabert.cli.options import Positive, device_option, model_option
from espnet_wabert.errors import UserError, one_line_errors


@click.command()
@model_option
@click.option("--sentiment_model", help="A second model for sentiment; default: that of --model.")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0: all interfaces.")
@click.option("--port", type=click.IntRange(1, 65535), default=7860, show_default=True)
@click.option(
    "--max_seconds",
    type=Positive(),
    default=60.0,
    show_default=True,
    help="Longer recordings are refused.",
)
@device_option
@one_line_errors
def demo(model, sentiment_model, host, port, max_seconds, device):
    """Serve a page: record or upload speech, and see and hear when each word is said.

    The page works without internet and sends nothing anywhere. Recordings are deleted after an
    hour and when the server ends.

    \b
    wabert demo
    wabert demo --sentiment_model sentiment.zip --port 8000
    """  # noqa: D301
    import os
    import signal
    import sys
    import tempfile
    from pathlib import Path

    for ending in (signal.SIGTERM, signal.SIGHUP):  # the folder is removed then, too
        if signal.getsignal(ending) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(ending, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="wabert-demo-") as folder:
        # Gradio reads these when it is imported.
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}
        try:
            import gradio  # noqa: F401
        except ImportError as error:
            raise UserError('the page needs Gradio: pip install "espnet_wabert[demo]"') from error
        from espnet_wabert.demo.analysis import Analyzer
        from espnet_wabert.demo.memory import keep
        from espnet_wabert.demo.page import build, launch_settings
        from espnet_wabert.demo.server import bypass_proxy, clean_until_end
        from espnet_wabert.inference.pipeline import WaBERT

        classifier = WaBERT.from_pretrained(sentiment_model, device) if sentiment_model else None
        analyzer = Analyzer(WaBERT.from_pretrained(model, device), classifier, max_seconds)
        page = build(analyzer)
        bypass_proxy(host)
        try:
            page.launch(
                server_name=host, server_port=port, prevent_thread_lock=True,
                **launch_settings(max_seconds),
            )  # fmt: skip
        except OSError as error:
            raise UserError(
                f"--host {host} --port {port}: cannot be served here: {error}"
            ) from error
        keep()
        click.echo(f"http://{host}:{port} (Ctrl-C ends it)")
        clean_until_end(page, Path(folder))
