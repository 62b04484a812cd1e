"""Models written for Triton's Python backend, with its ``triton_python_backend_utils``.

The interface: https://github.com/triton-inference-server/python_backend/blob/main/README.md
"""
