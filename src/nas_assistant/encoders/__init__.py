"""Encoders turn a computational graph into one vector."""

from nas_assistant.encoders._attention import NodeAttention
from nas_assistant.encoders._embed import embed_arrays
from nas_assistant.encoders._encoder import EncoderConfig, GraphEncoder
from nas_assistant.encoders._features import (
    CATEGORIES,
    CATEGORY_SIZES,
    MASKED,
    MOST_KERNEL,
    MOST_STRIDE,
    SIZES,
    GraphArrays,
    GraphBatch,
    graph_size,
    mask_batch,
    widen_batch,
)
from nas_assistant.encoders._gin import sum_messages
from nas_assistant.encoders._kin import adopt_kin
from nas_assistant.encoders._losses import (
    NodeDecoder,
    contrastive_loss,
    reconstruction_loss,
    spectral_soft_labels,
    temperature_at,
)
from nas_assistant.encoders._spectrum import laplacian_spectrum
from nas_assistant.encoders._structure import STRUCTURE

__all__ = [
    "sum_messages",
    "NodeAttention",
    "CATEGORIES",
    "CATEGORY_SIZES",
    "MASKED",
    "MOST_KERNEL",
    "MOST_STRIDE",
    "SIZES",
    "STRUCTURE",
    "EncoderConfig",
    "GraphArrays",
    "GraphBatch",
    "GraphEncoder",
    "NodeDecoder",
    "adopt_kin",
    "contrastive_loss",
    "embed_arrays",
    "graph_size",
    "laplacian_spectrum",
    "mask_batch",
    "reconstruction_loss",
    "spectral_soft_labels",
    "temperature_at",
    "widen_batch",
]
