"""Executes one notebook: `python -m results.notebook_run NOTEBOOK OUTPUT KERNEL FOLDER CAMPAIGN_FOLDER LANGUAGE`.

A process of its own (see `results.notebook`). The kernel is spoken to over Unix sockets in Jupyter's runtime folder:
over TCP a kernel can lose the port that was chosen for it to another program before it binds it.
"""

import sys
from pathlib import Path

import papermill
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_runtime_dir


class SocketKernelManager(AsyncKernelManager):
    """Starts kernels that listen on Unix sockets only."""

    def __init__(self, **settings: object) -> None:
        """Take what papermill gives; the transport is not its choice."""
        sockets = Path(jupyter_runtime_dir())
        sockets.mkdir(parents=True, exist_ok=True)
        super().__init__(**{**settings, "transport": "ipc", "ip": str(sockets / "kernel")})


def main(notebook: str, output: str, kernel: str, folder: str, campaign_folder: str, language: str) -> None:
    """Execute with these parameters; a failing cell raises, and papermill has written what ran until then."""
    papermill.execute_notebook(
        notebook,
        output,
        parameters={"campaign_folder": campaign_folder, "language": language},
        kernel_name=kernel,
        kernel_manager_class=SocketKernelManager,
        cwd=folder,
        progress_bar=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
