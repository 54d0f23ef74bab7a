"""`python -m reportdl` is the command `reportdl`."""

from reportdl.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
