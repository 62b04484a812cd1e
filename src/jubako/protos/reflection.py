# Made by `make protos` from protos/grpc/reflection/v1/. Change those instead.

"""The messages of ``protos/grpc/reflection/v1/``."""

from jubako.protos.pool import message

ErrorResponse = message("grpc.reflection.v1.ErrorResponse")
ExtensionNumberResponse = message("grpc.reflection.v1.ExtensionNumberResponse")
ExtensionRequest = message("grpc.reflection.v1.ExtensionRequest")
FileDescriptorResponse = message("grpc.reflection.v1.FileDescriptorResponse")
ListServiceResponse = message("grpc.reflection.v1.ListServiceResponse")
ServerReflectionRequest = message("grpc.reflection.v1.ServerReflectionRequest")
ServerReflectionResponse = message("grpc.reflection.v1.ServerReflectionResponse")
ServiceResponse = message("grpc.reflection.v1.ServiceResponse")
