"""``python -m jubako`` is `jubako`."""

from jubako.cli.main import app

app(prog_name="jubako")
