"""python -m local.token NAME ROLE: make a token, and print it this once."""

import argparse
import secrets
import sys

from handlers.access import Token, digest_of, entry_of, read_tokens
from handlers.request_id import TOKEN_PREFIX
from handlers.settings import SettingsError

RANDOM_BYTES = 32


def make_token() -> str:
    """Make a token out of 256 random bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def main() -> None:
    """Print a new token, and its entry in API_TOKENS. Exits with a sentence where the name or the role is none."""
    parser = argparse.ArgumentParser(
        prog="python -m local.token",
        usage="make token NAME=web-1 ROLE=write, or python -m local.token NAME ROLE",
        description="Make a token, and print it this once.",
    )
    parser.add_argument("name", help="whose it is: 1 to 64 letters, digits, dots, hyphens and underlines")
    parser.add_argument("role", choices=("read", "write", "admin"), help="GET, POST, or both")
    arguments = parser.parse_args()
    token = make_token()
    entry = entry_of(Token(arguments.name, arguments.role, digest_of(token)))
    try:
        list(read_tokens("NAME", entry))
    except SettingsError:
        parser.error("NAME has 1 to 64 letters, digits, dots, hyphens and underlines")
    print(f"token: {token}\nentry: {entry}")
    print("The token is shown this once: give it to its owner. The entry goes into API_TOKENS.", file=sys.stderr)


if __name__ == "__main__":
    main()
