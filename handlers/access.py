"""Who may do what: bearer tokens with roles (RFC 6750), and how often; without tokens, only those who are near."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from handlers.settings import Settings, SettingsError
from handlers.sites import Names, read_names, refuse_other_names, refuse_other_sites
from handlers.web import Request, RequestError, Unready

if TYPE_CHECKING:
    from handlers.client_address import Network
    from handlers.rate_limit import Clock, RateLimit

Role = Literal["read", "write", ""]
"""What a route asks of a token; the empty one is open to everybody."""

_REACHES: dict[str, tuple[str, ...]] = {"read": ("read",), "write": ("write",), "admin": ("read", "write")}
# Compiled when they are first used: most instances of a function never do.
_ENTRY = r"([A-Za-z0-9._-]{1,64}):(read|write|admin):([0-9a-fA-F]{64})"
_CHALLENGE = 'Bearer realm="flows"'


class Token(NamedTuple):
    """A token that may come in: whose it is, the SHA-256 of it, and what it may do."""

    name: str
    role: str
    digest: bytes


class Access(NamedTuple):
    """Who is let in, and how often."""

    tokens: Sequence[Token] = ()
    anonymous: Literal["no", "near", "yes"] = "yes"
    """Whether a request without a token is let in where there are no tokens; ``near``: only one to a local name."""

    names: Names = ()
    """The names that requests may be to, beside local ones; without any, all but where ``anonymous`` is ``near``."""

    proxies: "Sequence[Network]" = ()
    rate_limit: "RateLimit | None" = None

    def admit(self, request: Request, role: Role) -> str:
        """Let a request in to a route, and tell whose it is: a token's name, or "" for anybody's.

        Raises RequestError 421, 401, 403 or 429, and Unready where nobody has been allowed in yet.
        """
        caller = self.identify(request, role)
        if self.rate_limit is not None and role != "":
            from handlers.client_address import client_address

            self.rate_limit.take(f"token {caller}" if caller else client_address(request, self.proxies))
        return caller

    def identify(self, request: Request, role: Role) -> str:
        """Do as ``admit`` does, without counting the request. Raises RequestError 421, 401 or 403, and Unready."""
        if self.names or self.anonymous == "near":
            refuse_other_names(request, self.names)
        if not self.tokens:
            refuse_other_sites(request, is_open=role == "")
        return "" if role == "" else self._caller(request, role)

    def _caller(self, request: Request, role: Role) -> str:
        if not self.tokens:
            if self.anonymous == "no":
                raise Unready("Nobody has been allowed in yet: API_TOKENS is empty, and ALLOW_ANONYMOUS is 0")
            return ""
        token = self._token(request)
        if role not in _REACHES[token.role]:
            challenge = f'{_CHALLENGE}, error="insufficient_scope", scope="{role}"'
            message = f"The token's role is {token.role}, and this takes {role} or admin"
            raise RequestError(403, message, headers=(("WWW-Authenticate", challenge),))
        return token.name

    def _token(self, request: Request) -> Token:
        scheme, _, given = request.headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            message = "A token is needed: Authorization: Bearer TOKEN"
            raise RequestError(401, message, headers=(("WWW-Authenticate", _CHALLENGE),))
        # Imported here since most instances of a function never need it.
        from hmac import compare_digest

        digest = digest_of(given.strip())
        # All of them are compared, so that the time tells nothing.
        if found := [token for token in self.tokens if compare_digest(token.digest, digest)]:
            return found[0]
        challenge = f'{_CHALLENGE}, error="invalid_token"'
        raise RequestError(401, "The token is not known", headers=(("WWW-Authenticate", challenge),))


ANYBODY = Access()


def read_access(settings: Settings, tokens_file: str, clock: "Clock") -> Access:
    """Make the access that the settings ask for; ``tokens_file`` is what API_TOKENS_FILE holds.

    Raises SettingsError, which never tells a value.
    """
    tokens = [*read_tokens("API_TOKENS", settings.api_tokens), *read_tokens("API_TOKENS_FILE", tokens_file)]
    for name, text in (("API_TOKENS", settings.api_tokens), ("API_TOKENS_FILE", settings.api_tokens_file)):
        if text and not tokens:
            raise SettingsError(f"{name} holds no token")
    if len({token.digest for token in tokens}) < len(tokens):
        raise SettingsError("API_TOKENS and API_TOKENS_FILE have the same token twice")
    names = read_names(settings.allowed_hosts)
    access = Access(tuple(tokens), "yes" if settings.allow_anonymous else "no", names)
    return _limited(access, settings, clock) if settings.rate_limit or settings.trusted_proxies else access


def _limited(access: Access, settings: Settings, clock: "Clock") -> Access:
    # Imported where it is asked for: a function starts the sooner without.
    from handlers.client_address import read_networks
    from handlers.rate_limit import RateLimit

    limit = RateLimit(settings.rate_limit, settings.rate_burst, clock) if settings.rate_limit else None
    return access._replace(proxies=read_networks(settings.trusted_proxies), rate_limit=limit)


def digest_of(token: str) -> bytes:
    """Hash a token as it is configured: SHA-256, which is enough for 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def entry_of(token: Token) -> str:
    """Write a token as it is configured."""
    return f"{token.name}:{token.role}:{token.digest.hex()}"


def read_tokens(setting: str, text: str) -> Iterator[Token]:
    """Read NAME:ROLE:SHA256, separated by commas or white space; the rest of a line from # on is a remark.

    Raises SettingsError.
    """
    words = re.sub(r"#.*", "", text).replace(",", " ").split()
    for number, word in enumerate(words, start=1):
        found = re.fullmatch(_ENTRY, word)
        if found is None:
            raise SettingsError(
                f"{setting} is wrong: its entry {number} is not NAME:ROLE:SHA256 as python -m local.token prints it"
            )
        yield Token(found[1], found[2], bytes.fromhex(found[3]))
