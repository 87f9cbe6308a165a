"""Nine models of nine kinds with seeded random weights, as workloads; each takes 1 to 60 ms a call on one core.

The packages that some come from (`torchvision`, `transformers`, `timm`) are imported by the function that needs them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from pricebench.workload import HOUSE_PRICES, Workload, from_example

T = TypeVar("T")

NAMES = (
    HOUSE_PRICES,
    "evidence.models:resnet18",
    "evidence.models:mobilenet_v3_small",
    "evidence.models:bert",
    "evidence.models:gpt2",
    "evidence.models:vit_tiny",
    "evidence.models:lstm",
    "evidence.models:dlrm",
    "evidence.models:graph_network",
)
"""All nine, as `--workload` takes them."""

_WORDS = 1000


def _seeded(make: Callable[[], T]) -> T:
    """Run with a seed of its own, and leave the caller's random numbers alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def _batches(full: int, residual: int, **others: int) -> dict[str, dict[str, int]]:
    return {name: {"batch": rows, **others} for name, rows in (("full", full), ("residual", residual), ("single", 1))}


# ---- images --------------------------------------------------------------------------------------------------------


def resnet18() -> Workload:
    """Convolutions, batch norm and additions: torchvision's ResNet-18 on images of 64 x 64."""
    from torchvision.models import resnet18 as make  # noqa: PLC0415 - seconds, and not needed by the others

    return from_example(
        "resnet18",
        _seeded(lambda: make(weights=None)),
        _seeded(lambda: torch.randn(8, 3, 64, 64)),
        dims={"batch": 0},
        shapes=_batches(8, 5),
        loss=nn.functional.cross_entropy,
        targets=torch.arange(8) * 100,
    )


def mobilenet_v3_small() -> Workload:
    """Convolutions by channel, squeezes and hard functions: torchvision's MobileNet v3 on images of 128 x 128."""
    from torchvision.models import mobilenet_v3_small as make  # noqa: PLC0415

    return from_example(
        "mobilenet_v3_small",
        _seeded(lambda: make(weights=None)),
        _seeded(lambda: torch.randn(8, 3, 128, 128)),
        dims={"batch": 0},
        shapes=_batches(8, 5),
    )


def vit_tiny() -> Workload:
    """Attention over patches: timm's ViT tiny on images of 96 x 96, four of its twelve layers."""
    import timm  # noqa: PLC0415

    make = lambda: timm.create_model("vit_tiny_patch16_224", pretrained=False, img_size=96, depth=4)  # noqa: E731
    return from_example(
        "vit_tiny",
        _seeded(make),
        _seeded(lambda: torch.randn(8, 3, 96, 96)),
        dims={"batch": 0},
        shapes=_batches(8, 5),
    )


# ---- language ------------------------------------------------------------------------------------------------------


def bert() -> Workload:
    """Attention in both directions, some rows padded: a BERT of transformers, two layers of 128."""
    from transformers import BertConfig, BertModel  # noqa: PLC0415

    config = BertConfig(
        vocab_size=_WORDS,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=128,
        use_cache=False,
    )
    length_N = torch.tensor([64, 40, 64, 17, 52, 64, 33, 60])
    mask_NS = (torch.arange(64) < length_N[:, None]).long()
    words_NS = _seeded(lambda: torch.randint(_WORDS, (8, 64)))
    return from_example(
        "bert",
        _seeded(lambda: BertModel(config)),
        {"input_ids": words_NS, "attention_mask": mask_NS},
        dims={name: {0: "batch", 1: "sequence"} for name in ("input_ids", "attention_mask")},
        shapes=_batches(8, 5, sequence=64),
    )


def gpt2() -> Workload:
    """Attention to what came before, and a score for each word: a GPT-2 of transformers, two layers of 128."""
    from transformers import GPT2Config, GPT2LMHeadModel  # noqa: PLC0415

    config = GPT2Config(
        vocab_size=_WORDS,
        n_positions=128,
        n_embd=128,
        n_layer=2,
        n_head=4,
        use_cache=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    return from_example(
        "gpt2",
        _seeded(lambda: GPT2LMHeadModel(config)),
        {"input_ids": _seeded(lambda: torch.randint(_WORDS, (8, 64)))},
        dims={"input_ids": {0: "batch", 1: "sequence"}},
        shapes=_batches(8, 5, sequence=64),
    )


# ---- sequences -----------------------------------------------------------------------------------------------------


class Recurrent(nn.Module):
    """Two layers of LSTM and a linear head on the last step."""

    def __init__(self, num_features: int = 32, hidden: int = 128) -> None:
        super().__init__()
        self.lstm = nn.LSTM(num_features, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x_NSF: Tensor) -> Tensor:
        """`(N, S, F)` to `(N, 1)`."""
        hidden_NSH, _ = self.lstm(x_NSF)
        return self.head(hidden_NSH[:, -1])


def lstm() -> Workload:
    """One step after another: two layers of LSTM over 64 steps."""
    return from_example(
        "lstm",
        _seeded(Recurrent),
        _seeded(lambda: torch.randn(16, 64, 32)),
        dims={"0": {0: "batch", 1: "sequence"}},
        shapes=_batches(16, 9, sequence=64),
        loss=nn.functional.mse_loss,
        targets=torch.linspace(-1.0, 1.0, 16)[:, None],
    )


# ---- recommendation ------------------------------------------------------------------------------------------------


class Recommender(nn.Module):
    """Naumov et al., 2019 (arXiv:1906.00091): sums of embeddings, a dense MLP, dot products of all pairs, an MLP."""

    def __init__(self, num_dense: int = 13, num_tables: int = 8, num_rows: int = 10_000, width: int = 32) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(num_rows, width, mode="sum") for _ in range(num_tables))
        self.bottom = nn.Sequential(nn.Linear(num_dense, 128), nn.ReLU(), nn.Linear(128, width), nn.ReLU())
        num_vectors = num_tables + 1
        first, second = torch.tril_indices(num_vectors, num_vectors, offset=-1)
        self.register_buffer("first", first)
        self.register_buffer("second", second)
        num_pairs = num_vectors * (num_vectors - 1) // 2
        self.top = nn.Sequential(
            nn.Linear(width + num_pairs, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 1)
        )

    def forward(self, dense_ND: Tensor, sparse_NTK: Tensor) -> Tensor:
        """Numbers `(N, D)` and the K chosen rows of T tables `(N, T, K)` to a logit `(N, 1)`."""
        dense_NW = self.bottom(dense_ND)
        vectors = [dense_NW]
        for number, table in enumerate(self.tables):
            vectors.append(table(sparse_NTK[:, number]))
        vectors_NVW = torch.stack(vectors, 1)
        products_NVV = torch.bmm(vectors_NVW, vectors_NVW.transpose(1, 2))
        pairs_NP = products_NVV[:, self.first, self.second]
        return self.top(torch.cat([dense_NW, pairs_NP], 1))


def dlrm() -> Workload:
    """Look-ups in tables, and small matrices: a recommender in the manner of DLRM on 512 visits."""
    visits = 512
    dense_ND = _seeded(lambda: torch.rand(visits, 13))
    sparse_NTK = _seeded(lambda: torch.randint(10_000, (visits, 8, 4)))
    clicks_N1 = (torch.arange(visits) % 4 == 0).float()[:, None]
    return from_example(
        "dlrm",
        _seeded(Recommender),
        (dense_ND, sparse_NTK),
        dims={"batch": 0},
        shapes=_batches(visits, 307),
        loss=nn.functional.binary_cross_entropy_with_logits,
        targets=clicks_N1,
    )


# ---- control flow that depends on values -----------------------------------------------------------------------------


class Round(nn.Module):
    """Each node sums what its neighbours send, and changes its state by it."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.message = nn.Linear(hidden, hidden)
        self.update = nn.Linear(hidden, hidden)

    def forward(self, start_NVH: Tensor, state_NVH: Tensor, source_NE: Tensor, target_NE: Tensor) -> Tensor:
        """The new states `(N, V, H)`; both ends of an edge are `(N, E)`."""
        from_NEH = source_NE.unsqueeze(-1).expand(-1, -1, state_NVH.size(2))
        to_NEH = target_NE.unsqueeze(-1).expand(-1, -1, state_NVH.size(2))
        message_NEH = torch.relu(self.message(state_NVH)).gather(1, from_NEH)
        received_NVH = torch.zeros_like(state_NVH).scatter_add(1, to_NEH, message_NEH)
        edges_per_node = source_NE.size(1) / state_NVH.size(1)
        return torch.tanh(start_NVH + self.update(received_NVH / edges_per_node))


class GraphNetwork(nn.Module):
    """Nodes send messages along edges until their states settle, or four times."""

    def __init__(self, num_features: int = 16, hidden: int = 64, max_rounds: int = 4, settled: float = 0.005) -> None:
        super().__init__()
        self.encode = nn.Linear(num_features, hidden)
        self.round = Round(hidden)
        self.head = nn.Linear(hidden, 1)
        self.max_rounds = max_rounds
        self.settled = settled

    def forward(self, x_NVF: Tensor, source_NE: Tensor, target_NE: Tensor) -> Tensor:
        """N graphs of V nodes and E edges: features, and the two ends of each edge, to `(N, 1)`."""
        start_NVH = self.encode(x_NVF)
        state_NVH = torch.tanh(start_NVH)
        for _ in range(self.max_rounds):
            new_NVH = self.round(start_NVH, state_NVH, source_NE, target_NE)
            change = (new_NVH - state_NVH).abs().mean()
            state_NVH = new_NVH
            # How many rounds there are depends on the values: a graph of operators cannot say so.
            if change < self.settled:
                break
        return self.head(state_NVH.mean(1))


def graph_network() -> Workload:
    """Control flow that depends on values: messages along 192 edges until 64 nodes settle."""
    graphs, nodes, edges = 16, 64, 192
    example = _seeded(
        lambda: (
            torch.randn(graphs, nodes, 16),
            torch.randint(nodes, (graphs, edges)),
            torch.randint(nodes, (graphs, edges)),
        )
    )
    return from_example("graph_network", _seeded(GraphNetwork), example, dims={"batch": 0}, shapes=_batches(graphs, 9))
