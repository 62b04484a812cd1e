# Made by `make protos` from protos/grpc/health/v1/. Change those instead.

"""The messages of ``protos/grpc/health/v1/``."""

from jubako.protos.pool import message

HealthCheckRequest = message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = message("grpc.health.v1.HealthCheckResponse")
