"""The logging extension: which lines this process of the server writes to its log.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_logging.md
"""

from __future__ import annotations

import logging

from msgspec import Struct

from jubako.errors import Unsupported


class LogSettings(Struct, frozen=True, kw_only=True):
    """What is in force. Levels are nested here: errors are written wherever warnings are, and warnings wherever info is."""

    log_file: str = ""
    log_info: bool
    log_warning: bool
    log_error: bool
    log_verbose_level: int
    log_format: str = "default"

    @classmethod
    def now(cls) -> LogSettings:
        level = logging.getLogger().level
        return cls(
            log_info=level <= logging.INFO,
            log_warning=level <= logging.WARNING,
            log_error=level <= logging.ERROR,
            log_verbose_level=int(level <= logging.DEBUG),
        )

    def apply(self) -> None:
        """Have this process write so; the least severe level that is wanted decides.

        Raises:
            Unsupported: the file or the form of the log is another.
        """
        if self.log_file:
            raise Unsupported("The log goes to stderr; 'log_file' can't be set.", param="log_file")
        if self.log_format != "default":
            raise Unsupported(
                "The form of log lines is set when the server starts: jubako serve --log-format text or json.", param="log_format"
            )
        wanted = [
            (logging.DEBUG, self.log_verbose_level),
            (logging.INFO, self.log_info),
            (logging.WARNING, self.log_warning),
            (logging.ERROR, self.log_error),
        ]
        logging.getLogger().setLevel(next((level for level, asked in wanted if asked), logging.CRITICAL))
