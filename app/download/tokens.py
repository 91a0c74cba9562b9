"""Access tokens of hubs: kept in the system's keyring, for the host that they were made for, and nowhere else."""

from __future__ import annotations

import logging

from engines.api import UserError

log = logging.getLogger(__name__)

SERVICE = "easel"


class Tokens:
    """Looks tokens up when a host asks for one. `session` ones, for systems without a keyring, end with the program."""

    def __init__(self) -> None:
        self._session: dict[str, str] = {}

    def get(self, host: str) -> str:
        """The token for a host, empty when there is none or the keyring does not open."""
        if host in self._session:
            return self._session[host]
        try:
            import keyring

            return keyring.get_password(SERVICE, host) or ""
        except Exception as error:  # keyrings are of many makes and fail in ways of their own
            log.info("the keyring does not answer: %s", type(error).__name__)
            return ""

    def keep(self, host: str, token: str) -> None:
        """Keep a token; an empty one removes it. Raises `UserError("keyring-missing")`: it then holds for this session."""
        token = token.strip()
        if any(not character.isprintable() or character.isspace() for character in token):
            raise UserError("token-malformed")
        self._session.pop(host, None)
        try:
            self._store(host, token)
        except Exception as error:
            if token:
                self._session[host] = token
                why = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
                raise UserError("keyring-missing", why=why) from error

    @staticmethod
    def _store(host: str, token: str) -> None:
        import keyring

        if token:
            keyring.set_password(SERVICE, host, token)
        elif keyring.get_password(SERVICE, host) is not None:
            keyring.delete_password(SERVICE, host)
