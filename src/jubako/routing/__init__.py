"""Which instance answers: names, the runner's word, and the channels to whoever is ready. Gateways and instances use it."""
