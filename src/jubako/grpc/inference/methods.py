"""All methods of the service, by their names."""

from __future__ import annotations

from typing import Final, TypeVar

from google.protobuf.message import Message

from jubako.access.scope import ADMIN, ANY_KEY, INFER, METRICS, OPEN, SERVER_ADMIN, Access
from jubako.dataplane.protocol import Plane
from jubako.grpc.inference import management, models, shared_memory
from jubako.grpc.inference.infer import Inference
from jubako.grpc.inference.observation import TraceMethods, log_settings
from jubako.grpc.translation import Answer, unary
from jubako.grpc.transport.call import Method
from jubako.kserve.trace import Tracing
from jubako.protos import inference as pb

SERVICE: Final = "inference.GRPCInferenceService"

M = TypeVar("M", bound=Message)


def methods(plane: Plane, tracing: Tracing) -> list[Method]:
    def of(name: str, access: Access, kind: type[M], answer: Answer[M], *, probe: bool = False) -> Method:
        return unary(f"/{SERVICE}/{name}", kind, answer, plane, access, probe=probe)

    inference = Inference(plane)
    return [
        Method(f"/{SERVICE}/ModelInfer", INFER, unary=inference.infer),
        Method(f"/{SERVICE}/ModelStreamInfer", INFER, streaming=inference.stream_infer),
        of("ServerLive", OPEN, pb.ServerLiveRequest, management.server_live, probe=True),
        of("ServerReady", OPEN, pb.ServerReadyRequest, management.server_ready, probe=True),
        of("ServerMetadata", ANY_KEY, pb.ServerMetadataRequest, management.server_metadata),
        of("ModelReady", ANY_KEY, pb.ModelReadyRequest, models.model_ready, probe=True),
        of("ModelMetadata", ANY_KEY, pb.ModelMetadataRequest, models.model_metadata),
        of("ModelConfig", ANY_KEY, pb.ModelConfigRequest, models.model_config),
        of("ModelStatistics", METRICS, pb.ModelStatisticsRequest, models.model_statistics, probe=True),
        of("RepositoryIndex", ADMIN, pb.RepositoryIndexRequest, management.repository_index),
        of("RepositoryModelLoad", ADMIN, pb.RepositoryModelLoadRequest, management.repository_load),
        of("RepositoryModelUnload", ADMIN, pb.RepositoryModelUnloadRequest, management.repository_unload),
        of("SystemSharedMemoryStatus", SERVER_ADMIN, pb.SystemSharedMemoryStatusRequest, shared_memory.system_status),
        of("SystemSharedMemoryRegister", SERVER_ADMIN, pb.SystemSharedMemoryRegisterRequest, shared_memory.system_register),
        of("SystemSharedMemoryUnregister", SERVER_ADMIN, pb.SystemSharedMemoryUnregisterRequest, shared_memory.system_unregister),
        of("CudaSharedMemoryStatus", SERVER_ADMIN, pb.CudaSharedMemoryStatusRequest, shared_memory.cuda_status),
        of("CudaSharedMemoryRegister", SERVER_ADMIN, pb.CudaSharedMemoryRegisterRequest, shared_memory.cuda_register),
        of("CudaSharedMemoryUnregister", SERVER_ADMIN, pb.CudaSharedMemoryUnregisterRequest, shared_memory.cuda_unregister),
        of("TraceSetting", SERVER_ADMIN, pb.TraceSettingRequest, TraceMethods(tracing).trace_setting),
        of("LogSettings", SERVER_ADMIN, pb.LogSettingsRequest, log_settings),
    ]
