"""``python -m hardlight``, and what Lightning starts again for each further process of DDP."""

from hardlight.cli import entry

if __name__ == "__main__":
    entry()
