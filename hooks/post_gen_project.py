"""Say what to type next; the project is complete without this."""

import json

ANSWERS = r"""{{ cookiecutter | jsonify }}"""


def main() -> None:
    """Print the next commands."""
    slug = json.loads(ANSWERS)["project_slug"]
    print(f"{slug} is ready. Next:")
    print(f"  cd {slug}")
    print("  make test    # its own tests")
    print("  make run     # the development server")


if __name__ == "__main__":
    main()
