"""`python -m pe`, for launchers that start a module on every GPU: `accelerate launch -m pe train run.yaml`."""

from pe.cli import main

if __name__ == "__main__":
    main()
