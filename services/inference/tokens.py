"""The token that clients on other machines or in other containers send."""

import json

from euguess.process.files import write_atomically
from services.inference.configuration import ServingOptions, key_file_path


class ClientToken:
    """Hands the inference token on to a file of its own; the management token stays private."""

    def __init__(self, options: ServingOptions) -> None:
        self._source = key_file_path(options.home)
        self._target = options.client_token
        self._is_shared = False

    def share(self) -> None:
        """Write the token once TorchServe has made it; until then, and afterwards, do nothing."""
        if self._is_shared or self._target is None or not self._source.exists():
            return
        try:
            keys = json.loads(self._source.read_text())
        except ValueError:  # TorchServe is writing it
            return
        token = json.dumps({"inference": keys["inference"]})
        write_atomically(self._target, token, mode=0o644)
        self._is_shared = True
