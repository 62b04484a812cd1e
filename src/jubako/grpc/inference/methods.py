"""All methods of the service, by their names."""

from __future__ import annotations

from typing import Final, TypeVar

from google.protobuf.message import Message

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
    def of(name: str, kind: type[M], answer: Answer[M], *, probe: bool = False) -> Method:
        return unary(f"/{SERVICE}/{name}", kind, answer, plane, probe=probe)

    inference = Inference(plane)
    return [
        Method(f"/{SERVICE}/ModelInfer", unary=inference.infer),
        Method(f"/{SERVICE}/ModelStreamInfer", streaming=inference.stream_infer),
        of("ServerLive", pb.ServerLiveRequest, management.server_live, probe=True),
        of("ServerReady", pb.ServerReadyRequest, management.server_ready, probe=True),
        of("ServerMetadata", pb.ServerMetadataRequest, management.server_metadata),
        of("ModelReady", pb.ModelReadyRequest, models.model_ready, probe=True),
        of("ModelMetadata", pb.ModelMetadataRequest, models.model_metadata),
        of("ModelConfig", pb.ModelConfigRequest, models.model_config),
        of("ModelStatistics", pb.ModelStatisticsRequest, models.model_statistics, probe=True),
        of("RepositoryIndex", pb.RepositoryIndexRequest, management.repository_index),
        of("RepositoryModelLoad", pb.RepositoryModelLoadRequest, management.repository_load),
        of("RepositoryModelUnload", pb.RepositoryModelUnloadRequest, management.repository_unload),
        of("SystemSharedMemoryStatus", pb.SystemSharedMemoryStatusRequest, shared_memory.system_status),
        of("SystemSharedMemoryRegister", pb.SystemSharedMemoryRegisterRequest, shared_memory.system_register),
        of("SystemSharedMemoryUnregister", pb.SystemSharedMemoryUnregisterRequest, shared_memory.system_unregister),
        of("CudaSharedMemoryStatus", pb.CudaSharedMemoryStatusRequest, shared_memory.cuda_status),
        of("CudaSharedMemoryRegister", pb.CudaSharedMemoryRegisterRequest, shared_memory.cuda_register),
        of("CudaSharedMemoryUnregister", pb.CudaSharedMemoryUnregisterRequest, shared_memory.cuda_unregister),
        of("TraceSetting", pb.TraceSettingRequest, TraceMethods(tracing).trace_setting),
        of("LogSettings", pb.LogSettingsRequest, log_settings),
    ]
