"""Serve the datasets until interrupted."""

from __future__ import annotations

import argparse

from . import DatasetServer


def main() -> None:
    """Serve the datasets until interrupted."""
    parser = argparse.ArgumentParser(description="Serve datasets, good and bad, as CSV.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")
    arguments = parser.parse_args()
    with DatasetServer(arguments.host, arguments.port) as server:
        print(f"datasets at http://{arguments.host}:{server.port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
