"""Every way to fail."""

import os
import time

from jubako.model import InvalidRequest


class Model:
    def infer(self, how: str) -> str:
        match how:
            case "refuse":
                raise InvalidRequest("This is not what the model answers.", param="how")
            case "raise":
                raise ValueError("a secret of the server")
            case "return nonsense":
                return {"nobody": "knows"}  # type: ignore[return-value]  # the failure itself
            case "die":
                os._exit(7)
            case "hang":
                time.sleep(3600)
        return how
