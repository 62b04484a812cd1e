"""The one path of a request: find the model, choose an instance, ask it over the channel, pass on the answer."""
