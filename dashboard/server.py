"""The web server of the dashboard."""

from pathlib import Path

import uvicorn
from streamlit.starlette import App

GRACE_SECONDS = 3  # for answers under way, after a signal


def serve(script: Path, host: str, port: int) -> None:
    """Serve a Streamlit script until a signal ends the process.

    Options come from the .streamlit/config.toml beside the script. uvicorn opens the socket:
    on the one that `streamlit run` opens, Nagle's algorithm holds each answer back by 40 ms.
    """
    app = App(script)
    uvicorn.run(app, host=host, port=port, log_config=None, timeout_graceful_shutdown=GRACE_SECONDS)
