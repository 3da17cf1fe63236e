"""The command `pe`; `python -m pe` is for launchers that start a module on every GPU, as accelerate does."""

from __future__ import annotations


def main() -> None:
    """Run the command line; SIGINT ends it with exit code 130, also while it is still being imported."""
    try:
        from pe.cli import main as run

        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
