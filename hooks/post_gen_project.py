"""Say what to type next; the project is complete without this."""

import json

ANSWERS = r"""{{ cookiecutter | jsonify }}"""


def main() -> None:
    """Print the next commands."""
    slug = json.loads(ANSWERS)["project_slug"]
    print(f"{slug} is ready. Next:")
    print(f"  cd {slug} && git init && make test   # its tests")
    print("  make run                             # http://127.0.0.1:8000")


if __name__ == "__main__":
    main()
