"""`python -m service.cli`: as `narrows`."""

from service.cli.main import main

if __name__ == "__main__":
    main()
