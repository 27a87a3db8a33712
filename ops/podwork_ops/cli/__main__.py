"""`python -m podwork_ops.cli`: podctl without its script, for processes that start podctl."""

from podwork_ops.cli.main import main

if __name__ == "__main__":
    main()
