"""`python -P -m loop_kit` is the command `loop`."""

from loop_kit.cli.main import main

if __name__ == "__main__":
    main()
