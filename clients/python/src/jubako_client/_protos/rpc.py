# Made by clients/python/generate.py from clients/python/protos/rpc.proto. Change that instead.

"""What an error says beside its sentence."""

from jubako_client._protos.pool import message

BadRequest = message("jubako_client.rpc.BadRequest")
ErrorInfo = message("jubako_client.rpc.ErrorInfo")
RetryInfo = message("jubako_client.rpc.RetryInfo")
Status = message("jubako_client.rpc.Status")
