"""``python -m nas_assistant.cli``."""

from nas_assistant.cli import main

if __name__ == "__main__":
    main()
