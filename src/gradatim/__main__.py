"""`python -m gradatim` is the command."""

from gradatim.cli.app import main

if __name__ == "__main__":
    main()
