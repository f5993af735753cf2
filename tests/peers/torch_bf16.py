"""PyTorch in bf16 as a peer of `rhea bench`.

Reads one request a line from standard input and answers each with one line of numbers, or `error: ...`:

    hello                                  -> number of threads
    product M N K TIMES                    -> seconds of one product (M, K) x (N, K)^T, over TIMES of them
    load HEADS KV_HEADS HEAD_DIM EPS THETA VISUAL_START FILE.safetensors  -> 0
    prefix ID ...                          -> 0; reads the rows that passes look back on
    pass ID ...                            -> seconds of one causal pass behind the prefix, visual logits of all rows
    logits ID ...                          -> visual logits of the last row of such a pass

Needs torch, numpy and safetensors. Weights and activations are bf16; norms and the softmax are computed as PyTorch does.
"""

import os
import sys
import time

import torch
import torch.nn.functional as F

BF16 = torch.bfloat16


class Model:
    def __init__(self, heads, kv_heads, head_dim, eps, theta, visual_start, path):
        from safetensors.torch import load_file

        self.heads, self.kv_heads, self.head_dim = int(heads), int(kv_heads), int(head_dim)
        self.eps, self.theta = float(eps), float(theta)
        weights = {name: value.to(BF16) for name, value in load_file(path).items()}
        self.embed = weights["model.embed_tokens.weight"]
        self.head = weights["lm_head.weight"][int(visual_start) :].contiguous()
        self.norm = weights["model.norm.weight"]
        count = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("model.layers."))
        self.layers = []
        for i in range(count):
            prefix = f"model.layers.{i}."
            layer = {name[len(prefix) :]: value for name, value in weights.items() if name.startswith(prefix)}
            self.layers.append(layer)
        self.cache = [None] * count
        self.length = 0

    def rms(self, x, weight):
        return F.rms_norm(x, (x.shape[-1],), weight, self.eps)

    def rotate(self, x, start):
        """Halves of a head turn together: the pairs are (i, i + head_dim / 2)."""
        positions = torch.arange(start, start + x.shape[1], dtype=torch.float32)
        steps = torch.arange(0, self.head_dim, 2, dtype=torch.float32) / self.head_dim
        angles = torch.outer(positions, self.theta**-steps)
        cos, sin = angles.cos().to(BF16), angles.sin().to(BF16)
        first, second = x.chunk(2, dim=-1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)

    def run(self, ids, keep):
        x = F.embedding(torch.tensor(ids), self.embed)
        rows = len(ids)
        mask = torch.ones(rows, self.length + rows, dtype=torch.bool).tril(self.length)
        for i, layer in enumerate(self.layers):
            h = self.rms(x, layer["input_layernorm.weight"])

            def split(name, heads):
                return F.linear(h, layer[f"self_attn.{name}_proj.weight"]).view(rows, heads, -1).transpose(0, 1)

            q = self.rms(split("q", self.heads), layer["self_attn.q_norm.weight"])
            k = self.rms(split("k", self.kv_heads), layer["self_attn.k_norm.weight"])
            v = split("v", self.kv_heads)
            q, k = self.rotate(q, self.length), self.rotate(k, self.length)
            if self.cache[i] is not None:
                k, v = torch.cat((self.cache[i][0], k), dim=1), torch.cat((self.cache[i][1], v), dim=1)
            if keep:
                self.cache[i] = (k, v)
            attended = F.scaled_dot_product_attention(
                q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), attn_mask=mask, enable_gqa=True
            )
            attended = attended.squeeze(0).transpose(0, 1).reshape(rows, -1)
            x = x + F.linear(attended, layer["self_attn.o_proj.weight"])
            h = self.rms(x, layer["post_attention_layernorm.weight"])
            gate = F.silu(F.linear(h, layer["mlp.gate_proj.weight"]))
            x = x + F.linear(gate * F.linear(h, layer["mlp.up_proj.weight"]), layer["mlp.down_proj.weight"])
        if keep:
            self.length += rows
            return None
        return F.linear(self.rms(x, self.norm), self.head)


def product(m, n, k, times):
    x, w = torch.randn(m, k).to(BF16), torch.randn(n, k).to(BF16)
    F.linear(x, w)
    began = time.perf_counter()
    for _ in range(times):
        F.linear(x, w)
    return (time.perf_counter() - began) / times


def answer(state, words):
    name, rest = words[0], words[1:]
    if name == "hello":
        return [torch.get_num_threads()]
    if name == "product":
        return [product(*(int(word) for word in rest))]
    if name == "load":
        state["model"] = Model(*rest)
        return [0]
    model, ids = state["model"], [int(word) for word in rest]
    if name == "prefix":
        model.run(ids, keep=True)
        return [0]
    if name == "pass":
        began = time.perf_counter()
        model.run(ids, keep=False)
        return [time.perf_counter() - began]
    if name == "logits":
        return model.run(ids, keep=False)[-1].float().tolist()
    raise ValueError(f"unknown request {name}")


def main():
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    state = {}
    with torch.inference_mode():
        for line in sys.stdin:
            try:
                print(*answer(state, line.split()), flush=True)
            except Exception as error:  # the other side wants every failure as an answer
                print(f"error: {type(error).__name__}: {' '.join(str(error).split())}", flush=True)


if __name__ == "__main__":
    main()
