"""Asks two models at once, and sums the answers of a decoupled one."""

import asyncio

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    async def execute(self, requests):
        return [await self.answer(request) for request in requests]

    async def answer(self, request):
        value = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
        ones = [
            pb_utils.InferenceRequest(
                model_name="add_sub",
                requested_output_names=["OUTPUT0"],
                inputs=[
                    pb_utils.Tensor("INPUT0", np.full((1, 4), value[0] + each, np.float32)),
                    pb_utils.Tensor("INPUT1", np.ones((1, 4), np.float32)),
                ],
            ).async_exec()
            for each in range(2)
        ]
        squares = pb_utils.InferenceRequest(
            model_name="square", requested_output_names=["OUT"], inputs=[pb_utils.Tensor("IN", value)]
        )
        responses = await asyncio.gather(*ones)
        total = 0
        for response in await squares.async_exec(decoupled=True):
            if response.has_error():
                raise pb_utils.TritonModelException(response.error().message())
            total += int(pb_utils.get_output_tensor_by_name(response, "OUT").as_numpy()[0])
        sums = [float(pb_utils.get_output_tensor_by_name(response, "OUTPUT0").as_numpy()[0, 0]) for response in responses]
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("SUM", np.array([total], np.int32)), pb_utils.Tensor("SUMS", np.array(sums, np.float32))]
        )
