"""What transformers itself computes: the greedy continuation of a prompt, with the log probability of each token, as JSON.

``python hf_logprobs.py FOLDER PROMPT TOKENS``, in an environment that has transformers.
"""

from __future__ import annotations

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, prompt, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
tokens = tokenizer(prompt)["input_ids"]
answer = []
with torch.no_grad():
    for _ in range(count):
        logprobs = torch.log_softmax(model(torch.tensor([tokens])).logits[0, -1], dim=-1)
        tokens.append(int(logprobs.argmax()))
        answer.append([tokenizer.decode(tokens[-1]), float(logprobs[tokens[-1]])])
sys.stdout.write(json.dumps(answer))
